//! How finely losses are cut.

/// How finely losses are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// To search with: δ is too great by less than about one part in a hundred.
    Coarse,
    /// To answer with: too great by less than about one part in several thousand.
    Fine,
}

impl Grid {
    /// The step, in standard deviations of one round's loss.
    pub(super) fn step(self) -> f64 {
        match self {
            Self::Coarse => 0.06,
            Self::Fine => 0.014,
        }
    }
}
