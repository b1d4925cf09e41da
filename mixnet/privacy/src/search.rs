//! From a goal to the noise that reaches it, and from noise to the rounds that it lasts for.

use super::accounted::Accounted;
use super::compose::{Composition, Grid, MAX_ROUNDS};
use super::goal::Goal;
use super::loss::PrivacyLoss;
use talaria_mixnet::mix::noise::pairs::{MAX_NOISE_ONIONS, PairDistribution};

/// The exponents that are tried, in fifths: 2 is best in the limit of many rounds, more for few.
const FIFTHS: std::ops::RangeInclusive<u8> = 10..=20;
/// Steps after which a search stops trusting that the margin is smooth, and halves.
const SMOOTH_STEPS: u32 = 20;
/// The margin of something hopeless, as the logarithm of a factor.
const FAR: f64 = 50.0;

/// Noise, and the rounds for which it reaches a goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Noise onions of each hop and round, T.
    pub noise_onions: u32,
    /// The exponent of their distribution.
    pub alpha: f64,
    /// The charged rounds.
    pub charged_rounds: u32,
}

impl Fit {
    /// What it amounts to, on the fine grid.
    #[must_use]
    pub fn accounted(&self, goal: Goal) -> Accounted {
        match PairDistribution::new(self.noise_onions, self.alpha) {
            Ok(distribution) if self.charged_rounds > 0 => {
                let loss = PrivacyLoss::of_pairs(&distribution);
                Accounted::new(&loss, &loss, self.charged_rounds, goal)
            }
            _ => Accounted::nothing_hidden(self.charged_rounds),
        }
    }
}

/// The least number of noise onions with which `goal` holds for `rounds` charged rounds, over the
/// exponents 2.0, 2.2, … 4.0. None: it is more than [`MAX_NOISE_ONIONS`], or the rounds are more
/// than [`MAX_ROUNDS`].
#[must_use]
pub fn least_noise(goal: Goal, rounds: u32) -> Option<Fit> {
    if rounds == 0 {
        return Some(Fit { noise_onions: 0, alpha: alpha(*FIFTHS.start()), charged_rounds: 0 });
    }
    if rounds > MAX_ROUNDS {
        return None;
    }
    let most = MAX_NOISE_ONIONS / 2;
    // The loss of one round has a standard deviation of about 2π/R.
    let guess = 15.0 * f64::from(rounds).sqrt() / goal.epsilon.max(0.1);
    let mut start = Start { at: whole(guess).clamp(1, most), spread: 1.3 };
    let mut found: Option<(u32, u8)> = None;
    for grid in [Grid::Coarse, Grid::Fine] {
        let earlier = found.take();
        for fifths in near(earlier.map(|(_, fifths)| fifths)) {
            let over = |pairs| excess(goal, 2 * pairs, fifths, rounds, grid);
            // An exponent that does no better than an earlier one is not searched.
            let most = found.map_or(most, |(pairs, _)| pairs - 1);
            if most == 0 || found.is_some() && over(most) > 0.0 {
                continue;
            }
            if let Some(pairs) = least_passing(0, start, most, over) {
                found = Some((pairs, fifths));
                start = Start { at: pairs, spread: 1.01 };
            }
        }
    }
    found.map(|(pairs, fifths)| Fit {
        noise_onions: 2 * pairs,
        alpha: alpha(fifths),
        charged_rounds: rounds,
    })
}

/// The greatest number of charged rounds for which `goal` holds with `noise_onions`, over the
/// same exponents; at most [`MAX_ROUNDS`]. The odd one of an odd number, and what is beyond
/// [`MAX_NOISE_ONIONS`], is left out.
#[must_use]
pub fn greatest_rounds(goal: Goal, noise_onions: u32) -> Fit {
    let noise_onions = noise_onions.min(MAX_NOISE_ONIONS) & !1;
    let mut start = Start { at: 64, spread: 8.0 };
    let mut found: Option<(u32, u8)> = None;
    for grid in [Grid::Coarse, Grid::Fine] {
        let earlier = found.take();
        for fifths in near(earlier.map(|(_, fifths)| fifths)) {
            // What is exactly the goal's is not over it.
            let under = |rounds| match excess(goal, noise_onions, fifths, rounds, grid) {
                over if over > 0.0 => -over,
                within => f64::MIN_POSITIVE.max(-within),
            };
            let known = found.map_or(0, |(rounds, _)| rounds);
            if known == MAX_ROUNDS || under(known + 1) <= 0.0 {
                continue;
            }
            let failing = least_passing(known + 1, start, MAX_ROUNDS, under);
            let rounds = failing.map_or(MAX_ROUNDS, |rounds| rounds - 1);
            found = Some((rounds, fifths));
            start = Start { at: rounds, spread: 1.02 };
        }
    }
    let (charged_rounds, fifths) = found.unwrap_or((0, *FIFTHS.start()));
    Fit { noise_onions, alpha: alpha(fifths), charged_rounds }
}

/// All exponents, or the ones at and beside a good one, which comes first.
fn near(good: Option<u8>) -> Vec<u8> {
    match good {
        None => FIFTHS.collect(),
        Some(good) => {
            [good, good - 1, good + 1].into_iter().filter(|x| FIFTHS.contains(x)).collect()
        }
    }
}

fn alpha(fifths: u8) -> f64 {
    f64::from(fifths) / 5.0
}

/// The logarithm of how far δ is over the goal's; negative if it is under.
fn excess(goal: Goal, noise_onions: u32, fifths: u8, rounds: u32, grid: Grid) -> f64 {
    let Ok(distribution) = PairDistribution::new(noise_onions, alpha(fifths)) else {
        return FAR;
    };
    let loss = PrivacyLoss::of_pairs(&distribution);
    // Certain losses alone are quickly known to be too much.
    let known = -(f64::from(rounds) * (-loss.infinite()).ln_1p()).exp_m1();
    let delta = if known > goal.delta {
        known
    } else {
        Composition::new(&loss, rounds, goal.epsilon, grid).delta(goal.epsilon)
    };
    (delta / goal.delta).ln().clamp(-FAR, FAR)
}

/// Where a search begins, and the factor by which it looks further.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) at: u32,
    pub(super) spread: f64,
}

/// The least x with `failing` < x ≤ `most` whose margin is at most 0, if margins fall with x.
pub(super) fn least_passing(
    failing: u32,
    start: Start,
    most: u32,
    mut margin: impl FnMut(u32) -> f64,
) -> Option<u32> {
    let mut fails = (failing, None);
    let mut passes = None;
    let mut x = start.at;
    let mut steps = 0;
    let mut spread = start.spread;
    loop {
        let end = passes.map_or(most, |(x, _)| x - 1);
        if end == fails.0 {
            return passes.map(|(x, _)| x);
        }
        let at = x.clamp(fails.0 + 1, end);
        let here = margin(at);
        if here > 0.0 {
            fails = (at, Some(here));
        } else {
            passes = Some((at, here));
        }
        steps += 1;
        x = match (fails, passes) {
            ((_, None), None) => start.at,
            ((low, Some(_)), None) => whole(f64::from(low) * spread),
            ((_, None), Some((high, _))) => whole(f64::from(high) / spread),
            ((low, _), Some((high, _))) if steps > SMOOTH_STEPS => low.midpoint(high),
            ((low, Some(over)), Some((high, under))) => {
                let part = over / (over - under);
                let (low, high) = (f64::from(low).ln(), f64::from(high).ln());
                whole((low + part * (high - low)).exp())
            }
        };
        // A start that was far off is left behind ever faster.
        spread = (spread * spread).min(8.0);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole(x: f64) -> u32 {
    x.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_least_that_passes(
            edge in 1u32..100_000,
            start in 1u32..100_000,
            spread in 1.01f64..9.0,
            power in 0.5f64..12.0,
        ) {
            let mut looked = 0;
            let margin = |x: u32| {
                looked += 1;
                power * (f64::from(edge) - 0.5).ln() - power * f64::from(x).ln()
            };
            let found = least_passing(0, Start { at: start, spread }, 100_000, margin);
            prop_assert_eq!(found, Some(edge));
            prop_assert!(looked < 60, "{looked}");
        }
    }

    #[test]
    fn nothing_passes_or_everything() {
        let start = Start { at: 5, spread: 1.3 };
        assert_eq!(least_passing(0, start, 99, |_| 1.0), None);
        assert_eq!(least_passing(0, start, 99, |_| -1.0), Some(1));
    }
}
