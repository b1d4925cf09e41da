//! Two people's messages through a chain of three hops and back, without a socket: what a hop does
//! with a batch, in the order in which it does it. Run it with `cargo run --example round`.

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_mixnet::mix::noise::Noise;
use talaria_mixnet::round::Round;
use talaria_wire::crypto::{OnionPublic, OnionSecret};
use talaria_wire::onion::{PeelContext, seal};
use talaria_wire::params::PEER_MESSAGE_LEN;
use talaria_wire::{
    Batch, DeadDropId, ExchangeRequest, HopIndex, Hops, Round as RoundNumber, RoundShape,
};

const ROUND: RoundNumber = RoundNumber(1);

fn main() {
    // Everything random comes from a seed: a run can be repeated, and tests do.
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let secrets: Vec<_> = (0..3).map(|_| OnionSecret::generate(&mut rng)).collect();
    let chain: Vec<_> = secrets.iter().map(|secret| *secret.public()).collect();
    let hops = Hops::new(3).expect("a chain has up to 16 hops");
    let shape = RoundShape::new(hops, 1).expect("one lane");

    // Both ask for the same dead drop; a session derives it for every round (client/src/session).
    let drop = DeadDropId::random(&mut rng);
    let mut openers = Vec::new();
    let mut batch = Batch::with_capacity(shape.onion_len(), 2);
    for message in [[b'A'; PEER_MESSAGE_LEN], [b'B'; PEER_MESSAGE_LEN]] {
        let mut onion = vec![0; shape.onion_len()];
        let request = ExchangeRequest::new(drop, &message);
        openers.push(seal(&request, &chain, ROUND, &mut rng, &mut onion));
        batch.push(&onion).expect("a whole onion");
    }

    let replies = through(&secrets, &chain, 0, batch, &mut rng);
    for (slot, (name, opener)) in ["Alice", "Bob"].iter().zip(openers).enumerate() {
        let len = replies.slot_len();
        let mut reply = replies.as_bytes()[slot * len..][..len].to_vec();
        let message = opener.open(&mut reply).expect("every hop has sealed the reply");
        println!("{name} got {} bytes, all of them {:?}", message.len(), char::from(message[0]));
    }
}

/// Out through the hop in `place` and all behind it, and back.
fn through(
    secrets: &[OnionSecret],
    chain: &[OnionPublic],
    place: u8,
    batch: Batch,
    rng: &mut ChaCha20Rng,
) -> Batch {
    let Some(secret) = secrets.get(usize::from(place)) else {
        let (replies, _) = talaria_deaddrop::exchange(batch).expect("whole requests");
        return replies;
    };
    let behind = &chain[usize::from(place) + 1..];
    let context = PeelContext::new(secret, behind, ROUND, HopIndex(place));
    let peeled = Round::arrived(ROUND, batch).peel(&context, Noise::none(), rng);
    println!("hop {}: peeled, {} dropped", place + 1, peeled.dropped());
    let (onions, away) = peeled.mix().forward();
    let replies = through(secrets, chain, place + 1, onions, rng);
    away.returned(replies).expect("as many as left").seal(rng).into_replies()
}
