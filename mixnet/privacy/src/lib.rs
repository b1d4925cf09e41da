//! The privacy budget: how much the views of many rounds may tell, and the noise that keeps it so.
//!
//! Pure functions of numbers. [`lane`] says which rounds cost something, [`PrivacyLoss`] what one
//! of them costs, [`Composition`] bounds what many cost, [`least_noise`] and [`greatest_rounds`]
//! go from a goal to the noise and back, and [`vuvuzela`] is there to compare. The derivation, the
//! proofs of the bounds and their check values are in `mixnet/PRIVACY.md`.

pub mod lane;
pub mod vuvuzela;

mod accounted;
mod compose;
mod goal;
mod loss;
mod search;

pub use accounted::Accounted;
pub use compose::{Composition, Grid, MAX_ROUNDS};
pub use goal::{BadGoal, Goal};
pub use loss::PrivacyLoss;
pub use search::{Fit, greatest_rounds, least_noise};

#[cfg(test)]
mod tests;
