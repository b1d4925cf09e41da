//! A hop on the network: batches come in from the server before, go on to the next, and back.
//!
//! Each round is a task of its own; what may run and what is waited for is in the [`Hop`] book.

mod arrival;
mod probing;
mod serving;
mod work;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rayon::ThreadPool;
use talaria_wire::control::AbortReason;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::{Batch, HopIndex, Round as RoundNumber, RoundShape};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::clock::Clock;
use super::link::{LinkEvent, Onward, OnwardConfig};
use super::report::Reports;
use super::shutdown::Shutdown;
use crate::files::rounds::RoundFile;
use arrival::Buffers;
use probing::Probing;
use serving::{Answer, Answers, accept};
use talaria_mixnet::hop::guard::RoundGuard;
use talaria_mixnet::hop::keys::HopKeys;
use talaria_mixnet::hop::{Hop, HopLimits};
use talaria_mixnet::link::LinkMessage;
use talaria_mixnet::mix::noise::NoiseSource;
use talaria_mixnet::round::{Round, Unmixed};

/// Connections that a hop holds at once: one is needed, a few more let a restarted server before
/// it come back while its old connection has not been missed yet.
const MAX_LINKS: usize = 8;
/// Pieces of batches that may lie in memory for each thread that peels.
const PIECES_PER_THREAD: usize = 4;

/// Everything that a hop needs to run.
#[derive(Debug)]
pub struct HopConfig {
    /// Its place in the chain.
    pub place: HopIndex,
    /// Sizes of the network.
    pub shape: RoundShape,
    /// The version of the network file that it runs with.
    pub network: NetworkVersion,
    /// What it may be made to hold.
    pub limits: HopLimits,
    /// Its onion keys, and those of the hops after it.
    pub keys: HopKeys,
    /// Length of a round.
    pub period_ms: NonZeroU64,
    /// The noise that it adds.
    pub noise: NoiseSource,
    /// TLS towards the server before it, see
    /// [`tls::link_server_config`](super::tls::link_server_config).
    pub tls: Arc<rustls::ServerConfig>,
    /// The next hop, unless this is the last one.
    pub onward: Option<OnwardConfig>,
    /// The record of rounds, and the last one in it.
    pub rounds: (Option<RoundNumber>, RoundFile),
    /// Where the heavy work is done.
    pub pool: Arc<ThreadPool>,
    /// How long the server before may be silent before its link is taken for dead.
    pub silence: Duration,
}

type Waiter = oneshot::Sender<Result<Round<Unmixed>, AbortReason>>;

struct Node {
    place: HopIndex,
    shape: RoundShape,
    network: NetworkVersion,
    max_slots: usize,
    silence: Duration,
    period_ms: NonZeroU64,
    keys: Mutex<HopKeys>,
    /// What is to be announced to the server before this one.
    announcements: watch::Sender<Vec<EpochKeys>>,
    noise: NoiseSource,
    clock: Clock,
    pool: Arc<ThreadPool>,
    buffers: Buffers,
    onward: Option<Onward>,
    book: Mutex<Book>,
    /// Rounds whose answer has not been written yet.
    unanswered: AtomicUsize,
    changed: Notify,
    reports: Reports,
    probing: Probing,
}

/// Counts a round as unanswered until it is dropped.
struct Unanswered(Arc<Node>);

impl Unanswered {
    fn new(node: &Arc<Node>) -> Self {
        node.unanswered.fetch_add(1, Ordering::AcqRel);
        Self(node.clone())
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.unanswered.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_waiters();
    }
}

struct Book {
    hop: Hop<RoundFile>,
    waiters: BTreeMap<RoundNumber, Waiter>,
    /// Completes when the round that was begun last has left.
    last_turn: Option<oneshot::Receiver<()>>,
}

/// Runs a hop on `listener` until it is asked to stop and its last round is over.
pub async fn run(config: HopConfig, listener: TcpListener, reports: Reports, shutdown: Shutdown) {
    let acceptor = TlsAcceptor::from(config.tls);
    let (onward, events) = match config.onward {
        Some(onward) => {
            let (onward, events) = Onward::start(onward);
            (Some(onward), Some(events))
        }
        None => (None, None),
    };
    let (last, log) = config.rounds;
    let guard = RoundGuard::new(last, log);
    // Each link may hold one that is not full yet.
    let pieces = MAX_LINKS + PIECES_PER_THREAD * config.pool.current_num_threads();
    let node = Arc::new(Node {
        place: config.place,
        shape: config.shape,
        network: config.network,
        max_slots: config.limits.max_slots,
        silence: config.silence,
        period_ms: config.period_ms,
        keys: Mutex::new(config.keys),
        announcements: watch::Sender::default(),
        noise: config.noise,
        clock: Clock::start(),
        pool: config.pool,
        buffers: Buffers::new(pieces, config.shape.onion_len_at(config.place)),
        onward,
        book: Mutex::new(Book {
            hop: Hop::new(config.place, config.shape, config.limits, guard),
            waiters: BTreeMap::new(),
            last_turn: None,
        }),
        unanswered: AtomicUsize::new(0),
        changed: Notify::new(),
        reports,
        probing: Probing::new(config.place),
    });
    info!(hop = %node.place, "hop ready");
    tokio::select! {
        () = advance_keys(&node) => {}
        () = accept(node.clone(), listener, acceptor) => {}
        () = drive(&node, events) => {}
        () = drained(&node, shutdown) => info!(hop = %node.place, "hop stopped"),
    }
}

/// Makes a key for every epoch ahead of it, and wipes those that are over.
async fn advance_keys(node: &Node) {
    loop {
        let next = node.advance_keys();
        node.clock.sleep_until(Some(next.starts_at(node.period_ms))).await;
    }
}

/// Takes no further round, and waits for those under way.
async fn drained(node: &Node, mut shutdown: Shutdown) {
    shutdown.asked().await;
    node.book().hop.drain();
    loop {
        let changed = node.changed.notified();
        if node.unanswered.load(Ordering::Acquire) == 0 {
            return;
        }
        changed.await;
    }
}

impl Node {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Whoever panicked with the book held has lost its round and nothing else.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, HopKeys> {
        // Every change to it is whole.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says when to be called again.
    fn advance_keys(&self) -> RoundNumber {
        let now = RoundNumber::at(self.clock.now(), self.period_ms);
        let mut keys = self.keys();
        keys.advance(now, &mut system_seeded());
        self.announcements.send_replace(keys.announcements());
        keys.next_advance(now)
    }

    /// Takes what the next hop announces.
    fn learn(&self, announced: EpochKeys) {
        let now = RoundNumber::at(self.clock.now(), self.period_ms);
        let mut keys = self.keys();
        match keys.learn(announced, now) {
            Ok(true) => {
                self.announcements.send_replace(keys.announcements());
            }
            Ok(false) => {}
            Err(error) => warn!(hop = %self.place, %error, "keys of a later hop were refused"),
        }
    }

    /// The round is over here, one way or another.
    fn forget(&self, round: RoundNumber) {
        self.book().hop.lost(round);
    }

    fn lost(&self, round: RoundNumber, reason: AbortReason) {
        let mut book = self.book();
        book.hop.lost(round);
        if let Some(waiter) = book.waiters.remove(&round) {
            let _ = waiter.send(Err(reason));
        }
        drop(book);
        self.changed.notify_waiters();
    }

    fn returned(&self, round: RoundNumber, replies: Batch) {
        let mut book = self.book();
        let unmixed = book.hop.returned(round, replies);
        if let Some(waiter) = book.waiters.remove(&round) {
            let answer = unmixed.and_then(|unmixed| unmixed.ok_or(AbortReason::TooSlow));
            let _ = waiter.send(answer);
        }
    }

    fn handle_event(self: &Arc<Self>, event: LinkEvent) {
        match event {
            LinkEvent::Message(LinkMessage::Batch(round, replies)) => self.returned(round, replies),
            LinkEvent::Message(LinkMessage::Abort(round, reason)) => self.lost(round, reason),
            LinkEvent::Message(LinkMessage::Keys(keys)) => self.learn(keys),
            LinkEvent::Message(LinkMessage::Report(status)) => self.reported(status),
            // Probes come from the other side.
            LinkEvent::Message(LinkMessage::Probe(_)) => {}
            LinkEvent::Down => {
                let away = self.book().hop.lost_all_away();
                for round in away {
                    self.lost(round, AbortReason::Unreachable);
                }
            }
        }
    }
}

/// Takes what comes back from the next hop, and gives up what does not.
async fn drive(node: &Arc<Node>, mut events: Option<mpsc::Receiver<LinkEvent>>) {
    loop {
        let changed = node.changed.notified();
        let deadline = node.book().hop.poll_timeout();
        let event = async {
            match &mut events {
                Some(events) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            () = node.clock.sleep_until(deadline) => {
                let late = node.book().hop.handle_timeout(node.clock.now());
                for round in late {
                    node.lost(round, AbortReason::TooSlow);
                }
            }
            event = event => match event {
                Some(event) => node.handle_event(event),
                None => return,
            }
        }
    }
}

/// A ChaCha20 generator seeded by the operating system: one for each shuffle.
fn system_seeded() -> ChaCha20Rng {
    rand::make_rng()
}
