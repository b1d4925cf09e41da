//! What a number of charged rounds amounts to.

use super::compose::{Composition, Grid};
use super::goal::Goal;
use super::loss::PrivacyLoss;

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
