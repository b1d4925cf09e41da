//! The door between connections, the directory and the round clock: all work at one gate, for
//! moments only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use talaria_wire::UnixMillis;
use talaria_wire::frame::Submission;
use talaria_wire::identity::directory::{BadPage, Entry as DirectoryEntry, Head, PAGE_MAX};
use talaria_wire::reason::{Farewell, Refusal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::reception::{Stranger, TurnedAway};
use super::shards::Shards;
use crate::net::clock::Clock;
use talaria_mixnet::entry::admission::{ClientId, NotAdmitted, Seat};
use talaria_mixnet::entry::gate::Gate;
use talaria_mixnet::entry::members::Members;
use talaria_mixnet::entry::visit::News;

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
    /// The connections that have a place. Locked after `gate`.
    connections: Mutex<BTreeMap<ClientId, Arc<Connection>>>,
    shards: Shards,
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
    /// A door with nobody at it; among `tasks` are those that have to run as long as it does.
    pub(super) fn new(gate: Gate, members: Members, clock: Clock, tasks: &mut JoinSet<()>) -> Self {
        let entries = members.directory().entries();
        Self {
            members: Mutex::new(members),
            knowledge: watch::Sender::new(Knowledge { entries, is_all: false }),
            gate: Mutex::new(gate),
            connections: Mutex::default(),
            shards: Shards::start(&clock, tasks),
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
        let leaving = members.take(entries, head, self.now())?;
        let known = members.directory().entries();
        let mut gate = self.gate();
        for user in leaving {
            gate.expel(self.now(), user.user, user.reason);
        }
        drop((gate, members));
        self.due.notify_one();
        // Only the last page is not full.
        let is_all = entries.len() < PAGE_MAX;
        self.knowledge.send_replace(Knowledge { entries: known, is_all });
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

    /// Tells every connection.
    pub(super) async fn tell(&self, news: &News) {
        self.shards.tell(news).await;
    }

    /// Has a connection say goodbye and end.
    pub(super) fn close(&self, client: ClientId, reason: Farewell) {
        let connection = lock(&self.connections).remove(&client);
        if let Some(connection) = connection {
            connection.dismiss(reason);
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
}

impl Guest {
    /// Takes a place for the user with a certificate, unless `checked` says that they may not come
    /// in. Whoever gets one hears all news from then on.
    ///
    /// # Errors
    /// [`TurnedAway`] if there is no place, or the certificate is not one to come in with.
    pub(super) fn admit(
        door: &Arc<Door>,
        certificate: &CertificateHash,
        checked: Result<(), Refusal>,
        stranger: Stranger,
    ) -> Result<(Self, Arc<Connection>), Box<TurnedAway>> {
        let mut answer = Vec::new();
        let members = door.members();
        let user = checked.and_then(|()| members.admit(certificate));
        let mut gate = door.gate();
        let visit = match gate.answer(door.now(), user, &mut answer) {
            Ok(visit) => visit,
            Err(reason) => return Err(Box::new(TurnedAway { reason, stranger, answer })),
        };
        let client = visit.client();
        let connection = Arc::new(Connection::new(stranger, visit, &answer));
        lock(&door.connections).insert(client, connection.clone());
        // While nobody can have got a place or be told between the two.
        door.shards.join(client, &connection);
        drop((gate, members));
        // An older connection of the user may have to be told.
        door.due.notify_one();
        Ok((Self { client, door: door.clone() }, connection))
    }

    pub(super) fn clock(&self) -> &Clock {
        self.door.clock()
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
        lock(&self.door.connections).remove(&self.client);
        self.door.gate().disconnect(self.door.now(), self.client);
        self.door.due.notify_one();
    }
}
