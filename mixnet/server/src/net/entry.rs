//! The entry on the network: accepts clients, runs the round clock, talks to the first hop.
//!
//! Who is let in, told and answered what is decided at the [`Gate`].

mod connection;
mod door;
pub mod follower;
mod reception;
mod shards;
mod socket;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use talaria_wire::epoch::ChainKeys;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::{Batch, Round as RoundNumber};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::HANDSHAKE;
use super::clock::Clock;
use super::link::{LinkEvent, Onward, OnwardConfig};
use super::report::{EntryReport, Report, Reports};
use super::shutdown::{Shutdown, Tasks};
use door::Door;
use follower::FollowerConfig;
use reception::{Reception, accept};
use talaria_mixnet::entry::EntryConfig;
use talaria_mixnet::entry::gate::{Errand, Gate};
use talaria_mixnet::entry::members::Members;
use talaria_mixnet::entry::visit::{News, RoundOver};

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
    let mut members = Members::new(config.network.network, config.identity.key);
    let kept = follower::open_copy(&config.identity, &mut members);
    let gate = Gate::new(config.entry, config.keys, clock.now());
    // If one of these ends, the entry does: nobody would come in, or be told anything.
    let mut vital = JoinSet::new();
    let door = Arc::new(Door::new(gate, members, clock, &mut vital));
    let following = follower::follow(config.identity, door.clone(), kept);
    vital.spawn(async { match following.await {} });
    let tasks = Tasks::new();
    let reception = Arc::new(Reception {
        door: door.clone(),
        network: config.network,
        shape: config.entry.shape,
    });
    let acceptor = TlsAcceptor::from(config.tls);
    let max_clients = config.entry.max_clients;
    let (onward, events) = Onward::start(config.onward);
    let rounds = Rounds { door: door.clone(), onward, reports, under_way: BTreeMap::new() };
    info!("entry ready");
    tokio::select! {
        () = accept(reception, listener, acceptor, max_clients, tasks.guard()) => {}
        () = rounds.drive(events, shutdown) => {}
        _ = vital.join_next() => {}
    }
    door.tell(&News::Closing).await;
    if timeout(HANDSHAKE, tasks.finished()).await.is_err() {
        debug!("some clients did not take their leave");
    }
    info!("entry stopped");
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

impl UnderWay {
    fn announced() -> Self {
        let announced_at = Instant::now();
        Self { announced_at, closed_at: None, connected: 0, clients: 0, onions: 0 }
    }
}

/// The round clock at work.
struct Rounds {
    door: Arc<Door>,
    onward: Onward,
    reports: Reports,
    under_way: BTreeMap<RoundNumber, UnderWay>,
}

impl Rounds {
    async fn drive(mut self, mut events: mpsc::Receiver<LinkEvent>, mut shutdown: Shutdown) {
        loop {
            self.door.gate().handle_timeout(self.door.now());
            if self.run_errands().await {
                return;
            }
            let deadline = self.door.gate().poll_timeout();
            let draining = self.door.gate().is_draining();
            tokio::select! {
                () = self.door.clock().sleep_until(deadline) => {}
                () = self.door.due() => {}
                () = shutdown.asked(), if !draining => {
                    self.door.gate().drain(self.door.now());
                }
                event = events.recv() => match event {
                    Some(event) => self.handle_event(event),
                    None => return,
                },
            }
        }
    }

    /// Does everything that the gate asks for; `true` once the entry is drained.
    async fn run_errands(&mut self) -> bool {
        loop {
            let Some(errand) = self.door.gate().poll_errand(self.door.now()) else { return false };
            match errand {
                Errand::Tell(news) => self.tell(&news).await,
                Errand::Forward { round, onions, clients, connected } => {
                    self.forward(round, onions, clients, connected);
                }
                Errand::Dismiss { client, reason } => self.door.close(client, reason),
                Errand::Drained => return true,
            }
        }
    }

    async fn tell(&mut self, news: &News) {
        match news {
            News::Called(call) => {
                self.under_way.insert(call.round, UnderWay::announced());
            }
            News::Over(over) => self.report(over),
            News::Keys(_) | News::Paused(_) | News::Closing => {}
        }
        self.door.tell(news).await;
    }

    fn forward(&mut self, round: RoundNumber, onions: Batch, clients: usize, connected: usize) {
        if let Some(under_way) = self.under_way.get_mut(&round) {
            under_way.closed_at = Some(Instant::now());
            (under_way.connected, under_way.clients) = (connected, clients);
            under_way.onions = onions.len();
        }
        if let Err(reason) = self.onward.send(round, onions) {
            self.door.gate().lost(round, reason);
        }
    }

    fn report(&mut self, over: &RoundOver) {
        let Some(under_way) = self.under_way.remove(&over.round) else { return };
        let back_at = Instant::now();
        let closed_at = under_way.closed_at.unwrap_or(back_at);
        let report = EntryReport {
            round: over.round,
            connected: under_way.connected,
            clients: under_way.clients,
            onions: under_way.onions,
            collect: closed_at - under_way.announced_at,
            travel: back_at - closed_at,
            back_at: over.replies.is_ok().then_some(back_at),
            replies: over.replies.as_ref().map_or(0, Batch::len),
            failed: over.replies.as_ref().err().copied(),
        };
        let _ = self.reports.send(Report::Entry(report));
    }

    fn handle_event(&self, event: LinkEvent) {
        let mut gate = self.door.gate();
        match event {
            LinkEvent::Message(message) => {
                if let Err(error) = gate.handle_link(self.door.now(), message) {
                    warn!(%error, "keys of the chain were refused");
                }
            }
            LinkEvent::Up => gate.handle_link_up(),
            LinkEvent::Down => gate.handle_link_lost(),
        }
    }
}

#[cfg(test)]
mod tests;
