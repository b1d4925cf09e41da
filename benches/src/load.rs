//! The load generator: real clients over real TLS, and a judge of every reply.
//!
//! One thread runs all connections; a pool of others seals the onions of coming rounds. What each
//! client says follows from a seed, the round and its number (`script`), so that whoever opens
//! a reply can tell what it has to be. Whether it had to be that depends on whether the partner
//! was in the round, so a round is judged when everybody has an answer (`ledger`).

mod args;
mod cast;
mod client;
mod conduct;
mod connection;
mod dial;
mod error;
mod ledger;
mod prepare;
mod probe;
mod process;
mod progress;
mod report;
mod script;
mod spread;
mod stage;
mod users;

pub use args::Args;
pub use conduct::run;
pub use error::LoadError;
pub use probe::{Cost, Ours, Servers};
pub use process::{Cpu, Memory};
pub use report::Report;
pub use spread::Spread;
