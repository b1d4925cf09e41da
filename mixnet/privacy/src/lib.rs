//! The privacy budget: how much the views of many rounds may tell, and the noise that keeps it so.
//!
//! Pure functions of numbers. [`lane`] says which rounds cost something, [`PrivacyLoss`] what one
//! of them costs, [`Composition`] bounds what many cost, [`least_noise`] and [`greatest_rounds`]
//! go from a goal to the noise and back, and [`vuvuzela`] is there to compare. The derivation, the
//! proofs of the bounds and their check values are in `mixnet/PRIVACY.md`.

pub mod lane;
pub mod vuvuzela;

mod compose;
mod loss;
mod search;

pub use compose::{Composition, Grid, MAX_ROUNDS};
pub use loss::PrivacyLoss;
pub use search::{Fit, greatest_rounds, least_noise};

use thiserror::Error;

/// What is to hold at the end of the budget: no view is more than e^ε times as likely under one
/// story as under the other, but for views of probability δ in all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    epsilon: f64,
    delta: f64,
}

/// Numbers that say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum BadGoal {
    /// Negative, infinite or not a number.
    #[error("epsilon is 0 or more, such as ln2 or 0.7")]
    Epsilon,
    /// Zero, or not a probability.
    #[error("delta is above 0 and at most 1, such as 1e-4: no finite noise reaches 0")]
    Delta,
}

impl Goal {
    /// ε ≥ 0 and 0 < δ ≤ 1.
    ///
    /// # Errors
    /// [`BadGoal`] says which of them is out of range.
    pub fn new(epsilon: f64, delta: f64) -> Result<Self, BadGoal> {
        if !(epsilon.is_finite() && epsilon >= 0.0) {
            return Err(BadGoal::Epsilon);
        }
        if !(delta > 0.0 && delta <= 1.0) {
            return Err(BadGoal::Delta);
        }
        Ok(Self { epsilon, delta })
    }

    /// ε, in nats.
    #[must_use]
    pub fn epsilon(self) -> f64 {
        self.epsilon
    }

    /// δ, a probability.
    #[must_use]
    pub fn delta(self) -> f64 {
        self.delta
    }

    /// The advantage that this goal alone allows, whatever the mechanism:
    /// (e^ε − 1 + 2δ)/(e^ε + 1) (Kairouz, Oh and Viswanath, ICML 2015, section 2.1).
    #[must_use]
    pub fn advantage(self) -> f64 {
        // Divided by e^ε, so that a great ε does not overflow.
        let less = (-self.epsilon).exp();
        (1.0 - less + 2.0 * self.delta * less) / (1.0 + less)
    }
}

/// What a number of charged rounds amounts to. Upper bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accounted {
    /// The rounds.
    pub charged_rounds: u32,
    /// ε at the δ of the goal; none if no ε is enough.
    pub epsilon: Option<f64>,
    /// δ at the ε of the goal.
    pub delta: f64,
    /// The attacker's advantage: true less false positives of the best test between the two
    /// stories, which is the total variation distance δ(0). Of two stories that were equally
    /// likely before, the best guess is right with probability (1 + advantage)/2.
    pub advantage: f64,
}

impl Accounted {
    /// For a mechanism with these losses in its two directions.
    #[must_use]
    pub fn new(forth: &PrivacyLoss, back: &PrivacyLoss, rounds: u32, goal: Goal) -> Self {
        let one = Self::one_way(forth, rounds, goal);
        if forth == back {
            return one;
        }
        let other = Self::one_way(back, rounds, goal);
        Self {
            charged_rounds: rounds,
            epsilon: one.epsilon.zip(other.epsilon).map(|(one, other)| one.max(other)),
            delta: one.delta.max(other.delta),
            // The total variation is the same both ways, so the lower bound is the better one.
            advantage: one.advantage.min(other.advantage),
        }
    }

    /// Without noise: certain from the first charged round on.
    #[must_use]
    pub fn nothing_hidden(charged_rounds: u32) -> Self {
        let certain = charged_rounds > 0;
        Self {
            charged_rounds,
            epsilon: if certain { None } else { Some(0.0) },
            delta: if certain { 1.0 } else { 0.0 },
            advantage: if certain { 1.0 } else { 0.0 },
        }
    }

    fn one_way(loss: &PrivacyLoss, rounds: u32, goal: Goal) -> Self {
        let at = |epsilon| Composition::new(loss, rounds, epsilon, Grid::Fine);
        let composition = at(goal.epsilon);
        // Sharper where it is asked for, if that is far from the goal's.
        let epsilon = composition
            .epsilon(goal.delta)
            .map(|near| at(near).epsilon(goal.delta).unwrap_or(near).min(near));
        Self {
            charged_rounds: rounds,
            epsilon,
            delta: composition.delta(goal.epsilon),
            advantage: at(0.0).delta(0.0),
        }
    }
}

#[cfg(test)]
mod tests;
