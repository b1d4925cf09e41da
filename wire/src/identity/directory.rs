//! The directory: everything that ever happened to a name, in order, in a chain of hashes.
//!
//! Entries are only ever appended. Whoever keeps a copy looks names up in it, so that nobody learns
//! who is looked for, and notices if the service tells others another story: its signed head
//! would have to fit both (as in CONIKS, Melara et al. 2015, section 4, with the whole list in
//! place of a tree).

mod copy;
mod heads;

use thiserror::Error;

use super::name::UserName;
use crate::codec::{DecodeError, Reader};
use crate::crypto::identity_key::{BadSignature, IDENTITY_PUBLIC_LEN, SIGNATURE_LEN};
use crate::crypto::kdf::{Label, derive};
use crate::crypto::{IdentityPublic, IdentitySecret};
use crate::network_file::NetworkId;

pub use copy::{BadPage, Copy, User};
pub use heads::{AHEAD_MAX, TwoHeads, WhichHead};

/// The most entries of one page.
pub const PAGE_MAX: usize = 200;
/// Bytes of a head.
pub const HEAD_LEN: usize = 8 + 32 + 8 + SIGNATURE_LEN;
/// The most bytes of an entry.
pub const ENTRY_MAX: usize = 8 + 8 + 1 + IDENTITY_PUBLIC_LEN + 32 + SIGNATURE_LEN + 1 + 255;

/// How far clocks may be apart, in seconds: nobody takes what is dated further ahead than this, and
/// of two heads the shorter one is not signed later than the longer one by more.
pub const TOLERANCE_S: u64 = 600;
/// A head that is older than this, in seconds, is told to the person: the service signs one anew
/// every minute.
pub const STALE_S: u64 = 600;
/// Nobody is met for the first time on a head that is older than this, in seconds.
pub const FIRST_CONTACT_S: u64 = 3600;

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// It was registered.
    Registered = 0,
    /// Its user has another certificate.
    Renewed = 1,
    /// Its user has begun anew on another machine, and does not know what was said before.
    NewHome = 2,
    /// Its user has another key, for which the old one signed.
    Rotated = 3,
    /// The operator has locked it out.
    Disabled = 4,
    /// The operator lets it in again.
    Enabled = 5,
    /// Its user has given it up. Nobody gets it any more.
    Deleted = 6,
}

impl Cause {
    fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        let all = [
            Self::Registered,
            Self::Renewed,
            Self::NewHome,
            Self::Rotated,
            Self::Disabled,
            Self::Enabled,
            Self::Deleted,
        ];
        all.get(usize::from(byte)).copied().ok_or(DecodeError::BadValue("cause"))
    }

    /// Whether sessions with this user begin anew.
    #[must_use]
    pub fn starts_session(self) -> bool {
        matches!(self, Self::Registered | Self::NewHome | Self::Rotated)
    }
}

/// One line of the directory. Key and certificate are those that hold from here on; where the
/// cause does not change them they are the same as before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 0 on.
    pub index: u64,
    /// When it was written, in seconds since 1970. Never less than in the entry before.
    pub time_s: u64,
    /// What happened.
    pub cause: Cause,
    /// The name.
    pub name: UserName,
    /// The user's key.
    pub key: IdentityPublic,
    /// SHA-256 of the user's certificate (DER).
    pub certificate_hash: [u8; 32],
    /// The old key's signature for the new one (see [`Rotation`](super::proof::Rotation)) where
    /// the cause is [`Cause::Rotated`]; zeros otherwise.
    pub signature: [u8; SIGNATURE_LEN],
}

impl Entry {
    /// index 8 ‖ time 8 ‖ cause 1 ‖ key 33 ‖ certificate hash 32 ‖ signature 64 ‖ length of the
    /// name 1 ‖ name.
    ///
    /// # Panics
    /// Never: a name has at most 32 characters, which have at most 128 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let name = self.name.as_str().as_bytes();
        let mut out = Vec::with_capacity(ENTRY_MAX);
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(&self.time_s.to_be_bytes());
        out.push(self.cause as u8);
        out.extend_from_slice(&self.key.to_bytes());
        out.extend_from_slice(&self.certificate_hash);
        out.extend_from_slice(&self.signature);
        out.push(u8::try_from(name.len()).expect("32 characters have at most 128 bytes"));
        out.extend_from_slice(name);
        out
    }

    /// Parses exactly one entry. That its name is in the one form of names was seen to when it was
    /// registered: here it is only looked at as [`UserName::registered`] says.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (index, time_s) = (reader.u64()?, reader.u64()?);
        let cause = Cause::from_byte(reader.u8()?)?;
        let key = IdentityPublic::from_bytes(&reader.array()?);
        let key = key.map_err(|_| DecodeError::BadValue("key"))?;
        let (certificate_hash, signature) = (reader.array()?, reader.array()?);
        if cause != Cause::Rotated && signature != [0; SIGNATURE_LEN] {
            return Err(DecodeError::BadValue("signature"));
        }
        let len = reader.u8()?;
        let text = std::str::from_utf8(reader.bytes(len.into())?);
        let text = text.map_err(|_| DecodeError::BadValue("name"))?;
        let name = UserName::registered(text).map_err(|_| DecodeError::BadValue("name"))?;
        reader.finish()?;
        Ok(Self { index, time_s, cause, name, key, certificate_hash, signature })
    }
}

/// Hash of a directory up to one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHash(pub [u8; 32]);

impl EntryHash {
    /// The hash of the directory of `network` without entries.
    #[must_use]
    pub fn start(network: &NetworkId) -> Self {
        Self(derive(Label::DirectoryStart, &[&network.0]))
    }

    /// The hash when `entry` has followed.
    #[must_use]
    pub fn then(&self, entry: &Entry) -> Self {
        Self(derive(Label::DirectoryEntry, &[&self.0, &entry.to_bytes()]))
    }
}

/// What the service signs: how long the directory is, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are.
    pub entries: u64,
    /// The hash up to the last of them.
    pub hash: EntryHash,
    /// When it was signed, in seconds since 1970.
    pub time_s: u64,
    /// By the key in the network file's `identity`.
    pub signature: [u8; SIGNATURE_LEN],
}

/// Bytes that are no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a head of a directory")]
pub struct BadHead;

impl Head {
    /// Signs.
    #[must_use]
    pub fn sign(
        network: &NetworkId,
        entries: u64,
        hash: EntryHash,
        time_s: u64,
        key: &IdentitySecret,
    ) -> Self {
        let mut head = Self { entries, hash, time_s, signature: [0; SIGNATURE_LEN] };
        head.signature = key.sign(&head.message(network));
        head
    }

    /// Whether the service has said this.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, network: &NetworkId, key: &IdentityPublic) -> Result<(), BadSignature> {
        key.verify(&self.message(network), &self.signature)
    }

    /// How long ago it was signed.
    #[must_use]
    pub fn age_s(&self, now_s: u64) -> u64 {
        now_s.saturating_sub(self.time_s)
    }

    /// Whether no one directory that only grows can have both heads: they are of one length and
    /// differ, or the shorter one was signed later, by more than clocks may be set back.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let (short, long) =
            if self.entries <= other.entries { (self, other) } else { (other, self) };
        if short.entries == long.entries {
            return short.hash != long.hash;
        }
        short.time_s > long.time_s.saturating_add(TOLERANCE_S)
    }

    fn message(&self, network: &NetworkId) -> [u8; 32] {
        let (entries, time) = (self.entries.to_be_bytes(), self.time_s.to_be_bytes());
        derive(Label::DirectoryHead, &[&network.0, &entries, &self.hash.0, &time])
    }

    /// entries 8 ‖ hash 32 ‖ time 8 ‖ signature 64.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEAD_LEN] {
        let mut out = [0; HEAD_LEN];
        let (entries, rest) = out.split_at_mut(8);
        let (hash, rest) = rest.split_at_mut(32);
        let (time, signature) = rest.split_at_mut(8);
        entries.copy_from_slice(&self.entries.to_be_bytes());
        hash.copy_from_slice(&self.hash.0);
        time.copy_from_slice(&self.time_s.to_be_bytes());
        signature.copy_from_slice(&self.signature);
        out
    }

    /// Parses exactly one head.
    ///
    /// # Errors
    /// [`BadHead`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadHead> {
        let mut reader = Reader::new(bytes);
        let mut parse = || -> Result<Self, DecodeError> {
            let head = Self {
                entries: reader.u64()?,
                hash: EntryHash(reader.array()?),
                time_s: reader.u64()?,
                signature: reader.array()?,
            };
            reader.clone().finish()?;
            Ok(head)
        };
        parse().map_err(|_| BadHead)
    }
}
