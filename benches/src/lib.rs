//! Set-up that the benchmarks share: chains, batches of real onions, and thread pools.
//!
//! Everything comes from a fixed seed. Onions are sealed in parallel, because making them costs
//! more than most of what is measured.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: what touches the world is here"
)]

pub mod feed;
pub mod load;

use chacha20::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use talaria_mixnet::mix::noise::Noise;
use talaria_mixnet::round::Round;
use talaria_wire::crypto::{OnionPublic, OnionSecret};
use talaria_wire::onion::{PeelContext, seal};
use talaria_wire::params::PEER_MESSAGE_LEN;
use talaria_wire::{Batch, DeadDropId, ExchangeRequest, HopIndex, Round as RoundNumber};
use x25519_batch::Backend;

/// The round that all onions are sealed for.
pub const ROUND: RoundNumber = RoundNumber(1_000_000);

/// Sizes at which batches are measured.
pub const SIZES: [usize; 2] = [10_000, 100_000];

/// Numbers of threads with which batches are measured.
pub const THREADS: [usize; 2] = [1, 2];

/// A generator with a seed of its own.
#[must_use]
pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A thread pool with this many threads.
///
/// # Panics
/// If the threads cannot be started.
#[must_use]
pub fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

/// The onion keys of a chain.
#[derive(Debug)]
pub struct Chain(Vec<OnionSecret>);

impl Chain {
    /// A chain of `hops` hops.
    #[must_use]
    pub fn new(hops: usize) -> Self {
        let mut rng = rng(1);
        Self((0..hops).map(|_| OnionSecret::generate(&mut rng)).collect())
    }

    /// The same chain, whose hops compute X25519 in this way.
    #[must_use]
    pub fn on(self, backend: Backend) -> Self {
        Self(self.0.into_iter().map(|secret| secret.on(backend)).collect())
    }

    /// The public keys, first hop first.
    #[must_use]
    pub fn public(&self) -> Vec<OnionPublic> {
        self.0.iter().map(|secret| *secret.public()).collect()
    }

    /// `n` onions for the whole chain; neighbours share a dead drop, as talking clients do.
    ///
    /// # Panics
    /// Never: all onions have the same length.
    #[must_use]
    pub fn onions(&self, n: usize) -> Batch {
        let public = self.public();
        let len = talaria_wire::params::EXCHANGE_REQUEST_LEN
            + public.len() * talaria_wire::params::LAYER_LEN;
        let mut batch = Batch::zeroed(len, n);
        batch.as_bytes_mut().par_chunks_exact_mut(len).enumerate().for_each(|(i, slot)| {
            let mut rng = rng(2 + i as u64);
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(i as u64 / 2).to_be_bytes());
            let mut message = [0; PEER_MESSAGE_LEN];
            rng.fill_bytes(&mut message);
            let request = ExchangeRequest::new(DeadDropId(id), &message);
            let _ = seal(&request, &public, ROUND, &mut rng, slot);
        });
        batch
    }

    /// Out through hop `place` and all that follow, the exchange, and back.
    ///
    /// # Panics
    /// If an onion or a reply is lost.
    #[must_use]
    pub fn run(&self, place: u8, batch: Batch) -> Batch {
        if usize::from(place) == self.0.len() {
            let (replies, _) = talaria_deaddrop::exchange(batch).expect("requests");
            return replies;
        }
        let mut rng = rng(3);
        let closed = Round::arrived(ROUND, batch);
        let peeled = closed.peel(&self.context(place), Noise::none(), &mut rng);
        let (onions, away) = peeled.mix().forward();
        let replies = self.run(place + 1, onions);
        away.returned(replies).expect("all replies").seal(&mut rng).into_replies()
    }

    /// One hop alone, out and back: what comes back from the next one is as long as it would be.
    ///
    /// # Panics
    /// If the batch does not belong to the hop.
    #[must_use]
    pub fn hop_out_and_back(&self, place: u8, batch: Batch) -> Batch {
        let mut rng = rng(4);
        let closed = Round::arrived(ROUND, batch);
        let peeled = closed.peel(&self.context(place), Noise::none(), &mut rng);
        let (onions, away) = peeled.mix().forward();
        let layers = self.0.len() - usize::from(place) - 1;
        let reply_len = PEER_MESSAGE_LEN + layers * talaria_wire::params::TAG_LEN;
        // The replies take the place of the onions, as they would on the wire.
        let mut bytes = onions.as_bytes().to_vec();
        bytes.truncate(onions.len() * reply_len);
        let replies = Batch::from_bytes(reply_len, bytes).expect("whole replies");
        away.returned(replies).expect("as many as left").seal(&mut rng).into_replies()
    }

    /// What the hop in `place` peels with.
    #[must_use]
    pub fn context(&self, place: u8) -> PeelContext<'_> {
        let behind = &self.public()[usize::from(place) + 1..];
        PeelContext::new(&self.0[usize::from(place)], behind, ROUND, HopIndex(place))
    }

    /// The part of the chain from `place` on, as a chain of its own would see its onions.
    ///
    /// # Panics
    /// If an onion is lost on the way.
    #[must_use]
    pub fn onions_at(&self, place: u8, n: usize) -> Batch {
        let mut batch = self.onions(n);
        for before in 0..place {
            let closed = Round::arrived(ROUND, batch);
            let peeled = closed.peel(&self.context(before), Noise::none(), &mut rng(5));
            assert_eq!(peeled.dropped(), 0);
            batch = peeled.mix().forward().0;
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_does_its_work() {
        let chain = Chain::new(3);
        let onions = chain.onions(10);
        assert_eq!(chain.run(0, onions).len(), 10);
        let middle = chain.onions_at(1, 10);
        assert_eq!(chain.hop_out_and_back(1, middle).slot_len(), 512 + 2 * 16);
    }
}
