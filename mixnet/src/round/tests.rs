//! Rounds through one hop and through whole chains, with good, bad and duplicate onions.

use super::*;
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::crypto::onion_key::detected_backend;
use talaria_wire::crypto::{OnionPublic, OnionSecret};
use talaria_wire::onion::{BadReply, ReplyOpener, SealContext, seal};
use talaria_wire::params::PEER_MESSAGE_LEN;
use talaria_wire::{DeadDropId, ExchangeRequest, HopIndex, Hops, RoundShape};

const NUMBER: RoundNumber = RoundNumber(77);

struct World {
    rng: ChaCha20Rng,
    secrets: Vec<OnionSecret>,
    chain: Vec<OnionPublic>,
    shape: RoundShape,
}

impl World {
    fn new(seed: u64, hops: u8) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let secrets: Vec<_> = (0..hops).map(|_| OnionSecret::generate(&mut rng)).collect();
        let chain = secrets.iter().map(|secret| *secret.public()).collect();
        let shape = RoundShape::new(Hops::new(hops).unwrap(), 1).unwrap();
        Self { rng, secrets, chain, shape }
    }

    fn onion(&mut self, id: u8, message: u8) -> (Vec<u8>, ReplyOpener) {
        let request = ExchangeRequest::new(DeadDropId([id; 16]), &[message; PEER_MESSAGE_LEN]);
        let mut onion = vec![0; self.shape.onion_len()];
        let opener = seal(&request, &self.chain, NUMBER, &mut self.rng, &mut onion);
        (onion, opener)
    }

    fn first_hop(&mut self, batch: Batch) -> Round<Peeled> {
        let closed = Round::arrived(NUMBER, batch);
        let context = PeelContext::new(&self.secrets[0], &self.chain[1..], NUMBER, HopIndex(0));
        closed.peel(&context, Noise::none(), &mut self.rng)
    }

    /// The batch through the whole chain and back; also what reached the exchange.
    fn run(&mut self, batch: Batch, noise: usize) -> (Batch, talaria_deaddrop::Tally) {
        self.hop(0, batch, noise)
    }

    fn hop(&mut self, place: u8, batch: Batch, noise: usize) -> (Batch, talaria_deaddrop::Tally) {
        let Some(secret) = self.secrets.get(usize::from(place)) else {
            return talaria_deaddrop::exchange(batch).unwrap();
        };
        let own = make_noise(&self.chain, place, noise, noise / 2, &mut self.rng);
        let closed = Round::arrived(NUMBER, batch);
        let behind = &self.chain[usize::from(place) + 1..];
        let context = PeelContext::new(secret, behind, NUMBER, HopIndex(place));
        let peeled = closed.peel(&context, own, &mut self.rng);
        let (onward, away) = peeled.mix().forward();
        let (replies, tally) = self.hop(place + 1, onward, noise);
        let unmixed = away.returned(replies).unwrap();
        assert_eq!(unmixed.altered_noise(), 0);
        (unmixed.seal(&mut self.rng).into_replies(), tally)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn replies_find_their_way_back(seed: u64, hops in 1u8..4, pairs in 0usize..40, noise in 0usize..3) {
        let mut world = World::new(seed, hops);
        let mut batch = Batch::with_capacity(world.shape.onion_len(), 2 * pairs);
        let mut expected = Vec::new();
        for pair in (0u8..).take(pairs) {
            for side in [0, 1] {
                let (onion, opener) = world.onion(pair, 2 * pair + side);
                batch.push(&onion).unwrap();
                expected.push((opener, 2 * pair + (1 - side)));
            }
        }
        let (mut replies, tally) = world.run(batch, noise);
        let hops = usize::from(hops);
        prop_assert_eq!(tally.pairs, pairs + hops * (noise / 2));
        prop_assert_eq!(tally.singles, hops * (noise % 2));
        prop_assert_eq!(replies.len(), expected.len());
        for (slot, (opener, message)) in replies.slots_mut().zip(expected) {
            prop_assert_eq!(opener.open(slot), Ok(&[message; PEER_MESSAGE_LEN]));
        }
    }

    #[test]
    fn bad_onions_disturb_nobody(seed: u64, bad_at in 0usize..5, kind in 0u8..3) {
        let mut world = World::new(seed, 2);
        let onions: Vec<_> = [(1, 10), (1, 11), (2, 20), (2, 21)]
            .map(|(id, message)| world.onion(id, message))
            .into();
        let mut batch = Batch::with_capacity(world.shape.onion_len(), 5);
        let bad = match kind {
            0 => vec![0; world.shape.onion_len()],
            1 => { let mut o = world.onion(1, 99).0; o[100] ^= 1; o }
            _ => { let mut o = vec![0; world.shape.onion_len()]; world.rng.fill_bytes(&mut o); o }
        };
        let mut place = 0;
        let mut openers = Vec::new();
        for slot in 0..5 {
            if slot == bad_at {
                batch.push(&bad).unwrap();
                openers.push(None);
            } else {
                batch.push(&onions[place].0).unwrap();
                openers.push(Some((&onions[place].1, [11, 10, 21, 20][place])));
                place += 1;
            }
        }
        let (mut replies, tally) = world.run(batch, 0);
        prop_assert_eq!((tally.pairs, tally.singles), (2, 0));
        for (slot, expected) in replies.slots_mut().zip(openers) {
            match expected {
                Some((opener, message)) => {
                    prop_assert_eq!(opener.open(slot), Ok(&[message; PEER_MESSAGE_LEN]));
                }
                None => prop_assert!(slot.iter().any(|&byte| byte != 0)),
            }
        }
    }
}

#[test]
fn the_first_of_two_equal_onions_wins_and_no_key_seals_twice() {
    let mut world = World::new(1, 1);
    let (onion, opener) = world.onion(1, 10);
    let (partner, _) = world.onion(1, 11);
    let mut batch = Batch::with_capacity(world.shape.onion_len(), 3);
    for onion in [&onion, &partner, &onion] {
        batch.push(onion).unwrap();
    }
    let (mut replies, tally) = world.run(batch, 0);
    assert_eq!((tally.pairs, tally.singles, tally.crowds), (1, 0, 0));
    assert_eq!(opener.open(replies.slot_mut(2)), Err(BadReply));
    assert_eq!(opener.open(replies.slot_mut(0)), Ok(&[11; PEER_MESSAGE_LEN]));
}

#[test]
fn a_forged_copy_drops_nobody_and_one_key_passes_once() {
    let mut world = World::new(4, 1);
    let (onion, opener) = world.onion(1, 10);
    let (partner, _) = world.onion(1, 11);
    let mut forged = onion.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut batch = Batch::with_capacity(world.shape.onion_len(), 3);
    for onion in [&forged, &partner, &onion] {
        batch.push(onion).unwrap();
    }
    let (mut replies, tally) = world.run(batch, 2);
    assert_eq!((tally.pairs, tally.singles, tally.crowds), (2, 0, 0));
    assert_eq!(opener.open(replies.slot_mut(2)), Ok(&[11; PEER_MESSAGE_LEN]));
    assert_eq!(opener.open(replies.slot_mut(0)), Err(BadReply));
}

#[test]
fn noise_tells_when_a_later_hop_meddles() {
    let mut world = World::new(5, 3);
    let mut meddle = |change: &dyn Fn(&mut Batch)| {
        let mut batch = Batch::with_capacity(world.shape.onion_len(), 2);
        for message in [10, 11] {
            batch.push(&world.onion(1, message).0).unwrap();
        }
        let closed = Round::arrived(NUMBER, batch);
        let context = PeelContext::new(&world.secrets[0], &world.chain[1..], NUMBER, HopIndex(0));
        let own = make_noise(&world.chain, 0, 600, 200, &mut world.rng);
        let (mut onward, away) = closed.peel(&context, own, &mut world.rng).mix().forward();
        change(&mut onward);
        let (replies, _) = world.hop(1, onward, 0);
        away.returned(replies).unwrap().altered_noise()
    };
    assert_eq!(meddle(&|_| ()), 0);
    // Of 602 onions all but two are noise: whatever is taken, some of it is.
    assert!((600..=602).contains(&meddle(&|onions| onions.as_bytes_mut().fill(0))));
    let dropped = meddle(&|onions| onions.slots_mut().take(50).for_each(|onion| onion.fill(7)));
    // Each of them, and whoever should have met it.
    assert!((48..=100).contains(&dropped), "{dropped}");
    let copied = meddle(&|onions| (1..=20).for_each(|to| onions.copy_slot(0, to)));
    assert!((18..=42).contains(&copied), "{copied}");
}

/// Noise of the hop in `place`.
fn make_noise(
    chain: &[OnionPublic],
    place: u8,
    onions: usize,
    pairs: usize,
    rng: &mut ChaCha20Rng,
) -> Noise {
    let backend = detected_backend();
    let (chain, first) = (&chain[usize::from(place) + 1..], HopIndex(place + 1));
    Noise::make(onions, pairs, &SealContext { chain, first, round: NUMBER, backend }, rng)
}

proptest! {
    #[test]
    fn gaps_close_and_every_reply_still_finds_its_onion(
        seed: u64, bad in prop::collection::vec(any::<bool>(), 1..60), noise in 0usize..20,
    ) {
        let mut world = World::new(seed, 1);
        let mut batch = Batch::with_capacity(world.shape.onion_len(), bad.len());
        let mut openers = Vec::new();
        for (id, bad) in (0u8..).zip(&bad) {
            let (mut onion, opener) = world.onion(id, id);
            onion[200] ^= u8::from(*bad);
            batch.push(&onion).unwrap();
            openers.push(opener);
        }
        let closed = Round::arrived(NUMBER, batch);
        let own = make_noise(&world.chain, 0, noise, 0, &mut world.rng);
        let context = PeelContext::new(&world.secrets[0], &[], NUMBER, HopIndex(0));
        let peeled = closed.peel(&context, own, &mut world.rng);
        prop_assert_eq!(peeled.dropped(), bad.iter().filter(|bad| **bad).count());
        let (onward, away) = peeled.mix().forward();
        let kept = bad.iter().filter(|bad| !**bad).count();
        prop_assert_eq!(onward.len(), kept + noise);
        // The replies say which onion each of them answers.
        let mut answers = Batch::with_capacity(PEER_MESSAGE_LEN, onward.len());
        for request in onward.slots() {
            answers.push(&request[16..]).unwrap();
        }
        let unmixed = away.returned(answers).unwrap();
        let mut replies = unmixed.seal(&mut world.rng).into_replies();
        for ((slot, opener), (id, bad)) in
            replies.slots_mut().zip(openers).zip((0u8..).zip(bad))
        {
            let expected = if bad { Err(BadReply) } else { Ok(&[id; PEER_MESSAGE_LEN]) };
            prop_assert_eq!(opener.open(slot), expected);
        }
    }
}

proptest! {
    #[test]
    fn parts_are_the_whole_batch_each_sealed_once(
        onions in 0u8..40, sizes in prop::collection::vec(0usize..12, 0..20),
    ) {
        let mut world = World::new(6, 1);
        let mut batch = Batch::with_capacity(world.shape.onion_len(), onions.into());
        for id in 0..onions {
            batch.push(&world.onion(id, id).0).unwrap();
        }
        // The keys of the replies are those of the onions, so two runs seal the same bytes.
        let unmixed = |world: &mut World| {
            let (onward, away) = world.first_hop(batch.clone()).mix().forward();
            let mut answers = Batch::with_capacity(PEER_MESSAGE_LEN, onward.len());
            for request in onward.slots() {
                answers.push(&request[16..]).unwrap();
            }
            away.returned(answers).unwrap()
        };
        let whole = unmixed(&mut world).seal(&mut world.rng).into_replies();
        let mut sealing = unmixed(&mut world).into_sealing(&mut world.rng);
        prop_assert_eq!(sealing.number(), NUMBER);
        let mut parts = Vec::new();
        for most in sizes.into_iter().chain([usize::MAX]) {
            let left = sealing.left();
            let part = sealing.next_part(None, most);
            prop_assert_eq!((part.len(), sealing.left()), (most.min(left), left - most.min(left)));
            parts.extend_from_slice(part.as_bytes());
        }
        prop_assert_eq!(whole.as_bytes(), parts);
        prop_assert!(sealing.next_part(None, usize::MAX).is_empty());
    }
}

#[test]
fn short_and_long_returns_lose_the_round() {
    let mut world = World::new(2, 1);
    for returned in [0, 1, 3] {
        let mut batch = Batch::with_capacity(world.shape.onion_len(), 2);
        for message in [1, 2] {
            batch.push(&world.onion(message, message).0).unwrap();
        }
        let (_, away) = world.first_hop(batch).mix().forward();
        let error = away.returned(Batch::zeroed(PEER_MESSAGE_LEN, returned)).unwrap_err();
        assert_eq!(error, WrongCount { sent: 2, returned });
    }
}

#[test]
fn the_batch_that_leaves_holds_no_trace_of_the_order() {
    // With one hop the outgoing requests are plain: their order must not be the incoming one.
    let mut world = World::new(3, 1);
    let mut batch = Batch::with_capacity(world.shape.onion_len(), 64);
    for id in 0..64 {
        batch.push(&world.onion(id, 0).0).unwrap();
    }
    let peeled = world.first_hop(batch);
    assert_eq!(peeled.dropped(), 0);
    let (onward, _) = peeled.mix().forward();
    let order: Vec<_> = onward.slots().map(|slot| slot[0]).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_ne!(order, sorted);
    assert_eq!(sorted, (0..64).collect::<Vec<_>>());
}
