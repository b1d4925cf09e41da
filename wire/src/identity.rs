//! The identity service: names, passwords that nobody but their owner learns, certificates, and
//! the public directory.
//!
//! Everything here is pure; `mixnet` has the service and `client` its user's side.

pub mod charge;
pub mod directory;
pub mod ledger;
pub mod name;
pub mod proof;
pub mod request;
pub mod wrapping;

pub use directory::{Cause, Copy, Entry, EntryHash, Head};
pub use name::{BadUserName, UserName};
pub use request::{Refusal, Request, Response};
pub use wrapping::{ExportKey, WrappedThing};
