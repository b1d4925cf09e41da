//! What the identity service keeps: users, the directory and tokens, behind one trait.
//!
//! Two databases do it: [`SqliteStore`] and [`PostgresStore`], with the same queries and the same
//! tests. Every change is one transaction together with the directory's entry about it, so that a
//! process that is killed leaves each name either registered in full or free.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the shell of this crate: databases are files"
)]

mod connect;
mod contract;
mod error;
mod queries;
mod rows;

pub use connect::Database;
pub use contract::{Append, Appended, Guard, LedgerRecord, NewUser, Store, Tip, UserChange};
pub use error::StoreError;
pub use queries::{PostgresStore, SqliteStore};
pub use rows::{Credential, Row, TokenRow, User, UserStatus};

#[cfg(test)]
mod tests;
