//! Contacts: people of the directory who are talked to, and how well their keys are known.

use talaria_wire::crypto::IdentityPublic;
use talaria_wire::identity::UserName;

/// Somebody to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who it is.
    pub key: IdentityPublic,
    /// What they are called in the directory.
    pub name: UserName,
    /// The entry of the directory with which sessions with them began anew: that of their
    /// registration, of their newest home, or of their newest key.
    pub since: u64,
}

/// How well the key of somebody is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody here has talked to them.
    New,
    /// The directory has said so, and nobody has compared it.
    Unverified,
    /// The safety number was compared.
    Verified,
    /// Another key was known, and nobody has accepted this one.
    Changed {
        /// The key that was known.
        from: IdentityPublic,
        /// It had been compared.
        verified: bool,
    },
}

/// Somebody as the directory has them now, and how well they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Who it is.
    pub contact: Contact,
    /// How well their key is known.
    pub trust: Trust,
}
