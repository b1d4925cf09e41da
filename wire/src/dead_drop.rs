//! Dead drops, and the request that reaches the exchange when every layer is peeled.

use rand::CryptoRng;

use crate::params::{DEAD_DROP_LEN, EXCHANGE_REQUEST_LEN, PEER_MESSAGE_LEN};

/// Where two messages of a round meet. Only the two who share a session can derive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeadDropId(pub [u8; DEAD_DROP_LEN]);

impl DeadDropId {
    /// A dead drop that nobody else knows: for cover traffic.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; DEAD_DROP_LEN];
        rng.fill_bytes(&mut id);
        Self(id)
    }
}

/// The reply to a message that met no other: all zero, sealed by every hop like any reply.
pub const EMPTY_REPLY: [u8; PEER_MESSAGE_LEN] = [0; PEER_MESSAGE_LEN];

/// A dead-drop id and the 512 bytes to leave there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeRequest([u8; EXCHANGE_REQUEST_LEN]);

impl ExchangeRequest {
    /// Leaves `message` at `id`.
    #[must_use]
    pub fn new(id: DeadDropId, message: &[u8; PEER_MESSAGE_LEN]) -> Self {
        let mut bytes = [0; EXCHANGE_REQUEST_LEN];
        bytes[..DEAD_DROP_LEN].copy_from_slice(&id.0);
        bytes[DEAD_DROP_LEN..].copy_from_slice(message);
        Self(bytes)
    }

    /// Leaves random bytes at a random place.
    pub fn cover(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; EXCHANGE_REQUEST_LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The encoding: id ‖ message.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; EXCHANGE_REQUEST_LEN] {
        &self.0
    }
}
