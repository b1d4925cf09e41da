//! The 400 signed bytes inside a message: what is said, and what has arrived.

use std::fmt;

use thiserror::Error;

use crate::codec::{DecodeError, Reader};
use crate::identity::directory::{HEAD_LEN, Head};

use super::stream::{StreamDigest, StreamId};

/// Bytes that one message can carry.
pub const BODY_LEN: usize = 320;

const FLAG_DONE: u8 = 1;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Only acknowledges; has no place in the stream.
    Idle = 0,
    /// A fragment of a text.
    Data = 1,
    /// The sender starts to talk.
    Begin = 2,
    /// The sender has nothing more to say.
    End = 3,
    /// As [`Kind::Idle`], and the body is the newest head of the directory that the sender knows.
    Head = 4,
}

impl Kind {
    /// Whether messages of this kind have a place in the stream.
    #[must_use]
    pub fn is_unit(self) -> bool {
        !matches!(self, Self::Idle | Self::Head)
    }
}

/// Numbers the texts of a sender, so that fragments find together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);

/// At most [`BODY_LEN`] bytes of text.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    bytes: [u8; BODY_LEN],
    len: u16,
}

/// More bytes than a body can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} bytes are more than the {BODY_LEN} of one message")]
pub struct BodyTooLong(pub usize);

impl Body {
    /// A body of these bytes.
    ///
    /// # Errors
    /// [`BodyTooLong`] if there are more than [`BODY_LEN`].
    pub fn new(text: &[u8]) -> Result<Self, BodyTooLong> {
        let mut bytes = [0; BODY_LEN];
        bytes.get_mut(..text.len()).ok_or(BodyTooLong(text.len()))?.copy_from_slice(text);
        let len = u16::try_from(text.len()).map_err(|_| BodyTooLong(text.len()))?;
        Ok(Self { bytes, len })
    }

    /// A body without bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self { bytes: [0; BODY_LEN], len: 0 }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// How many there are.
    pub(super) fn len(&self) -> u16 {
        self.len
    }

    /// The bytes, then zeros.
    pub(super) fn padded(&self) -> &[u8; BODY_LEN] {
        &self.bytes
    }
}

impl fmt::Debug for Body {
    /// What people say does not belong in any output of ours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len)
    }
}

/// The signed content of a message. Byte table: `PROTOCOL.md`, section "Peer messages".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it is for.
    pub kind: Kind,
    /// The sender has been heard out and has heard the peer out: it needs nothing more.
    pub done: bool,
    /// Place in the sender's stream; 0 for [`Kind::Idle`].
    pub seq: u32,
    /// The incarnation of the sender's stream, whatever the kind.
    pub stream: StreamId,
    /// The stream of the peer's that is acknowledged; `None` if none is known, and then nothing is.
    pub ack_stream: Option<StreamId>,
    /// What was in the units below `ack`.
    pub ack_digest: StreamDigest,
    /// The sender has everything of that stream below this.
    pub ack: u32,
    /// Bit `i` (least significant first): the sender also has `ack + 1 + i`.
    pub selective_ack: u32,
    /// Which text the body belongs to.
    pub message_id: MessageId,
    /// Which fragment of it this is, from 0.
    pub fragment_index: u16,
    /// How many fragments it has.
    pub fragment_count: u16,
    /// When it was written, milliseconds since the Unix epoch, by the sender's clock.
    pub sent_ms: u64,
    /// The sender's ratchet key; zero while sessions have no ratchet.
    pub ratchet: [u8; 32],
    /// The text.
    pub body: Body,
}

impl Content {
    /// A message that says nothing: to be filled in.
    #[must_use]
    pub fn idle() -> Self {
        Self {
            kind: Kind::Idle,
            done: false,
            seq: 0,
            stream: StreamId::UNSET,
            ack_stream: None,
            ack_digest: StreamDigest::default(),
            ack: 0,
            selective_ack: 0,
            message_id: MessageId(0),
            fragment_index: 0,
            fragment_count: 0,
            sent_ms: 0,
            ratchet: [0; 32],
            body: Body::empty(),
        }
    }

    /// A message that says nothing but what the sender knows of the directory.
    ///
    /// # Panics
    /// Never: a head is shorter than a body.
    #[must_use]
    pub fn of_head(head: &Head) -> Self {
        let body = Body::new(&head.to_bytes()).expect("a head is shorter than a body");
        Self { kind: Kind::Head, body, ..Self::idle() }
    }

    /// The head that it carries. Nobody has looked at its signature.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        (self.kind == Kind::Head).then(|| Head::from_bytes(self.body.as_bytes()).ok()).flatten()
    }

    /// Writes the content to `out`, which has exactly its length.
    pub(super) fn encode(&self, out: &mut [u8]) {
        let ack_stream = self.ack_stream.map_or(0, |stream| stream.0.get());
        let fields: [&[u8]; 15] = [
            &[self.kind as u8],
            &[if self.done { FLAG_DONE } else { 0 }],
            &self.body.len.to_be_bytes(),
            &self.seq.to_be_bytes(),
            &self.ack.to_be_bytes(),
            &self.selective_ack.to_be_bytes(),
            &self.message_id.0.to_be_bytes(),
            &self.fragment_index.to_be_bytes(),
            &self.fragment_count.to_be_bytes(),
            &self.sent_ms.to_be_bytes(),
            &self.stream.0.get().to_be_bytes(),
            &ack_stream.to_be_bytes(),
            &self.ack_digest.0,
            &self.ratchet,
            &self.body.bytes,
        ];
        let mut at = 0;
        for field in fields {
            out[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        }
        debug_assert_eq!(at, out.len());
    }

    /// Parses the content of a message whose signature fits.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let kind = Kind::from_byte(reader.u8()?)?;
        let done = match reader.u8()? {
            0 => false,
            FLAG_DONE => true,
            _ => return Err(DecodeError::BadValue("flags")),
        };
        let len = reader.u16()?;
        let content = Self {
            kind,
            done,
            seq: reader.u32()?,
            ack: reader.u32()?,
            selective_ack: reader.u32()?,
            message_id: MessageId(reader.u32()?),
            fragment_index: reader.u16()?,
            fragment_count: reader.u16()?,
            sent_ms: reader.u64()?,
            stream: StreamId::new(reader.u32()?).ok_or(DecodeError::BadValue("stream"))?,
            ack_stream: StreamId::new(reader.u32()?),
            ack_digest: StreamDigest(reader.array()?),
            ratchet: reader.array()?,
            body: Body { bytes: reader.array()?, len },
        };
        reader.finish()?;
        content.check()
    }

    fn check(self) -> Result<Self, DecodeError> {
        let rest = self.body.bytes.get(usize::from(self.body.len)..);
        if rest.is_none_or(|rest| rest.iter().any(|&byte| byte != 0)) {
            return Err(DecodeError::BadValue("body"));
        }
        let fragments = match self.kind {
            Kind::Data => self.fragment_index < self.fragment_count,
            _ => self.fragment_index == 0 && self.fragment_count == 0,
        };
        let carries = match self.kind {
            Kind::Data => true,
            Kind::Head => usize::from(self.body.len) == HEAD_LEN,
            _ => self.body.len == 0,
        };
        if !carries {
            return Err(DecodeError::BadValue("body"));
        }
        if !fragments {
            return Err(DecodeError::BadValue("fragment"));
        }
        let acknowledges =
            self.ack != 0 || self.selective_ack != 0 || self.ack_digest != StreamDigest::default();
        if self.ack_stream.is_none() && acknowledges {
            return Err(DecodeError::BadValue("acknowledged stream"));
        }
        Ok(self)
    }
}

impl Kind {
    fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        Ok(match byte {
            0 => Self::Idle,
            1 => Self::Data,
            2 => Self::Begin,
            3 => Self::End,
            4 => Self::Head,
            _ => return Err(DecodeError::BadValue("kind")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::directory::EntryHash;
    use crate::peer_message::SIGNED_LEN;
    use proptest::prelude::*;
    use std::num::NonZeroU32;

    proptest! {
        #[test]
        fn contents_round_trip(
            (seq, ack, selective_ack, id) in any::<(u32, u32, u32, u32)>(),
            (fragment_index, more) in any::<(u16, u16)>(),
            (sent_ms, ratchet, done) in any::<(u64, [u8; 32], bool)>(),
            (stream, ack_stream, digest) in any::<(NonZeroU32, NonZeroU32, [u8; 8])>(),
            text in prop::collection::vec(any::<u8>(), 0..=BODY_LEN),
        ) {
            let fragment_index = fragment_index.min(u16::MAX - 1);
            let content = Content {
                kind: Kind::Data, done, seq, ack, selective_ack,
                message_id: MessageId(id),
                fragment_index,
                fragment_count: fragment_index.saturating_add(more).max(fragment_index + 1),
                stream: StreamId(stream),
                ack_stream: Some(StreamId(ack_stream)),
                ack_digest: StreamDigest(digest),
                sent_ms, ratchet,
                body: Body::new(&text).unwrap(),
            };
            let mut bytes = [0; SIGNED_LEN];
            content.encode(&mut bytes);
            prop_assert_eq!(Content::decode(&bytes), Ok(content));
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(
            mut bytes in prop::collection::vec(any::<u8>(), SIGNED_LEN), kind in 0u8..6, len in 0u16..400,
        ) {
            bytes[0] = kind;
            bytes[1] &= 1;
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[80 + usize::from(len).min(BODY_LEN)..].fill(0);
            if let Ok(content) = Content::decode(&bytes) {
                let mut again = [0; SIGNED_LEN];
                content.encode(&mut again);
                prop_assert_eq!(&again[..], &bytes[..]);
            }
        }
    }

    #[test]
    fn a_head_travels_as_the_body_and_fills_it_as_it_should() {
        let hash = EntryHash([7; 32]);
        let head = Head { entries: 3, hash, time_s: 9, signature: [8; 64] };
        let mut bytes = [0; SIGNED_LEN];
        Content::of_head(&head).encode(&mut bytes);
        assert_eq!(Content::decode(&bytes).unwrap().head(), Some(head));
        assert_eq!(Content::idle().head(), None);
        for len in [0, HEAD_LEN - 1, HEAD_LEN + 1] {
            let mut bad = bytes;
            bad[2..4].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            bad[80 + len.min(HEAD_LEN)..].fill(0);
            assert!(Content::decode(&bad).is_err(), "{len}");
        }
        for at in [21, 23] {
            let mut bad = bytes;
            bad[at] = 1;
            assert!(Content::decode(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn bodies_have_a_limit_and_do_not_print() {
        assert_eq!(Body::new(&[0; 321]), Err(BodyTooLong(321)));
        assert_eq!(format!("{:?}", Body::new(b"secret").unwrap()), "Body(6 bytes)");
    }

    #[test]
    fn hidden_bytes_and_impossible_fragments_are_refused() {
        let mut bytes = [0; SIGNED_LEN];
        Content::idle().encode(&mut bytes);
        assert!(Content::decode(&bytes).is_ok());
        for (at, value) in [
            (0, 5),
            (0, 4),
            (1, 2),
            (3, 1),
            (2, 2),
            (21, 1),
            (23, 1),
            (SIGNED_LEN - 1, 1),
            // No stream; an acknowledgement of none.
            (35, 0),
            (11, 1),
            (15, 1),
            (47, 1),
        ] {
            let mut bad = bytes;
            bad[at] = value;
            assert!(Content::decode(&bad).is_err(), "byte {at} = {value}");
        }
    }
}
