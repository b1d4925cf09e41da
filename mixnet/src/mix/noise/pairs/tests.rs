//! The table against its definition, and the draws against the table.

use super::*;
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::{Rng, SeedableRng, TryCryptoRng, TryRng};
use std::convert::Infallible;

/// A generator whose every draw is the same.
struct Always(u64);

impl TryRng for Always {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("a draw is 64 bits")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0)
    }
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("a draw is 64 bits")
    }
}

impl TryCryptoRng for Always {}

fn table(noise_onions: u32, alpha: f64) -> PairDistribution {
    PairDistribution::new(noise_onions, alpha).unwrap()
}

/// Upper 10⁻⁶ point of the chi-square distribution (Wilson and Hilferty, PNAS 1931).
fn chi_square_limit(degrees: f64) -> f64 {
    let z = 4.753;
    degrees * (1.0 - 2.0 / (9.0 * degrees) + z * (2.0 / (9.0 * degrees)).sqrt()).powi(3)
}

/// Chi-square of draws against the sine itself, with the thin tails in a cell each.
fn chi_square(noise_onions: u32, alpha: f64, drawn: &PairDistribution) -> (f64, f64) {
    const DRAWS: u32 = 200_000;
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(noise_onions));
    let most = noise_onions / 2;
    let mut counts = vec![0u32; most as usize + 1];
    for _ in 0..DRAWS {
        counts[drawn.sample(&mut rng) as usize] += 1;
    }
    let sines: Vec<f64> = (0..=most)
        .map(|j| (PI * f64::from(j + 1) / f64::from(most + 2)).sin().powf(alpha))
        .collect();
    let unit = f64::from(DRAWS) / sines.iter().sum::<f64>();
    let (mut cells, mut cell) = (Vec::new(), (0.0, 0.0));
    for (sine, count) in sines.iter().zip(&counts) {
        cell = (cell.0 + sine * unit, cell.1 + f64::from(*count));
        if cell.0 >= 10.0 {
            cells.push(std::mem::take(&mut cell));
        }
    }
    let last = cells.last_mut().unwrap();
    *last = (last.0 + cell.0, last.1 + cell.1);
    let sum = cells.iter().map(|(expected, seen)| (seen - expected).powi(2) / expected).sum();
    (sum, chi_square_limit(cells.len() as f64 - 1.0))
}

#[test]
fn draws_follow_the_sine() {
    for (noise_onions, alpha) in
        [(2, 2.0), (4, 2.0), (10, 4.0), (236, 4.0), (628, 3.0), (1846, 2.6)]
    {
        let (sum, limit) = chi_square(noise_onions, alpha, &table(noise_onions, alpha));
        assert!(sum < limit, "T = {noise_onions}: {sum} is beyond {limit}");
    }
}

#[test]
fn draws_that_follow_another_exponent_are_noticed() {
    let (sum, limit) = chi_square(236, 4.0, &table(236, 3.8));
    assert!(sum > limit, "{sum} is within {limit}");
}

#[test]
fn a_draw_is_where_its_64_bits_fall() {
    let distribution = table(236, 4.0);
    let mut below = 0u128;
    for (pairs, weight) in distribution.weights().enumerate() {
        let last = below + u128::from(weight) - 1;
        for draw in [below, last] {
            let draw = u64::try_from(draw).unwrap();
            assert_eq!(distribution.sample(&mut Always(draw)), u32::try_from(pairs).unwrap());
        }
        below = last + 1;
    }
    assert_eq!(below, WHOLE);
    assert_eq!(distribution.sample(&mut Always(0)), 0);
    assert_eq!(distribution.sample(&mut Always(u64::MAX)), 118);
}

#[test]
fn a_draw_takes_64_bits_of_the_generator() {
    let (mut one, mut other) = (ChaCha20Rng::seed_from_u64(3), ChaCha20Rng::seed_from_u64(3));
    let _ = table(20, 2.0).sample(&mut one);
    let _ = other.next_u64();
    assert_eq!(one.next_u64(), other.next_u64());
}

#[test]
fn weights_of_small_tables() {
    let half = 1 << 63;
    assert_eq!(table(2, 2.0).weights().collect::<Vec<_>>(), [half, half]);
    // sin²(π/4), sin²(π/2), sin²(3π/4)
    let near = |table: PairDistribution, expected: &[u64]| {
        let weights: Vec<u64> = table.weights().collect();
        assert_eq!(weights.len(), expected.len());
        let off = weights.iter().zip(expected).map(|(one, two)| one.abs_diff(*two)).max();
        assert!(off < Some(1 << 13), "{weights:?}");
    };
    near(table(4, 2.0), &[1 << 62, half, 1 << 62]);
    near(table(8, 0.0), &[u64::MAX / 5; 5]);
}

#[test]
fn a_tail_too_thin_for_64_bits_is_never_drawn() {
    let distribution = table(100_000, 6.0);
    assert_eq!(distribution.weights().next(), Some(0));
    assert_eq!(distribution.weights().count(), 50_001);
    let fewest = distribution.sample(&mut Always(0));
    assert!(fewest > 0);
    assert_eq!(distribution.sample(&mut Always(u64::MAX)), 50_000 - fewest);
}

#[test]
fn what_is_no_distribution() {
    assert_eq!(PairDistribution::new(7, 2.0), Err(BadNoise::Odd(7)));
    assert_eq!(PairDistribution::new(0, 2.0), Err(BadNoise::TooFew));
    let many = MAX_NOISE_ONIONS + 2;
    assert_eq!(PairDistribution::new(many, 2.0), Err(BadNoise::TooMany(many)));
    assert_eq!(PairDistribution::new(8, -1.0), Err(BadNoise::Alpha(-1.0)));
    assert!(PairDistribution::new(8, f64::NAN).is_err());
}

proptest! {
    #[test]
    fn weights_are_whole_and_symmetric(half in 1u32..3000, alpha in 0f64..16.0) {
        let weights: Vec<u64> = table(2 * half, alpha).weights().collect();
        prop_assert_eq!(weights.len(), half as usize + 1);
        prop_assert_eq!(weights.iter().map(|&weight| u128::from(weight)).sum::<u128>(), WHOLE);
        prop_assert!(weights.iter().eq(weights.iter().rev()));
        // What was left over does not stand out in the middle.
        let sine = |j: u32| (PI * f64::from(j + 1) / f64::from(half + 2)).sin().powf(alpha);
        let (middle, beside) = (half / 2, (half / 2).saturating_sub(1));
        let ratio = weights[middle as usize] as f64 / weights[beside as usize] as f64;
        prop_assert!((ratio / (sine(middle) / sine(beside)) - 1.0).abs() < 1e-9);
    }
}
