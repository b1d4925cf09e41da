//! The shuffle: Fisher–Yates (Durstenfeld, CACM 1964) with an unbiased draw for every step.

use rand::{CryptoRng, RngExt};

/// Permutes `items`; every permutation is equally likely if `rng` is uniform.
///
/// A hop passes a ChaCha20 generator seeded by the operating system.
pub fn shuffle<T>(items: &mut [T], rng: &mut impl CryptoRng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.random_range(0..=last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;
    use std::collections::BTreeMap;

    /// Upper 10⁻⁶ point of the chi-square distribution (Wilson and Hilferty, PNAS 1931).
    fn chi_square_limit(degrees: f64) -> f64 {
        let z = 4.753;
        degrees * (1.0 - 2.0 / (9.0 * degrees) + z * (2.0 / (9.0 * degrees)).sqrt()).powi(3)
    }

    #[test]
    fn all_permutations_are_equally_likely() {
        for n in 2..=5u32 {
            let permutations = f64::from((1..=n).product::<u32>());
            let draws = 400 * (1..=n).product::<u32>();
            let mut rng = ChaCha20Rng::seed_from_u64(u64::from(n));
            let mut counts: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
            for _ in 0..draws {
                let mut items: Vec<_> = (0..n).collect();
                shuffle(&mut items, &mut rng);
                *counts.entry(items).or_default() += 1;
            }
            assert_eq!(counts.len(), (1..=n).product::<u32>() as usize);
            let expected = f64::from(draws) / permutations;
            let chi_square: f64 = counts
                .values()
                .map(|&count| (f64::from(count) - expected).powi(2) / expected)
                .sum();
            let limit = chi_square_limit(permutations - 1.0);
            assert!(chi_square < limit, "n = {n}: {chi_square} is beyond {limit}");
        }
    }

    #[test]
    fn small_inputs_are_left_alone() {
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        shuffle::<u8>(&mut [], &mut rng);
        let mut one = [7];
        shuffle(&mut one, &mut rng);
        assert_eq!(one, [7]);
    }
}
