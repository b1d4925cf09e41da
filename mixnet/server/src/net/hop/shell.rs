//! What all tasks of a hop share: its [`Node`], and the means to do what that wants done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rayon::ThreadPool;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::link::BatchHead;
use talaria_wire::reason::AbortReason;
use talaria_wire::{Batch, Round as RoundNumber, UnixMillis};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot, watch};

use super::answers::{Answers, Pending};
use super::arrival::Buffers;
use crate::net::clock::Clock;
use crate::net::link::Onward;
use crate::net::report::Reports;
use talaria_mixnet::hop::guard::{Record, RoundLog};
use talaria_mixnet::hop::keys::RoundKeys;
use talaria_mixnet::hop::node::{Duty, Node, NodeConfig, Unrecorded};
use talaria_mixnet::mix::noise::NoiseSource;
use talaria_mixnet::round::{Round, Unmixed};

/// How a round ended for the rest of the chain.
pub(super) type Outcome = Result<Round<Unmixed>, AbortReason>;
/// A hop with sockets; whoever asks it how it is is answered on their link.
pub(super) type HopNode = Node<Answers>;
/// Where it is recorded which rounds have run.
pub(super) type RoundRecord = Record<Box<dyn RoundLog + Send>>;

/// What the tasks of a hop share.
pub(super) struct Shell {
    pub(super) config: NodeConfig,
    pub(super) silence: Duration,
    pub(super) noise: NoiseSource,
    pub(super) clock: Clock,
    pub(super) pool: Arc<ThreadPool>,
    pub(super) buffers: Buffers,
    pub(super) onward: Option<Onward>,
    pub(super) reports: Reports,
    /// What is to be announced to the server before this one.
    pub(super) announcements: watch::Sender<Vec<EpochKeys>>,
    pub(super) pending: Arc<Pending>,
    /// What the times of probes are counted from.
    pub(super) started: Instant,
    /// Held for moments only, by async tasks too.
    book: Mutex<Book>,
    /// Held as long as the disk takes, and never with the book: by threads that may block.
    record: Mutex<RoundRecord>,
    /// There may be another deadline.
    rescheduled: Notify,
}

struct Book {
    node: HopNode,
    /// Who waits for the end of each round that has begun.
    waiters: BTreeMap<RoundNumber, oneshot::Sender<Outcome>>,
}

/// What a [`Shell`] is made of, beside what it makes itself.
pub(super) struct Means {
    pub(super) silence: Duration,
    pub(super) noise: NoiseSource,
    pub(super) pool: Arc<ThreadPool>,
    pub(super) buffers: Buffers,
    pub(super) onward: Option<Onward>,
    pub(super) reports: Reports,
}

/// A round that the hop has taken on. Dropped, it is over whatever has become of it, so that it
/// holds up no other.
pub(super) struct Begun {
    over: oneshot::Receiver<Outcome>,
    round: RoundNumber,
    shell: Arc<Shell>,
}

impl Shell {
    /// A hop that has made its first keys.
    pub(super) fn new(node: HopNode, record: RoundRecord, means: Means) -> Self {
        let Means { silence, noise, pool, buffers, onward, reports } = means;
        Self {
            config: *node.config(),
            silence,
            noise,
            clock: Clock::start(),
            pool,
            buffers,
            onward,
            reports,
            announcements: watch::Sender::default(),
            pending: Arc::default(),
            started: Instant::now(),
            book: Mutex::new(Book { node, waiters: BTreeMap::new() }),
            record: Mutex::new(record),
            rescheduled: Notify::new(),
        }
    }

    /// Tells the node something, and does what it wants done then.
    pub(super) fn tell<T>(self: &Arc<Self>, say: impl FnOnce(&mut HopNode, UnixMillis) -> T) -> T {
        let mut book = self.book();
        let answer = say(&mut book.node, self.clock.now());
        // While the book is held: rounds leave in the order in which the node lets them go.
        while let Some(duty) = book.node.poll_duty() {
            self.carry_out(duty, &mut book);
        }
        answer
    }

    /// Takes a round on, which is to be recorded then.
    pub(super) fn reserve(
        self: &Arc<Self>,
        head: BatchHead,
    ) -> Result<(Unrecorded, Begun), AbortReason> {
        let mut book = self.book();
        let unrecorded = book.node.begin(head)?;
        let (waiter, over) = oneshot::channel();
        book.waiters.insert(head.round, waiter);
        Ok((unrecorded, Begun { over, round: head.round, shell: self.clone() }))
    }

    /// Records a round, which takes as long as the disk does; nobody else is held up.
    pub(super) fn record(&self, unrecorded: Unrecorded) -> Result<RoundKeys, AbortReason> {
        // Of a write that panicked nothing was taken for durable.
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        unrecorded.record(&mut record)
    }

    /// Whether nobody holds the node.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.book.try_lock().is_ok()
    }

    /// When the node has something to do by itself.
    pub(super) fn poll_timeout(&self) -> UnixMillis {
        self.book().node.poll_timeout()
    }

    /// Completes when that may have changed.
    pub(super) fn rescheduled(&self) -> Notified<'_> {
        self.rescheduled.notified()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Whoever panicked with the book held has lost its round and nothing else.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(self: &Arc<Self>, duty: Duty, book: &mut Book) {
        match duty {
            Duty::Depart(round, onions) => {
                // Nobody in this round, and most likely nobody in the next.
                let idle = onions.is_empty();
                self.send(round, onions, &mut book.node);
                if let Some(behind) = book.node.keys_behind(round.next()).filter(|_| !idle) {
                    self.prepare_noise(round.next(), behind.to_vec());
                }
                self.rescheduled.notify_waiters();
            }
            Duty::Over(round, outcome) => {
                if let Some(waiter) = book.waiters.remove(&round) {
                    let _ = waiter.send(outcome);
                }
            }
            Duty::Announce(keys) => {
                self.announcements.send_replace(keys);
            }
        }
    }

    fn send(&self, round: RoundNumber, onions: Batch, node: &mut HopNode) {
        let sent = self.onward.as_ref().map(|onward| onward.send(round, onions));
        if let Err(reason) = sent.unwrap_or(Err(AbortReason::Unreachable)) {
            node.lost(self.clock.now(), round, reason);
        }
    }

    fn prepare_noise(self: &Arc<Self>, round: RoundNumber, behind: Vec<OnionPublic>) {
        let here = self.clone();
        self.pool.spawn(move || here.noise.prepare(round, &behind, &mut system_seeded()));
    }
}

impl Begun {
    /// Waits for the end of the round.
    pub(super) async fn over(mut self) -> Outcome {
        (&mut self.over).await.unwrap_or(Err(AbortReason::Unreachable))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let round = self.round;
        self.shell.tell(|node, now| node.end(now, round, Err(AbortReason::Busy)));
    }
}

/// A ChaCha20 generator seeded by the operating system: one for each shuffle.
pub(super) fn system_seeded() -> ChaCha20Rng {
    rand::make_rng()
}
