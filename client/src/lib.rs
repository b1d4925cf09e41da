//! The client of Talaria as a library.
//!
//! A state machine, [`Client`]: it has no sockets, clocks, files or hidden randomness. What it
//! decides comes out as [`Action`]s, to be executed one by one; the daemon and the simulated
//! network do.

pub mod certificate;
pub mod client;
pub mod contact;
pub mod conversation;
mod cover;
pub mod departures;
pub mod identity;
pub mod loss;
pub mod notice;
pub mod safety;
pub mod session;

pub use client::{Action, Change, Client, CloseReason, Counters, ProtocolError};
pub use contact::{Contact, Met, Trust};
pub use conversation::SayError;
pub use conversation::budget::{Budget, BudgetStage, Causes, Price};
pub use conversation::state::{ConversationState, TEXT_MAX, Text};
pub use identity::Identity;
pub use loss::{Loss, RoundEnd};
pub use notice::{Interference, Notice, Presence, Way};
pub use safety::SafetyNumber;
