//! What a user and the identity service say to each other: MessagePack behind a length.
//!
//! A message is four bytes of length, big-endian, and a body of at most [`MESSAGE_MAX`] bytes. As
//! with control frames, only the encoding is taken that this module writes.

use std::fmt;

use rmp_serde::Deserializer;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use thiserror::Error;

use super::directory::{Entry, Head, PAGE_MAX};

/// Version of these messages.
pub const IDENTITY_VERSION: u8 = 2;
/// The most bytes of a body.
pub const MESSAGE_MAX: usize = 65_536;
/// Bytes before a body.
pub const LENGTH_LEN: usize = 4;
/// The most bytes of a certificate signing request.
pub const CSR_MAX: usize = 2048;
/// The most characters of a token.
pub const TOKEN_MAX: usize = 64;
/// The longest time that a request for the directory waits, in milliseconds.
pub const WAIT_MAX_MS: u32 = 30_000;

/// What a user asks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Request {
    /// Begins a registration.
    RegisterStart {
        /// The name, in any form.
        name: String,
        /// OPAQUE's registration request.
        request: ByteBuf,
        /// Where the service asks for one.
        token: Option<String>,
    },
    /// Ends it.
    RegisterFinish {
        /// OPAQUE's registration upload.
        upload: ByteBuf,
        /// PKCS#10, DER.
        csr: ByteBuf,
        /// The private key under the export key.
        wrapped_key: ByteBuf,
    },
    /// Begins a login.
    LoginStart {
        /// The name, in any form.
        name: String,
        /// OPAQUE's credential request.
        request: ByteBuf,
    },
    /// Ends it.
    LoginFinish {
        /// OPAQUE's credential finalization.
        proof: ByteBuf,
    },
    /// After a login: a certificate for a home that has just fetched the private key.
    NewHome {
        /// PKCS#10, DER, of the key that is registered.
        csr: ByteBuf,
    },
    /// After a login: begins a change of the password.
    ChangePasswordStart {
        /// OPAQUE's registration request.
        request: ByteBuf,
    },
    /// Ends it.
    ChangePasswordFinish {
        /// OPAQUE's registration upload.
        upload: ByteBuf,
        /// The private key under the new export key.
        wrapped_key: ByteBuf,
    },
    /// After a login: another key.
    RotateKey {
        /// PKCS#10, DER, of the new key.
        csr: ByteBuf,
        /// The old key's, see [`Rotation`](super::proof::Rotation).
        signature: ByteBuf,
        /// The new private key under the export key.
        wrapped_key: ByteBuf,
    },
    /// After a login: gives the name up.
    Delete {},
    /// Another certificate for the key that is registered, without a password.
    Renew {
        /// The name, in any form.
        name: String,
        /// PKCS#10, DER.
        csr: ByteBuf,
        /// See [`Renewal`](super::proof::Renewal).
        signature: ByteBuf,
    },
    /// Replaces the record of the ledger, see [`Ledger`](super::ledger::Ledger), without a password.
    Ledger {
        /// The name, in any form.
        name: String,
        /// The number of the record that is replaced; 0 if there is none. With another number than
        /// the newest record has, nothing is replaced.
        after: u64,
        /// [`LEDGER_LEN`](super::ledger::LEDGER_LEN) bytes.
        record: ByteBuf,
        /// See [`LedgerUpdate`](super::proof::LedgerUpdate).
        signature: ByteBuf,
    },
    /// The directory from an entry on.
    Directory {
        /// Index of the first entry to send.
        since: u64,
        /// How long to wait for it, at most [`WAIT_MAX_MS`].
        wait_ms: u32,
    },
    /// The same, from the entry, which says what its clock shows.
    Follow {
        /// Index of the first entry to send.
        since: u64,
        /// How long to wait for it, at most [`WAIT_MAX_MS`].
        wait_ms: u32,
        /// What the clock shows, in milliseconds since 1970.
        time_ms: u64,
        /// See [`EntryTime`](super::proof::EntryTime).
        signature: ByteBuf,
    },
    /// One certificate. Shows the service who is of interest: for programs that have no copy of the
    /// directory.
    Fetch {
        /// The name, in any form.
        name: String,
    },
}

/// What the service answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Response {
    /// To the beginning of a registration, or of a change of the password.
    RegisterChallenge {
        /// OPAQUE's registration response.
        response: ByteBuf,
    },
    /// To the beginning of a login.
    LoginChallenge {
        /// OPAQUE's credential response.
        response: ByteBuf,
    },
    /// The password was right.
    LoggedIn {
        /// The private key under the export key.
        wrapped_key: ByteBuf,
        /// X.509, DER.
        certificate: ByteBuf,
        /// The directory entry with which the key came.
        key_since: u64,
    },
    /// A certificate, and the entry of the directory that names it.
    Certificate {
        /// X.509, DER.
        certificate: ByteBuf,
        /// See [`Entry::to_bytes`].
        entry: ByteBuf,
    },
    /// What was asked for is done.
    Done {},
    /// The newest record of the ledger, be it the one that was sent or not.
    Ledger {
        /// Its number; 0 if there is none.
        number: u64,
        /// The record; empty if there is none.
        record: ByteBuf,
    },
    /// A part of the directory.
    Page {
        /// See [`Entry::to_bytes`]; at most [`PAGE_MAX`].
        entries: Vec<ByteBuf>,
        /// See [`Head::to_bytes`].
        head: ByteBuf,
    },
    /// No. Some reasons end the connection, see [`Refusal::ends`].
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// Why the service does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(deny_unknown_fields)]
pub enum Refusal {
    /// The versions of the messages differ.
    #[error("the identity service speaks another version: update one of the two")]
    Version,
    /// The message could not be understood, or does not belong here.
    #[error("the identity service did not understand the request")]
    BadRequest,
    /// The name cannot be registered.
    #[error("this name cannot be registered: 3 to 32 letters and digits of one script")]
    NameNotAllowed,
    /// Somebody has the name, had it, or has one that looks the same.
    #[error("this name is taken, or looks like one that is: choose another")]
    NameTaken,
    /// There is no registration at all.
    #[error("this network takes no registrations: ask its operator")]
    RegistrationClosed,
    /// The token is missing, used up, expired or unknown.
    #[error("registration needs a valid token: ask the operator for one")]
    BadToken,
    /// The certificate signing request is not one, or not for this name and a P-256 key.
    #[error("the identity service did not take the certificate signing request")]
    BadCsr,
    /// A signature does not fit.
    #[error("the identity service did not take the signature")]
    BadSignature,
    /// The name or the password is wrong, or the user is locked out or gone.
    #[error("the name or the password is wrong")]
    WrongNameOrPassword,
    /// Nobody has this name.
    #[error("nobody has this name")]
    UnknownName,
    /// The operator has locked the user out.
    #[error("the operator has disabled this name")]
    Disabled,
    /// Too many tries.
    #[error("too many tries: try again in {wait_s} s")]
    TooManyTries {
        /// Seconds to wait.
        wait_s: u32,
    },
    /// No room for another connection.
    #[error("the identity service is full: try again later")]
    Full,
    /// The service does not believe its clock.
    #[error(
        "the clock of the identity service is wrong, or nobody has confirmed it, and it writes nothing \
         until its operator has seen to it: try again later, or tell the operator"
    )]
    Clock,
    /// Something failed at the service.
    #[error("the identity service cannot do it now: try again later")]
    Unavailable,
}

impl Refusal {
    /// Whether the service closes the connection after it.
    #[must_use]
    pub fn ends(self) -> bool {
        !matches!(self, Self::UnknownName)
    }
}

/// Bytes that are not exactly one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadMessage {
    /// They are of another version.
    #[error("a message of version {0}")]
    Version(u8),
    /// They are none.
    #[error("not a message")]
    Malformed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned<T> {
    v: u8,
    m: T,
}

/// Enough to know the version, whatever else there is.
#[derive(Deserialize)]
struct VersionOnly {
    v: u8,
}

macro_rules! message {
    ($type:ty) => {
        impl $type {
            /// Length and body.
            ///
            /// # Panics
            /// If a field is so large that the message is longer than [`MESSAGE_MAX`].
            #[must_use]
            pub fn to_message(&self) -> Vec<u8> {
                let body = to_body(self);
                assert!(body.len() <= MESSAGE_MAX, "messages are built within their limit");
                let length = u32::try_from(body.len()).expect("the limit is below 2^32");
                [&length.to_be_bytes()[..], &body].concat()
            }

            /// Parses a body.
            ///
            /// # Errors
            /// [`BadMessage`].
            pub fn decode(body: &[u8]) -> Result<Self, BadMessage> {
                from_body(body)
            }
        }

        impl fmt::Debug for $type {
            // Names of users, wrapped keys and proofs do not belong into logs.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.kind())
            }
        }
    };
}

message!(Request);
message!(Response);

/// The length of the body that follows these bytes.
///
/// # Errors
/// [`BadMessage::Malformed`] if it is zero or more than [`MESSAGE_MAX`].
pub fn body_len(length: [u8; LENGTH_LEN]) -> Result<usize, BadMessage> {
    let length = u32::from_be_bytes(length) as usize;
    if (1..=MESSAGE_MAX).contains(&length) { Ok(length) } else { Err(BadMessage::Malformed) }
}

fn to_body(message: &impl Serialize) -> Vec<u8> {
    let versioned = Versioned { v: IDENTITY_VERSION, m: message };
    rmp_serde::to_vec_named(&versioned).expect("a message can be encoded")
}

fn from_body<T: Serialize + DeserializeOwned>(body: &[u8]) -> Result<T, BadMessage> {
    let VersionOnly { v } = rmp_serde::from_slice(body).map_err(|_| BadMessage::Malformed)?;
    if v != IDENTITY_VERSION {
        return Err(BadMessage::Version(v));
    }
    let mut rest = body;
    let versioned: Versioned<T> = Deserialize::deserialize(&mut Deserializer::new(&mut rest))
        .map_err(|_| BadMessage::Malformed)?;
    if to_body(&versioned.m) != body {
        return Err(BadMessage::Malformed);
    }
    Ok(versioned.m)
}

impl Request {
    /// Its name, for logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RegisterStart { .. } => "RegisterStart",
            Self::RegisterFinish { .. } => "RegisterFinish",
            Self::LoginStart { .. } => "LoginStart",
            Self::LoginFinish { .. } => "LoginFinish",
            Self::NewHome { .. } => "NewHome",
            Self::ChangePasswordStart { .. } => "ChangePasswordStart",
            Self::ChangePasswordFinish { .. } => "ChangePasswordFinish",
            Self::RotateKey { .. } => "RotateKey",
            Self::Delete {} => "Delete",
            Self::Renew { .. } => "Renew",
            Self::Ledger { .. } => "Ledger",
            Self::Directory { .. } => "Directory",
            Self::Follow { .. } => "Follow",
            Self::Fetch { .. } => "Fetch",
        }
    }
}

impl Response {
    /// Its name, for logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RegisterChallenge { .. } => "RegisterChallenge",
            Self::LoginChallenge { .. } => "LoginChallenge",
            Self::LoggedIn { .. } => "LoggedIn",
            Self::Certificate { .. } => "Certificate",
            Self::Done {} => "Done",
            Self::Ledger { .. } => "Ledger",
            Self::Page { .. } => "Page",
            Self::Refused { .. } => "Refused",
        }
    }

    /// A page.
    #[must_use]
    pub fn page(entries: &[Entry], head: &Head) -> Self {
        let entries = entries.iter().map(|entry| ByteBuf::from(entry.to_bytes())).collect();
        Self::Page { entries, head: ByteBuf::from(head.to_bytes()) }
    }

    /// What is in a page.
    ///
    /// # Errors
    /// [`BadMessage::Malformed`] if an entry or the head is none, or there are more than
    /// [`PAGE_MAX`] entries.
    pub fn parse_page(entries: &[ByteBuf], head: &[u8]) -> Result<(Vec<Entry>, Head), BadMessage> {
        if entries.len() > PAGE_MAX {
            return Err(BadMessage::Malformed);
        }
        let entries =
            entries.iter().map(|entry| Entry::from_bytes(entry)).collect::<Result<_, _>>();
        let head = Head::from_bytes(head).map_err(|_| BadMessage::Malformed)?;
        Ok((entries.map_err(|_| BadMessage::Malformed)?, head))
    }
}

#[cfg(test)]
mod tests;
