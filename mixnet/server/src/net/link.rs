//! Links between servers: batches in both directions over one TLS connection.
//!
//! The side nearer to the clients connects ([`Onward`]), the other listens. Both read and write at
//! the same time, so that two large batches that meet cannot block each other. A connection that
//! breaks loses the rounds that are away, and is made anew with growing pauses.

mod broken;
mod fault;
mod messages;
mod onward;

pub use broken::BrokenLink;
pub(super) use fault::{shown_key, state_of};
pub use messages::{Incoming, LinkReader, read_incoming, write_message, write_slots};
pub(super) use onward::{Connected, connect, dial};
pub use onward::{LinkEvent, Onward, OnwardConfig};
