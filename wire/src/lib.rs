//! Encodings and cryptography of everything that travels in Talaria.
//!
//! No runtime, no clock, no sockets and no hidden randomness: every function takes what it
//! needs, and a random generator is an argument. The byte-level specification is `PROTOCOL.md`
//! beside this crate; where the two differ, that page is wrong and a test should have said so.

pub mod batch;
pub mod codec;
pub mod control;
pub mod crypto;
pub mod dead_drop;
pub mod epoch;
pub mod frame;
pub mod identity;
pub mod link;
pub mod network_file;
pub mod onion;
pub mod params;
pub mod peer_message;
pub mod probe;
pub mod reason;
pub mod tls_names;

pub use batch::Batch;
pub use dead_drop::{DeadDropId, ExchangeRequest};
pub use params::{HopIndex, Hops, Round, RoundShape, UnixMillis};
