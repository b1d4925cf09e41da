//! What can be wrong with a network file, and whom to ask about it.

use std::fmt;

use thiserror::Error;

use super::time::show_time;
use super::{LABEL_MAX, MAX_SIGNATURES, NETWORK_FILE_MAX, NETWORK_FILE_VERSION};
use crate::params::{HopIndex, UnixMillis};

/// Why a text is no network file (or no public part of one).
#[derive(Debug, Error)]
pub enum NetworkFileError {
    /// Longer than any network file.
    #[error("a network file has at most {NETWORK_FILE_MAX} bytes, this has {0}")]
    TooLong(usize),
    /// Not TOML, or not these fields.
    #[error("not a network file: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A format that this program does not know any more.
    #[error(
        "the network file has the old format {0}, this program knows {NETWORK_FILE_VERSION}: ask \
         an operator for the network file of today"
    )]
    OldFormat(u8),
    /// A format that this program does not know yet.
    #[error(
        "the network file has format {0}, this program knows {NETWORK_FILE_VERSION}: update it"
    )]
    NewFormat(u8),
    /// A number that is out of its range.
    #[error("`{field}` has to be {range}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it may be.
        range: String,
    },
    /// A key that is not one.
    #[error("`{0}` is not a key")]
    BadKey(&'static str),
    /// A name that is empty, too long, or could mislead on a screen.
    #[error(
        "`{0}` is not a name: 1 to {LABEL_MAX} characters out of A-Z, a-z, 0-9, space and \
         . _ @ -, with a letter or digit at both ends"
    )]
    BadLabel(String),
    /// An address without a port, or with characters that no address has.
    #[error("`{0}` is not an address of the form host:port")]
    BadAddress(String),
    /// A time in another form.
    #[error("`{0}` is not a time of the form 2027-01-31T00:00:00Z")]
    BadTime(String),
    /// A hash in another form.
    #[error("`{0}` is not a hash of 64 hexadecimal digits")]
    BadHash(&'static str),
    /// `origin` and `previous` do not go with the number of the version.
    #[error("the first version has neither `origin` nor `previous`, and every later one has both")]
    BadHistory,
    /// A time of validity that ends before it begins.
    #[error("`valid_until` has to be later than `valid_from`")]
    BadValidity,
    /// A key that names two servers.
    #[error("the key {0} stands twice: every server and the directory have keys of their own")]
    RepeatedKey(String),
    /// The certificate is not PEM.
    #[error("`ca` is not a certificate in PEM form")]
    BadCertificate,
    /// A signature that is none, or two of one key.
    #[error("a signature is 128 hexadecimal digits, one for each key, {MAX_SIGNATURES} at most")]
    BadSignature,
    /// A public part that its own key has not signed.
    #[error(
        "the public part of {0} is not signed by its own key: ask for the file as \
         `talariad … init` has written it"
    )]
    NotOwn(String),
    /// A public part of another role.
    #[error("this is the public part of {found}, not of {wanted}")]
    OtherRole {
        /// Which was asked for.
        wanted: &'static str,
        /// Which it is.
        found: &'static str,
    },
    /// It is a network file, and cannot be used.
    #[error(transparent)]
    NotValid(#[from] VerifyError),
}

/// Somebody whose signature a network file needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The operator's name.
    pub operator: String,
    /// The operator's hop, or `None` for the entry.
    pub hop: Option<HopIndex>,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hop {
            Some(hop) => write!(f, "{} (hop {hop})", self.operator),
            None => write!(f, "{} (entry)", self.operator),
        }
    }
}

/// Why a network file cannot be used, and what to ask its operators for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// Somebody has not signed.
    #[error(
        "the network file is not signed by {0}: ask an operator for the file that all of them \
         have signed"
    )]
    MissingSignature(Signer),
    /// A signature does not fit the contents.
    #[error(
        "the signature of {0} does not fit the network file: it was changed after signing; ask an \
         operator for the file as it was signed"
    )]
    WrongSignature(String),
    /// Its time is over.
    #[error(
        "the network file has expired: it was valid until {}; ask the operator for a new network \
         file", show_time(*.0)
    )]
    Expired(UnixMillis),
    /// Its time has not come.
    #[error(
        "the network file is valid only from {} on: check the clock of this machine, or wait",
        show_time(*.0)
    )]
    NotYetValid(UnixMillis),
    /// It is older than the one that is known.
    #[error(
        "the network file is version {sequence}, and version {known} is known already: somebody \
         has put an old file in place; ask the operator for the newest network file"
    )]
    RolledBack {
        /// Its version.
        sequence: u64,
        /// The version that is known.
        known: u64,
    },
    /// There are two different versions of this number.
    #[error(
        "there are two different network files of version {0}: do not use the new one, and ask \
         the operators why they have signed two"
    )]
    Forked(u64),
    /// An operator of the known version has not agreed.
    #[error(
        "version {sequence} of the network file is not signed by {signer}, who was an operator in \
         version {known}: ask the operator for the versions in between, or why"
    )]
    NotSignedBefore {
        /// Its version.
        sequence: u64,
        /// Who has not signed.
        signer: Signer,
        /// The version that is known.
        known: u64,
    },
    /// It follows upon another version than the one that is known.
    #[error(
        "version {0} of the network file does not follow upon the version that is known: ask the \
         operators why there are two"
    )]
    OtherPrevious(u64),
    /// It describes another network.
    #[error("the network file is of another network, `{0}`")]
    OtherNetwork(String),
    /// The length of a round differs from that of the known version.
    #[error(
        "the length of a round has changed, which it cannot within one network, because rounds \
         are numbered by it: ask the operators for a network file of a new network"
    )]
    OtherPeriod,
}
