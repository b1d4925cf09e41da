//! The real programs on real TLS, over the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chat;
mod identity;
mod operators;
mod probe;
mod processes;
mod traffic;
