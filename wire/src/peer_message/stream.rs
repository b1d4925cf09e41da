//! Which stream of units a message speaks of, and what was in it.
//!
//! Files can be restored from a copy, or cloned, and then go on from where they once were. Numbers
//! alone would say nothing then: two different units have the same one. So each stream has a random
//! number, its incarnation, and an acknowledgement names the stream and what was in it.

use std::fmt;
use std::num::NonZeroU32;

use rand::{CryptoRng, RngExt};

use super::content::Content;
use crate::crypto::kdf::{self, Label};

/// The incarnation of a stream of units: a random number, drawn when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(pub NonZeroU32);

impl StreamId {
    /// A number to be replaced before anything is sent.
    pub const UNSET: Self = Self(NonZeroU32::MIN);

    /// Draws one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self(rng.random())
    }

    /// The one with this number; 0 stands for none.
    #[must_use]
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}

/// What was in the first units of a stream, in their order: 8 bytes of BLAKE3, so that two streams
/// that differ are told from each other except once in 2⁶⁴. It goes on in the next stream, see
/// [`base`](Self::base). It keeps nothing secret, and protects
/// from no partner who lies.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamDigest(pub [u8; 8]);

impl StreamDigest {
    /// With one more unit.
    #[must_use]
    pub fn and(self, unit: &Content) -> Self {
        let Content { seq, message_id, fragment_index, fragment_count, sent_ms, .. } = unit;
        Self(kdf::derive(
            Label::StreamDigest,
            &[
                &self.0,
                &[unit.kind as u8],
                &seq.to_be_bytes(),
                &message_id.0.to_be_bytes(),
                &fragment_index.to_be_bytes(),
                &fragment_count.to_be_bytes(),
                &sent_ms.to_be_bytes(),
                &unit.body.len().to_be_bytes(),
                unit.body.padded(),
            ],
        ))
    }
}

impl StreamDigest {
    /// The digest of no units in the next stream, if this one is at `received` units of `stream`: who
    /// has come less far than the writer knows begins with another digest. Of a stream of which
    /// nothing was there it is what that one began with.
    #[must_use]
    pub fn base(self, stream: StreamId, received: u32) -> Self {
        if received == 0 {
            return self;
        }
        let (stream, received) = (stream.0.get().to_be_bytes(), received.to_be_bytes());
        Self(kdf::derive(Label::StreamBase, &[&self.0, &stream, &received]))
    }
}

impl fmt::Debug for StreamDigest {
    /// It is made of what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer_message::{Body, Kind, MessageId};

    #[test]
    fn whatever_is_said_otherwise_gives_another_digest() {
        let unit = Content {
            kind: Kind::Data,
            seq: 3,
            message_id: MessageId(2),
            fragment_count: 2,
            sent_ms: 7,
            body: Body::new(b"text").unwrap(),
            ..Content::idle()
        };
        let changes: [fn(&mut Content); 7] = [
            |unit| unit.kind = Kind::End,
            |unit| unit.seq += 1,
            |unit| unit.message_id.0 += 1,
            |unit| unit.fragment_index += 1,
            |unit| unit.fragment_count += 1,
            |unit| unit.sent_ms += 1,
            |unit| unit.body = Body::new(b"text\0").unwrap(),
        ];
        let digest = StreamDigest::default().and(&unit);
        let mut all = vec![StreamDigest::default(), digest, digest.and(&unit)];
        for change in changes {
            let mut other = unit.clone();
            change(&mut other);
            all.push(StreamDigest::default().and(&other));
        }
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
        }
        // Whatever belongs to the message and not to the unit does not count.
        let told = Content { ack: 9, done: true, ..unit };
        assert_eq!(StreamDigest::default().and(&told), digest);
        let bases = [(1, 1), (1, 2), (2, 1)]
            .map(|(stream, received)| digest.base(StreamId::new(stream).unwrap(), received));
        all.extend(bases);
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "{i}");
        }
        assert_eq!(digest.base(StreamId::UNSET, 0), digest);
    }
}
