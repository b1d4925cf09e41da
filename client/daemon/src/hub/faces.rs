//! The faces that are joined: each is told what it may know, and none waits for another.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::queue::Queue;
use crate::run::Event;
use crate::told::Told;

/// The faces of a conversation.
pub(super) struct Faces {
    pub(super) conversation: String,
    joined: Mutex<Joined>,
}

#[derive(Default)]
struct Joined {
    /// Faces are numbered, over all that have ever been.
    next: u64,
    queues: Vec<(u64, Arc<Queue>)>,
    /// The run has ended.
    over: bool,
}

/// Hands on what a run tells, until it ends.
pub(super) async fn pass_on(mut events: mpsc::UnboundedReceiver<Event>, faces: Arc<Faces>) {
    while let Some(event) = events.recv().await {
        faces.tell(&event);
    }
    faces.end();
}

impl Faces {
    pub(super) fn new(conversation: String) -> Self {
        Self { conversation, joined: Mutex::default() }
    }

    pub(super) fn join(&self) -> (u64, Arc<Queue>) {
        let (mut joined, queue) = (self.lock(), Arc::<Queue>::default());
        let id = joined.next;
        joined.next += 1;
        if joined.over {
            queue.close();
        }
        joined.queues.push((id, queue.clone()));
        (id, queue)
    }

    pub(super) fn leave(&self, id: u64) {
        self.lock().queues.retain(|(face, _)| *face != id);
    }

    fn tell(&self, event: &Event) {
        let told = Told::new(event, &self.conversation);
        for (id, queue) in &self.lock().queues {
            if let Some(event) = told.to_face(*id) {
                queue.push(event);
            }
        }
    }

    fn end(&self) {
        let mut joined = self.lock();
        joined.over = true;
        joined.queues.iter().for_each(|(_, queue)| queue.close());
    }

    fn lock(&self) -> MutexGuard<'_, Joined> {
        // No step leaves the list half changed.
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
