//! The client of Talaria as a library.
//!
//! The core is a state machine, [`Client`]: it has no sockets, clocks, files or hidden randomness,
//! and builds without the feature `net`. What it decides comes out as [`Action`]s, to be executed
//! one by one. With the feature `net` (the default) there is also a home directory on disk and
//! a driver that runs a client over TLS.

pub mod account;
pub mod client;
pub mod contact;
pub mod conversation;
mod cover;
pub mod identity;
pub mod notice;
pub mod safety;
pub mod session;

#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "net")]
pub mod store;

pub use client::{Action, Change, Client, CloseReason, Counters, ProtocolError};
pub use contact::{Contact, Met, Trust};
pub use conversation::SayError;
pub use conversation::budget::{Budget, BudgetStage};
pub use conversation::state::{ConversationState, TEXT_MAX, Text};
pub use identity::Identity;
pub use notice::{Interference, Notice, Presence, Way};
pub use safety::SafetyNumber;
