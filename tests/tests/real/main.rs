//! The real programs on real TLS, over the loopback interface.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests and benchmarks touch the world"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chat;
mod departures;
mod identity;
mod operators;
mod probe;
mod processes;
mod records;
mod sinks;
mod traffic;
