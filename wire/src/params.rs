//! Sizes, limits and the round number: the constants that every other module builds on.
//!
//! All sizes are in bytes. `PROTOCOL.md` repeats them in a table that a test compares.

use std::fmt;
use std::num::NonZeroU64;

/// Version of the protocol, sent in every greeting. Peers with another version are refused.
pub const PROTOCOL_VERSION: u16 = 3;

/// A dead-drop id.
pub const DEAD_DROP_LEN: usize = 16;
/// A sealed [peer message](crate::peer_message).
pub const PEER_MESSAGE_LEN: usize = 512;
/// What the exchange receives: a dead-drop id and a message.
pub const EXCHANGE_REQUEST_LEN: usize = DEAD_DROP_LEN + PEER_MESSAGE_LEN;
/// What one layer adds to an onion: an X25519 public key and an AES-256-GCM tag.
pub const LAYER_LEN: usize = 32 + TAG_LEN;
/// What one layer adds to a reply: an AES-256-GCM tag.
pub const TAG_LEN: usize = 16;
/// Onions in a lane: the two that meet each other when a client idles (Karaoke, OSDI 2018).
pub const ONIONS_PER_LANE: usize = 2;

/// The longest chain that a network file may describe.
pub const MAX_HOPS: u8 = 16;
/// The most lanes that a network file may describe.
pub const MAX_LANES: u8 = 16;
/// The shortest round, in milliseconds.
pub const MIN_PERIOD_MS: u64 = 50;
/// The longest round, in milliseconds: one hour.
pub const MAX_PERIOD_MS: u64 = 3_600_000;

/// Milliseconds since the Unix epoch: the only time that protocol logic knows, always an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// `ms` milliseconds later.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The number of a round: `floor(unix_ms / period_ms)`, the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Round(pub u64);

impl Round {
    /// The round that is collecting at `now`, with rounds of `period_ms` milliseconds.
    #[must_use]
    pub fn at(now: UnixMillis, period_ms: NonZeroU64) -> Self {
        Self(now.0 / period_ms)
    }

    /// When this round starts to collect.
    #[must_use]
    pub fn starts_at(self, period_ms: NonZeroU64) -> UnixMillis {
        UnixMillis(self.0.saturating_mul(period_ms.get()))
    }

    /// The round after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Eight bytes, big-endian, as in every frame and key derivation.
    #[must_use]
    pub fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The length of a chain: 1 to [`MAX_HOPS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hops(u8);

impl Hops {
    /// A chain of `hops` hops, or `None` if that is not 1 to [`MAX_HOPS`].
    #[must_use]
    pub fn new(hops: u8) -> Option<Self> {
        (1..=MAX_HOPS).contains(&hops).then_some(Self(hops))
    }

    /// The number of hops.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }

    /// Every hop of the chain in the order in which onions travel.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = HopIndex> + ExactSizeIterator {
        (0..self.0).map(HopIndex)
    }
}

/// The place of a hop in its chain, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HopIndex(pub u8);

impl fmt::Display for HopIndex {
    /// People count hops from 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", u16::from(self.0) + 1)
    }
}

/// What decides every size in a round: the length of the chain and the lanes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundShape {
    hops: Hops,
    lanes: u8,
}

impl RoundShape {
    /// A shape, or `None` if `lanes` is not 1 to [`MAX_LANES`].
    #[must_use]
    pub fn new(hops: Hops, lanes: u8) -> Option<Self> {
        (1..=MAX_LANES).contains(&lanes).then_some(Self { hops, lanes })
    }

    /// The length of the chain.
    #[must_use]
    pub fn hops(self) -> Hops {
        self.hops
    }

    /// Lanes of two onions that a client sends a round.
    #[must_use]
    pub fn lanes(self) -> u8 {
        self.lanes
    }

    /// Onions that a client sends a round.
    #[must_use]
    pub fn onions(self) -> usize {
        usize::from(self.lanes) * ONIONS_PER_LANE
    }

    /// Bytes of an onion as a client sends it.
    #[must_use]
    pub fn onion_len(self) -> usize {
        self.onion_len_at(HopIndex(0))
    }

    /// Bytes of an onion as it arrives at `hop`; past the last hop, of an exchange request.
    #[must_use]
    pub fn onion_len_at(self, hop: HopIndex) -> usize {
        EXCHANGE_REQUEST_LEN + self.layers_from(hop) * LAYER_LEN
    }

    /// Bytes of a reply as a client receives it.
    #[must_use]
    pub fn reply_len(self) -> usize {
        self.reply_len_at(HopIndex(0))
    }

    /// Bytes of a reply as it leaves `hop`; past the last hop, as it leaves the exchange.
    #[must_use]
    pub fn reply_len_at(self, hop: HopIndex) -> usize {
        PEER_MESSAGE_LEN + self.layers_from(hop) * TAG_LEN
    }

    fn layers_from(self, hop: HopIndex) -> usize {
        usize::from(self.hops.0.saturating_sub(hop.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_the_default_shape() {
        let shape = RoundShape::new(Hops::new(3).unwrap(), 1).unwrap();
        assert_eq!(shape.onion_len(), 672);
        assert_eq!(shape.reply_len(), 560);
        assert_eq!(shape.onions() * shape.onion_len(), 1344);
        assert_eq!(shape.onions() * shape.reply_len(), 1120);
        assert_eq!(shape.onion_len_at(HopIndex(3)), EXCHANGE_REQUEST_LEN);
        assert_eq!(shape.reply_len_at(HopIndex(3)), PEER_MESSAGE_LEN);
    }

    #[test]
    fn limits_are_refused() {
        assert!(Hops::new(0).is_none() && Hops::new(MAX_HOPS + 1).is_none());
        let hops = Hops::new(1).unwrap();
        assert!(RoundShape::new(hops, 0).is_none());
        assert!(RoundShape::new(hops, MAX_LANES + 1).is_none());
    }

    #[test]
    fn rounds_follow_the_clock() {
        let period = NonZeroU64::new(2000).unwrap();
        assert_eq!(Round::at(UnixMillis(1999), period), Round(0));
        assert_eq!(Round::at(UnixMillis(2000), period), Round(1));
        assert_eq!(Round(7).starts_at(period), UnixMillis(14_000));
    }
}
