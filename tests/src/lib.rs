//! The simulated network of Talaria and the suites that run in it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: what touches the world is here"
)]

pub mod fuzz;
pub mod identity;
pub mod real;
pub mod vectors;
