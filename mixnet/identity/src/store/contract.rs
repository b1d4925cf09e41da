//! What is asked of a store.

use std::future::Future;

use talaria_wire::crypto::identity_key::IDENTITY_PUBLIC_LEN;
use tokio::sync::mpsc;

use super::error::StoreError;
use super::rows::{Credential, Row, TokenRow, User, UserStatus};

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
    /// The version of what the user logs in with, where the change builds on a login.
    pub credential: Option<Credential>,
}

impl Guard {
    /// Of an active user, whatever the key.
    pub const ACTIVE: Self = Self { status: UserStatus::Active, key_since: None, credential: None };
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
    /// The newest record of the ledger.
    pub ledger: Option<LedgerRecord>,
}

impl UserChange {
    /// Whether it changes what the user logs in with, or gets by it: logins from before end.
    #[must_use]
    pub fn is_of_credentials(&self) -> bool {
        let Self { record, wrapped_key, key, certificate: _, status, ledger: _ } = self;
        record.is_some() || wrapped_key.is_some() || key.is_some() || status.is_some()
    }

    /// Everything that is known of somebody but the name, which stays taken.
    #[must_use]
    pub fn deleted() -> Self {
        Self {
            record: Some(Vec::new()),
            wrapped_key: Some(Vec::new()),
            key: None,
            certificate: Some(Vec::new()),
            status: Some(UserStatus::Deleted),
            ledger: Some(LedgerRecord::default()),
        }
    }
}

/// A record of somebody's ledger, sealed, with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerRecord {
    /// How many there have been; 0 if there is none.
    pub number: u64,
    /// The record; empty if there is none.
    pub record: Vec<u8>,
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

    /// What was the end of the directory when it had so many entries, of which there was one.
    ///
    /// Fails with [`StoreError::Damaged`] if it never had.
    fn tip_at(&self, entries: u64) -> impl Future<Output = Result<Tip, StoreError>> + Send;

    /// When the newest head was signed, in seconds since 1970; 0 if none ever was.
    fn signed_s(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// A head is about to be signed with this time.
    fn note_signed(&self, time_s: u64) -> impl Future<Output = Result<(), StoreError>> + Send;

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

    /// Changes a user for whom `guard` holds and appends the entry about it: both or neither. The
    /// credential is raised if the change is [one of credentials](UserChange::is_of_credentials).
    ///
    /// Fails with [`StoreError::NoSuchUser`]. Gives the new end.
    fn change(
        &self,
        name: &str,
        guard: Guard,
        change: UserChange,
        append: impl Append,
    ) -> impl Future<Output = Result<Tip, StoreError>> + Send;

    /// A new password of an active user with this credential, which is raised: the record, and the
    /// private key wrapped anew. Nothing about it is in the directory.
    ///
    /// Fails with [`StoreError::NoSuchUser`], also if the credential is another one: the key that
    /// comes wrapped may not be the user's any more.
    fn change_password(
        &self,
        name: &str,
        credential: Credential,
        record: &[u8],
        wrapped_key: &[u8],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts a record of the ledger in the place of the one with the number `after`, if that is the
    /// newest one, of an active user whose key came with the entry `key_since`. Gives what is the
    /// newest one then.
    ///
    /// Fails with [`StoreError::NoSuchUser`].
    fn ledger(
        &self,
        name: &str,
        key_since: u64,
        after: u64,
        record: &[u8],
    ) -> impl Future<Output = Result<LedgerRecord, StoreError>> + Send;

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

    /// Puts rows in the place of all that there is; nothing changes unless all can be taken. No
    /// restored user has a credential that any user had before.
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
