//! What the operator's commands and the running service say to each other: a JSON object a line.
//!
//! A connection to the control socket is for one [`Command`]. The service answers with any number of
//! [`Reply`] lines, of which the last is [`Reply::Done`], [`Reply::Restored`] or [`Reply::Error`].

use serde::{Deserialize, Serialize};

use super::store::{TokenRow, User, UserStatus};
use super::token::TokenHash;

/// A command is not longer than this, in bytes.
pub const COMMAND_MAX: usize = 4096;

/// What the operator wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// All users.
    ListUsers {},
    /// One user.
    ShowUser {
        /// The name, in any form.
        name: String,
    },
    /// A user is locked out.
    DisableUser {
        /// The name, in any form.
        name: String,
    },
    /// A user is let in again.
    EnableUser {
        /// The name, in any form.
        name: String,
    },
    /// New tokens.
    NewTokens {
        /// How many.
        count: u32,
        /// For how long they are valid, in seconds.
        valid_s: u64,
    },
    /// All tokens.
    ListTokens {},
    /// A token becomes void.
    RevokeToken {
        /// The token, or the beginning of what it is called in lists.
        token: String,
    },
    /// All that is kept.
    Backup {},
    /// Whether the clock of the service is believed.
    Clock {
        /// It is right as it is, says the operator.
        accept: bool,
    },
    /// The lines of a backup follow, and take the place of all that is kept.
    Restore {
        /// Even if the directory loses entries.
        replace: bool,
    },
}

/// What the service answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// A user.
    User(UserInfo),
    /// A new token: this is the only time that it is shown.
    NewToken {
        /// The token.
        token: String,
        /// From when on it is void, in seconds since 1970.
        expires_s: u64,
    },
    /// A token that was made before.
    Token(TokenInfo),
    /// A line of a backup.
    Backup(String),
    /// The backup has taken the place of what there was.
    Restored {
        /// Entries of the directory.
        entries: u64,
    },
    /// The clock.
    Clock {
        /// What it shows, in milliseconds since 1970.
        now_ms: u64,
        /// Why it is doubted: nothing is written then.
        doubt: Option<String>,
    },
    /// That was all.
    Done {},
    /// It was not done.
    Error(String),
}

/// What is shown of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserInfo {
    /// The name.
    pub name: String,
    /// Whether the user may use the network.
    pub status: UserStatus,
    /// The public key, in hexadecimal.
    pub key: String,
    /// When the name was registered, in seconds since 1970.
    pub registered_s: u64,
    /// The index of the entry in the directory with which the key came.
    pub key_since: u64,
    /// The index of the newest entry about the user.
    pub newest_entry: u64,
}

impl From<&User> for UserInfo {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            status: user.status,
            key: hex::encode(user.key),
            registered_s: user.registered_s,
            key_since: user.key_since,
            newest_entry: user.newest,
        }
    }
}

/// What is shown of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenInfo {
    /// What it is called.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub made_s: u64,
    /// From when on it is void.
    pub expires_s: u64,
    /// When it was used.
    pub used_s: Option<u64>,
}

impl From<&TokenRow> for TokenInfo {
    fn from(row: &TokenRow) -> Self {
        let TokenRow { hash, made_s, expires_s, used_s } = *row;
        Self { id: TokenHash(hash).id(), made_s, expires_s, used_s }
    }
}

/// A line, with its end.
#[must_use]
pub fn to_line(message: &impl Serialize) -> String {
    let mut line = serde_json::to_string(message).expect("messages are made of text and numbers");
    line.push('\n');
    line
}
