//! Heads beside a copy: those that others know and the copy has not reached, and two that
//! contradict each other.

use super::{EntryHash, HEAD_LEN, Head};
use crate::crypto::IdentityPublic;
use crate::network_file::NetworkId;

/// The most heads that are kept beyond the end of a copy. Only what the service has signed gets
/// there.
pub const AHEAD_MAX: usize = 16;

/// Two heads that one directory cannot have: whoever sees both knows that the service has signed
/// two stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoHeads {
    /// What the copy was taken with. Where it is longer than the other one, the entries of the copy
    /// belong to the proof.
    pub known: Head,
    /// What contradicts it.
    pub other: Head,
}

impl TwoHeads {
    /// Both heads, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 2 * HEAD_LEN] {
        let mut out = [0; 2 * HEAD_LEN];
        out[..HEAD_LEN].copy_from_slice(&self.known.to_bytes());
        out[HEAD_LEN..].copy_from_slice(&self.other.to_bytes());
        out
    }

    /// Parses both heads; `None` if they are not two that `service` has signed.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], network: &NetworkId, service: &IdentityPublic) -> Option<Self> {
        let (known, other) = bytes.split_at_checked(HEAD_LEN)?;
        let signed = |bytes| {
            let head = Head::from_bytes(bytes).ok()?;
            head.verify(network, service).ok().map(|()| head)
        };
        Some(Self { known: signed(known)?, other: signed(other)? })
    }
}

/// Where a head stands that fits a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichHead {
    /// It is of what the copy has, or of a part of it.
    Within,
    /// It has more entries than the copy: the copy has to get there.
    Ahead,
}

/// Heads beyond the end of a copy, each of another length.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead(Vec<Head>);

impl Ahead {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Head> {
        self.0.iter()
    }

    /// The one that cannot be of the same directory as `head`.
    pub(super) fn against(&self, head: &Head) -> Option<&Head> {
        self.0.iter().find(|other| other.contradicts(head))
    }

    /// The first one that entries with these hashes, `first` after the first of them, pass by
    /// without having its hash.
    pub(super) fn missed(&self, first: u64, hashes: &[EntryHash]) -> Option<&Head> {
        self.0.iter().find(|head| {
            let at = head.entries.checked_sub(first).and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| hashes.get(at)).is_some_and(|hash| *hash != head.hash)
        })
    }

    /// Keeps a head, unless it is there or there is no room. Gives whether it is new.
    pub(super) fn keep(&mut self, head: &Head) -> bool {
        let known = self.0.iter().any(|other| other.entries == head.entries);
        let new = !known && self.0.len() < AHEAD_MAX;
        if new {
            self.0.push(*head);
        }
        new
    }

    /// Lets go of what a copy of so many entries has reached.
    pub(super) fn reached(&mut self, entries: u64) {
        self.0.retain(|head| head.entries > entries);
    }
}
