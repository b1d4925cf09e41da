//! Rounds, hops, chain and entry of Talaria: everything that a server decides.
//!
//! The protocol is in state machines and plain functions without sockets, clocks, files or hidden
//! randomness. The server `talariad` and the simulated network drive the same ones.

pub mod entry;
pub mod hop;
pub mod link;
pub mod mix;
pub mod probe;
pub mod round;
pub mod schedule;
pub mod underway;
