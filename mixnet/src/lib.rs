//! Rounds, hops, chain and entry of Talaria: everything that a server does.
//!
//! The protocol is in state machines and plain functions without sockets, clocks or hidden
//! randomness; what touches the world is in [`net`], behind the default feature `net`.

pub mod admission;
pub mod chain;
pub mod entry;
pub mod hop;
pub mod members;
pub mod privacy;
pub mod probe;
pub mod round;
pub mod schedule;

#[cfg(feature = "net")]
pub mod capacity;
#[cfg(feature = "net")]
pub mod config;
#[cfg(feature = "net")]
pub mod identity;
#[cfg(feature = "net")]
pub mod keys;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
pub mod network;
#[cfg(feature = "net")]
pub mod server;
#[cfg(feature = "net")]
pub mod setup;
