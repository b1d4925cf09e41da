//! Opening the databases, and bringing them up to the schema that this program knows.

use std::borrow::Cow;
use std::fs::File;
use std::future::ready;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    SqliteTransactionManager,
};
use sqlx::{ConnectOptions, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use super::error::StoreError;

/// Where the database is.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Database {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database. The URL may hold a password, and is not printed.
    Url(String),
}

impl From<String> for Database {
    fn from(text: String) -> Self {
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if is_url { Self::Url(text) } else { Self::File(text.into()) }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Url(_) => f.write_str("Url(…)"),
        }
    }
}

/// Connections that only read, or to PostgreSQL.
const CONNECTIONS: u32 = 4;
/// How long somebody may wait for a connection or for a lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// Every schema there has been, and how it comes from the one before. What has been released is
/// never changed: a database that has run it would be refused.
const SQLITE: [&str; 3] = [
    include_str!("migrations/1-sqlite.sql"),
    include_str!("migrations/2-sqlite.sql"),
    include_str!("migrations/3-sqlite.sql"),
];
const POSTGRES: [&str; 3] = [
    include_str!("migrations/1-postgres.sql"),
    include_str!("migrations/2-postgres.sql"),
    include_str!("migrations/3-postgres.sql"),
];

/// One connection that writes, and some that read. In SQLite only one can write; that the others
/// wait here rather than there is fair.
pub(super) async fn sqlite(path: &Path) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let made = File::options().create(true).append(true).mode(0o600).open(path);
    made.map_err(|error| StoreError::File { path: path.to_owned(), error })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // Whoever has a certificate is in the directory, even after a power failure.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        // A password record that was replaced is to be gone.
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let pool = |connections| {
        let pool = SqlitePoolOptions::new().max_connections(connections);
        pool.acquire_timeout(PATIENCE).before_acquire(|connection, _| {
            // SQLite ends a transaction by itself when the disk is full or fails, and the driver,
            // whose own end of it is refused then, takes it for open ever after.
            Box::pin(ready(Ok(SqliteTransactionManager::get_transaction_depth(connection) == 0)))
        })
    };
    let write = pool(1).connect_with(options.clone()).await?;
    migrate(&migrator(&SQLITE), &mut *write.acquire().await?).await?;
    let read = pool(CONNECTIONS).connect_with(options).await?;
    Ok((write, read))
}

/// PostgreSQL has no such limit, but all changes append to one directory.
pub(super) async fn postgres(url: &str) -> Result<PgPool, StoreError> {
    let options: PgConnectOptions = url.parse::<PgConnectOptions>()?.disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE);
    let pool = pool.connect_with(options).await?;
    migrate(&migrator(&POSTGRES), &mut *pool.acquire().await?).await?;
    Ok(pool)
}

fn migrator(schemas: &[&'static str]) -> Migrator {
    let migration = |(version, sql): (i64, &&'static str)| {
        let name = Cow::Borrowed("schema");
        Migration::new(version, name, MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations((1..).zip(schemas).map(migration).collect())
}

async fn migrate<C>(migrator: &Migrator, connection: &mut C) -> Result<(), StoreError>
where
    C: Migrate,
{
    let known = i64::try_from(migrator.iter().count()).unwrap_or(i64::MAX);
    migrator.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::NewerSchema { found, known },
        error => StoreError::Migration(error),
    })
}
