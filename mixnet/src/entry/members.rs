//! Who may come in: the directory of users, as the entry reads it.
//!
//! A client shows a certificate, and the entry knows its hash from the directory or does not know
//! it. What the directory says later of a user who is here ends their connection. Pages come from
//! whoever follows the identity service.

use std::collections::{BTreeMap, HashMap};

use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::identity::directory::{BadPage, Cause, Copy, Entry, Head};
use talaria_wire::identity::name::UserName;
use talaria_wire::network_file::NetworkId;
use talaria_wire::reason::{Farewell, Refusal};

use crate::entry::admission::UserId;

/// The users of a network, up to one entry of its directory.
#[derive(Clone, Debug)]
pub struct Members {
    directory: Copy,
    ids: HashMap<UserName, UserId>,
}

/// A user whose connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The user.
    pub user: UserId,
    /// What to tell them.
    pub reason: Farewell,
}

impl Members {
    /// Nobody yet, of `network`, whose directory `service` signs.
    #[must_use]
    pub fn new(network: NetworkId, service: IdentityPublic) -> Self {
        Self { directory: Copy::new(network, service), ids: HashMap::new() }
    }

    /// The directory as far as it is known.
    #[must_use]
    pub fn directory(&self) -> &Copy {
        &self.directory
    }

    /// Whose certificate has this SHA-256.
    ///
    /// # Errors
    /// The [`Refusal`] to send: [`Refusal::Disabled`] if the user may not come in, and
    /// [`Refusal::Certificate`] if it is nobody's, or nobody's any more, as far as is known.
    pub fn admit(&self, certificate_hash: &[u8; 32]) -> Result<UserId, Refusal> {
        let holder = self.directory.holder(certificate_hash);
        let (name, user) = holder.ok_or(Refusal::Certificate)?;
        if !user.active {
            return Err(Refusal::Disabled);
        }
        self.ids.get(name).copied().ok_or(Refusal::Certificate)
    }

    /// Takes a page of the directory with the head that is signed for just what it leads to, and
    /// says whose connections have to end: each user once, for the last reason.
    ///
    /// # Errors
    /// [`BadPage`]; nothing is taken then, and nobody comes or goes.
    pub fn take(
        &mut self,
        entries: &[Entry],
        head: &Head,
        now: UnixMillis,
    ) -> Result<Vec<Leaving>, BadPage> {
        self.directory.append(entries, head, now.0 / 1000)?;
        Ok(self.learn(entries))
    }

    /// Takes entries that were kept on disk: they have been checked when they came.
    ///
    /// # Errors
    /// [`BadPage`] if they do not follow upon each other; nothing is taken then.
    pub fn restore(&mut self, entries: &[Entry]) -> Result<(), BadPage> {
        self.directory.restore(entries)?;
        self.learn(entries);
        Ok(())
    }

    /// Takes the head that was kept with them.
    ///
    /// # Errors
    /// [`BadPage`] if it is not signed for just these entries.
    pub fn restore_head(&mut self, head: &Head) -> Result<(), BadPage> {
        self.directory.restore_head(head)
    }

    fn learn(&mut self, entries: &[Entry]) -> Vec<Leaving> {
        let mut leaving = BTreeMap::new();
        for entry in entries {
            if entry.cause == Cause::Registered {
                self.ids.insert(entry.name.clone(), UserId(entry.index));
            }
            if let (Some(user), Some(reason)) = (self.ids.get(&entry.name), farewell(entry.cause)) {
                leaving.insert(*user, reason);
            }
        }
        leaving.into_iter().map(|(user, reason)| Leaving { user, reason }).collect()
    }
}

/// What a user who is connected is told when the directory says this of them.
fn farewell(cause: Cause) -> Option<Farewell> {
    match cause {
        Cause::Registered | Cause::Enabled => None,
        Cause::Renewed | Cause::NewHome | Cause::Rotated => Some(Farewell::Superseded),
        Cause::Disabled | Cause::Deleted => Some(Farewell::Disabled),
    }
}

#[cfg(test)]
mod tests;
