//! Roles that run until somebody asks for the end, and read their files again when somebody hangs up.

use std::path::Path;
use std::pin::pin;

use talaria_server::config::Config;
use talaria_server::net::clock::now;
use talaria_server::net::shutdown::{self, Shutdown, expired, hangups};
use talaria_server::roles::{Bound, Renewable, Roles};
use talaria_wire::UnixMillis;
use talaria_wire::network_file::{Network, NetworkVersion, VerifyError};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tracing::warn;

use super::display::Display;
use super::failure::Failure;
use super::log::Log;

/// What a process listens to while its roles run.
pub(super) struct Signals {
    asked: Shutdown,
    hangups: Signal,
}

impl Signals {
    /// Catches them from here on.
    pub(super) fn catch() -> Result<Self, Failure> {
        let (trigger, asked) = shutdown::pair();
        shutdown::on_signals(trigger)?;
        Ok(Self { asked, hangups: hangups()? })
    }
}

/// Why roles have ended in order.
enum Ended {
    Asked,
    /// Their files have changed, and can be used.
    Changed,
}

/// `talariad run`: what the configuration names, and again with other files when they have changed.
pub(super) async fn run_config(
    path: &Path,
    mut display: Display,
    log: &Log,
) -> Result<(), Failure> {
    let mut signals = Signals::catch()?;
    display.detach();
    loop {
        let config = Config::load(path)?;
        log.set(config.log.as_ref())?;
        let (roles, network) = Roles::load(config.clone(), now())?;
        let renewable = roles.renewable();
        let bound = roles.bind().await?;
        for memory in config.memories() {
            memory.keep(&network)?;
        }
        let (entry, hops) = bound.addresses();
        display.ready(entry, &hops, bound.identity_address(), &config.network, None);
        let until = network.valid_until();
        let watched =
            Watched { path, config, network: network.version(), renewable, log, display: &display };
        let Signals { asked, hangups } = &mut signals;
        match until_ended(bound, &network, &display, asked, watched.changed(hangups)).await? {
            Ended::Asked => return in_time(until, &display),
            Ended::Changed => {}
        }
    }
}

/// The roles of `talariad up`, whose files it makes itself: who wants others starts it again.
pub(super) async fn run_all(
    bound: Bound,
    network: &Network,
    renewable: &Renewable,
    display: &Display,
    mut signals: Signals,
) -> Result<(), Failure> {
    let Signals { asked, hangups } = &mut signals;
    let changed = async {
        loop {
            hung_up(hangups).await;
            match renewable.renew() {
                Ok(()) => display.reloaded(),
                Err(error) => warn!("{STAYS}: {error}"),
            }
        }
    };
    until_ended(bound, network, display, asked, changed).await?;
    in_time(network.valid_until(), display)
}

/// Waits for the next SIGHUP.
async fn hung_up(hangups: &mut Signal) {
    if hangups.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}

const STAYS: &str = "nothing is read again, and the server goes on as it is";

/// The files of running roles.
struct Watched<'a> {
    path: &'a Path,
    config: Config,
    network: NetworkVersion,
    renewable: Renewable,
    log: &'a Log,
    display: &'a Display,
}

impl Watched<'_> {
    /// Completes when somebody hangs up and there are other files that can be used.
    async fn changed(mut self, hangups: &mut Signal) {
        loop {
            hung_up(hangups).await;
            match self.read_again() {
                Ok(true) => return,
                Ok(false) => self.display.reloaded(),
                Err(error) => warn!("{STAYS}: {error}"),
            }
        }
    }

    /// Whether roles have to begin anew; what can be replaced while they run is replaced.
    fn read_again(&mut self) -> Result<bool, Failure> {
        let config = Config::load(self.path)?;
        let (_, network) = Roles::load(config.clone(), now())?;
        self.config.log.clone_from(&config.log);
        if network.version() != self.network || config != self.config {
            return Ok(true);
        }
        self.renewable.renew()?;
        self.log.set(config.log.as_ref())?;
        Ok(false)
    }
}

/// Runs until somebody asks for the end, the network file expires or `changed` completes.
async fn until_ended(
    bound: Bound,
    network: &Network,
    display: &Display,
    asked: &mut Shutdown,
    changed: impl Future<Output = ()>,
) -> Result<Ended, Failure> {
    let (reports, incoming) = mpsc::unbounded_channel();
    let showing = tokio::spawn(display.clone().show(incoming, asked.clone()));
    let (trigger, ending) = shutdown::pair();
    let mut running = pin!(bound.run(reports, ending));
    let ended = tokio::select! {
        outcome = &mut running => outcome.map(|()| Ended::Asked),
        ended = async {
            tokio::select! {
                () = asked.asked() => Ended::Asked,
                () = expired(network.valid_until()) => Ended::Asked,
                () = changed => Ended::Changed,
            }
        } => {
            trigger.ask();
            running.await.map(|()| ended)
        }
    };
    showing.await?;
    Ok(ended?)
}

fn in_time(until: UnixMillis, display: &Display) -> Result<(), Failure> {
    display.stopped();
    if now() >= until { Err(VerifyError::Expired(until).into()) } else { Ok(()) }
}
