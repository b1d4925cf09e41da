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
mod queries;
mod rows;

use std::future::Future;
use std::path::PathBuf;

use talaria_wire::crypto::identity_key::IDENTITY_PUBLIC_LEN;
use thiserror::Error;
use tokio::sync::mpsc;

pub use connect::Database;
pub use queries::{PostgresStore, SqliteStore};
pub use rows::{Row, TokenRow, User, UserStatus};

/// The end of the directory: how many entries there are, and the hash of the chain over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Entries; the index that the next one gets.
    pub entries: u64,
    /// The hash after the last one.
    pub hash: [u8; 32],
    /// When the last one was written, in seconds since 1970.
    pub time_s: u64,
}

/// An entry as it is kept, and the hash of the chain after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Encoded.
    pub entry: Vec<u8>,
    /// The hash of the chain.
    pub hash: [u8; 32],
    /// When it is written, in seconds since 1970.
    pub time_s: u64,
}

/// Makes the next entry, once its place is known and nobody else can take it.
pub trait Append: FnOnce(Tip) -> Appended + Send {}
impl<F: FnOnce(Tip) -> Appended + Send> Append for F {}

/// What is kept of somebody who registers.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The name, normalised.
    pub name: String,
    /// What the name looks like: no two names look alike.
    pub skeleton: String,
    /// The OPAQUE record.
    pub record: Vec<u8>,
    /// The private key, wrapped by the client.
    pub wrapped_key: Vec<u8>,
    /// The public key.
    pub key: [u8; IDENTITY_PUBLIC_LEN],
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// The hash of the token that it takes, if it takes one.
    pub token: Option<[u8; 32]>,
    /// The time now, in seconds since 1970.
    pub now_s: u64,
}

/// What has to hold of a user for a change to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The status.
    pub status: UserStatus,
    /// The entry with which the key came, where the key matters.
    pub key_since: Option<u64>,
}

impl Guard {
    /// Of an active user, whatever the key.
    pub const ACTIVE: Self = Self { status: UserStatus::Active, key_since: None };
}

/// What changes of a user; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// The OPAQUE record.
    pub record: Option<Vec<u8>>,
    /// The wrapped private key.
    pub wrapped_key: Option<Vec<u8>>,
    /// The public key.
    pub key: Option<[u8; IDENTITY_PUBLIC_LEN]>,
    /// The certificate, DER.
    pub certificate: Option<Vec<u8>>,
    /// The status.
    pub status: Option<UserStatus>,
}

impl UserChange {
    /// Everything that is known of somebody but the name, which stays taken.
    #[must_use]
    pub fn deleted() -> Self {
        Self {
            record: Some(Vec::new()),
            wrapped_key: Some(Vec::new()),
            key: None,
            certificate: Some(Vec::new()),
            status: Some(UserStatus::Deleted),
        }
    }
}

/// Why something could not be read or kept.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Somebody has the name, had it, or has one that looks like it.
    #[error("the name is taken")]
    Taken,
    /// No such token, or it is used or expired.
    #[error("the token is not valid")]
    BadToken,
    /// There is no such user, or no longer as the change needs it.
    #[error("there is no such user, or not in this state")]
    NoSuchUser,
    /// The database was made by a later version of the program.
    #[error(
        "the database has schema {found}, and this program knows only {known}: install the \
         version that wrote it, or a later one"
    )]
    NewerSchema {
        /// The database's.
        found: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// A migration was changed after it had run.
    #[error("the database cannot be brought up to date: {0}")]
    Migration(sqlx::migrate::MigrateError),
    /// The database belongs to another directory.
    #[error(
        "the database holds the directory of another network or head key: restore the key that \
         belongs to it, or move the database away to begin with an empty one"
    )]
    OtherDirectory,
    /// A backup that lacks entries which the directory has.
    #[error(
        "the backup lacks {lost} of the directory's entries, which clients already know: with \
         --replace it is restored all the same, and clients will report a forked directory"
    )]
    WouldLose {
        /// How many.
        lost: u64,
    },
    /// Something in the database is not what was written.
    #[error("the database is damaged: {0}")]
    Damaged(&'static str),
    /// The folder or file of the database.
    #[error("cannot use {path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The database itself.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// A database of users, their directory, and tokens.
pub trait Store: Send + Sync + 'static {
    /// Binds a directory to its network and to the key that signs it, or checks that it is bound to
    /// them; an empty one begins with the hash `start`.
    fn bind(
        &self,
        owner: &[u8],
        start: &[u8; 32],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The user with this name, whatever the status.
    fn user(&self, name: &str) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;

    /// Whether nobody has or had the name, or one that looks like it.
    fn is_free(
        &self,
        name: &str,
        skeleton: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// At most `limit` users whose names follow upon `after`, in their order.
    fn users(
        &self,
        after: &str,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<User>, StoreError>> + Send;

    /// The end of the directory.
    fn tip(&self) -> impl Future<Output = Result<Tip, StoreError>> + Send;

    /// At most `limit` entries from index `since` on, encoded.
    fn entries(
        &self,
        since: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, StoreError>> + Send;

    /// Keeps a new user, uses up the token, and appends the entry: all of it or nothing.
    ///
    /// Fails with [`StoreError::Taken`] or [`StoreError::BadToken`]. Gives the new end.
    fn register(
        &self,
        user: NewUser,
        append: impl Append,
    ) -> impl Future<Output = Result<Tip, StoreError>> + Send;

    /// Changes a user for whom `guard` holds and appends the entry about it: both or neither.
    ///
    /// Fails with [`StoreError::NoSuchUser`]. Gives the new end.
    fn change(
        &self,
        name: &str,
        guard: Guard,
        change: UserChange,
        append: impl Append,
    ) -> impl Future<Output = Result<Tip, StoreError>> + Send;

    /// A new password of an active user: the record, and the private key wrapped anew. Nothing
    /// about it is in the directory.
    fn change_password(
        &self,
        name: &str,
        record: &[u8],
        wrapped_key: &[u8],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps hashes of new tokens, and drops those that expired before `now_s`.
    fn add_tokens(
        &self,
        hashes: &[[u8; 32]],
        now_s: u64,
        expires_s: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Every token, the earliest to expire first.
    fn tokens(&self) -> impl Future<Output = Result<Vec<TokenRow>, StoreError>> + Send;

    /// Whether a token could be used now.
    fn token_is_valid(
        &self,
        hash: &[u8; 32],
        now_s: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Drops a token; says whether there was one.
    fn revoke_token(
        &self,
        hash: &[u8; 32],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Sends every row, as all of them were at one moment.
    fn export(
        &self,
        rows: mpsc::Sender<Row>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts rows in the place of all that there is; nothing changes unless all can be taken.
    /// The sender ends with `None`: without it the rows were cut short, and are not taken.
    ///
    /// Fails with [`StoreError::WouldLose`] unless the rows hold every entry of the directory, or
    /// `replace` is set. Gives the new end.
    fn import(
        &self,
        rows: mpsc::Receiver<Option<Row>>,
        replace: bool,
    ) -> impl Future<Output = Result<Tip, StoreError>> + Send;
}

#[cfg(test)]
mod tests;
