//! The mechanism to compare with: van den Hooff, Lazar, Zaharia and Zeldovich, SOSP 2015.
//!
//! Each server adds ⌈max(0, Laplace(μ, b))⌉ single accesses and ⌈max(0, Laplace(μ/2, b/2))⌉
//! pairs, 2μ onions on average. Every round is charged: Alice's two stories differ by two singles
//! and one pair. The paper's bound (section 6) is the advanced composition theorem of Dwork and
//! Roth (2014, theorem 3.20); composed exactly, the same noise lasts longer.

use super::accounted::Accounted;
use super::compose::{Composition, Grid};
use super::goal::Goal;
use super::loss::PrivacyLoss;
use super::search::{Start, least_passing};

/// The noise of one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Laplace {
    /// Singles on average; half as many pairs.
    pub mu: f64,
    /// The scale of the singles; half of it for pairs.
    pub b: f64,
}

impl Laplace {
    /// Noise onions on average, of each server and round.
    #[must_use]
    pub fn noise_onions(self) -> f64 {
        2.0 * self.mu
    }

    /// The paper's bound of ε and δ over `rounds` rounds, with the slack `d` of the theorem:
    /// per round ε = 4/b and δ = exp((2 − μ)/b); √(2k ln(1/d))·ε + kε(e^ε − 1) and kδ + d.
    #[must_use]
    pub fn bound(self, rounds: u32, d: f64) -> (f64, f64) {
        let k = f64::from(rounds);
        let (epsilon, delta) = (4.0 / self.b, ((2.0 - self.mu) / self.b).exp());
        (composed(epsilon, k, d), k * delta + d)
    }

    /// What `rounds` rounds cost by exact composition, if μ ≥ 8.
    #[must_use]
    pub fn accounted(self, rounds: u32, goal: Goal) -> Accounted {
        let (forth, back) = self.losses();
        Accounted::new(&forth, &back, rounds, goal)
    }

    /// The losses of (two singles more) against (one pair more), and the other way round.
    fn losses(self) -> (PrivacyLoss, PrivacyLoss) {
        let singles = Count { mu: self.mu, b: self.b };
        let pairs = Count { mu: self.mu / 2.0, b: self.b / 2.0 };
        (singles.more(2).and(&pairs.fewer(1)), singles.fewer(2).and(&pairs.more(1)))
    }
}

/// The paper's √(2k ln(1/d))·ε + kε(e^ε − 1).
fn composed(epsilon: f64, k: f64, d: f64) -> f64 {
    (2.0 * k * (1.0 / d).ln()).sqrt() * epsilon + k * epsilon * epsilon.exp_m1()
}

/// The least noise with which the paper's bound reaches `goal`, over b and the theorem's d.
#[must_use]
pub fn least_noise_by_the_bound(goal: Goal, rounds: u32) -> Laplace {
    let k = f64::from(rounds.max(1));
    let noise = |d: f64| {
        // ε grows with 1/b: the least b is where the bound is met.
        let (mut low, mut high) = (0.0, 64.0);
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if composed(middle, k, d) > goal.epsilon { high = middle } else { low = middle }
        }
        let b = 4.0 / low.max(f64::MIN_POSITIVE);
        Laplace { b, mu: 2.0 + b * (k / (goal.delta - d)).ln().max(0.0) }
    };
    let part = least(-8.0, -1e-3, 60, |exponent| noise(goal.delta * exponent.exp()).mu);
    noise(goal.delta * part.exp())
}

/// The least noise with which exact composition reaches `goal`, over b. None: not up to twice what
/// the paper's bound asks for.
#[must_use]
pub fn least_noise_exactly(goal: Goal, rounds: u32) -> Option<Laplace> {
    let enough = least_noise_by_the_bound(goal, rounds);
    let b = least(0.2, 1.0, 12, |part| {
        least_mu(goal, rounds, enough.b * part).unwrap_or(2.0 * enough.mu)
    }) * enough.b;
    least_mu(goal, rounds, b).map(|mu| Laplace { mu, b })
}

/// The least whole μ for a b.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn least_mu(goal: Goal, rounds: u32, b: f64) -> Option<f64> {
    let excess = |mu: u32| {
        let (forth, back) = Laplace { mu: f64::from(mu), b }.losses();
        let delta =
            |loss| Composition::new(loss, rounds, goal.epsilon, Grid::Coarse).delta(goal.epsilon);
        (delta(&forth).max(delta(&back)) / goal.delta).ln().clamp(-50.0, 50.0)
    };
    let guess = b * (f64::from(rounds) / goal.delta).ln();
    let start = Start { at: guess as u32, spread: 1.1 };
    least_passing(7, start, (4.0 * guess).max(64.0) as u32, excess).map(f64::from)
}

/// Where a function with one valley is least, by golden sections.
fn least(mut low: f64, mut high: f64, steps: u32, mut of: impl FnMut(f64) -> f64) -> f64 {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (of(left), of(right));
    for _ in 0..steps {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = of(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = of(right);
        }
    }
    if at_left < at_right { left } else { right }
}

/// A count n = ⌈max(0, Laplace(μ, b))⌉.
#[derive(Clone, Copy, Debug)]
struct Count {
    mu: f64,
    b: f64,
}

impl Count {
    /// The loss of seeing n + `shift` where n is the other story.
    fn more(self, shift: i32) -> PrivacyLoss {
        let moved = |n: i32| (self.mass(n - shift), self.mass(n));
        self.loss(shift, moved, -1.0)
    }

    /// The loss of seeing n where n + `shift` is the other story.
    fn fewer(self, shift: i32) -> PrivacyLoss {
        let moved = |n: i32| (self.mass(n), self.mass(n - shift));
        self.loss(shift, moved, 1.0)
    }

    /// Losses are constant where both counts are on the same side of μ and away from 0: these are
    /// an atom each; `sign` is that of the left one. The others are taken one by one.
    #[expect(clippy::cast_possible_truncation, reason = "counts are far below 2^31")]
    fn loss(self, shift: i32, views: impl Fn(i32) -> (f64, f64), sign: f64) -> PrivacyLoss {
        let middle = self.mu.floor() as i32;
        let beside = (0..=shift).chain(middle + 1..=middle + shift + 1);
        let mut loss = PrivacyLoss::of_views(beside.map(&views));
        let step = f64::from(shift) / self.b;
        // P is n for the losses of `fewer`, and n + shift for those of `more`.
        let back = if sign > 0.0 { 0 } else { shift };
        let left = self.below(middle - back) - self.below(shift - back);
        loss.add(left, sign * step);
        loss.add(self.above(middle + shift + 1 - back), -sign * step);
        loss
    }

    /// P(n ≤ count), for 0 ≤ count ≤ μ.
    fn below(self, count: i32) -> f64 {
        if count < 0 { 0.0 } else { 0.5 * ((f64::from(count) - self.mu) / self.b).exp() }
    }

    /// P(n > count), for count ≥ μ.
    fn above(self, count: i32) -> f64 {
        0.5 * ((self.mu - f64::from(count)) / self.b).exp()
    }

    /// P(n = count): the Laplace distribution from count − 1 to count, and all below 0 at 0.
    fn mass(self, count: i32) -> f64 {
        let end = (f64::from(count) - self.mu) / self.b;
        let begin = end - 1.0 / self.b;
        match count {
            ..0 => 0.0,
            0 => 0.5 * end.exp(),
            _ if end <= 0.0 => 0.5 * end.exp() * -(-1.0 / self.b).exp_m1(),
            _ if begin >= 0.0 => 0.5 * (-begin).exp() * -(-1.0 / self.b).exp_m1(),
            _ => -0.5 * ((-end).exp_m1() + begin.exp_m1()),
        }
    }
}

#[cfg(test)]
mod tests;
