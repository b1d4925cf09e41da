//! A run from its beginning to its report: connect, look at the idle server, start, end.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use talaria_server::net::clock::now;
use talaria_wire::Round;
use talaria_wire::network_file::{Network, NetworkFile};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::args::Args;
use super::client::play;
use super::connection::Target;
use super::error::LoadError;
use super::prepare::Workshop;
use super::probe::Probe;
use super::progress::{self, Waiting};
use super::report::{Report, Setting};
use super::script::Script;
use super::stage::Stage;
use super::users::{self, Entrance};

/// Files besides the connections: standard streams, the runtime's own.
const OTHER_FILES: u64 = 64;
/// Connections from one loopback address: well below the ports that a system gives out, since
/// those of a run that has ended stay taken for a minute.
const CLIENTS_PER_SOURCE: usize = 4000;
/// How long after a round an idle server has settled.
const SETTLE: Duration = Duration::from_millis(500);

/// Plays a run to its end.
///
/// # Errors
/// [`LoadError`] if it cannot even begin; whatever goes wrong later is in the report.
pub fn run(args: Args) -> Result<Report, LoadError> {
    let path = args.network.as_deref().expect("it is required unless a chain is fed");
    let network = read_network(path)?;
    raise_file_limit(args.clients)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Dropping the set at the end closes all connections at once.
    let clients = LocalSet::new();
    clients.block_on(&runtime, conduct(args, network))
}

fn read_network(path: &Path) -> Result<Network, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| LoadError::Read(path.to_owned(), error))?;
    NetworkFile::parse(&text)
        .and_then(|file| Ok(file.verify(now(), None)?))
        .map_err(|error| LoadError::Network(path.to_owned(), error))
}

fn raise_file_limit(clients: u32) -> Result<(), LoadError> {
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    if limit < u64::from(clients) + OTHER_FILES {
        return Err(LoadError::Files { needed: clients, limit });
    }
    Ok(())
}

async fn conduct(args: Args, network: Network) -> Result<Report, LoadError> {
    let seed = args.seed.unwrap_or_else(|| rand::rng().next_u64());
    let shape = network.shape();
    let period = Duration::from_millis(network.period_ms.get());
    let script = Arc::new(Script::new(seed, args.clients as usize, args.talking, shape));
    let workshop = Workshop::new(script.clone(), &network, args.threads)?;
    let users = users::prepare(&network, args.clients as usize, args.users.as_deref()).await?;
    let target = target(&network, Entrance::new(&network, users)?).await?;
    let setting = Setting { seed, period, talking: script.talking(), shape };
    let stage = Rc::new(Stage::new(script, workshop));
    if args.pid.is_some() {
        // Rounds have memory of their own, noise above all, which is no connection's.
        progress::note("letting the server run some rounds, to know its memory without clients");
        sleep(period * ROUNDS_ALONE).await;
    }
    let mut conductor =
        Conductor { probe: probe(args.pid)?, args, period, stage, interrupted: Rc::default() };

    conductor.listen_for_ctrl_c();
    let handshakes_per_second = conductor.connect(Rc::new(target), seed).await?;
    if !conductor.is_interrupted() {
        conductor.look_at_idle_server().await?;
    }
    if !conductor.is_interrupted() {
        let sealing = conductor.start().await;
        conductor.play(sealing).await;
    }
    conductor.probe.end();
    let interrupted = conductor.is_interrupted();
    let Conductor { stage, probe, args, .. } = conductor;
    let mut report = Report::new(&args, &setting, &stage);
    report.handshakes_per_second = handshakes_per_second;
    report.interrupted = interrupted;
    report.cost = probe.cost(report.connected, report.submissions);
    Ok(report)
}

fn probe(pid: Option<u32>) -> Result<Probe, LoadError> {
    Probe::new(pid).map_err(|error| LoadError::Process(pid.unwrap_or_default(), error))
}

async fn target(network: &Network, entrance: Entrance) -> Result<Target, LoadError> {
    let named = &network.entry.address;
    let address = tokio::net::lookup_host(named).await?.next();
    let address = address.ok_or_else(|| LoadError::NoSuchAddress(named.clone()))?;
    Ok(Target::new(address, entrance, network.version(), network.shape()))
}

/// Rounds that a server runs before its memory is looked at.
const ROUNDS_ALONE: u32 = 5;

struct Conductor {
    args: Args,
    period: Duration,
    stage: Rc<Stage>,
    probe: Probe,
    /// How often Ctrl-C was pressed: once to begin no further round, twice to end at once.
    interrupted: Rc<Cell<u32>>,
}

impl Conductor {
    fn listen_for_ctrl_c(&self) {
        let (stage, interrupted) = (self.stage.clone(), self.interrupted.clone());
        spawn_local(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                progress::note("stopping after the rounds under way; Ctrl-C again ends at once");
                interrupted.set(interrupted.get() + 1);
                stage.stop();
                stage.changed.notify_one();
            }
        });
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.get() > 0
    }

    /// Connects all clients, a few at a time, and gives the handshakes per second.
    async fn connect(&self, target: Rc<Target>, seed: u64) -> Result<f64, LoadError> {
        let clients = self.args.clients as usize;
        let handshakes = u32::from(self.args.handshakes);
        let places = Arc::new(Semaphore::new(handshakes as usize));
        let mut lines = Waiting::new("connecting", "connected", clients);
        for client in 0..clients {
            let Ok(place) = places.clone().acquire_owned().await else { break };
            if self.is_interrupted() {
                break;
            }
            lines.at(client);
            let (target, stage) = (target.clone(), self.stage.clone());
            let source = source(target.address(), seed, client);
            spawn_local(async move {
                let opened = target.open(client, source).await;
                drop(place);
                match opened {
                    Ok(connection) => {
                        stage.join(client);
                        play(client, stage, connection).await;
                    }
                    Err(error) => stage.refuse(&error),
                }
            });
        }
        // When all places are free again, everybody has connected or given up.
        let _ = places.acquire_many(handshakes).await;
        let connected = self.stage.cast().connected();
        let rate = lines.done(connected);
        match &self.stage.cast().first_error {
            Some(error) if connected == 0 => Err(LoadError::NobodyConnected(error.clone())),
            _ => Ok(rate),
        }
    }

    /// Waits for a round to pass in which nobody takes part, and looks at the server's memory.
    async fn look_at_idle_server(&mut self) -> Result<(), LoadError> {
        let before = self.stage.last_announced();
        let until = Instant::now() + self.quiet_limit();
        while self.stage.last_announced() == before {
            tokio::select! {
                () = self.stage.changed.notified() => {}
                () = sleep_until(until) => return Err(LoadError::NoRounds(self.quiet_limit())),
            }
        }
        sleep(SETTLE).await;
        self.probe.idle();
        Ok(())
    }

    /// Chooses the first round far enough ahead for its onions to be ready. Gives the time that
    /// sealing a round takes.
    async fn start(&self) -> Duration {
        let took = self.stage.workshop().estimate().await;
        if took > self.period.mul_f64(0.9) {
            progress::note(&format!(
                "sealing the onions of a round will take about {took:.1?}, and a round lasts \
                 {:.1?}: expect late submissions",
                self.period
            ));
        }
        // A third longer than likely, in whole periods; and the present round may be nearly over.
        let periods = took.as_micros() * 4 / 3 / self.period.as_micros().max(1);
        let periods = u64::try_from(periods).unwrap_or(u64::MAX);
        let last = self.stage.last_announced().unwrap_or(Round(0));
        let first = last.0.saturating_add(periods).saturating_add(2);
        self.stage.start(Round(first), self.args.rounds());
        took
    }

    /// Lets the rounds pass, until all are over or nothing happens any more.
    async fn play(&mut self, sealing: Duration) {
        let limit = self.quiet_limit() + 2 * sealing;
        let mut quiet_until = Instant::now() + limit;
        let mut began = 0;
        loop {
            let begun = self.stage.begun();
            if begun > began {
                if began == 0 {
                    self.probe.start();
                }
                began = begun;
                quiet_until = Instant::now() + limit;
            }
            let nobody = self.stage.cast().connected() == 0;
            if self.stage.is_over() || nobody || self.interrupted.get() > 1 {
                return;
            }
            tokio::select! {
                () = self.stage.changed.notified() => {}
                () = sleep_until(quiet_until) => {
                    progress::note("the server has gone quiet");
                    return;
                }
            }
        }
    }

    /// Longer than a server lets a round take: a period to collect, and three or five seconds to
    /// travel.
    fn quiet_limit(&self) -> Duration {
        self.period * 4 + Duration::from_secs(15)
    }
}

/// Where a client connects from: over loopback, many clients need many addresses, because one
/// has only so many ports.
fn source(target: SocketAddr, seed: u64, client: usize) -> Option<IpAddr> {
    if !matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback()) || cfg!(not(target_os = "linux"))
    {
        return None;
    }
    let place = (seed % 250) as usize + client / CLIENTS_PER_SOURCE;
    let last = u8::try_from(2 + place % 250).expect("below 252");
    Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    #[cfg(target_os = "linux")]
    fn many_clients_come_from_many_loopback_addresses() {
        let target = "127.0.0.1:7400".parse().unwrap();
        for seed in [0, 249, u64::MAX] {
            let mut clients_of = BTreeMap::<_, usize>::new();
            for client in 0..10_000 {
                *clients_of.entry(source(target, seed, client)).or_default() += 1;
            }
            assert_eq!(clients_of.len(), 3);
            assert!(clients_of.values().all(|clients| *clients <= CLIENTS_PER_SOURCE));
        }
        assert_eq!(source("192.0.2.1:7400".parse().unwrap(), 0, 0), None);
        assert_eq!(source("[::1]:7400".parse().unwrap(), 0, 0), None);
    }
}
