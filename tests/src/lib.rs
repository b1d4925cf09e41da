//! The simulated network of Talaria and the suites that run in it.

pub mod fuzz;
pub mod identity;
pub mod real;
pub mod vectors;
