//! The network file: everything that a client or a server needs to know of a network.
//!
//! Its [`Terms`] are what the operators agree on, and every one of them signs. A [`NetworkFile`]
//! is what was read: perhaps unsigned, expired or older than one that is known. Only
//! [`NetworkFile::verify`] makes the [`Network`] of it that everything else takes.
//!
//! A network goes through versions, numbered from 1. Its [`NetworkId`] is the hash of the first
//! one and stays; sessions and safety numbers bind it, so that they survive a change of a hop.

mod encoding;
mod error;
mod public_part;
mod signed;
mod terms;
mod text;
mod time;
mod verified;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::reason::Refusal;

pub use error::{NetworkFileError, Signer, VerifyError};
pub use public_part::{PUBLIC_PART_LABEL, PublicPart, Role};
pub use signed::NetworkFile;
pub use terms::{EntryInfo, HopInfo, IdentityInfo, Noise, NoiseGoal, Terms, Validity};
pub use time::show_time;
pub use verified::{Known, Network};

/// Version of the file format.
pub const NETWORK_FILE_VERSION: u8 = 3;
/// A network file is not longer than this, in bytes.
pub const NETWORK_FILE_MAX: usize = 64 * 1024;
/// A name of a network or of an operator has at most this many characters.
pub const LABEL_MAX: usize = 64;
/// An address has at most this many bytes.
pub const ADDRESS_MAX: usize = 255;
/// Signatures in a network file, at most: its entry, its hops, and the hops of the version before.
pub const MAX_SIGNATURES: usize = 33;
/// Noise onions of a hop in a round, at most.
pub const MAX_NOISE_ONIONS: u32 = 4_000_000;
/// The least α of the noise distribution, in tenths.
pub const MIN_ALPHA_TENTHS: u8 = 20;
/// The greatest α of the noise distribution, in tenths.
pub const MAX_ALPHA_TENTHS: u8 = 40;
/// Dialing takes place in at least one round of this many.
pub const MAX_DIALING_EVERY: u16 = 1000;
/// The fewest rounds of an epoch of onion keys.
pub const MIN_ONION_EPOCH: u32 = 2;
/// The most rounds of an epoch of onion keys.
pub const MAX_ONION_EPOCH: u32 = 65_536;
/// What a signature under a network file covers, before the hash of the version.
pub const NETWORK_SIGNATURE_LABEL: &[u8] = b"talaria v1 network signature";

/// A network through all of its versions: the [`VersionHash`] of the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NetworkId(pub [u8; 32]);

/// The hash of one version's [`Terms`]: of everything in the file but the signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VersionHash(pub [u8; 32]);

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for VersionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Which version of which network somebody has: what a greeting compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkVersion {
    /// The network.
    pub network: NetworkId,
    /// The number of the version, from 1.
    pub sequence: u64,
    /// The version.
    pub hash: VersionHash,
}

impl NetworkVersion {
    /// Whether a peer that has `theirs` can be understood by one who has this.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn greet(&self, theirs: &Self) -> Result<(), Refusal> {
        if theirs.network != self.network {
            return Err(Refusal::Network);
        }
        match theirs.sequence.cmp(&self.sequence) {
            std::cmp::Ordering::Less => Err(Refusal::Outdated),
            std::cmp::Ordering::Greater => Err(Refusal::Behind),
            std::cmp::Ordering::Equal if theirs.hash != self.hash => Err(Refusal::Forked),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
