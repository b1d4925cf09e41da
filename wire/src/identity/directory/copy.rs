//! Somebody's copy of the directory: it takes what follows upon what it has, and nothing else.

use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use super::{Cause, Entry, EntryHash, Head};
use crate::crypto::IdentityPublic;
use crate::identity::name::UserName;
use crate::identity::proof::Rotation;
use crate::network_file::NetworkId;

/// What the directory says of a user now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The key.
    pub key: IdentityPublic,
    /// SHA-256 of the certificate that holds.
    pub certificate_hash: [u8; 32],
    /// What happened last.
    pub cause: Cause,
    /// The entry with which the key came.
    pub key_since: u64,
    /// When sessions with the user began anew, in seconds since 1970.
    pub session_since_s: u64,
    /// Whether the user may take part.
    pub active: bool,
}

/// Why a page was not taken. If it is not [`BadPage::Gap`] or [`BadPage::Behind`], the service
/// contradicts what it or the user has signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadPage {
    /// The entries do not begin where the copy ends.
    #[error("entry {found} of the directory came where {expected} should")]
    Gap {
        /// Which should come.
        expected: u64,
        /// Which came.
        found: u64,
    },
    /// The head is shorter than the copy: an older one, or another story.
    #[error("the directory has {head} entries, and had {known} before")]
    Behind {
        /// Entries of the head.
        head: u64,
        /// Entries of the copy.
        known: u64,
    },
    /// The head is not signed by the service.
    #[error("the head of the directory is not signed by the identity service")]
    Unsigned,
    /// The head does not extend what the service said before.
    #[error("the directory does not extend the one that is known: the service tells two stories")]
    Forked,
    /// What an entry says is not possible after those before it.
    #[error("entry {0} of the directory contradicts those before it")]
    Contradiction(u64),
    /// The old key has not signed for the new one.
    #[error(
        "entry {0} of the directory gives a user another key that the old one has not signed for"
    )]
    ForgedRotation(u64),
}

/// All entries up to one place, and what follows from them.
#[derive(Clone, Debug)]
pub struct Copy {
    network: NetworkId,
    service: IdentityPublic,
    entries: u64,
    hash: EntryHash,
    time_s: u64,
    users: BTreeMap<UserName, User>,
    by_certificate: HashMap<[u8; 32], UserName>,
}

impl Copy {
    /// An empty copy of the directory of `network`, whose heads `service` signs.
    #[must_use]
    pub fn new(network: NetworkId, service: IdentityPublic) -> Self {
        Self {
            network,
            service,
            entries: 0,
            hash: EntryHash::start(&network),
            time_s: 0,
            users: BTreeMap::new(),
            by_certificate: HashMap::new(),
        }
    }

    /// How many entries it has: the index of the next one.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The hash up to the last of them.
    #[must_use]
    pub fn hash(&self) -> EntryHash {
        self.hash
    }

    /// The user of this name.
    #[must_use]
    pub fn user(&self, name: &UserName) -> Option<&User> {
        self.users.get(name)
    }

    /// All users, by name.
    pub fn users(&self) -> impl Iterator<Item = (&UserName, &User)> {
        self.users.iter()
    }

    /// Whose certificate this is the hash of, if it is the newest one of an active user.
    #[must_use]
    pub fn user_of_certificate(&self, hash: &[u8; 32]) -> Option<(&UserName, &User)> {
        self.holder(hash).filter(|(_, user)| user.active)
    }

    /// Whose newest certificate this is the hash of, whether or not they may take part.
    #[must_use]
    pub fn holder(&self, hash: &[u8; 32]) -> Option<(&UserName, &User)> {
        self.users.get_key_value(self.by_certificate.get(hash)?)
    }

    /// Takes a page: entries that follow upon the last one, and a head of the directory. Where the
    /// head is of just these entries their hashes have to agree; where it has more, the rest is
    /// still to be asked for.
    ///
    /// # Errors
    /// [`BadPage`]; nothing is taken then.
    pub fn append(&mut self, entries: &[Entry], head: &Head) -> Result<(), BadPage> {
        head.verify(&self.network, &self.service).map_err(|_| BadPage::Unsigned)?;
        let next = self.draft(entries)?;
        if head.entries < next.entries {
            return Err(BadPage::Behind { head: head.entries, known: next.entries });
        }
        if head.entries == next.entries && head.hash != next.hash {
            return Err(BadPage::Forked);
        }
        self.adopt(next);
        Ok(())
    }

    /// Takes entries that were checked before, from one's own disk.
    ///
    /// # Errors
    /// [`BadPage`] if they do not follow upon each other; nothing is taken then.
    pub fn restore(&mut self, entries: &[Entry]) -> Result<(), BadPage> {
        let next = self.draft(entries)?;
        self.adopt(next);
        Ok(())
    }

    fn draft(&self, entries: &[Entry]) -> Result<Draft, BadPage> {
        let (count, hash, time_s) = (self.entries, self.hash, self.time_s);
        let mut next = Draft { entries: count, hash, time_s, changed: HashMap::new() };
        for entry in entries {
            next.take(self, entry)?;
        }
        Ok(next)
    }

    fn adopt(&mut self, next: Draft) {
        (self.entries, self.hash, self.time_s) = (next.entries, next.hash, next.time_s);
        for (name, user) in next.changed {
            if let Some(old) = self.users.get(&name) {
                self.by_certificate.remove(&old.certificate_hash);
            }
            self.by_certificate.insert(user.certificate_hash, name.clone());
            self.users.insert(name, user);
        }
    }
}

/// What a page would make of a copy.
struct Draft {
    entries: u64,
    hash: EntryHash,
    time_s: u64,
    changed: HashMap<UserName, User>,
}

impl Draft {
    fn take(&mut self, copy: &Copy, entry: &Entry) -> Result<(), BadPage> {
        if entry.index != self.entries {
            return Err(BadPage::Gap { expected: self.entries, found: entry.index });
        }
        let old = self.changed.get(&entry.name).or_else(|| copy.users.get(&entry.name));
        let user = after(old, entry, &copy.network)?;
        if entry.time_s < self.time_s {
            return Err(BadPage::Contradiction(entry.index));
        }
        self.hash = self.hash.then(entry);
        self.time_s = entry.time_s;
        self.entries += 1;
        self.changed.insert(entry.name.clone(), user);
        Ok(())
    }
}

/// What is known of a user when `entry` has followed upon what was known before.
fn after(old: Option<&User>, entry: &Entry, network: &NetworkId) -> Result<User, BadPage> {
    let contradiction = Err(BadPage::Contradiction(entry.index));
    let Some(old) = old else {
        if entry.cause != Cause::Registered {
            return contradiction;
        }
        return Ok(User {
            key: entry.key,
            certificate_hash: entry.certificate_hash,
            cause: entry.cause,
            key_since: entry.index,
            session_since_s: entry.time_s,
            active: true,
        });
    };
    let same_key = entry.key == old.key;
    let same_certificate = entry.certificate_hash == old.certificate_hash;
    let is_possible = match entry.cause {
        Cause::Registered => false,
        Cause::Renewed | Cause::NewHome => old.active && same_key && !same_certificate,
        Cause::Rotated => old.active && !same_key && !same_certificate,
        Cause::Disabled => old.active && same_key && same_certificate,
        Cause::Enabled => old.cause == Cause::Disabled && same_key && same_certificate,
        Cause::Deleted => old.cause != Cause::Deleted && same_key && same_certificate,
    };
    if !is_possible {
        return contradiction;
    }
    if entry.cause == Cause::Rotated {
        let (name, since) = (&entry.name, old.key_since);
        let rotation = Rotation { network, name, since, old: &old.key, new: &entry.key };
        rotation.verify(&entry.signature).map_err(|_| BadPage::ForgedRotation(entry.index))?;
    }
    let anew = entry.cause.starts_session();
    Ok(User {
        key: entry.key,
        certificate_hash: entry.certificate_hash,
        cause: entry.cause,
        key_since: if same_key { old.key_since } else { entry.index },
        session_since_s: if anew { entry.time_s } else { old.session_since_s },
        active: !matches!(entry.cause, Cause::Disabled | Cause::Deleted),
    })
}

#[cfg(test)]
mod tests;
