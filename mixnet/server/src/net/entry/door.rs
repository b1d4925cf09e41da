//! The door between connections, the directory and the round clock: all work on one entry, for
//! moments only.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use talaria_wire::UnixMillis;
use talaria_wire::control::{Farewell, Refusal};
use talaria_wire::frame::Submission;
use talaria_wire::identity::directory::{BadPage, Entry as DirectoryEntry, Head};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::net::clock::Clock;
use talaria_mixnet::entry::Entry;
use talaria_mixnet::entry::admission::{ClientId, NotAdmitted, Seat};
use talaria_mixnet::entry::members::Members;

/// How long a certificate that is not known may wait for the entry of the directory that names it.
/// Who has just got one is usually faster than the directory.
const PATIENCE: Duration = Duration::from_secs(2);

/// SHA-256 of a certificate (DER).
pub(super) type CertificateHash = [u8; 32];

/// What connections share with the round clock and with the follower of the directory.
#[derive(Debug)]
pub(super) struct Door {
    /// Locked before `entry` where both are needed: nobody comes in with a certificate while the
    /// page is taken that ends it.
    members: Mutex<Members>,
    knowledge: watch::Sender<Knowledge>,
    entry: Mutex<Entry>,
    /// How to tell each connection that it has to end. Locked after `entry`.
    closing: Mutex<BTreeMap<ClientId, oneshot::Sender<Farewell>>>,
    clock: Clock,
    /// The round clock has something to do.
    due: Notify,
}

/// How much of the directory is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Knowledge {
    entries: u64,
    /// There is a connection on which the service has said that this is all.
    is_all: bool,
}

impl Door {
    pub(super) fn new(entry: Entry, members: Members, clock: Clock) -> Self {
        let entries = members.directory().entries();
        Self {
            members: Mutex::new(members),
            knowledge: watch::Sender::new(Knowledge { entries, is_all: false }),
            entry: Mutex::new(entry),
            closing: Mutex::default(),
            clock,
            due: Notify::new(),
        }
    }

    /// The entry, for a moment: never across an `await`.
    pub(super) fn entry(&self) -> MutexGuard<'_, Entry> {
        // Whoever panicked with it held was one connection; its client is gone.
        lock(&self.entry)
    }

    /// The users, for a moment: never across an `await`, and before the entry.
    pub(super) fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    /// Waits until a connection has given the round clock something to do.
    pub(super) async fn due(&self) {
        self.due.notified().await;
    }

    /// Takes a page of the directory; whoever it shuts out is told to leave at once.
    ///
    /// # Errors
    /// [`BadPage`]; nothing has changed then.
    pub(super) fn learn(&self, entries: &[DirectoryEntry], head: &Head) -> Result<(), BadPage> {
        let mut members = self.members();
        let leaving = members.take(entries, head)?;
        let known = members.directory().entries();
        let mut entry = self.entry();
        for user in leaving {
            entry.expel(self.now(), user.user, user.reason);
        }
        drop((entry, members));
        self.due.notify_one();
        self.knowledge.send_replace(Knowledge { entries: known, is_all: known == head.entries });
        Ok(())
    }

    /// The connection to the identity service is gone: there may be more than is known.
    pub(super) fn lose_touch(&self) {
        self.knowledge.send_if_modified(|known| std::mem::take(&mut known.is_all));
    }

    /// Waits for a moment until the directory names a certificate.
    ///
    /// # Errors
    /// The [`Refusal`] to send if it does not, or its user may not come in.
    pub(super) async fn await_member(&self, certificate: &CertificateHash) -> Result<(), Refusal> {
        let mut knowledge = self.knowledge.subscribe();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_all = knowledge.borrow_and_update().is_all;
            match self.members().admit(certificate) {
                Err(Refusal::Certificate) => {}
                known => return known.map(|_| ()),
            }
            if !matches!(timeout_at(deadline, knowledge.changed()).await, Ok(Ok(()))) {
                return Err(if is_all { Refusal::Certificate } else { Refusal::Unchecked });
            }
        }
    }

    /// Tells a connection to say goodbye and end.
    pub(super) fn close(&self, client: ClientId, reason: Farewell) {
        if let Some(connection) = lock(&self.closing).remove(&client) {
            // It may be about to end anyway.
            let _ = connection.send(reason);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client's place at the entry, given back when dropped.
#[derive(Debug)]
pub(super) struct Guest {
    client: ClientId,
    door: Arc<Door>,
    dismissed: oneshot::Receiver<Farewell>,
}

impl Guest {
    /// Takes a place for the user with a certificate.
    ///
    /// # Errors
    /// The [`Refusal`] to send if there is none, or the certificate is not one to come in with.
    pub(super) fn admit(door: &Arc<Door>, certificate: &CertificateHash) -> Result<Self, Refusal> {
        let members = door.members();
        let user = members.admit(certificate)?;
        let mut entry = door.entry();
        let client = entry.connect(door.now(), user)?;
        let (sender, dismissed) = oneshot::channel();
        lock(&door.closing).insert(client, sender);
        drop((entry, members));
        // An older connection of the user may have to be told.
        door.due.notify_one();
        Ok(Self { client, door: door.clone(), dismissed })
    }

    pub(super) fn client(&self) -> ClientId {
        self.client
    }

    /// Waits until the place is taken away.
    pub(super) async fn dismissed(&mut self) -> Farewell {
        match (&mut self.dismissed).await {
            Ok(reason) => reason,
            // Only whoever has said it once has nothing more to say.
            Err(_) => pending().await,
        }
    }

    /// Hands a submission to the round that collects.
    ///
    /// # Errors
    /// [`NotAdmitted`] if it is not in the round.
    pub(super) fn submit(&self, submission: Submission<'_>) -> Result<Seat, NotAdmitted> {
        let mut entry = self.door.entry();
        let seat = entry.submit(self.door.now(), self.client, submission);
        if entry.has_actions() {
            self.door.due.notify_one();
        }
        seat
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        lock(&self.door.closing).remove(&self.client);
        self.door.entry().disconnect(self.door.now(), self.client);
        self.door.due.notify_one();
    }
}
