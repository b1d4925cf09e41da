//! Who talks to whom, and what everybody says in every round: pure functions of a seed.

use chacha20::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use talaria_wire::params::{DEAD_DROP_LEN, ONIONS_PER_LANE, PEER_MESSAGE_LEN};
use talaria_wire::{DeadDropId, ExchangeRequest, Round, RoundShape};

/// Whose message an onion is to bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meets {
    /// The other onion of the same lane.
    Own,
    /// The onion of this client in the same slot.
    Partner(usize),
}

/// What a random stream is for: streams of different uses never coincide.
#[derive(Clone, Copy)]
enum Use {
    Message,
    SharedDrop,
    IdleDrop,
    Sealing,
}

/// The parts of all clients.
#[derive(Debug)]
pub(super) struct Script {
    seed: u64,
    clients: usize,
    pairs: usize,
    shape: RoundShape,
}

impl Script {
    /// `talking` percent of the clients talk in pairs.
    pub(super) fn new(seed: u64, clients: usize, talking: u8, shape: RoundShape) -> Self {
        let pairs = clients * usize::from(talking) / 200;
        Self { seed, clients, pairs, shape }
    }

    pub(super) fn clients(&self) -> usize {
        self.clients
    }

    pub(super) fn shape(&self) -> RoundShape {
        self.shape
    }

    /// How many clients talk.
    pub(super) fn talking(&self) -> usize {
        2 * self.pairs
    }

    /// What the onion of `client` in `slot` meets. As in the real client, only the first lane
    /// talks.
    pub(super) fn meets(&self, client: usize, slot: usize) -> Meets {
        if slot >= ONIONS_PER_LANE || client >= self.talking() {
            Meets::Own
        } else {
            // Partners are far from each other in the order in which clients connect.
            Meets::Partner((client + self.pairs) % self.talking())
        }
    }

    /// The requests of a client in a round, one for each slot.
    pub(super) fn requests(
        &self,
        round: Round,
        client: usize,
    ) -> impl Iterator<Item = ExchangeRequest> {
        (0..self.shape.onions()).map(move |slot| {
            let drop = self.dead_drop(round, client, slot);
            ExchangeRequest::new(drop, &self.message(round, client, slot))
        })
    }

    /// What the onion of `client` in `slot` brings back if what it meets is in the round.
    pub(super) fn expected(
        &self,
        round: Round,
        client: usize,
        slot: usize,
    ) -> [u8; PEER_MESSAGE_LEN] {
        match self.meets(client, slot) {
            Meets::Own => self.message(round, client, slot ^ 1),
            Meets::Partner(partner) => self.message(round, partner, slot),
        }
    }

    /// Randomness to seal the onions of the clients from `first` on.
    pub(super) fn sealing(&self, round: Round, first: usize) -> ChaCha20Rng {
        self.stream(Use::Sealing, round, first, 0)
    }

    fn dead_drop(&self, round: Round, client: usize, slot: usize) -> DeadDropId {
        let mut stream = match self.meets(client, slot) {
            Meets::Own => self.stream(Use::IdleDrop, round, client, slot / ONIONS_PER_LANE),
            Meets::Partner(partner) => {
                self.stream(Use::SharedDrop, round, client.min(partner), slot)
            }
        };
        let mut id = [0; DEAD_DROP_LEN];
        stream.fill_bytes(&mut id);
        DeadDropId(id)
    }

    fn message(&self, round: Round, client: usize, slot: usize) -> [u8; PEER_MESSAGE_LEN] {
        let mut message = [0; PEER_MESSAGE_LEN];
        self.stream(Use::Message, round, client, slot).fill_bytes(&mut message);
        message
    }

    fn stream(&self, purpose: Use, round: Round, client: usize, slot: usize) -> ChaCha20Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        seed[8..16].copy_from_slice(&round.to_be_bytes());
        seed[16..24].copy_from_slice(&(client as u64).to_be_bytes());
        seed[24..31].copy_from_slice(&(slot as u64).to_be_bytes()[1..]);
        seed[31] = purpose as u8;
        ChaCha20Rng::from_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use talaria_wire::Hops;

    fn script(clients: usize, talking: u8, lanes: u8) -> Script {
        let shape = RoundShape::new(Hops::new(3).unwrap(), lanes).unwrap();
        Script::new(7, clients, talking, shape)
    }

    /// An exchange in a few lines: what each (client, slot) gets.
    fn exchange(script: &Script, round: Round) -> BTreeMap<(usize, usize), Vec<u8>> {
        let mut drops = BTreeMap::<Vec<u8>, Vec<_>>::new();
        for client in 0..script.clients() {
            for (slot, request) in script.requests(round, client).enumerate() {
                let (drop, message) = request.as_bytes().split_at(DEAD_DROP_LEN);
                drops.entry(drop.to_vec()).or_default().push(((client, slot), message.to_vec()));
            }
        }
        let mut got = BTreeMap::new();
        for visitors in drops.into_values() {
            let [(a, from_a), (b, from_b)] = visitors.try_into().expect("two meet");
            got.extend([(a, from_b), (b, from_a)]);
        }
        got
    }

    #[test]
    fn every_onion_meets_exactly_one_other_and_brings_back_what_is_expected() {
        for (clients, talking, lanes) in [(10, 50, 1), (11, 100, 2), (3, 0, 1), (1, 100, 1)] {
            let script = script(clients, talking, lanes);
            let got = exchange(&script, Round(5));
            for ((client, slot), message) in got {
                assert_eq!(script.expected(Round(5), client, slot)[..], message[..]);
            }
        }
    }

    #[test]
    fn partners_are_mutual_and_as_many_as_asked_for() {
        let script = script(101, 50, 2);
        assert_eq!(script.talking(), 50);
        for client in 0..101 {
            match script.meets(client, 0) {
                Meets::Own => assert!(client >= 50),
                Meets::Partner(partner) => {
                    assert_ne!(partner, client);
                    assert_eq!(script.meets(partner, 0), Meets::Partner(client));
                    assert_eq!(script.meets(client, 2), Meets::Own);
                }
            }
        }
    }

    #[test]
    fn rounds_slots_and_clients_say_different_things() {
        let script = script(4, 100, 1);
        let said = [(5, 0, 0), (6, 0, 0), (5, 1, 0), (5, 0, 1)]
            .map(|(round, client, slot)| script.message(Round(round), client, slot));
        for (i, one) in said.iter().enumerate() {
            assert!(said.iter().skip(i + 1).all(|other| other != one));
        }
    }
}
