//! The dead-drop exchange: a batch of requests in, a batch of replies out.
//!
//! No runtime, no state between rounds. Two messages of a round that name the same dead drop are
//! swapped (Vuvuzela, SOSP 2015, section 3.1); a message that met no other gets the empty reply.

mod exchange;

pub use exchange::{NotRequests, Tally, exchange};
