//! The door between connections, the directory and the round clock: all work at one gate, for
//! moments only.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use talaria_wire::UnixMillis;
use talaria_wire::frame::Submission;
use talaria_wire::identity::directory::{BadPage, Entry as DirectoryEntry, Head};
use talaria_wire::reason::{Farewell, Refusal};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::net::clock::Clock;
use talaria_mixnet::entry::admission::{ClientId, NotAdmitted, Seat};
use talaria_mixnet::entry::gate::Gate;
use talaria_mixnet::entry::members::Members;
use talaria_mixnet::entry::visit::Visit;

/// How long a certificate that is not known may wait for the entry of the directory that names it.
/// Who has just got one is usually faster than the directory.
const PATIENCE: Duration = Duration::from_secs(2);

/// SHA-256 of a certificate (DER).
pub(super) type CertificateHash = [u8; 32];

/// What connections share with the round clock and with the follower of the directory.
#[derive(Debug)]
pub(super) struct Door {
    /// Locked before `gate` where both are needed: nobody comes in with a certificate while the
    /// page is taken that ends it.
    members: Mutex<Members>,
    knowledge: watch::Sender<Knowledge>,
    gate: Mutex<Gate>,
    /// How to tell each connection that it has to end. Locked after `gate`.
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
    pub(super) fn new(gate: Gate, members: Members, clock: Clock) -> Self {
        let entries = members.directory().entries();
        Self {
            members: Mutex::new(members),
            knowledge: watch::Sender::new(Knowledge { entries, is_all: false }),
            gate: Mutex::new(gate),
            closing: Mutex::default(),
            clock,
            due: Notify::new(),
        }
    }

    /// The gate, for a moment: never across an `await`.
    pub(super) fn gate(&self) -> MutexGuard<'_, Gate> {
        // Whoever panicked with it held was one connection; its client is gone.
        lock(&self.gate)
    }

    /// The users, for a moment: never across an `await`, and before the gate.
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
        let mut gate = self.gate();
        for user in leaving {
            gate.expel(self.now(), user.user, user.reason);
        }
        drop((gate, members));
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
    /// Takes a place for the user with a certificate, unless `checked` says that they may not come
    /// in. What to answer is appended to `answer`.
    ///
    /// # Errors
    /// The [`Refusal`] in the answer if there is no place, or the certificate is not one to come in
    /// with.
    pub(super) fn admit(
        door: &Arc<Door>,
        certificate: &CertificateHash,
        checked: Result<(), Refusal>,
        answer: &mut Vec<u8>,
    ) -> Result<(Self, Visit), Refusal> {
        let members = door.members();
        let user = checked.and_then(|()| members.admit(certificate));
        let mut gate = door.gate();
        let visit = gate.answer(door.now(), user, answer)?;
        let (sender, dismissed) = oneshot::channel();
        let client = visit.client();
        lock(&door.closing).insert(client, sender);
        drop((gate, members));
        // An older connection of the user may have to be told.
        door.due.notify_one();
        Ok((Self { client, door: door.clone(), dismissed }, visit))
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.door.clock
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
        let mut gate = self.door.gate();
        let seat = gate.submit(self.door.now(), self.client, submission);
        if gate.has_errands() {
            self.door.due.notify_one();
        }
        seat
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        lock(&self.door.closing).remove(&self.client);
        self.door.gate().disconnect(self.door.now(), self.client);
        self.door.due.notify_one();
    }
}
