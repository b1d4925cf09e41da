//! Upper bounds of δ(ε) over many rounds.
//!
//! The losses of the rounds add up, so their distributions convolve. In order:
//!
//! 1. Each atom is split between the two grid points beside its loss so that P *and* Q keep their
//!    mass. Forgetting the split gives the original back, so by data processing the split pair is
//!    at least as distinguishable: a bound, whose error falls with the square of the step
//!    (Doroshenko, Ghazi, Kamath, Kumar and Manurangsi, "Connect the Dots", PETS 2022, section 4).
//! 2. The distribution is tilted by e^λL, which moves its mean towards the ε that is asked for.
//!    Rounding errors are then small beside δ, even if δ is small.
//! 3. The k-fold convolution is the k-th power of the Fourier transform. It is cyclic: what is
//!    beyond one end of the window comes in at the other, which can only add to what is summed.
//!    What is beyond the upper end is bounded by Chernoff's inequality and added.
//! 4. Rounding errors of the transforms and the power are bounded and added.
//!
//! `mixnet/PRIVACY.md`, section 4, has the proofs.

mod grid;
mod window;

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::loss::PrivacyLoss;
pub use grid::Grid;
use window::Window;

/// Unit roundoff of `f64`.
const U: f64 = f64::EPSILON / 2.0;
/// Of a transform: errors of twiddle factors, products and sums, in units of U and level. The
/// angle of a twiddle factor has an error of at most 3 U of 2π, its sine and cosine 1 U each, a
/// complex product √5 U (Brent, Percival and Zimmermann 2007), a sum U; the level that splits
/// real from complex counts twice. 64 is about twice all of them together.
const ERRORS_PER_LEVEL: f64 = 64.0;

/// More than all that is lost where numbers of a spectrum fall below what `f64` can hold.
const UNDERFLOW: f64 = 1e-300;

/// The most rounds that can be composed.
pub const MAX_ROUNDS: u32 = 100_000_000;

/// An upper bound of δ for every ε, after a number of charged rounds.
#[derive(Clone, Debug)]
pub struct Composition {
    window: Window,
    /// Mass at and above each point, as [`Composition::delta`] needs it.
    above: Vec<Above>,
    /// δ that does not depend on ε: infinite losses and what is beyond the window.
    fixed: f64,
}

/// Sums over a point and all above it: the mass of P, and that of Q.
#[derive(Clone, Copy, Debug, Default)]
struct Above {
    p: f64,
    q: f64,
}

impl Composition {
    /// Composes `rounds` rounds; sharpest for ε near `epsilon`, and a bound for every other.
    ///
    /// # Panics
    /// If there are more than [`MAX_ROUNDS`].
    #[must_use]
    pub fn new(loss: &PrivacyLoss, rounds: u32, epsilon: f64, grid: Grid) -> Self {
        assert!(rounds <= MAX_ROUNDS, "more rounds than error bounds were derived for");
        let times = f64::from(rounds.max(1));
        let window = Window::around(epsilon, loss, times, grid);
        if rounds == 0 || loss.atoms().is_empty() {
            let fixed = if rounds == 0 { 0.0 } else { 1.0 };
            return Self { window, above: Vec::new(), fixed };
        }
        let once = OnGrid::new(loss, &window);
        let known = -(times * (-loss.infinite()).ln_1p()).exp_m1();
        let fixed = known * (1.0 + 1e-12) + once.beyond(&window, times);
        let (masses, error) = once.power(&window, rounds);
        let mut sum = Above::default();
        let mut above: Vec<Above> = window
            .losses()
            .zip(masses)
            .rev()
            .map(|(loss, mass)| {
                let tilt_back = (times * window.log_scale - window.tilt * loss).exp();
                let mass = (mass.max(0.0) + error) * tilt_back;
                sum = Above { p: sum.p + mass, q: sum.q + mass * (-loss).exp() };
                sum
            })
            .collect();
        above.reverse();
        Self { window, above, fixed }
    }

    /// An upper bound of δ at `epsilon`, at most 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and is compared with limits")]
    pub fn delta(&self, epsilon: f64) -> f64 {
        if self.above.is_empty() {
            return self.fixed;
        }
        let place = (epsilon / self.window.step).ceil() as i64 - self.window.first;
        let Ok(place) = usize::try_from(place) else {
            return 1.0; // Below the window: nothing is known.
        };
        let beyond = self.above.get(place).copied().unwrap_or_default();
        // 2^21 sums and the rounding of each term: less than 1e-9 of either sum.
        let slack = 2e-9 * beyond.p;
        (self.fixed + (beyond.p - epsilon.exp() * beyond.q).max(0.0) + slack).min(1.0)
    }

    /// The least ε ≥ 0 for which δ is at most `delta`, if the window has one.
    #[must_use]
    pub fn epsilon(&self, delta: f64) -> Option<f64> {
        if self.delta(0.0) <= delta {
            return Some(0.0);
        }
        let mut low = 0.0;
        let mut high = self.window.loss_at(self.window.first + self.above.len() as i64);
        if self.delta(high) > delta {
            return None;
        }
        while high - low > 1e-10 * high {
            let middle = f64::midpoint(low, high);
            if self.delta(middle) > delta { low = middle } else { high = middle }
        }
        Some(high)
    }
}

/// One round's tilted masses, on the points of the grid modulo the window.
struct OnGrid {
    masses: Vec<f64>,
    /// The logarithm of the moment that bounds the upper tail.
    tail_moment: f64,
    /// The most that one mass may be off, as a part of it.
    relative_error: f64,
}

impl OnGrid {
    #[expect(clippy::cast_possible_truncation, reason = "losses are at most about 45")]
    fn new(loss: &PrivacyLoss, window: &Window) -> Self {
        let mut masses = vec![0.0; window.points];
        let mut terms = vec![0u32; window.points];
        let (mut moment, mut greatest) = (0.0, 0.0f64);
        let most = loss.atoms().iter().map(|atom| atom.loss).fold(f64::NEG_INFINITY, f64::max);
        for atom in loss.atoms() {
            // Rounded up, as is the share of the upper point: greater losses under P only make
            // δ greater. A logarithm is off by less than 4 U of it.
            let loss = atom.loss + 4.0 * U * atom.loss.abs();
            let low = (loss / window.step).floor() as i64;
            let over = loss - window.loss_at(low);
            let slack = 8.0 * U * (1.0 + (loss.abs() + window.step) / window.step);
            let upper = (over.max(0.0).neg_exp_m1() / window.step.neg_exp_m1() + slack).min(1.0);
            for (point, share) in [(low, 1.0 - upper), (low + 1, upper)] {
                let at = window.loss_at(point);
                let place = point.rem_euclid(window.points as i64) as usize;
                masses[place] += atom.mass * share * (window.tilt * at - window.log_scale).exp();
                terms[place] += 1;
                moment += atom.mass * share * (window.tail_tilt * (at - most)).exp();
                greatest = greatest.max(at.abs());
            }
        }
        let terms = f64::from(terms.into_iter().max().unwrap_or_default());
        let exponent = window.tilt * greatest + window.log_scale.abs();
        let relative_error = U * (16.0 + terms + 4.0 * exponent);
        let tail_moment = moment.ln() + window.tail_tilt * most;
        Self { masses, tail_moment, relative_error }
    }

    /// Chernoff's bound of the mass beyond the window after `times` rounds; twice it, which
    /// covers the rounding of the moment.
    fn beyond(&self, window: &Window, times: f64) -> f64 {
        let top = window.loss_at(window.first + window.points as i64);
        2.0 * (times * self.tail_moment - window.tail_tilt * top).exp()
    }

    /// The masses after `rounds` rounds, in the order of the window, and how much each may be off.
    fn power(mut self, window: &Window, rounds: u32) -> (Vec<f64>, f64) {
        let points = window.points;
        let total: f64 = self.masses.iter().sum();
        let levels = (points as f64).log2();
        let transform_error = U * ERRORS_PER_LEVEL * levels;
        let mut planner = RealFftPlanner::<f64>::new();
        let forward = planner.plan_fft_forward(points);
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut self.masses, &mut spectrum).expect("both have the planned length");
        let error = total * (self.relative_error + transform_error);
        let (mut magnitudes, mut doubts) = (0.0, 0.0);
        for value in &mut spectrum {
            let (after, doubt) = powered(*value, rounds, error);
            *value = after;
            // All but the first and the last stand for two.
            magnitudes += 2.0 * after.norm();
            doubts += 2.0 * doubt;
        }
        // They are real but for rounding, and the inverse insists.
        for end in [0, points / 2] {
            spectrum[end].im = 0.0;
        }
        let inverse = planner.plan_fft_inverse(points);
        inverse.process(&mut spectrum, &mut self.masses).expect("both have the planned length");
        let scale = (points as f64).recip();
        let error = 1.01 * scale * (doubts + transform_error * magnitudes) + UNDERFLOW;
        let turn = usize::try_from(window.first.rem_euclid(points as i64))
            .expect("it is less than the number of points");
        self.masses.rotate_left(turn);
        self.masses.iter_mut().for_each(|mass| *mass *= scale);
        (self.masses, error)
    }
}

/// `value` to the power `rounds`, and how far that may be from the power of the true value, which
/// is within `error` of it: k·(e + rounding)·(|z| + e)^(k−1).
fn powered(value: Complex<f64>, rounds: u32, error: f64) -> (Complex<f64>, f64) {
    let times = f64::from(rounds);
    let most = value.norm() + error;
    let doubt = times * (error + 3.0 * U * most) * ((times - 1.0) * most.ln()).exp();
    (value.powu(rounds), 1.01 * doubt)
}

/// 1 − e^−x.
trait NegExpM1 {
    fn neg_exp_m1(self) -> f64;
}

impl NegExpM1 for f64 {
    fn neg_exp_m1(self) -> f64 {
        -(-self).exp_m1()
    }
}

#[cfg(test)]
mod tests;
