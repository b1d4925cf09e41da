//! The door between connections and the round clock: both work on one entry, for moments only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use talaria_wire::UnixMillis;
use talaria_wire::control::Refusal;
use talaria_wire::frame::Submission;
use tokio::sync::Notify;

use super::clock::Clock;
use crate::admission::{ClientId, NotAdmitted, Seat};
use crate::entry::Entry;

/// What connections share with the round clock.
#[derive(Debug)]
pub(super) struct Door {
    entry: Mutex<Entry>,
    clock: Clock,
    /// The round clock has something to do.
    due: Notify,
}

impl Door {
    pub(super) fn new(entry: Entry, clock: Clock) -> Self {
        Self { entry: Mutex::new(entry), clock, due: Notify::new() }
    }

    /// The entry, for a moment: never across an `await`.
    pub(super) fn entry(&self) -> MutexGuard<'_, Entry> {
        // Whoever panicked with it held was one connection; its client is gone.
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
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
}

/// A client's place at the entry, given back when dropped.
#[derive(Debug)]
pub(super) struct Guest {
    client: ClientId,
    door: Arc<Door>,
}

impl Guest {
    /// Takes a place.
    ///
    /// # Errors
    /// The [`Refusal`] to send if there is none.
    pub(super) fn admit(door: &Arc<Door>) -> Result<Self, Refusal> {
        let client = door.entry().connect()?;
        Ok(Self { client, door: door.clone() })
    }

    pub(super) fn client(&self) -> ClientId {
        self.client
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
        self.door.entry().disconnect(self.door.now(), self.client);
        self.door.due.notify_one();
    }
}
