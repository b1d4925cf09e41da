//! How many of a hop's noise onions meet in pairs: the distribution, and the draw of each round.
//!
//! A hop adds T = 2R onions to a round, of which N₂ pairs meet and T − 2·N₂ stay single. N₂ = j has
//! probability proportional to sin^α(π(j+1)/(R+2)) for j in 0..=R; `mixnet/PRIVACY.md` has the
//! reason. The sine is computed once, when the table is made. From then on the table of integers
//! *is* the distribution: draws use nothing else, and the accountant (`mixnet/privacy`) takes the
//! same integers, so that their rounding is part of what it accounts for.

use std::f64::consts::PI;

use rand::CryptoRng;
use subtle::ConstantTimeGreater;
use thiserror::Error;

/// The most noise onions of a hop in a round.
pub const MAX_NOISE_ONIONS: u32 = 1 << 22;
/// The exponents that a table can be made for.
pub const ALPHAS: std::ops::RangeInclusive<f64> = 0.0..=16.0;

/// 2⁶⁴: what the weights of a table add up to.
const WHOLE: u128 = 1 << 64;

/// The number of pairs among T noise onions, as a table of 64-bit integers.
///
/// The table is public: everybody may know the distribution, nobody but the hop the draws.
#[derive(Clone, PartialEq, Eq)]
pub struct PairDistribution {
    noise_onions: u32,
    /// The fewest pairs that can be drawn; by symmetry R − `fewest` is the most.
    fewest: u32,
    /// For each number of pairs but the greatest, how many of the 2⁶⁴ draws give at most it.
    cumulative: Box<[u64]>,
}

/// A number of noise onions, or an exponent, that there is no distribution for.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BadNoise {
    /// Onions come in twos.
    #[error("{0} noise onions cannot all be paired: choose an even number")]
    Odd(u32),
    /// Nothing to hide behind.
    #[error("fewer than 2 noise onions hide nothing: choose an even number from 2")]
    TooFew,
    /// More than [`MAX_NOISE_ONIONS`].
    #[error("{0} noise onions are too many: at most {MAX_NOISE_ONIONS} a hop and round")]
    TooMany(u32),
    /// Not one of [`ALPHAS`].
    #[error("the exponent {0} does not make a distribution: choose one from 0 to 16")]
    Alpha(f64),
}

impl PairDistribution {
    /// The distribution for `noise_onions` (T) in all, with the exponent `alpha`.
    ///
    /// Each probability is rounded to a multiple of 2⁻⁶⁴, to nearest, as the sine and the power
    /// are to 53 bits; what is left over or missing goes to the one or two numbers in the middle,
    /// which are the likeliest, so that the table stays symmetric and adds up to exactly 2⁶⁴. A
    /// number whose probability rounds to zero is never drawn.
    ///
    /// # Errors
    /// [`BadNoise`] says which argument is out of range.
    pub fn new(noise_onions: u32, alpha: f64) -> Result<Self, BadNoise> {
        match noise_onions {
            odd if odd % 2 == 1 => return Err(BadNoise::Odd(odd)),
            0 => return Err(BadNoise::TooFew),
            many if many > MAX_NOISE_ONIONS => return Err(BadNoise::TooMany(many)),
            _ => {}
        }
        if !ALPHAS.contains(&alpha) {
            return Err(BadNoise::Alpha(alpha));
        }
        let weights = weights(noise_onions / 2, alpha);
        let fewest = weights.iter().take_while(|&&weight| weight == 0).count();
        let support = &weights[fewest..weights.len() - fewest];
        let mut below = 0u64;
        let cumulative = support[..support.len() - 1]
            .iter()
            .map(|weight| {
                below += weight;
                below
            })
            .collect();
        let fewest = u32::try_from(fewest).expect("there are at most 2^21 + 1 weights");
        Ok(Self { noise_onions, fewest, cumulative })
    }

    /// Draws a number of pairs, from 0 to half of the noise onions.
    ///
    /// One draw of 64 bits, compared with every entry of the table: neither time nor memory
    /// accesses depend on the outcome. There is no bias, because the weights add up to 2⁶⁴.
    #[must_use]
    pub fn sample(&self, rng: &mut impl CryptoRng) -> u32 {
        let draw = rng.next_u64();
        let passed = |limit: &u64| u32::from((!limit.ct_gt(&draw)).unwrap_u8());
        self.fewest + self.cumulative.iter().map(passed).sum::<u32>()
    }

    /// All noise onions of a hop and round, T: twice the pairs, and the singles.
    #[must_use]
    pub fn noise_onions(&self) -> u32 {
        self.noise_onions
    }

    /// How many of the 2⁶⁴ draws give 0, 1, 2, … pairs, up to half of the noise onions.
    pub fn weights(&self) -> impl Iterator<Item = u64> + '_ {
        let zeros = || std::iter::repeat_n(0, self.fewest as usize);
        let support = (0..=self.cumulative.len()).map(|place| {
            let below = place.checked_sub(1).map_or(0, |before| self.cumulative[before]);
            // At the end the minuend is 2⁶⁴, which wraps to 0.
            self.cumulative.get(place).copied().unwrap_or(0).wrapping_sub(below)
        });
        zeros().chain(support).chain(zeros())
    }
}

impl std::fmt::Debug for PairDistribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PairDistribution of {} onions", self.noise_onions)
    }
}

/// Symmetric weights for 0..=`most` pairs, which add up to 2⁶⁴.
fn weights(most: u32, alpha: f64) -> Vec<u64> {
    let points = most as usize + 1;
    // The left half; the middle as well, if there is one.
    let mut half: Vec<f64> = (0..points.div_ceil(2))
        .map(|j| (PI * (j + 1) as f64 / f64::from(most + 2)).sin().powf(alpha))
        .collect();
    let middle = if points % 2 == 1 { half.pop() } else { None };
    let total = 2.0 * precise_sum(&half) + middle.unwrap_or_default();
    let mut left: Vec<u64> = half.iter().map(|part| scaled(part / total)).collect();
    let given = |left: &[u64]| 2 * left.iter().map(|&weight| u128::from(weight)).sum::<u128>();
    let middle = if middle.is_some() {
        Some(narrow(WHOLE - given(&left)))
    } else {
        left.pop();
        let each = narrow((WHOLE - given(&left)) / 2);
        left.push(each);
        None
    };
    left.iter().copied().chain(middle).chain(left.iter().rev().copied()).collect()
}

/// A probability of at most one half, as a multiple of 2⁻⁶⁴.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 2^63")]
fn scaled(probability: f64) -> u64 {
    (probability * 2f64.powi(64)).round() as u64
}

fn narrow(weight: u128) -> u64 {
    u64::try_from(weight).expect("the middle has less than everything, as there are two points")
}

/// Kahan's summation (CACM 1965): the error does not grow with the number of terms.
fn precise_sum(terms: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for term in terms {
        let corrected = term - lost;
        let next = sum + corrected;
        lost = (next - sum) - corrected;
        sum = next;
    }
    sum
}

#[cfg(test)]
mod tests;
