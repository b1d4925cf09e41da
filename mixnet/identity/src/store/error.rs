//! Why something could not be read or kept.

use std::path::PathBuf;

use thiserror::Error;

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
