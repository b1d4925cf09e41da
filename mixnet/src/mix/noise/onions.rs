//! The noise of one round: onions like a client's, and what stays here of them.

use chacha20::ChaCha20Rng;
use rand::{CryptoRng, RngExt, SeedableRng};
use rayon::prelude::*;
use talaria_wire::onion::SealContext;
use talaria_wire::{Batch, Round};
use zeroize::Zeroizing;

use super::canary::{Brood, Canary, RUN};

/// Onions of this hop's own, as the next hop expects them.
#[derive(Debug)]
pub struct Noise {
    /// The round that they are sealed for; `None` if there are none.
    round: Option<Round>,
    onions: Batch,
    canary: Canary,
}

impl Noise {
    /// No noise at all.
    #[must_use]
    pub fn none() -> Self {
        Self { round: None, onions: Batch::with_capacity(1, 0), canary: Canary::default() }
    }

    /// `onions` onions for the hops of `context`, of which 2 · `pairs` meet in pairs.
    ///
    /// # Panics
    /// If more are to meet than there are.
    pub fn make(
        onions: usize,
        pairs: usize,
        context: &SealContext<'_>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        assert!(2 * pairs <= onions, "pairs are made of onions");
        let slot_len = context.onion_len();
        let mut batch = Batch::zeroed(slot_len, onions);
        // Each run has a generator of its own, so that the result does not depend on the threads.
        let seeds: Vec<Zeroizing<[u8; 32]>> =
            (0..onions.div_ceil(RUN)).map(|_| Zeroizing::new(rng.random())).collect();
        let broods = (batch.as_bytes_mut().par_chunks_mut(slot_len * RUN))
            .zip(seeds)
            .enumerate()
            .map(|(run, (slots, seed))| {
                let meeting = (2 * pairs).saturating_sub(run * RUN).min(slots.len() / slot_len);
                Brood::make(slots, meeting, context, &mut ChaCha20Rng::from_seed(*seed))
            })
            .collect();
        Self { round: Some(context.round), onions: batch, canary: Canary::new(broods) }
    }

    /// Whether it belongs into `round`; no noise belongs into every round.
    #[must_use]
    pub fn fits(&self, round: Round) -> bool {
        self.round.is_none_or(|of| of == round)
    }

    /// The onions.
    #[must_use]
    pub fn onions(&self) -> &Batch {
        &self.onions
    }

    /// What stays here while the onions travel.
    #[must_use]
    pub fn into_canary(self) -> Canary {
        self.canary
    }
}
