//! Rows as they are in the database and in a backup.

use serde::{Deserialize, Serialize};
use talaria_wire::crypto::identity_key::IDENTITY_PUBLIC_LEN;

use super::error::StoreError;

/// Whether somebody may use the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Yes.
    Active,
    /// Not until the operator enables the name again.
    Disabled,
    /// Never again, and nobody else under this name.
    Deleted,
}

impl UserStatus {
    pub(super) fn to_sql(self) -> i64 {
        match self {
            Self::Active => 0,
            Self::Disabled => 1,
            Self::Deleted => 2,
        }
    }

    pub(super) fn from_sql(value: i64) -> Result<Self, StoreError> {
        match value {
            0 => Ok(Self::Active),
            1 => Ok(Self::Disabled),
            2 => Ok(Self::Deleted),
            _ => Err(StoreError::Damaged("a user has an unknown status")),
        }
    }
}

/// The version of what somebody logs in with and gets by it: the password's record, the wrapped
/// key, the key and the status. Every change of one of them raises it, so a login that saw another
/// version is none any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credential(pub u64);

impl Credential {
    /// What a change makes of it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name, normalised.
    pub name: String,
    /// The OPAQUE record; empty if deleted.
    #[serde(with = "hex::serde")]
    pub record: Vec<u8>,
    /// The private key, wrapped by the client; empty if deleted.
    #[serde(with = "hex::serde")]
    pub wrapped_key: Vec<u8>,
    /// The public key.
    #[serde(with = "hex::serde")]
    pub key: [u8; IDENTITY_PUBLIC_LEN],
    /// The newest certificate, DER; empty if deleted.
    #[serde(with = "hex::serde")]
    pub certificate: Vec<u8>,
    /// Whether the user may use the network.
    pub status: UserStatus,
    /// The index of the entry in the directory with which the key came.
    pub key_since: u64,
    /// The index of the newest entry about the user.
    pub newest: u64,
    /// When the name was registered, in seconds since 1970.
    pub registered_s: u64,
    /// What the name looks like.
    pub skeleton: String,
    /// The number of the newest record of the ledger; 0 if there is none, as in backups from before
    /// there were ledgers.
    #[serde(default)]
    pub ledger_number: u64,
    /// That record, which only the user can read; empty if there is none.
    #[serde(default, with = "hex::serde")]
    pub ledger: Vec<u8>,
    /// The version of what the user logs in with. It means something in one database only: backups
    /// have none, and whoever is restored gets one that nobody had.
    #[serde(skip)]
    pub credential: Credential,
}

impl User {
    /// For whoever has to remember somebody for a while: the ledger is most of what is kept.
    pub(crate) fn without_ledger(self) -> Self {
        Self { ledger: Vec::new(), ..self }
    }

    /// As in a backup.
    pub(super) fn without_credential(self) -> Self {
        Self { credential: Credential::default(), ..self }
    }
}

/// A one-time token. Only its hash is kept, so that the database gives nobody a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRow {
    /// The hash.
    #[serde(with = "hex::serde")]
    pub hash: [u8; 32],
    /// When it was made, in seconds since 1970.
    pub made_s: u64,
    /// From when on it is void.
    pub expires_s: u64,
    /// When it was used.
    pub used_s: Option<u64>,
}

/// A row of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Row {
    /// An entry of the directory; they come in their order.
    Entry {
        /// The index.
        index: u64,
        /// When it was written.
        time_s: u64,
        /// The entry, encoded.
        #[serde(with = "hex::serde")]
        entry: Vec<u8>,
        /// The hash of the chain after it.
        #[serde(with = "hex::serde")]
        hash: [u8; 32],
    },
    /// A user.
    User(User),
    /// A token.
    Token(TokenRow),
}

/// Databases have no unsigned integers.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Damaged("a number is negative"))
}

pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged("a hash or key has another length"))
}
