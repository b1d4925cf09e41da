//! Frames: everything on a connection is a four-byte header and a body.
//!
//! The header is the kind (u8) and the length of the body (u24). Data frames of a round have a
//! size that follows from the [`RoundShape`] alone, so that a frame's size never says what is in
//! it; control frames are MessagePack and have an upper limit. What a side accepts is checked on
//! the header, before a single byte of the body is kept.

mod buffer;

use thiserror::Error;

pub use buffer::{FrameBuffer, Whole};

use crate::codec::{DecodeError, Reader};
use crate::params::{MAX_HOPS, Round, RoundShape};

/// Bytes of a header.
pub const HEADER_LEN: usize = 4;
/// The longest control frame.
pub const CONTROL_MAX: usize = 4096;
/// Bytes of a batch in one chunk, on a link between hops.
pub const CHUNK_LEN: usize = 64 * 1024;
/// Body of an announcement: round u64, time left to collect in milliseconds u32.
pub const ANNOUNCEMENT_LEN: usize = 16;
/// Body of a batch head: round u64, slots u32, slot length u16.
pub const BATCH_HEAD_LEN: usize = 14;
/// Body of replies before the replies themselves: round u64, outcome u8, seven zero bytes.
pub const REPLIES_HEAD_LEN: usize = 16;
/// Body of a submission before the onions: round u64.
pub const SUBMISSION_HEAD_LEN: usize = 8;
/// Body of epoch keys before the keys: epoch u64, first hop u8, number of keys u8.
pub const EPOCH_KEYS_HEAD_LEN: usize = 10;
/// An epoch key and its signature in such a body.
pub const SIGNED_KEY_LEN: usize = 32 + 64;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// MessagePack, see [`control`](crate::control).
    Control = 0,
    /// Entry to client: a round collects now, or will soon.
    Announcement = 1,
    /// Client to entry: the onions of a round.
    Submission = 2,
    /// Entry to client: the replies of a round.
    Replies = 3,
    /// Hop to hop: a batch follows.
    BatchHead = 4,
    /// Hop to hop: a piece of a batch.
    Chunk = 5,
    /// Towards the clients, from hop to hop and from the entry: the onion keys of an epoch.
    EpochKeys = 6,
}

/// Which frames this side of a connection takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// The entry, from a client.
    FromClient(RoundShape),
    /// A client, from the entry.
    FromEntry(RoundShape),
    /// Either end of a link between hops.
    OnLink,
}

impl Accepts {
    fn allows(self, kind: Kind, len: usize) -> bool {
        match (self, kind) {
            (_, Kind::Control) => len <= CONTROL_MAX,
            (Self::FromClient(shape), Kind::Submission) => len == submission_len(shape),
            (Self::FromEntry(_), Kind::Announcement) => len == ANNOUNCEMENT_LEN,
            (Self::FromEntry(shape), Kind::Replies) => len == replies_len(shape),
            (Self::FromEntry(shape), Kind::EpochKeys) => len == epoch_keys_len(shape.hops().get()),
            (Self::OnLink, Kind::EpochKeys) => {
                (1..=MAX_HOPS).any(|keys| len == epoch_keys_len(keys))
            }
            (Self::OnLink, Kind::BatchHead) => len == BATCH_HEAD_LEN,
            (Self::OnLink, Kind::Chunk) => (1..=CHUNK_LEN).contains(&len),
            _ => false,
        }
    }
}

/// Why a frame was not taken. The connection cannot go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A kind that the protocol does not have.
    #[error("frames of kind {0} do not exist")]
    UnknownKind(u8),
    /// A kind that does not belong here, or a length that it cannot have.
    #[error("a frame of kind {kind:?} and {len} bytes does not belong here")]
    NotAllowed {
        /// The kind in the header.
        kind: Kind,
        /// The length in the header.
        len: usize,
    },
}

/// A parsed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// Bytes of its body.
    pub len: usize,
}

impl Header {
    /// Parses a header and checks it against what this side takes.
    ///
    /// # Errors
    /// [`FrameError`], after which nothing more can be read from the connection.
    pub fn parse(bytes: [u8; HEADER_LEN], accepts: Accepts) -> Result<Self, FrameError> {
        let [kind, a, b, c] = bytes;
        let kind = Kind::from_byte(kind).ok_or(FrameError::UnknownKind(kind))?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        if !accepts.allows(kind, len) {
            return Err(FrameError::NotAllowed { kind, len });
        }
        Ok(Self { kind, len })
    }

    /// Appends the header of a frame to `out`.
    pub(crate) fn put(kind: Kind, len: usize, out: &mut Vec<u8>) {
        let len = u32::try_from(len).expect("no frame is longer than a chunk");
        let [high, a, b, c] = len.to_be_bytes();
        debug_assert_eq!(high, 0, "no frame is longer than a chunk");
        out.extend_from_slice(&[kind as u8, a, b, c]);
    }
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Control,
            1 => Self::Announcement,
            2 => Self::Submission,
            3 => Self::Replies,
            4 => Self::BatchHead,
            5 => Self::Chunk,
            6 => Self::EpochKeys,
            _ => return None,
        })
    }
}

/// Body length of a submission.
#[must_use]
pub fn submission_len(shape: RoundShape) -> usize {
    SUBMISSION_HEAD_LEN + shape.onions() * shape.onion_len()
}

/// Body of an announcement of this many epoch keys.
#[must_use]
pub fn epoch_keys_len(keys: u8) -> usize {
    EPOCH_KEYS_HEAD_LEN + usize::from(keys) * SIGNED_KEY_LEN
}

/// Body length of replies.
#[must_use]
pub fn replies_len(shape: RoundShape) -> usize {
    REPLIES_HEAD_LEN + shape.onions() * shape.reply_len()
}

/// Entry to client: this round collects now, or will soon.
///
/// The next round is announced together with the replies of one that is over, where there is
/// time: that saves a record, and waking everybody up, in every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The round.
    pub round: Round,
    /// Milliseconds until submissions are taken: the client waits for so long, and then submits.
    pub opens_in_ms: u32,
    /// Milliseconds until it closes.
    pub closes_in_ms: u32,
}

impl Announcement {
    /// The whole frame.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN + ANNOUNCEMENT_LEN);
        Header::put(Kind::Announcement, ANNOUNCEMENT_LEN, &mut out);
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.opens_in_ms.to_be_bytes());
        out.extend_from_slice(&self.closes_in_ms.to_be_bytes());
        out
    }

    /// Parses a body.
    ///
    /// # Errors
    /// [`DecodeError`] if it does not have exactly the right length.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let round = Round(reader.u64()?);
        let (opens_in_ms, closes_in_ms) = (reader.u32()?, reader.u32()?);
        reader.finish()?;
        Ok(Self { round, opens_in_ms, closes_in_ms })
    }
}

/// Client to entry: the onions of a round, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission<'a> {
    /// The round they were sealed for.
    pub round: Round,
    /// [`RoundShape::onions`] onions of [`RoundShape::onion_len`] bytes.
    pub onions: &'a [u8],
}

impl<'a> Submission<'a> {
    /// The whole frame.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let len = SUBMISSION_HEAD_LEN + self.onions.len();
        let mut out = Vec::with_capacity(HEADER_LEN + len);
        Header::put(Kind::Submission, len, &mut out);
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(self.onions);
        out
    }

    /// Parses a body.
    ///
    /// # Errors
    /// [`DecodeError`] if it does not have exactly the length of the shape.
    pub fn decode(body: &'a [u8], shape: RoundShape) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let round = Round(reader.u64()?);
        let onions = reader.bytes(shape.onions() * shape.onion_len())?;
        reader.finish()?;
        Ok(Self { round, onions })
    }
}

/// How a round ended for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// The replies are from the chain.
    Delivered = 0,
    /// The submission came after the round had closed; take part in the next one.
    Late = 1,
    /// The round was lost on its way.
    Failed = 2,
}

/// Entry to client: what became of a submission. Every outcome has the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replies<'a> {
    /// The round of the submission.
    pub round: Round,
    /// How it ended.
    pub outcome: Outcome,
    /// [`RoundShape::onions`] replies of [`RoundShape::reply_len`] bytes, in the order of the
    /// onions; zero unless delivered.
    pub replies: &'a [u8],
}

impl<'a> Replies<'a> {
    /// Appends the whole frame to `out`: the entry writes many and keeps the buffer.
    pub fn put_frame(&self, out: &mut Vec<u8>) {
        Self::put_head(self.round, self.outcome, REPLIES_HEAD_LEN + self.replies.len(), out);
        out.extend_from_slice(self.replies);
    }

    /// Appends a frame that says that there are no replies, as long as one that has them.
    pub fn put_without(round: Round, outcome: Outcome, shape: RoundShape, out: &mut Vec<u8>) {
        let end = out.len() + HEADER_LEN + replies_len(shape);
        Self::put_head(round, outcome, replies_len(shape), out);
        out.resize(end, 0);
    }

    fn put_head(round: Round, outcome: Outcome, len: usize, out: &mut Vec<u8>) {
        Header::put(Kind::Replies, len, out);
        out.extend_from_slice(&round.to_be_bytes());
        out.push(outcome as u8);
        out.extend_from_slice(&[0; 7]);
    }

    /// Parses a body.
    ///
    /// # Errors
    /// [`DecodeError`] if the length, the outcome or a reserved byte is wrong.
    pub fn decode(body: &'a [u8], shape: RoundShape) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let round = Round(reader.u64()?);
        let outcome = match reader.u8()? {
            0 => Outcome::Delivered,
            1 => Outcome::Late,
            2 => Outcome::Failed,
            _ => return Err(DecodeError::BadValue("outcome")),
        };
        if reader.array::<7>()? != [0; 7] {
            return Err(DecodeError::BadValue("reserved"));
        }
        let replies = reader.bytes(shape.onions() * shape.reply_len())?;
        reader.finish()?;
        Ok(Self { round, outcome, replies })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::Hops;
    use proptest::prelude::*;

    fn shape() -> RoundShape {
        RoundShape::new(Hops::new(3).unwrap(), 1).unwrap()
    }

    fn body_of(frame: &[u8], accepts: Accepts) -> &[u8] {
        let (head, body) = frame.split_first_chunk().unwrap();
        assert_eq!(Header::parse(*head, accepts).unwrap().len, body.len());
        body
    }

    proptest! {
        #[test]
        fn announcements_round_trip(round: u64, opens_in_ms: u32, closes_in_ms: u32) {
            let round = Round(round);
            let announcement = Announcement { round, opens_in_ms, closes_in_ms };
            let frame = announcement.to_frame();
            let body = body_of(&frame, Accepts::FromEntry(shape()));
            prop_assert_eq!(Announcement::decode(body), Ok(announcement));
            prop_assert!(Announcement::decode(&body[1..]).is_err());
        }

        #[test]
        fn submissions_round_trip(round: u64, fill: u8) {
            let onions = vec![fill; shape().onions() * shape().onion_len()];
            let submission = Submission { round: Round(round), onions: &onions };
            let frame = submission.to_frame();
            let body = body_of(&frame, Accepts::FromClient(shape()));
            prop_assert_eq!(Submission::decode(body, shape()), Ok(submission));
            prop_assert!(Submission::decode(&body[1..], shape()).is_err());
        }

        #[test]
        fn replies_round_trip(round: u64, fill: u8) {
            let replies = vec![fill; shape().onions() * shape().reply_len()];
            let sent = Replies { round: Round(round), outcome: Outcome::Delivered, replies: &replies };
            let mut frame = Vec::new();
            sent.put_frame(&mut frame);
            let body = body_of(&frame, Accepts::FromEntry(shape()));
            prop_assert_eq!(Replies::decode(body, shape()), Ok(sent));
        }

        #[test]
        fn decoders_take_anything_without_panic(bytes: Vec<u8>, head: [u8; 4]) {
            let _ = Announcement::decode(&bytes);
            let _ = Submission::decode(&bytes, shape());
            let _ = Replies::decode(&bytes, shape());
            for accepts in [Accepts::FromClient(shape()), Accepts::FromEntry(shape()), Accepts::OnLink] {
                if let Ok(header) = Header::parse(head, accepts) {
                    prop_assert!(header.len <= CHUNK_LEN);
                }
            }
        }
    }

    #[test]
    fn every_outcome_has_the_same_size() {
        let replies = vec![1; shape().onions() * shape().reply_len()];
        let mut delivered = Vec::new();
        Replies { round: Round(1), outcome: Outcome::Delivered, replies: &replies }
            .put_frame(&mut delivered);
        for outcome in [Outcome::Late, Outcome::Failed] {
            let mut frame = vec![0xaa];
            Replies::put_without(Round(1), outcome, shape(), &mut frame);
            assert_eq!(frame.len() - 1, delivered.len());
            let body = body_of(&frame[1..], Accepts::FromEntry(shape()));
            assert_eq!(Replies::decode(body, shape()).unwrap().outcome, outcome);
        }
    }

    #[test]
    fn frames_that_do_not_belong_are_refused_by_their_header() {
        let from_client = Accepts::FromClient(shape());
        for head in [[0, 0, 0x10, 1], [1, 0, 0, 12], [2, 0, 0, 7], [5, 1, 0, 0], [9, 0, 0, 0]] {
            assert!(Header::parse(head, from_client).is_err());
        }
        assert!(Header::parse([5, 0, 0, 0], Accepts::OnLink).is_err());
        assert!(Header::parse([5, 1, 0, 1], Accepts::OnLink).is_err());
    }
}
