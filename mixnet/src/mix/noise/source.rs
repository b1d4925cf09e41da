//! Where a hop's noise comes from: drawn and sealed, ahead of its round if there is time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::CryptoRng;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::crypto::onion_key::detected_backend;
use talaria_wire::onion::SealContext;
use talaria_wire::{HopIndex, Round};

use super::onions::Noise;
use super::pairs::PairDistribution;

/// Rounds whose noise is kept: what was made for a round that never came is in the way soon.
const MOST_AHEAD: usize = 2;

/// Makes the noise of one hop.
#[derive(Debug)]
pub struct NoiseSource {
    /// The place of the hop after this one.
    next: HopIndex,
    distribution: Option<PairDistribution>,
    ahead: Mutex<BTreeMap<Round, Ahead>>,
}

/// Noise that waits for its round.
#[derive(Debug)]
struct Ahead {
    /// What it is sealed to: another key makes it useless.
    chain: Vec<OnionPublic>,
    noise: Noise,
}

impl NoiseSource {
    /// Noise for the hops from `next` on; none without a distribution.
    #[must_use]
    pub fn new(next: HopIndex, distribution: Option<PairDistribution>) -> Self {
        Self { next, distribution, ahead: Mutex::new(BTreeMap::new()) }
    }

    /// Noise onions in a round.
    #[must_use]
    pub fn onions(&self) -> u32 {
        self.distribution.as_ref().map_or(0, PairDistribution::noise_onions)
    }

    /// Makes the noise of a round that will come, unless it is there already. `chain` are the keys
    /// of the hops after this one.
    pub fn prepare(&self, round: Round, chain: &[OnionPublic], rng: &mut impl CryptoRng) {
        if self.distribution.is_none() || self.ahead().contains_key(&round) {
            return;
        }
        let made = Ahead { chain: chain.to_vec(), noise: self.make(round, chain, rng) };
        let mut ahead = self.ahead();
        ahead.insert(round, made);
        while ahead.len() > MOST_AHEAD {
            ahead.pop_first();
        }
    }

    /// The noise of a round in which so many onions have `arrived`, once; made now if it was not
    /// prepared. Where no onion came there is nobody to protect, and there is none.
    pub fn take(
        &self,
        round: Round,
        arrived: usize,
        chain: &[OnionPublic],
        rng: &mut impl CryptoRng,
    ) -> Noise {
        if arrived == 0 {
            return Noise::none();
        }
        let prepared = self.ahead().remove(&round);
        match prepared.filter(|ahead| ahead.chain == chain) {
            Some(ahead) => ahead.noise,
            None => self.make(round, chain, rng),
        }
    }

    fn make(&self, round: Round, chain: &[OnionPublic], rng: &mut impl CryptoRng) -> Noise {
        let Some(distribution) = &self.distribution else { return Noise::none() };
        let pairs = distribution.sample(rng) as usize;
        let backend = detected_backend();
        let context = SealContext { chain, first: self.next, round, backend };
        Noise::make(distribution.noise_onions() as usize, pairs, &context, rng)
    }

    fn ahead(&self) -> MutexGuard<'_, BTreeMap<Round, Ahead>> {
        // Whoever panicked with it held was making noise for a round that makes its own now.
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;
    use talaria_wire::crypto::OnionSecret;

    #[test]
    fn prepared_noise_is_taken_once_and_only_for_its_round_and_chain() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut key = || *OnionSecret::generate(&mut rng).public();
        let (chain, other) = ([key(), key()], [key(), key()]);
        let distribution = PairDistribution::new(20, 2.0).unwrap();
        let source = NoiseSource::new(HopIndex(1), Some(distribution));
        assert_eq!(source.onions(), 20);
        let bytes = |noise: &Noise| noise.onions().as_bytes().to_vec();

        source.prepare(Round(5), &chain, &mut rng);
        let prepared = bytes(&source.ahead()[&Round(5)].noise);
        source.prepare(Round(5), &chain, &mut rng);
        let taken = source.take(Round(5), 1, &chain, &mut rng);
        assert!(bytes(&taken) == prepared && taken.fits(Round(5)) && !taken.fits(Round(6)));
        assert!(bytes(&source.take(Round(5), 1, &chain, &mut rng)) != prepared);

        source.prepare(Round(6), &chain, &mut rng);
        let prepared = bytes(&source.ahead()[&Round(6)].noise);
        assert!(bytes(&source.take(Round(6), 1, &other, &mut rng)) != prepared);
        (7..20).for_each(|round| source.prepare(Round(round), &chain, &mut rng));
        assert_eq!(source.ahead().keys().collect::<Vec<_>>(), [&Round(18), &Round(19)]);
    }

    #[test]
    fn a_round_without_onions_gets_no_noise() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let chain = [*OnionSecret::generate(&mut rng).public()];
        let distribution = PairDistribution::new(20, 2.0).unwrap();
        let source = NoiseSource::new(HopIndex(1), Some(distribution));
        assert!(source.take(Round(1), 0, &chain, &mut rng).onions().is_empty());
        assert_eq!(source.take(Round(2), 1, &chain, &mut rng).onions().len(), 20);
    }

    #[test]
    fn a_hop_without_a_distribution_adds_nothing() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let source = NoiseSource::new(HopIndex(3), None);
        source.prepare(Round(1), &[], &mut rng);
        assert!(source.take(Round(1), 1, &[], &mut rng).onions().is_empty());
    }
}
