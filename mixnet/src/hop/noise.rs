//! Noise: onions that a hop adds to a round so that the next ones cannot count what is real.
//!
//! The mixing takes noise today; the mechanism that chooses how much of it is still to come, so
//! servers pass [`Noise::none`].

use talaria_wire::Batch;

/// Onions of this hop's own, as the next hop expects them.
#[derive(Debug)]
pub struct Noise(Batch);

impl Noise {
    /// These onions.
    #[must_use]
    pub fn new(onions: Batch) -> Self {
        Self(onions)
    }

    /// No noise at all.
    #[must_use]
    pub fn none() -> Self {
        Self(Batch::with_capacity(1, 0))
    }

    pub(crate) fn onions(&self) -> &Batch {
        &self.0
    }
}
