//! What is on its way to the server before a hop, and how much of it has not been written yet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use talaria_mixnet::link::BackWord;
use talaria_wire::Batch;
use talaria_wire::link::BatchHead;
use tokio::sync::{Notify, mpsc};

/// What is written to the server before this hop.
pub(super) enum Answer {
    Word(BackWord),
    /// Replies that are still being sealed: the head of their batch, and its parts.
    Replies(BatchHead, mpsc::Receiver<Batch>),
}

/// Where answers go, each with what is to be dropped once it is written.
pub(super) type Answers = mpsc::Sender<(Answer, Unanswered)>;

/// How many answers have not been written yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    count: AtomicUsize,
    fewer: Notify,
}

impl Pending {
    /// Waits until there is none.
    pub(super) async fn none(&self) {
        loop {
            let fewer = self.fewer.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            fewer.await;
        }
    }
}

/// Counts an answer as pending until it is dropped.
pub(super) struct Unanswered(Arc<Pending>);

impl Unanswered {
    pub(super) fn new(pending: &Arc<Pending>) -> Self {
        pending.count.fetch_add(1, Ordering::AcqRel);
        Self(pending.clone())
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.fewer.notify_waiters();
    }
}
