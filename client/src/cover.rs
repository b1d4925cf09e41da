//! What an idle lane sends: two onions that meet each other at a place nobody else knows.
//!
//! Making them takes the work that a real pair takes: each message is sealed under keys that are
//! forgotten at once, and so is random to everybody, this client included. A client can see
//! whether its pair has met, and so notices when somebody on the way drops onions.

use rand::CryptoRng;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::NetworkId;
use talaria_wire::params::{ONIONS_PER_LANE, PEER_MESSAGE_LEN};
use talaria_wire::peer_message::{self, Content, Direction, MessageKeys, Place, SessionId};
use talaria_wire::{DeadDropId, ExchangeRequest, Round};

/// The two messages of an idle lane, to compare with what comes back.
pub(crate) struct CoverPair {
    messages: [[u8; PEER_MESSAGE_LEN]; ONIONS_PER_LANE],
}

impl CoverPair {
    pub(crate) fn new(
        own: &IdentitySecret,
        network: NetworkId,
        round: Round,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let place = Place {
            session: SessionId([0; 32]),
            round,
            slot: 0,
            direction: Direction::FromLower,
            network,
        };
        let messages = [(); ONIONS_PER_LANE].map(|()| {
            let mut bytes = [0; 64];
            rng.fill_bytes(&mut bytes);
            let keys = MessageKeys::from_bytes(&bytes);
            peer_message::seal(&Content::idle(), &keys, &place, own, own.public(), rng)
        });
        Self { messages }
    }

    /// The two requests, for one fresh dead drop.
    pub(crate) fn requests(&self, rng: &mut impl CryptoRng) -> [ExchangeRequest; ONIONS_PER_LANE] {
        let id = DeadDropId::random(rng);
        [0, 1].map(|slot: usize| ExchangeRequest::new(id, &self.messages[slot]))
    }

    /// Whether each of the two brought back the other's message.
    pub(crate) fn met(&self, replies: [Option<&[u8; PEER_MESSAGE_LEN]>; ONIONS_PER_LANE]) -> bool {
        replies == [Some(&self.messages[1]), Some(&self.messages[0])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;

    #[test]
    fn a_pair_shares_a_fresh_dead_drop_and_nothing_else() {
        let (own, mut rng) = identity(1, "Idle");
        let pair = CoverPair::new(&own.secret, NetworkId([1; 32]), Round(3), &mut rng);
        let [a, b] = pair.requests(&mut rng);
        let [c, _] = pair.requests(&mut rng);
        assert_eq!(a.as_bytes()[..16], b.as_bytes()[..16]);
        assert_ne!(a.as_bytes()[..16], c.as_bytes()[..16]);
        assert_ne!(a.as_bytes()[16..], b.as_bytes()[16..]);
        let [x, y] = &pair.messages;
        assert!(pair.met([Some(y), Some(x)]));
        assert!(!pair.met([Some(x), Some(y)]));
        assert!(!pair.met([Some(y), None]));
    }
}
