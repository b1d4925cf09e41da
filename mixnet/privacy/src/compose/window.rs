//! Which part of the composed loss is computed, and how finely.
//!
//! Nothing here has to be right for the bound to hold: a bad window gives a loose bound.

use super::super::loss::PrivacyLoss;
use super::grid::Grid;

/// What lies outside of the window, as a part of the Chernoff bound at its aim.
const OUTSIDE: f64 = 1e-8;
/// How far beyond the aim's own tilt the tails are tried, in standard deviations.
const TRIES: [f64; 12] = [0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 9.0];
const MIN_POINTS: f64 = 8192.0;
const MAX_POINTS: f64 = (1u32 << 21) as f64;

/// A stretch of losses, cut into equal steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Between two points.
    pub(super) step: f64,
    /// The first point, in steps from a loss of 0.
    pub(super) first: i64,
    /// A power of two.
    pub(super) points: usize,
    /// The tilt, which moves the mean of the composed loss towards the ε that is aimed at.
    pub(super) tilt: f64,
    /// The exponent with which the upper tail is bounded.
    pub(super) tail_tilt: f64,
    /// For each round, about the logarithm of the tilted mass.
    pub(super) log_scale: f64,
}

impl Window {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 2^21")]
    pub(super) fn around(epsilon: f64, loss: &PrivacyLoss, rounds: f64, grid: Grid) -> Self {
        let plain = loss.cumulants(0.0);
        let mut tilt = tilt_towards(epsilon / rounds, loss) / 2.0;
        let mut aim = loss.cumulants(tilt);
        // More would make rare, great losses as likely as the others, and the window too wide.
        while aim.variance > 1.1 * plain.variance && tilt > 1e-3 {
            tilt *= 0.7;
            aim = loss.cumulants(tilt);
        }
        let deviation = (rounds * aim.variance).sqrt().max(1e-3);
        let chernoff = rounds * aim.log_moment - tilt * epsilon;
        let (mut top, mut tail_tilt) = (f64::INFINITY, tilt);
        let (mut bottom, mut tilted_top) = (f64::NEG_INFINITY, f64::INFINITY);
        for tries in TRIES {
            let more = tries / deviation;
            let above = rounds * loss.cumulants(tilt + more).log_moment;
            let bound = (above - chernoff - OUTSIDE.ln()) / (tilt + more);
            if bound < top {
                (top, tail_tilt) = (bound, tilt + more);
            }
            let whole = rounds * aim.log_moment;
            tilted_top = tilted_top.min((above - whole - OUTSIDE.ln()) / more);
            let below = rounds * loss.cumulants(tilt - more).log_moment;
            bottom = bottom.max((OUTSIDE.ln() + whole - below) / more);
        }
        let bottom = bottom.min(epsilon);
        // Tilted mass beyond the top comes in at the bottom, and does no harm below ε.
        let top = top.max(tilted_top - (epsilon - bottom)).max(epsilon);
        let width = (top - bottom).max(1e-6);
        // What a step adds to the variance counts with the square of how far out ε is.
        let once = aim.variance.min(plain.variance).sqrt();
        let far_out = epsilon / (rounds.sqrt() * once).max(1e-9);
        let finest = once * grid.step() * (3.0 / far_out).min(1.0);
        let points = (width / finest).clamp(MIN_POINTS, MAX_POINTS).log2().ceil().exp2();
        let step = 1.02 * width / points;
        let first = ((bottom - 0.01 * width) / step).floor() as i64;
        let log_scale = aim.log_moment;
        Self { step, first, points: points as usize, tilt, tail_tilt, log_scale }
    }

    /// The loss at a point, in steps from 0.
    pub(super) fn loss_at(&self, point: i64) -> f64 {
        point as f64 * self.step
    }

    /// The points of the window, in order.
    pub(super) fn losses(&self) -> impl ExactSizeIterator<Item = f64> + DoubleEndedIterator + '_ {
        (0..self.points).map(|place| self.loss_at(self.first + place as i64))
    }
}

/// The λ ≥ 0 at which the tilted mean of one round is `mean`; 0 if it is beyond that untilted.
fn tilt_towards(mean: f64, loss: &PrivacyLoss) -> f64 {
    let greatest = loss.atoms().iter().map(|atom| atom.loss.abs()).fold(0.0, f64::max);
    // Beyond this, only the atoms with the greatest loss are left.
    let (mut low, mut high) = (0.0, 40.0 / greatest.max(1e-3));
    let mut tilt = 0.0;
    for _ in 0..60 {
        let here = loss.cumulants(tilt);
        let gap = mean - here.mean;
        if gap.abs() < 1e-3 * here.variance.sqrt() * (1.0 + mean.abs()) && gap.abs() < 1e-3 * mean {
            break;
        }
        if gap > 0.0 {
            low = tilt;
        } else {
            high = tilt;
        }
        let newton = tilt + gap / here.variance;
        tilt = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
        if high - low < 1e-4 * high {
            break;
        }
    }
    tilt
}
