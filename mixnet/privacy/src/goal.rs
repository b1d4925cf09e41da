//! What is to hold at the end of the budget.

use thiserror::Error;

/// What is to hold at the end of the budget: no view is more than e^ε times as likely under one
/// story as under the other, but for views of probability δ in all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    pub(super) epsilon: f64,
    pub(super) delta: f64,
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
