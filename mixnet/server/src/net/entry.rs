//! The entry on the network: accepts clients, runs the round clock, talks to the first hop.

mod connection;
mod door;
pub mod follower;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use talaria_wire::control::{AbortReason, Refusal};
use talaria_wire::epoch::{ChainKeys, EpochKeys};
use talaria_wire::frame::{Accepts, Announcement};
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::{Batch, Round as RoundNumber, UnixMillis};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::HANDSHAKE;
use super::clock::Clock;
use super::frames::{FrameReader, write};
use super::greeting::{GreetingError, answer_hello, read_hello};
use super::link::{LinkEvent, Onward, OnwardConfig};
use super::report::{EntryReport, Report, Reports};
use super::shutdown::{Shutdown, TaskGuard, Tasks};
use connection::{Connection, News, RoundOver, idle_limit};
use door::{CertificateHash, Door, Guest};
use follower::FollowerConfig;
use talaria_mixnet::entry::admission::Seats;
use talaria_mixnet::entry::members::Members;
use talaria_mixnet::entry::{Action, Entry, EntryConfig, Upcoming};
use talaria_mixnet::link::{BackWord, LinkMessage};

/// News that a client may be behind before it is cut off.
const MAX_BEHIND: usize = 64;
/// Handshakes at once, beyond the clients that are connected.
const MAX_HANDSHAKES: usize = 512;

/// Everything that an entry needs to run.
#[derive(Debug)]
pub struct EntryNodeConfig {
    /// Sizes, clock and limits.
    pub entry: EntryConfig,
    /// The version of the network file that it runs with.
    pub network: NetworkVersion,
    /// The onion keys of the chain.
    pub keys: ChainKeys,
    /// TLS towards clients, see [`tls::entry_config`](super::tls::entry_config).
    pub tls: Arc<rustls::ServerConfig>,
    /// The identity service, whose directory says who the users are.
    pub identity: FollowerConfig,
    /// The first hop.
    pub onward: OnwardConfig,
}

/// Runs an entry on `listener` until it is asked to stop and every client has its last reply.
pub async fn run(
    config: EntryNodeConfig,
    listener: TcpListener,
    reports: Reports,
    shutdown: Shutdown,
) {
    let clock = Clock::start();
    let (news, _) = broadcast::channel(MAX_BEHIND);
    let mut members = Members::new(config.network.network, config.identity.key);
    let kept = follower::open_copy(&config.identity, &mut members);
    let door = Arc::new(Door::new(Entry::new(config.entry, clock.now()), members, clock));
    let follower = tokio::spawn(follower::follow(config.identity, door.clone(), kept));
    let tasks = Tasks::new();
    let keys = Arc::new(Mutex::new(config.keys));
    let reception = Arc::new(Reception {
        door: door.clone(),
        keys: keys.clone(),
        news: news.clone(),
        network: config.network,
        shape: config.entry.shape,
        idle: idle_limit(config.entry.schedule.period_ms.get()),
    });
    let acceptor = TlsAcceptor::from(config.tls);
    let max_open = config.entry.max_clients + MAX_HANDSHAKES;
    let (onward, events) = Onward::start(config.onward);
    let period_ms = config.entry.schedule.period_ms;
    let (news_of_rounds, under_way) = (news.clone(), BTreeMap::new());
    let rounds = Rounds { door, news: news_of_rounds, onward, keys, period_ms, reports, under_way };
    info!("entry ready");
    tokio::select! {
        () = accept(reception, listener, acceptor, max_open, tasks.guard()) => {}
        () = rounds.drive(events, shutdown) => {}
    }
    let _ = news.send(News::Closing);
    drop(news);
    if timeout(HANDSHAKE, tasks.finished()).await.is_err() {
        debug!("some clients did not take their leave");
    }
    follower.abort();
    info!("entry stopped");
}

/// The keys of the chain: the round clock learns them, new connections are told.
type SharedKeys = Arc<Mutex<ChainKeys>>;

fn lock(keys: &SharedKeys) -> MutexGuard<'_, ChainKeys> {
    // Every change to it is whole.
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a new connection needs.
struct Reception {
    door: Arc<Door>,
    keys: SharedKeys,
    news: broadcast::Sender<News>,
    network: NetworkVersion,
    shape: talaria_wire::RoundShape,
    idle: Duration,
}

async fn accept(
    reception: Arc<Reception>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    max_open: usize,
    guard: TaskGuard,
) {
    let places = Arc::new(Semaphore::new(max_open));
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok(handshake) = handshakes.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let (reception, acceptor) = (reception.clone(), acceptor.clone());
                let guard = guard.clone();
                tokio::spawn(async move {
                    let greeted = timeout(HANDSHAKE, reception.greet(acceptor, tcp)).await;
                    drop(handshake);
                    match greeted {
                        Ok(Ok(connection)) => {
                            let ended = connection.serve().await;
                            debug!(reason = %ended, "a client has gone");
                        }
                        Ok(Err(error)) => debug!(%error, "a connection was refused"),
                        Err(_) => debug!("a connection was too slow to greet"),
                    }
                    drop((place, guard));
                });
            }
            Err(error) => {
                // Usually out of file descriptors: others have to go first.
                warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

type Stream = tokio_rustls::server::TlsStream<TcpStream>;
type Hosted = Connection<ReadHalf<Stream>, WriteHalf<Stream>>;

impl Reception {
    async fn greet(&self, acceptor: TlsAcceptor, tcp: TcpStream) -> Result<Hosted, GreetingError> {
        tcp.set_nodelay(true)?;
        let stream = acceptor.accept(tcp).await?;
        let certificate = certificate_hash(&stream).ok_or(Refusal::Certificate)?;
        let (reader, mut writer) = split(stream);
        let mut frames = FrameReader::new(reader, Accepts::FromClient(self.shape));
        let answer = read_hello(&mut frames, &self.network).await?;
        let answer = match answer {
            Ok(()) => self.door.await_member(&certificate).await,
            refused => refused,
        };
        // Subscribed before there is a place, so that whoever has one hears every announcement, and
        // that the entry stops.
        let news = self.news.subscribe();
        let answer = answer.and_then(|()| Guest::admit(&self.door, &certificate));
        let guest = answer_hello(&mut writer, answer).await?;
        let keys: Vec<u8> = lock(&self.keys).all().flat_map(EpochKeys::to_frame).collect();
        write(&mut writer, &keys).await?;
        let (shape, idle) = (self.shape, self.idle);
        Ok(Connection { guest, shape, idle, frames, writer, news, told: None })
    }
}

/// The hash of the certificate that a client has shown.
fn certificate_hash(stream: &Stream) -> Option<CertificateHash> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    digest(&SHA256, certificate).as_ref().try_into().ok()
}

/// What is remembered of a round for its report.
#[derive(Debug)]
struct UnderWay {
    announced_at: Instant,
    closed_at: Option<Instant>,
    connected: usize,
    clients: usize,
    onions: usize,
}

/// The round clock at work.
struct Rounds {
    door: Arc<Door>,
    news: broadcast::Sender<News>,
    onward: Onward,
    keys: SharedKeys,
    period_ms: NonZeroU64,
    reports: Reports,
    under_way: BTreeMap<RoundNumber, UnderWay>,
}

impl Rounds {
    async fn drive(mut self, mut events: mpsc::Receiver<LinkEvent>, mut shutdown: Shutdown) {
        loop {
            self.door.entry().handle_timeout(self.door.now());
            if self.act() {
                return;
            }
            let deadline = self.door.entry().poll_timeout();
            let draining = self.door.entry().is_draining();
            tokio::select! {
                () = self.door.clock().sleep_until(deadline) => {}
                () = self.door.due() => {}
                () = shutdown.asked(), if !draining => {
                    self.door.entry().drain(self.door.now());
                }
                event = events.recv() => match event {
                    Some(event) => self.handle_event(event),
                    None => return,
                },
            }
        }
    }

    /// Does everything that the entry asks for; `true` once it is drained.
    fn act(&mut self) -> bool {
        loop {
            let Some(action) = self.door.entry().poll_action() else { return false };
            match action {
                Action::Announce { round, closes_at } => self.announce(round, closes_at),
                Action::Forward { round, onions, clients } => self.forward(round, onions, clients),
                Action::Deliver { round, seats, replies, next } => {
                    self.deliver(round, seats, replies, next);
                }
                Action::Close { client, reason } => self.door.close(client, reason),
                Action::Drained => return true,
            }
        }
    }

    fn announce(&mut self, round: RoundNumber, closes_at: UnixMillis) {
        let left = closes_at.since(self.door.now());
        let closes_in_ms = u32::try_from(left).unwrap_or(u32::MAX);
        let frame = Announcement { round, opens_in_ms: 0, closes_in_ms }.to_frame();
        let under_way = UnderWay {
            announced_at: Instant::now(),
            closed_at: None,
            connected: 0,
            clients: 0,
            onions: 0,
        };
        self.under_way.insert(round, under_way);
        // Without a client there is nobody to tell.
        let _ = self.news.send(News::Announced(round, frame.into()));
    }

    fn forward(&mut self, round: RoundNumber, onions: Batch, clients: usize) {
        let connected = self.door.entry().clients();
        if let Some(under_way) = self.under_way.get_mut(&round) {
            under_way.closed_at = Some(Instant::now());
            (under_way.connected, under_way.clients) = (connected, clients);
            under_way.onions = onions.len();
        }
        if let Err(reason) = self.onward.send(round, onions) {
            self.door.entry().handle_lost(round, reason);
        }
    }

    fn deliver(
        &mut self,
        round: RoundNumber,
        seats: Seats,
        replies: Result<Batch, AbortReason>,
        next: Option<Upcoming>,
    ) {
        let failed = replies.as_ref().err().copied();
        let replies = replies.ok();
        let count = replies.as_ref().map_or(0, Batch::len);
        self.report(round, count, failed);
        let next = next.and_then(|next| next.announcement(self.door.now()));
        let _ = self.news.send(News::Over(Arc::new(RoundOver { round, seats, replies, next })));
    }

    fn report(&mut self, round: RoundNumber, replies: usize, failed: Option<AbortReason>) {
        let Some(under_way) = self.under_way.remove(&round) else { return };
        let back_at = Instant::now();
        let closed_at = under_way.closed_at.unwrap_or(back_at);
        let report = EntryReport {
            round,
            connected: under_way.connected,
            clients: under_way.clients,
            onions: under_way.onions,
            collect: closed_at - under_way.announced_at,
            travel: back_at - closed_at,
            back_at: failed.is_none().then_some(back_at),
            replies,
            failed,
        };
        let _ = self.reports.send(Report::Entry(report));
    }

    /// Takes what the first hop announces, and passes it on to everybody.
    fn learn(&self, announced: EpochKeys) {
        let now = RoundNumber::at(self.door.now(), self.period_ms);
        let frame = announced.to_frame();
        match lock(&self.keys).take(announced, now) {
            Ok(true) => {
                // Without a client there is nobody to tell.
                let _ = self.news.send(News::Keys(frame.into()));
            }
            Ok(false) => {}
            Err(error) => warn!(%error, "keys of the chain were refused"),
        }
    }

    fn handle_event(&self, event: LinkEvent) {
        match event {
            LinkEvent::Message(LinkMessage::Batch(round, replies)) => {
                self.door.entry().handle_returned(round, replies);
            }
            LinkEvent::Message(LinkMessage::Word(BackWord::Abort(round, reason))) => {
                self.door.entry().handle_lost(round, reason);
            }
            LinkEvent::Message(LinkMessage::Word(BackWord::Keys(keys))) => self.learn(keys),
            // A running entry asks nobody; probes have connections of their own.
            LinkEvent::Message(LinkMessage::Word(BackWord::Report(_))) => {}
            LinkEvent::Down => self.door.entry().handle_link_lost(),
        }
    }
}

#[cfg(test)]
mod tests;
