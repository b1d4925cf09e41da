//! A session of two members: who speaks in which direction, and the keys of every round.

pub mod keywheel;

use rand::CryptoRng;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::network_file::NetworkId;
use talaria_wire::params::{ONIONS_PER_LANE, PEER_MESSAGE_LEN};
use talaria_wire::peer_message::{
    self, Content, Direction, MessageKeys, NotAuthentic, Place, SessionId,
};
use talaria_wire::{DeadDropId, ExchangeRequest, Round};

use crate::contact::Contact;
use crate::identity::Identity;
use keywheel::{Keywheel, SessionRoot, SlotKeys, WheelError};

/// What one member holds of a session.
pub(crate) struct Session {
    id: SessionId,
    start: u64,
    network: NetworkId,
    direction: Direction,
    peer: IdentityPublic,
    wheel: Keywheel,
}

impl Session {
    pub(crate) fn new(own: &Identity, contact: &Contact, network: NetworkId) -> Self {
        let start = own.since.max(contact.since);
        let root = SessionRoot::agree(&own.secret, &contact.key, network, start);
        let lower = own.secret.public().to_bytes() < contact.key.to_bytes();
        Self {
            id: root.session_id(),
            start,
            network,
            direction: if lower { Direction::FromLower } else { Direction::FromHigher },
            peer: contact.key,
            wheel: Keywheel::new(&root),
        }
    }

    pub(crate) fn id(&self) -> &SessionId {
        &self.id
    }

    /// The entry of the directory with which it began: what tells it from other sessions of the same
    /// two.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Seals what is said in `round`, and keeps what opens the answers.
    pub(crate) fn seal(
        &mut self,
        own: &IdentitySecret,
        round: Round,
        contents: &[Content; ONIONS_PER_LANE],
        rng: &mut impl CryptoRng,
    ) -> Result<[(ExchangeRequest, Answer); ONIONS_PER_LANE], WheelError> {
        let keys = self.wheel.take(round)?;
        let mut slot = 0;
        Ok(keys.slots.map(|slot_keys| {
            let content = &contents[usize::from(slot)];
            let place = self.place(round, slot);
            slot += 1;
            self.seal_slot(own, content, place, slot_keys, rng)
        }))
    }

    fn seal_slot(
        &self,
        own: &IdentitySecret,
        content: &Content,
        place: Place,
        keys: SlotKeys,
        rng: &mut impl CryptoRng,
    ) -> (ExchangeRequest, Answer) {
        let dead_drop: DeadDropId = keys.dead_drop;
        let (sending, receiving) = keys.into_directions(self.direction);
        let message = peer_message::seal(content, &sending, &place, own, &self.peer, rng);
        let answer = Answer {
            keys: receiving,
            place: Place { direction: self.direction.reversed(), ..place },
            peer: self.peer,
        };
        (ExchangeRequest::new(dead_drop, &message), answer)
    }

    fn place(&self, round: Round, slot: u8) -> Place {
        Place { session: self.id, round, slot, direction: self.direction, network: self.network }
    }
}

/// Opens the one message that the peer may have left in a slot of a round.
pub(crate) struct Answer {
    keys: MessageKeys,
    place: Place,
    peer: IdentityPublic,
}

impl Answer {
    pub(crate) fn open(
        &self,
        message: &[u8; PEER_MESSAGE_LEN],
        own: &IdentityPublic,
    ) -> Result<Content, NotAuthentic> {
        peer_message::open(message, &self.keys, &self.place, &self.peer, own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;

    #[test]
    fn each_opens_what_the_other_sealed_and_nothing_else() {
        let (alice, mut rng) = identity(1, "alice");
        let (bob, _) = identity(2, "bob");
        let network = NetworkId([3; 32]);
        let mut at_alice = Session::new(&alice, &bob.contact(), network);
        let mut at_bob = Session::new(&bob, &alice.contact(), network);
        let contents = [Content::idle(), Content { seq: 7, ..Content::idle() }];
        let round = Round(5000);
        let a = at_alice.seal(&alice.secret, round, &contents, &mut rng).unwrap();
        let b = at_bob.seal(&bob.secret, round, &contents, &mut rng).unwrap();
        for slot in 0..2 {
            let (from_alice, from_bob) = (a[slot].0.as_bytes(), b[slot].0.as_bytes());
            assert_eq!(from_alice[..16], from_bob[..16]);
            let message = from_alice.last_chunk().unwrap();
            assert_eq!(b[slot].1.open(message, bob.secret.public()), Ok(contents[slot].clone()));
            assert!(b[1 - slot].1.open(message, bob.secret.public()).is_err());
            // Its own message, given back, is not taken for the peer's.
            assert!(a[slot].1.open(message, alice.secret.public()).is_err());
        }
        assert!(at_alice.seal(&alice.secret, round, &contents, &mut rng).is_err());
    }

    /// However soon one follows the other: keys of one are never keys of the other.
    #[test]
    fn every_entry_that_begins_anew_makes_another_session() {
        let (alice, _) = identity(1, "alice");
        let bob = identity(2, "bob").0.contact();
        let network = NetworkId([3; 32]);
        let ids = [10_000, 10_001, 10_002].map(|since| {
            let contact = Contact { since, ..bob.clone() };
            *Session::new(&alice, &contact, network).id()
        });
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        // What happened before the later of the two began counts no more.
        let older = [0, alice.since - 1].map(|since| {
            let contact = Contact { since, ..bob.clone() };
            *Session::new(&alice, &contact, network).id()
        });
        assert_eq!(older[0], older[1]);
    }
}
