//! From a configuration to running roles: keys are read, checked against the network and bound.

mod entry;
mod error;
mod hop;
mod identity;
pub mod onward;
mod renewable;
mod running;

use std::fmt::Write as _;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;

use talaria_wire::network_file::{Network, VerifyError};
use talaria_wire::{HopIndex, Round, UnixMillis};
use tokio::net::TcpListener;
use tracing::warn;

use crate::config::Config;
use crate::files::network::{self, in_file};
use crate::files::rounds::RoundFile;
use crate::net;
use crate::net::clock::now;
use crate::net::entry::EntryNodeConfig;
use crate::net::hop::HopConfig;
use crate::net::identity::{IdentityNode, IdentityNodeConfig};
use crate::net::probe::Vantage;
use crate::net::report::Reports;
use crate::net::shutdown::Shutdown;
use entry::entry_role;
pub use error::StartError;
use hop::{describe_ahead, hop_role, seconds_ahead, warn_of_rejected_kernels};
use identity::identity_role;
pub use renewable::Renewable;
pub use running::RoleEnded;
use running::Running;

/// Roles that are ready to be bound and run.
#[derive(Debug)]
pub struct Roles {
    entry: Option<(SocketAddr, EntryNodeConfig)>,
    identity: Option<(SocketAddr, IdentityNodeConfig)>,
    hops: Vec<(SocketAddr, HopConfig)>,
    renewable: Renewable,
}

impl Roles {
    /// Reads everything that the configuration names, and checks that it belongs together. The
    /// network file has to follow upon the newest one that any of the roles remembers.
    ///
    /// # Errors
    /// [`StartError`] with the file and what is wrong with it.
    pub fn load(config: Config, now: UnixMillis) -> Result<(Self, Network), StartError> {
        let network = verified(&config, now)?;
        Ok((Self::of_network(config, &network)?, network))
    }

    /// The same for a network that has been read already.
    ///
    /// # Errors
    /// [`StartError`] with the file and what is wrong with it.
    pub fn of_network(config: Config, network: &Network) -> Result<Self, StartError> {
        let Config { entry, identity, hop, limits, .. } = config;
        let mut renewable = Renewable::default();
        let threads = limits.threads.map_or(0, std::num::NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        // Whoever waits for the work finds its channel closed, and the round is lost; the rest
        // goes on.
        let pool = pool.panic_handler(|_| tracing::error!("a round was lost to a panic"));
        let pool = Arc::new(pool.build()?);
        let entry = entry
            .map(|section| {
                let role = entry_role(&section, network, limits, &mut renewable)?;
                Ok::<_, StartError>((section.listen, role))
            })
            .transpose()?;
        let identity = identity
            .map(|section| {
                let listen = section.listen;
                Ok::<_, StartError>((listen, identity_role(section, network, &mut renewable)?))
            })
            .transpose()?;
        let hops = hop
            .into_iter()
            .map(|section| Ok((section.listen, hop_role(&section, network, limits, &pool)?)))
            .collect::<Result<_, StartError>>()?;
        Ok(Self { entry, identity, hops, renewable })
    }

    /// The certificates that can be replaced while the roles run.
    #[must_use]
    pub fn renewable(&self) -> Renewable {
        self.renewable.clone()
    }

    /// One line for each role: what it is and where it listens.
    #[must_use]
    pub fn describe(&self, now: UnixMillis) -> String {
        let mut text = String::new();
        if let Some((address, _)) = &self.entry {
            let _ = writeln!(text, "entry for clients on {address}");
        }
        if let Some((address, _)) = &self.identity {
            let _ = writeln!(text, "identity service on {address}");
        }
        for (address, hop) in &self.hops {
            let _ = writeln!(text, "hop {} on {address}", hop.node.place);
            if let Some(seconds) = seconds_ahead(hop, now) {
                let _ = writeln!(text, "WARNING: {}", describe_ahead(hop, seconds));
            }
        }
        text
    }

    /// From where each role can probe the chain: the entry first, then the hops in their order.
    #[must_use]
    pub fn into_vantages(self) -> Vec<Vantage> {
        let entry = self.entry.map(|(listen, config)| Vantage {
            hop: None,
            listen,
            onward: Some(config.onward),
        });
        let hops = self.hops.into_iter().map(|(listen, config)| Vantage {
            hop: Some(config.node.place),
            listen,
            onward: config.onward,
        });
        entry.into_iter().chain(hops).collect()
    }

    /// Listens on every address, and opens the database of users.
    ///
    /// # Errors
    /// [`StartError::Bind`] for the first address that is not free, or [`StartError::Identity`].
    pub async fn bind(mut self) -> Result<Bound, StartError> {
        let mut bound =
            Bound { entry: None, identity: None, hops: Vec::new(), locks: self.lock()? };
        if let Some((address, config)) = self.identity {
            let listener = bind(address).await?;
            bound.identity = Some((listener, IdentityNode::open(config).await?));
        }
        if let Some((address, config)) = self.entry {
            bound.entry = Some((bind(address).await?, config));
        }
        for (address, config) in self.hops {
            bound.hops.push((bind(address).await?, config));
        }
        Ok(bound)
    }

    /// Uses listeners that are bound already, and opens the database of users.
    ///
    /// # Errors
    /// [`StartError::Identity`].
    pub async fn with_listeners(mut self, listeners: Listeners) -> Result<Bound, StartError> {
        let Listeners { entry, identity, hops } = listeners;
        let locks = self.lock()?;
        let identity = match self.identity {
            Some((_, config)) => Some((identity, IdentityNode::open(config).await?)),
            None => None,
        };
        Ok(Bound {
            identity,
            entry: self.entry.map(|(_, config)| (entry, config)),
            hops: hops.into_iter().zip(self.hops.into_iter().map(|(_, config)| config)).collect(),
            locks,
        })
    }

    /// No other process has the records of these hops from here on.
    fn lock(&mut self) -> Result<Vec<File>, StartError> {
        let records = self.hops.iter_mut().map(|(_, hop)| &mut hop.rounds);
        let hold = |(last, record): &mut (Option<Round>, RoundFile)| {
            let (newest, lock) = record.hold()?;
            *last = Some(newest);
            Ok(lock)
        };
        records.map(hold).collect()
    }
}

/// Where the roles of a whole network listen.
#[derive(Debug)]
pub struct Listeners {
    /// The entry.
    pub entry: TcpListener,
    /// The identity service.
    pub identity: TcpListener,
    /// The hops, in their order.
    pub hops: Vec<TcpListener>,
}

/// Listens on `address`.
///
/// # Errors
/// [`StartError::Bind`], with a hint where one helps.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Bind { address, error })
}

/// Roles that listen.
#[derive(Debug)]
pub struct Bound {
    entry: Option<(TcpListener, EntryNodeConfig)>,
    identity: Option<(TcpListener, IdentityNode)>,
    hops: Vec<(TcpListener, HopConfig)>,
    /// Held as long as the roles run.
    locks: Vec<File>,
}

impl Bound {
    /// Where the entry listens, and where each hop does.
    #[must_use]
    pub fn addresses(&self) -> (Option<SocketAddr>, Vec<(HopIndex, SocketAddr)>) {
        let entry = self.entry.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        let hops = self.hops.iter();
        let hops =
            hops.filter_map(|(listener, c)| Some((c.node.place, listener.local_addr().ok()?)));
        (entry, hops.collect())
    }

    /// Where the identity service listens.
    #[must_use]
    pub fn identity_address(&self) -> Option<SocketAddr> {
        self.identity.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Runs all roles until asked to stop. The entry ends first, so that the hops of this process
    /// can still return what is under way.
    ///
    /// # Errors
    /// [`RoleEnded`] if one ended without being asked; the others have been asked then.
    pub async fn run(self, reports: Reports, shutdown: Shutdown) -> Result<(), RoleEnded> {
        let _locks = self.locks;
        let mut first = Running::new();
        let mut hops = Running::new();
        if let Some((listener, node)) = self.identity {
            let until = first.until();
            first.spawn("the identity service".into(), node.run(listener, until));
        }
        if !self.hops.is_empty() {
            warn_of_rejected_kernels();
        }
        for (listener, config) in self.hops {
            let role = format!("hop {}", config.node.place);
            if let Some(seconds) = seconds_ahead(&config, now()) {
                warn!("{}", describe_ahead(&config, seconds));
            }
            let until = hops.until();
            hops.spawn(role, net::hop::run(config, listener, reports.clone(), until));
        }
        if let Some((listener, config)) = self.entry {
            let until = first.until();
            first.spawn("the entry".into(), net::entry::run(config, listener, reports, until));
        }
        running::until_asked(first, hops, shutdown).await
    }
}

/// Reads the network file, and compares it with what the roles remember.
fn verified(config: &Config, now: UnixMillis) -> Result<Network, StartError> {
    let file = network::read_file(&config.network)?;
    let id = file.version().network;
    let fits = |error: VerifyError| in_file(&config.network)(error.into());
    for memory in config.memories() {
        if let Some(known) = memory.known(id)? {
            file.clone().into_known().and_then(|own| own.check_successor(&known)).map_err(fits)?;
        }
    }
    Ok(file.verify(now, None).map_err(fits)?)
}
