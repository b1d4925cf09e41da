//! The home of an account on disk: an encrypted database, and what has to be known to unlock it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: what touches the world is here"
)]

mod account_file;
mod database;
mod directory;
mod error;
mod files;
mod home;
mod key;
mod ledger;
mod local;
mod mark;
mod network;
mod talks;
#[cfg(test)]
mod tests;

pub use account_file::AccountFile;
pub use error::HomeError;
pub use home::{Home, NewHome};
pub use key::HomeKey;
pub use ledger::{Record, Recorded, Reserved};
pub use mark::ShownMark;
pub use network::{NetworkSource, read as read_network, update as update_network};
