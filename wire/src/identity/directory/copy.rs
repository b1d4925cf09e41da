//! Somebody's copy of the directory: it takes what follows upon what it has, and nothing else.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use thiserror::Error;

use super::heads::{Ahead, TwoHeads, WhichHead};
use super::{Cause, Entry, EntryHash, Head, TOLERANCE_S};
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
    /// The entry with which sessions with the user began anew.
    pub session_since: u64,
    /// Whether the user may take part.
    pub active: bool,
}

/// Why a page, or a head, was not taken.
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
    /// The head is of a part of the copy: an older one.
    #[error("the head is of {head} entries of the directory, and {known} are known")]
    Behind {
        /// Entries of the head.
        head: u64,
        /// Entries of the copy.
        known: u64,
    },
    /// The head is of more entries than came: nothing says that the service has signed these.
    #[error("the page ends with entry {page} of the directory, and its head is of {head}")]
    Uncovered {
        /// Entries of the head.
        head: u64,
        /// Entries of the copy and the page.
        page: u64,
    },
    /// The head is not signed by the service.
    #[error("the head of the directory is not signed by the identity service")]
    Unsigned,
    /// The head is of as many entries, and not of these.
    #[error(
        "the directory does not extend the one that is known, or somebody else than the service \
         has written the page"
    )]
    Forked,
    /// The service has signed two stories.
    #[error(
        "the identity service has signed two directories that contradict each other, of {} and of \
         {} entries; both signatures are kept as proof", .0.known.entries, .0.other.entries
    )]
    TwoStories(Box<TwoHeads>),
    /// It is dated further ahead than clocks may be apart.
    #[error(
        "the directory speaks of a time that is {ahead_s} s ahead of the clock of this machine: one \
         of the two clocks is wrong"
    )]
    Future {
        /// By how much.
        ahead_s: u64,
    },
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
    start: EntryHash,
    /// The hash after each entry.
    hashes: Vec<EntryHash>,
    time_s: u64,
    /// The newest head, of exactly these entries.
    head: Option<Head>,
    ahead: Ahead,
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
            start: EntryHash::start(&network),
            hashes: Vec::new(),
            time_s: 0,
            head: None,
            ahead: Ahead::default(),
            users: BTreeMap::new(),
            by_certificate: HashMap::new(),
        }
    }

    /// How many entries it has: the index of the next one.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// The hash up to the last of them.
    #[must_use]
    pub fn hash(&self) -> EntryHash {
        self.hashes.last().copied().unwrap_or(self.start)
    }

    /// The hash when it had so many entries.
    #[must_use]
    pub fn hash_at(&self, entries: u64) -> Option<EntryHash> {
        match entries.checked_sub(1) {
            None => Some(self.start),
            Some(last) => self.hashes.get(usize::try_from(last).ok()?).copied(),
        }
    }

    /// The newest head that it was taken with: of exactly its entries.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Heads that others know, and that it has not reached.
    pub fn ahead(&self) -> impl Iterator<Item = &Head> {
        self.ahead.iter()
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

    /// Takes a page: entries that follow upon the last one, and the head that is signed for
    /// exactly what the copy has with them. Until that is checked they are no part of it.
    ///
    /// # Errors
    /// [`BadPage`]; nothing is taken then.
    pub fn append(&mut self, entries: &[Entry], head: &Head, now_s: u64) -> Result<(), BadPage> {
        if self.judge(head, now_s)? == WhichHead::Within
            && (head.entries < self.entries() || !entries.is_empty())
        {
            return Err(BadPage::Behind { head: head.entries, known: self.entries() });
        }
        let next = self.draft(entries)?;
        in_time(next.time_s, now_s)?;
        let page = next.entries();
        if head.entries != page {
            return Err(BadPage::Uncovered { head: head.entries, page });
        }
        if head.hash != next.hash() {
            return Err(BadPage::Forked);
        }
        if let Some(other) = self.ahead.missed(next.before + 1, &next.hashes) {
            return Err(BadPage::two_stories(head, other));
        }
        self.adopt(next);
        self.cover(head);
        Ok(())
    }

    /// Whether a head can be of the same directory, wherever it comes from.
    ///
    /// # Errors
    /// [`BadPage::Unsigned`], [`BadPage::Future`], or [`BadPage::TwoStories`] with the proof.
    pub fn judge(&self, head: &Head, now_s: u64) -> Result<WhichHead, BadPage> {
        self.require_signed(head)?;
        in_time(head.time_s, now_s)?;
        let other_prefix = self.hash_at(head.entries).is_some_and(|hash| hash != head.hash);
        let against = self.ahead.against(head);
        match self.head {
            Some(known) if other_prefix || known.contradicts(head) => {
                Err(BadPage::two_stories(&known, head))
            }
            None if other_prefix => Err(BadPage::Forked),
            _ if against.is_some() => {
                Err(against.map_or(BadPage::Forked, |known| BadPage::two_stories(known, head)))
            }
            _ if head.entries <= self.entries() => Ok(WhichHead::Within),
            _ => Ok(WhichHead::Ahead),
        }
    }

    /// Whether the service has signed it.
    #[must_use]
    pub fn is_signed(&self, head: &Head) -> bool {
        head.verify(&self.network, &self.service).is_ok()
    }

    /// Hears of a head that somebody else knows. One that the copy has not reached is kept: whatever
    /// comes has to lead there. Gives whether it was kept just now.
    ///
    /// # Errors
    /// As [`Copy::judge`].
    pub fn hear(&mut self, head: &Head, now_s: u64) -> Result<bool, BadPage> {
        Ok(self.judge(head, now_s)? == WhichHead::Ahead && self.ahead.keep(head))
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

    /// Takes a head that was kept beside the entries, from one's own disk: the one of exactly these
    /// entries, or one that they have not reached.
    ///
    /// # Errors
    /// [`BadPage`] if it is not signed, or is neither.
    pub fn restore_head(&mut self, head: &Head) -> Result<(), BadPage> {
        self.require_signed(head)?;
        match head.entries.cmp(&self.entries()) {
            Ordering::Less => Err(BadPage::Behind { head: head.entries, known: self.entries() }),
            Ordering::Equal if head.hash != self.hash() => Err(BadPage::Forked),
            Ordering::Equal => {
                self.cover(head);
                Ok(())
            }
            Ordering::Greater => {
                self.ahead.keep(head);
                Ok(())
            }
        }
    }

    fn require_signed(&self, head: &Head) -> Result<(), BadPage> {
        if self.is_signed(head) { Ok(()) } else { Err(BadPage::Unsigned) }
    }

    /// The newest head stays: of two of one length the one that was signed last.
    fn cover(&mut self, head: &Head) {
        let newer = |known: &Head| known.entries < head.entries || known.time_s < head.time_s;
        if self.head.as_ref().is_none_or(newer) {
            self.head = Some(*head);
        }
        self.ahead.reached(head.entries);
    }

    fn draft(&self, entries: &[Entry]) -> Result<Draft, BadPage> {
        let (before, hash, time_s) = (self.entries(), self.hash(), self.time_s);
        let (hashes, changed) = (Vec::with_capacity(entries.len()), HashMap::new());
        let mut next = Draft { before, start: hash, hashes, time_s, changed };
        for entry in entries {
            next.take(self, entry)?;
        }
        Ok(next)
    }

    fn adopt(&mut self, next: Draft) {
        self.hashes.extend(next.hashes);
        self.time_s = next.time_s;
        for (name, user) in next.changed {
            if let Some(old) = self.users.get(&name) {
                self.by_certificate.remove(&old.certificate_hash);
            }
            self.by_certificate.insert(user.certificate_hash, name.clone());
            self.users.insert(name, user);
        }
    }
}

impl BadPage {
    fn two_stories(known: &Head, other: &Head) -> Self {
        Self::TwoStories(Box::new(TwoHeads { known: *known, other: *other }))
    }

    /// The two heads that prove that the service has signed two stories, if that is what is wrong.
    #[must_use]
    pub fn proof(&self) -> Option<&TwoHeads> {
        match self {
            Self::TwoStories(heads) => Some(heads),
            _ => None,
        }
    }
}

/// Nothing is taken that is dated further ahead than clocks may be apart.
fn in_time(time_s: u64, now_s: u64) -> Result<(), BadPage> {
    match time_s.checked_sub(now_s) {
        Some(ahead_s) if ahead_s > TOLERANCE_S => Err(BadPage::Future { ahead_s }),
        _ => Ok(()),
    }
}

/// What a page would make of a copy.
struct Draft {
    before: u64,
    start: EntryHash,
    hashes: Vec<EntryHash>,
    time_s: u64,
    changed: HashMap<UserName, User>,
}

impl Draft {
    fn entries(&self) -> u64 {
        self.before + self.hashes.len() as u64
    }

    fn hash(&self) -> EntryHash {
        self.hashes.last().copied().unwrap_or(self.start)
    }

    fn take(&mut self, copy: &Copy, entry: &Entry) -> Result<(), BadPage> {
        if entry.index != self.entries() {
            return Err(BadPage::Gap { expected: self.entries(), found: entry.index });
        }
        let old = self.changed.get(&entry.name).or_else(|| copy.users.get(&entry.name));
        let user = after(old, entry, &copy.network)?;
        if entry.time_s < self.time_s {
            return Err(BadPage::Contradiction(entry.index));
        }
        self.hashes.push(self.hash().then(entry));
        self.time_s = entry.time_s;
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
            session_since: entry.index,
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
        session_since: if anew { entry.index } else { old.session_since },
        active: !matches!(entry.cause, Cause::Disabled | Cause::Deleted),
    })
}

#[cfg(test)]
mod tests;
