//! A hop on the network: batches come in from the server before, go on to the next, and back.
//!
//! The heavy steps run on a thread pool, never on the async threads. Each round is a task of its
//! own; what may run and what is waited for is in the [`Hop`] book.

mod probing;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rayon::ThreadPool;
use talaria_wire::control::AbortReason;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::frame::Accepts;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::onion::PeelContext;
use talaria_wire::{Batch, HopIndex, Round as RoundNumber, RoundShape};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, error, info, warn};

use super::HANDSHAKE;
use super::clock::Clock;
use super::frames::FrameReader;
use super::greeting::{GreetingError, answer_hello, read_hello};
use super::link::{
    BrokenLink, LinkEvent, LinkMessage, LinkReader, Onward, OnwardConfig, write_message,
};
use super::report::{HopReport, Report, Reports};
use super::round_log::RoundFile;
use super::shutdown::Shutdown;
use crate::hop::keys::{HopKeys, RoundKeys};
use crate::hop::noise::NoiseSource;
use crate::hop::replay::RoundGuard;
use crate::hop::{Hop, HopLimits};
use crate::round::{Round, Unmixed};
use probing::Probing;

/// Connections that a hop holds at once: one is needed, a few more let a restarted server before
/// it come back while its old connection has not been missed yet.
const MAX_LINKS: usize = 8;
/// Replies that wait to be written to one link.
const QUEUE: usize = 64;

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

async fn accept(node: Arc<Node>, listener: TcpListener, acceptor: TlsAcceptor) {
    let places = Arc::new(Semaphore::new(MAX_LINKS));
    // Dropped with this future: a link to a server that goes on must not keep the hop from ending.
    let mut links = JoinSet::new();
    loop {
        while links.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let (node, acceptor) = (node.clone(), acceptor.clone());
                links.spawn(async move {
                    serve(node, acceptor, tcp).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

type Stream = tokio_rustls::server::TlsStream<TcpStream>;
type Halves = (FrameReader<ReadHalf<Stream>>, WriteHalf<Stream>);

async fn greet(
    node: &Node,
    acceptor: TlsAcceptor,
    tcp: TcpStream,
) -> Result<Halves, GreetingError> {
    tcp.set_nodelay(true)?;
    let (reader, mut writer) = split(acceptor.accept(tcp).await?);
    let mut frames = FrameReader::new(reader, Accepts::OnLink);
    let answer = read_hello(&mut frames, &node.network).await?;
    answer_hello(&mut writer, answer).await?;
    Ok((frames, writer))
}

/// Serves one connection from the server before this hop.
async fn serve(node: Arc<Node>, acceptor: TlsAcceptor, tcp: TcpStream) {
    let (frames, mut writer) = match timeout(HANDSHAKE, greet(&node, acceptor, tcp)).await {
        Ok(Ok(halves)) => halves,
        Ok(Err(GreetingError::Refused(reason))) => {
            return warn!(hop = %node.place, ?reason, "the server before has another network file");
        }
        Ok(Err(error)) => return debug!(hop = %node.place, %error, "link refused"),
        Err(_) => return debug!(hop = %node.place, "link too slow to greet"),
    };
    let (replies, mut queue) = mpsc::channel(QUEUE);
    let slot_len = node.shape.onion_len_at(node.place);
    let reader = LinkReader::new(frames, slot_len, node.max_slots);
    let mut announcements = node.announcements.subscribe();
    announcements.mark_changed();
    let writing = async {
        let mut announced = Vec::new();
        loop {
            let written = tokio::select! {
                answer = queue.recv() => match answer {
                    Some((message, _unanswered)) => write_message(&mut writer, &message).await,
                    None => return,
                },
                changed = announcements.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let keys = announcements.borrow_and_update().clone();
                    write_new(&mut writer, &mut announced, keys).await
                }
            };
            if let Err(error) = written {
                return debug!(hop = %node.place, %error, "link ended");
            }
        }
    };
    tokio::select! {
        error = take_batches(&node, reader, replies) => {
            debug!(hop = %node.place, %error, "link ended");
        }
        () = writing => {}
    }
}

type Answers = mpsc::Sender<(LinkMessage, Unanswered)>;

/// Writes those announcements that this link has not carried yet.
async fn write_new(
    writer: &mut WriteHalf<Stream>,
    announced: &mut Vec<EpochKeys>,
    keys: Vec<EpochKeys>,
) -> std::io::Result<()> {
    for epoch in &keys {
        if !announced.contains(epoch) {
            write_message(writer, &LinkMessage::Keys(epoch.clone())).await?;
        }
    }
    *announced = keys;
    Ok(())
}

/// Starts a task for every batch that comes, until the link breaks.
async fn take_batches(
    node: &Arc<Node>,
    mut reader: LinkReader<ReadHalf<Stream>>,
    answers: Answers,
) -> BrokenLink {
    loop {
        match timeout(node.silence, reader.next()).await.unwrap_or(Err(BrokenLink::Silent)) {
            Ok(LinkMessage::Batch(round, batch)) => {
                let unanswered = Unanswered::new(node);
                // Begun one after the other, as they came: a hop refuses a round after a later
                // one, so rounds must not overtake each other.
                let begun = begin(node, round, batch).await;
                tokio::spawn(run_round(unanswered, round, begun, answers.clone()));
            }
            Ok(LinkMessage::Abort(round, _)) => node.lost(round, AbortReason::Unreachable),
            // Keys come from the other side only.
            Ok(LinkMessage::Keys(_)) => return BrokenLink::Malformed,
            Ok(LinkMessage::Probe(id)) => node.probed(id, &answers),
            // Reports come from the other side.
            Ok(LinkMessage::Report(_)) => {}
            Err(error) => return error,
        }
    }
}

/// A round that the hop has taken on, and its turn to leave for the next hop.
struct Begun {
    batch: Batch,
    keys: RoundKeys,
    turn: Turn,
}

/// Rounds leave in the order in which they came, however long the work on each takes.
struct Turn {
    /// Completes when the round before has left, or will not.
    before: Option<oneshot::Receiver<()>>,
    /// Tells the round behind by being dropped.
    _behind: oneshot::Sender<()>,
}

async fn begin(node: &Arc<Node>, round: RoundNumber, batch: Batch) -> Result<Begun, AbortReason> {
    let here = node.clone();
    // The record goes to the disk: not on an async thread.
    let begun = tokio::task::spawn_blocking(move || {
        // Before the round is recorded: one far from the present has no keys, and must not keep
        // the rounds before it from running.
        let keys = here.keys().begin(round).ok_or(AbortReason::NoKeys)?;
        let mut book = here.book();
        book.hop.begin(round, &batch)?;
        let (behind, before) = oneshot::channel();
        let turn = Turn { before: book.last_turn.replace(before), _behind: behind };
        Ok(Begun { batch, keys, turn })
    });
    begun.await.unwrap_or(Err(AbortReason::NotRecorded))
}

/// One round, from its arrival to its return.
async fn run_round(
    unanswered: Unanswered,
    round: RoundNumber,
    begun: Result<Begun, AbortReason>,
    answers: Answers,
) {
    let node = unanswered.0.clone();
    let mut report = HopReport {
        round,
        hop: node.place,
        onions: begun.as_ref().map_or(0, |begun| begun.batch.len()),
        dropped: 0,
        noise: 0,
        noise_altered: 0,
        peel: Duration::ZERO,
        mix: Duration::ZERO,
        exchange: Duration::ZERO,
        exchanged_at: None,
        seal: Duration::ZERO,
        failed: None,
    };
    let there_and_back = async { out_and_back(&node, round, begun?, &mut report).await };
    let answer = match there_and_back.await {
        Ok(replies) => LinkMessage::Batch(round, replies),
        Err(reason) => {
            report.failed = Some(reason);
            LinkMessage::Abort(round, reason)
        }
    };
    // The report goes first: whoever has the replies can rely on it being there.
    let _ = node.reports.send(Report::Hop(report));
    let _ = answers.send((answer, unanswered)).await;
}

async fn out_and_back(
    node: &Arc<Node>,
    round: RoundNumber,
    begun: Begun,
    report: &mut HopReport,
) -> Result<Batch, AbortReason> {
    let Begun { batch, keys, mut turn } = begun;
    let (mixed, timed) = node.on_pool(move |node| node.peel_and_mix(round, batch, &keys)).await?;
    (report.peel, report.mix, report.dropped) = timed;
    report.noise = node.noise.onions() as usize;
    let (onions, away) = mixed.forward();
    let unmixed = match &node.onward {
        None => {
            let (unmixed, time) = node.on_pool(move |node| node.exchange(onions, away)).await?;
            (report.exchange, report.exchanged_at) = (time, Some(Instant::now()));
            unmixed.inspect_err(|_| node.forget(round))?
        }
        Some(onward) => {
            if let Some(before) = turn.before.take() {
                // An error is the same news: the round before is out of the way.
                let _ = before.await;
            }
            let (waiter, returned) = oneshot::channel();
            {
                let mut book = node.book();
                book.hop.depart(node.clock.now(), away)?;
                book.waiters.insert(round, waiter);
            }
            node.changed.notify_waiters();
            if let Err(reason) = onward.send(round, onions) {
                node.lost(round, reason);
            }
            drop(turn);
            let here = node.clone();
            node.pool.spawn(move || {
                let next = round.next();
                let behind = here.keys().behind_in(next).map(<[_]>::to_vec);
                if let Some(behind) = behind {
                    here.noise.prepare(next, &behind, &mut system_seeded());
                }
            });
            returned.await.unwrap_or(Err(AbortReason::Unreachable))?
        }
    };
    let (replies, altered, time) = node.on_pool(move |_| seal(unmixed)).await?;
    (report.seal, report.noise_altered) = (time, altered);
    if altered > 0 {
        let (hop, noise) = (node.place, report.noise);
        error!(%hop, %round, altered, noise, "a later hop has dropped or altered onions");
    }
    node.forget(round);
    Ok(replies)
}

/// Peeling time, mixing time and how many onions were dropped.
type Timed = (Duration, Duration, usize);

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

    /// Runs `work` on the thread pool.
    async fn on_pool<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, AbortReason> {
        let (sender, result) = oneshot::channel();
        let node = self.clone();
        self.pool.spawn(move || {
            let _ = sender.send(work(&node));
        });
        result.await.map_err(|_| AbortReason::Busy)
    }

    fn peel_and_mix(
        &self,
        round: RoundNumber,
        batch: Batch,
        keys: &RoundKeys,
    ) -> (Round<crate::round::Mixed>, Timed) {
        let start = Instant::now();
        let closed = Round::arrived(round, batch);
        let context = PeelContext::new(&keys.secret, &keys.behind, round, self.place);
        let mut rng = system_seeded();
        let noise = self.noise.take(round, &keys.behind, &mut rng);
        let peeled = closed.peel(&context, noise, &mut rng);
        let peeling = start.elapsed();
        let dropped = peeled.dropped();
        let mixed = peeled.mix();
        (mixed, (peeling, start.elapsed() - peeling, dropped))
    }

    fn exchange(
        &self,
        requests: Batch,
        away: Round<crate::round::Away>,
    ) -> (Result<Round<Unmixed>, AbortReason>, Duration) {
        let start = Instant::now();
        let unmixed = talaria_deaddrop::exchange(requests)
            .map_err(|_| AbortReason::BadBatch)
            .and_then(|(replies, _)| away.returned(replies).map_err(|_| AbortReason::WrongCount));
        (unmixed, start.elapsed())
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

/// The replies, and how many onions of one's own noise did not come back as they must.
fn seal(unmixed: Round<Unmixed>) -> (Batch, usize, Duration) {
    let start = Instant::now();
    let altered = unmixed.altered_noise();
    let replies = unmixed.seal(&mut system_seeded()).into_replies();
    (replies, altered, start.elapsed())
}

/// A ChaCha20 generator seeded by the operating system: one for each shuffle.
fn system_seeded() -> ChaCha20Rng {
    rand::make_rng()
}
