//! Runs a client over TLS: sockets and clocks around the state machine.
//!
//! [`run`] is one task. It reads frames, executes the client's actions in their order, and keeps
//! the connection up; whoever calls it only sends [`Input`] and takes [`Event`]s. [`hub::Hub`] does,
//! and joins it to faces.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: what touches the world is here"
)]

pub mod account;
mod blocking;
mod clock;
mod driver;
pub mod hub;
mod ledger;
pub mod net;
mod run;
#[cfg(test)]
mod tests;
pub mod told;

pub use clock::now;
pub use driver::run;
pub use net::identity::ServiceError;
pub use run::{Asked, BACKLOG_UNITS, Event, Input, Ports, RunError, Summary, WhenSpent};
