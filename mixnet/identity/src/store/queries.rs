//! The queries, in SQL that both databases understand alike.

use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite, Transaction};
use tokio::sync::mpsc;

use super::connect;
use super::contract::{Append, Appended, Guard, LedgerRecord, NewUser, Store, Tip, UserChange};
use super::error::StoreError;
use super::rows::{Credential, Row, TokenRow, User, UserStatus, fixed, signed, unsigned};

const USER: &str = "SELECT name, record, wrapped_key, public_key, certificate, status, \
    key_since, newest, registered_s, skeleton, credential, ledger_number, ledger FROM users WHERE name = $1";
const USERS: &str = "SELECT name, record, wrapped_key, public_key, certificate, status, \
    key_since, newest, registered_s, skeleton, credential, ledger_number, ledger FROM users \
    WHERE name > $1 ORDER BY name LIMIT $2";
const IS_FREE: &str = "SELECT name FROM users WHERE name = $1 OR skeleton = $2";
const TIP: &str = "SELECT entries, hash, time_s FROM tip";
/// Nobody else appends until the transaction is over.
const LOCK_TIP: &str = "UPDATE tip SET entries = entries RETURNING entries, hash, \
    time_s";
const SET_TIP: &str = "UPDATE tip SET entries = $1, hash = $2, time_s = $3";
const BIND: &str = "UPDATE tip SET owner = $1, hash = CASE WHEN entries = 0 THEN $2 ELSE hash END \
    WHERE owner = $1 OR entries = 0";
const ENTRIES: &str = "SELECT entry FROM entries WHERE place >= $1 ORDER BY place LIMIT $2";
const SIGNED: &str = "SELECT CASE WHEN signed_s > time_s THEN signed_s ELSE time_s END FROM tip";
const NOTE_SIGNED: &str = "UPDATE tip SET signed_s = $1 WHERE signed_s < $1";
const TIP_AT: &str = "SELECT place + 1, hash, time_s FROM entries WHERE place = $1";
const ADD_ENTRY: &str = "INSERT INTO entries (place, entry, hash, time_s) VALUES ($1, $2, $3, $4)";
const ADD_USER: &str = "INSERT INTO users (name, record, wrapped_key, public_key, certificate, \
    status, key_since, newest, registered_s, skeleton, ledger_number, ledger, credential) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, credential FROM tip WHERE id = 1 \
    ON CONFLICT DO NOTHING";
const CHANGE_USER: &str = "UPDATE users SET record = COALESCE($1, record), \
    wrapped_key = COALESCE($2, wrapped_key), public_key = COALESCE($3, public_key), \
    certificate = COALESCE($4, certificate), status = COALESCE($5, status), \
    key_since = CASE WHEN $3 IS NULL THEN key_since ELSE $6 END, newest = $6, \
    credential = credential + $10, ledger_number = COALESCE($12, ledger_number), \
    ledger = COALESCE($13, ledger) \
    WHERE name = $7 AND status = $8 AND key_since = COALESCE($9, key_since) \
    AND credential = COALESCE($11, credential)";
const CHANGE_PASSWORD: &str = "UPDATE users SET record = $1, wrapped_key = $2, \
    credential = credential + 1 WHERE name = $3 AND status = $4 AND credential = $5";
/// The record and the number before are looked at and replaced in one statement.
const LEDGER: &str = "UPDATE users SET \
    ledger = CASE WHEN ledger_number = $1 THEN $2 ELSE ledger END, \
    ledger_number = ledger_number + CASE WHEN ledger_number = $1 THEN 1 ELSE 0 END \
    WHERE name = $3 AND status = $4 AND key_since = $5 RETURNING ledger_number, ledger";
/// Before the users go: whoever is restored begins beyond what any of them had, so that no login
/// from before is taken for one of theirs.
const RAISE_CREDENTIALS: &str = "UPDATE tip SET credential = \
    COALESCE((SELECT MAX(credential) FROM users), credential) + 1";
const USE_TOKEN: &str =
    "UPDATE tokens SET used_s = $1 WHERE hash = $2 AND used_s IS NULL AND expires_s > $1";
const DROP_EXPIRED: &str = "DELETE FROM tokens WHERE expires_s <= $1";
const ADD_TOKEN: &str = "INSERT INTO tokens (hash, made_s, expires_s, used_s) \
    VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
const TOKENS: &str = "SELECT hash, made_s, expires_s, used_s FROM tokens ORDER BY expires_s, hash";
const TOKEN_IS_VALID: &str =
    "SELECT hash FROM tokens WHERE hash = $1 AND used_s IS NULL AND expires_s > $2";
const REVOKE_TOKEN: &str = "DELETE FROM tokens WHERE hash = $1";
const ALL_ENTRIES: &str = "SELECT place, time_s, entry, hash FROM entries ORDER BY place";
const ALL_USERS: &str = "SELECT name, record, wrapped_key, public_key, certificate, status, \
    key_since, newest, registered_s, skeleton, credential, ledger_number, ledger FROM users ORDER BY name";
const CLEAR: [&str; 3] = ["DELETE FROM users", "DELETE FROM entries", "DELETE FROM tokens"];

/// Users in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(super) write: SqlitePool,
    read: SqlitePool,
}

/// Users in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    write: PgPool,
    read: PgPool,
}

impl SqliteStore {
    /// What begins a transaction that writes: the only lock that SQLite has is taken at once, so
    /// that nobody has to begin again.
    const WRITE: &str = "BEGIN IMMEDIATE";
    /// What begins a transaction that sees one moment.
    const SNAPSHOT: &str = "BEGIN";

    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be opened or has a newer schema.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let (write, read) = connect::sqlite(path).await?;
        Ok(Self { write, read })
    }
}

impl PostgresStore {
    const WRITE: &str = "BEGIN";
    const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

    /// Connects to the database of a URL.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be reached or has a newer schema.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let pool = connect::postgres(url).await?;
        Ok(Self { write: pool.clone(), read: pool })
    }
}

/// The next index, and what is appended there.
fn next(tip: Tip, append: impl Append) -> (Appended, Tip) {
    let appended = append(tip);
    let Appended { hash, time_s, .. } = appended;
    (appended, Tip { entries: tip.entries + 1, hash, time_s })
}

/// Whether rows that are restored are all that they should be.
struct Restored {
    before: Tip,
    tip: Tip,
    /// The directory's last entry is among the rows, and with it all before.
    contained: bool,
}

impl Restored {
    fn new(before: Tip) -> Self {
        let tip = Tip { entries: 0, hash: [0; 32], time_s: 0 };
        Self { before, tip, contained: before.entries == 0 }
    }

    fn take(&mut self, index: u64, appended: &Appended) -> Result<(), StoreError> {
        if index != self.tip.entries {
            return Err(StoreError::Damaged("an entry of the directory is missing"));
        }
        let Appended { hash, time_s, .. } = *appended;
        self.tip = Tip { entries: index + 1, hash, time_s };
        self.contained |= self.tip == self.before;
        Ok(())
    }

    fn check(&self, replace: bool) -> Result<Tip, StoreError> {
        if self.contained || replace {
            return Ok(self.tip);
        }
        let missing = self.before.entries.saturating_sub(self.tip.entries);
        Err(StoreError::WouldLose { lost: missing.max(1) })
    }
}

/// The two databases differ in types only, which `sqlx` wants to know at every query.
macro_rules! store {
    ($store:ty, $database:ty, $row:ty) => {
        impl $store {
            pub(super) async fn begin(
                &self,
            ) -> Result<(Transaction<'static, $database>, Tip), StoreError> {
                let mut all = self.write.begin_with(Self::WRITE).await?;
                let row = sqlx::query(LOCK_TIP).fetch_one(&mut *all).await?;
                Ok((all, Self::read_tip(&row)?))
            }

            async fn add_entry(
                all: &mut Transaction<'static, $database>,
                index: u64,
                appended: &Appended,
            ) -> Result<(), StoreError> {
                let insert = sqlx::query(ADD_ENTRY).bind(signed(index)).bind(&appended.entry);
                let insert = insert.bind(&appended.hash[..]).bind(signed(appended.time_s));
                insert.execute(&mut **all).await?;
                Ok(())
            }

            async fn set_tip(
                all: &mut Transaction<'static, $database>,
                tip: Tip,
            ) -> Result<(), StoreError> {
                let update = sqlx::query(SET_TIP).bind(signed(tip.entries)).bind(&tip.hash[..]);
                update.bind(signed(tip.time_s)).execute(&mut **all).await?;
                Ok(())
            }

            /// Says whether the name was free. The credential begins where all do.
            async fn add_user(
                all: &mut Transaction<'static, $database>,
                user: &User,
            ) -> Result<bool, StoreError> {
                let insert = sqlx::query(ADD_USER)
                    .bind(&user.name)
                    .bind(&user.record)
                    .bind(&user.wrapped_key)
                    .bind(&user.key[..])
                    .bind(&user.certificate)
                    .bind(user.status.to_sql())
                    .bind(signed(user.key_since))
                    .bind(signed(user.newest))
                    .bind(signed(user.registered_s))
                    .bind(&user.skeleton)
                    .bind(signed(user.ledger_number))
                    .bind(&user.ledger);
                Ok(insert.execute(&mut **all).await?.rows_affected() == 1)
            }

            async fn add_token(
                all: &mut Transaction<'static, $database>,
                token: &TokenRow,
            ) -> Result<(), StoreError> {
                let insert = sqlx::query(ADD_TOKEN)
                    .bind(&token.hash[..])
                    .bind(signed(token.made_s))
                    .bind(signed(token.expires_s))
                    .bind(token.used_s.map(signed));
                insert.execute(&mut **all).await?;
                Ok(())
            }

            async fn restore_row(
                all: &mut Transaction<'static, $database>,
                row: Row,
                restored: &mut Restored,
            ) -> Result<(), StoreError> {
                match row {
                    Row::Entry { index, time_s, entry, hash } => {
                        let appended = Appended { entry, hash, time_s };
                        restored.take(index, &appended)?;
                        Self::add_entry(all, index, &appended).await
                    }
                    Row::User(user) => match Self::add_user(all, &user).await? {
                        true => Ok(()),
                        false => Err(StoreError::Damaged("a name is there twice")),
                    },
                    Row::Token(token) => Self::add_token(all, &token).await,
                }
            }

            fn read_tip(row: &$row) -> Result<Tip, StoreError> {
                Ok(Tip {
                    entries: unsigned(row.try_get(0)?)?,
                    hash: fixed(row.try_get(1)?)?,
                    time_s: unsigned(row.try_get(2)?)?,
                })
            }

            fn read_user(row: &$row) -> Result<User, StoreError> {
                Ok(User {
                    name: row.try_get(0)?,
                    record: row.try_get(1)?,
                    wrapped_key: row.try_get(2)?,
                    key: fixed(row.try_get(3)?)?,
                    certificate: row.try_get(4)?,
                    status: UserStatus::from_sql(row.try_get(5)?)?,
                    key_since: unsigned(row.try_get(6)?)?,
                    newest: unsigned(row.try_get(7)?)?,
                    registered_s: unsigned(row.try_get(8)?)?,
                    skeleton: row.try_get(9)?,
                    credential: Credential(unsigned(row.try_get(10)?)?),
                    ledger_number: unsigned(row.try_get(11)?)?,
                    ledger: row.try_get(12)?,
                })
            }

            fn read_token(row: &$row) -> Result<TokenRow, StoreError> {
                let used: Option<i64> = row.try_get(3)?;
                Ok(TokenRow {
                    hash: fixed(row.try_get(0)?)?,
                    made_s: unsigned(row.try_get(1)?)?,
                    expires_s: unsigned(row.try_get(2)?)?,
                    used_s: used.map(unsigned).transpose()?,
                })
            }

            fn read_entry(row: &$row) -> Result<Row, StoreError> {
                Ok(Row::Entry {
                    index: unsigned(row.try_get(0)?)?,
                    time_s: unsigned(row.try_get(1)?)?,
                    entry: row.try_get(2)?,
                    hash: fixed(row.try_get(3)?)?,
                })
            }
        }

        impl Store for $store {
            async fn bind(&self, owner: &[u8], start: &[u8; 32]) -> Result<(), StoreError> {
                let bind = sqlx::query(BIND).bind(owner).bind(&start[..]);
                let bound = bind.execute(&self.write).await?;
                match bound.rows_affected() {
                    1 => Ok(()),
                    _ => Err(StoreError::OtherDirectory),
                }
            }

            async fn user(&self, name: &str) -> Result<Option<User>, StoreError> {
                let row = sqlx::query(USER).bind(name).fetch_optional(&self.read).await?;
                row.map(|row| Self::read_user(&row)).transpose()
            }

            async fn users(&self, after: &str, limit: u32) -> Result<Vec<User>, StoreError> {
                let query = sqlx::query(USERS).bind(after).bind(i64::from(limit));
                query.fetch_all(&self.read).await?.iter().map(Self::read_user).collect()
            }

            async fn is_free(&self, name: &str, skeleton: &str) -> Result<bool, StoreError> {
                let query = sqlx::query(IS_FREE).bind(name).bind(skeleton);
                Ok(query.fetch_optional(&self.read).await?.is_none())
            }

            async fn tip(&self) -> Result<Tip, StoreError> {
                Self::read_tip(&sqlx::query(TIP).fetch_one(&self.read).await?)
            }

            async fn signed_s(&self) -> Result<u64, StoreError> {
                unsigned(sqlx::query(SIGNED).fetch_one(&self.read).await?.try_get(0)?)
            }

            async fn note_signed(&self, time_s: u64) -> Result<(), StoreError> {
                sqlx::query(NOTE_SIGNED).bind(signed(time_s)).execute(&self.write).await?;
                Ok(())
            }

            async fn tip_at(&self, entries: u64) -> Result<Tip, StoreError> {
                let query = sqlx::query(TIP_AT).bind(signed(entries) - 1);
                let row = query.fetch_optional(&self.read).await?;
                let row = row.ok_or(StoreError::Damaged("an entry of the directory is missing"))?;
                Self::read_tip(&row)
            }

            async fn entries(&self, since: u64, limit: u32) -> Result<Vec<Vec<u8>>, StoreError> {
                let query = sqlx::query(ENTRIES).bind(signed(since)).bind(i64::from(limit));
                let rows = query.fetch_all(&self.read).await?;
                Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
            }

            async fn register(
                &self,
                user: NewUser,
                append: impl Append,
            ) -> Result<Tip, StoreError> {
                let (mut all, tip) = self.begin().await?;
                let (appended, after) = next(tip, append);
                let row = User {
                    name: user.name,
                    record: user.record,
                    wrapped_key: user.wrapped_key,
                    key: user.key,
                    certificate: user.certificate,
                    status: UserStatus::Active,
                    key_since: tip.entries,
                    newest: tip.entries,
                    registered_s: user.now_s,
                    skeleton: user.skeleton,
                    ledger_number: 0,
                    ledger: Vec::new(),
                    credential: Credential::default(),
                };
                if !Self::add_user(&mut all, &row).await? {
                    return Err(StoreError::Taken);
                }
                if let Some(token) = user.token {
                    let take = sqlx::query(USE_TOKEN).bind(signed(user.now_s)).bind(&token[..]);
                    if take.execute(&mut *all).await?.rows_affected() != 1 {
                        return Err(StoreError::BadToken);
                    }
                }
                Self::add_entry(&mut all, tip.entries, &appended).await?;
                Self::set_tip(&mut all, after).await?;
                all.commit().await?;
                Ok(after)
            }

            async fn change(
                &self,
                name: &str,
                guard: Guard,
                change: UserChange,
                append: impl Append,
            ) -> Result<Tip, StoreError> {
                let (mut all, tip) = self.begin().await?;
                let (appended, after) = next(tip, append);
                let raised = i64::from(change.is_of_credentials());
                let number = change.ledger.as_ref().map(|ledger| signed(ledger.number));
                let update = sqlx::query(CHANGE_USER)
                    .bind(change.record)
                    .bind(change.wrapped_key)
                    .bind(change.key.map(Vec::from))
                    .bind(change.certificate)
                    .bind(change.status.map(UserStatus::to_sql))
                    .bind(signed(tip.entries))
                    .bind(name)
                    .bind(guard.status.to_sql())
                    .bind(guard.key_since.map(signed))
                    .bind(raised)
                    .bind(guard.credential.map(|credential| signed(credential.0)))
                    .bind(number)
                    .bind(change.ledger.map(|ledger| ledger.record));
                if update.execute(&mut *all).await?.rows_affected() != 1 {
                    return Err(StoreError::NoSuchUser);
                }
                Self::add_entry(&mut all, tip.entries, &appended).await?;
                Self::set_tip(&mut all, after).await?;
                all.commit().await?;
                Ok(after)
            }

            async fn change_password(
                &self,
                name: &str,
                credential: Credential,
                record: &[u8],
                wrapped_key: &[u8],
            ) -> Result<(), StoreError> {
                let update = sqlx::query(CHANGE_PASSWORD)
                    .bind(record)
                    .bind(wrapped_key)
                    .bind(name)
                    .bind(UserStatus::Active.to_sql())
                    .bind(signed(credential.0));
                match update.execute(&self.write).await?.rows_affected() {
                    1 => Ok(()),
                    _ => Err(StoreError::NoSuchUser),
                }
            }

            async fn ledger(
                &self,
                name: &str,
                key_since: u64,
                after: u64,
                record: &[u8],
            ) -> Result<LedgerRecord, StoreError> {
                let update = sqlx::query(LEDGER)
                    .bind(signed(after))
                    .bind(record)
                    .bind(name)
                    .bind(UserStatus::Active.to_sql())
                    .bind(signed(key_since));
                let row = update.fetch_optional(&self.write).await?;
                let row = row.ok_or(StoreError::NoSuchUser)?;
                Ok(LedgerRecord { number: unsigned(row.try_get(0)?)?, record: row.try_get(1)? })
            }

            async fn add_tokens(
                &self,
                hashes: &[[u8; 32]],
                now_s: u64,
                expires_s: u64,
            ) -> Result<(), StoreError> {
                let (mut all, _) = self.begin().await?;
                sqlx::query(DROP_EXPIRED).bind(signed(now_s)).execute(&mut *all).await?;
                for hash in hashes {
                    let (hash, used_s) = (*hash, None);
                    let token = TokenRow { hash, made_s: now_s, expires_s, used_s };
                    Self::add_token(&mut all, &token).await?;
                }
                Ok(all.commit().await?)
            }

            async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
                let rows = sqlx::query(TOKENS).fetch_all(&self.read).await?;
                rows.iter().map(Self::read_token).collect()
            }

            async fn token_is_valid(
                &self,
                hash: &[u8; 32],
                now_s: u64,
            ) -> Result<bool, StoreError> {
                let query = sqlx::query(TOKEN_IS_VALID).bind(&hash[..]).bind(signed(now_s));
                Ok(query.fetch_optional(&self.read).await?.is_some())
            }

            async fn revoke_token(&self, hash: &[u8; 32]) -> Result<bool, StoreError> {
                let delete = sqlx::query(REVOKE_TOKEN).bind(&hash[..]).execute(&self.write).await?;
                Ok(delete.rows_affected() == 1)
            }

            async fn export(&self, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
                let mut all = self.read.begin_with(Self::SNAPSHOT).await?;
                let readers: [(&'static str, fn(&$row) -> Result<Row, StoreError>); 3] = [
                    (ALL_ENTRIES, Self::read_entry),
                    (ALL_USERS, |row| Ok(Row::User(Self::read_user(row)?.without_credential()))),
                    (TOKENS, |row| Self::read_token(row).map(Row::Token)),
                ];
                for (query, read) in readers {
                    let mut found = sqlx::query(query).fetch(&mut *all);
                    while let Some(row) = found.try_next().await? {
                        if rows.send(read(&row)?).await.is_err() {
                            // Nobody reads on.
                            return Ok(());
                        }
                    }
                }
                Ok(all.commit().await?)
            }

            async fn import(
                &self,
                mut rows: mpsc::Receiver<Option<Row>>,
                replace: bool,
            ) -> Result<Tip, StoreError> {
                let (mut all, before) = self.begin().await?;
                sqlx::query(RAISE_CREDENTIALS).execute(&mut *all).await?;
                for delete in CLEAR {
                    sqlx::query(delete).execute(&mut *all).await?;
                }
                let mut restored = Restored::new(before);
                loop {
                    match rows.recv().await {
                        Some(Some(row)) => {
                            Self::restore_row(&mut all, row, &mut restored).await?;
                        }
                        Some(None) => break,
                        None => return Err(StoreError::Damaged("the backup was cut short")),
                    }
                }
                let tip = restored.check(replace)?;
                Self::set_tip(&mut all, tip).await?;
                all.commit().await?;
                Ok(tip)
            }
        }
    };
}

store!(SqliteStore, Sqlite, SqliteRow);
store!(PostgresStore, Postgres, PgRow);
