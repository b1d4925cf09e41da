//! From a configuration to running roles: keys are read, checked against the network and bound.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rayon::ThreadPool;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::epoch::ChainKeys;
use talaria_wire::network_file::{HopInfo, Network, Noise, VerifyError};
use talaria_wire::{HopIndex, UnixMillis};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::config::{Config, EntrySection, HopSection, IdentitySection, Limits};
use crate::files::keys::{self, KeyError};
use crate::files::network::{self, NetworkError, in_file};
use crate::files::rounds::{BadRoundLog, RoundFile};
use crate::net::entry::EntryNodeConfig;
use crate::net::entry::follower::FollowerConfig;
use crate::net::hop::HopConfig;
use crate::net::identity::{IdentityNode, IdentityNodeConfig, OpenError};
use crate::net::link::OnwardConfig;
use crate::net::probe::Vantage;
use crate::net::report::Reports;
use crate::net::shutdown::{self, Shutdown};
use crate::net::{self, tls};
use talaria_identity::certificate::Authority;
use talaria_identity::service::ServiceConfig;
use talaria_mixnet::entry::EntryConfig;
use talaria_mixnet::hop::HopLimits;
use talaria_mixnet::hop::keys::HopKeys;
use talaria_mixnet::mix::noise::NoiseSource;
use talaria_mixnet::mix::noise::pairs::{BadNoise, PairDistribution};
use talaria_mixnet::schedule::ScheduleConfig;

/// Why a server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The network file.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The record of rounds.
    #[error(transparent)]
    Rounds(#[from] BadRoundLog),
    /// A key that is not the one in the network file.
    #[error("{path} is not the key that the network file names for {role}")]
    WrongKey {
        /// The key file.
        path: PathBuf,
        /// The role.
        role: String,
    },
    /// A key that is not in the network file.
    #[error(
        "the network file has no hop with the key in {0}: ask for the version that names it, or \
         check `identity`"
    )]
    NotInChain(PathBuf),
    /// A place that the chain does not have.
    #[error("the chain of the network has no hop {0}")]
    NoSuchHop(u8),
    /// TLS cannot use a key.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {error}{}", hint(.error))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The identity service.
    #[error(transparent)]
    Identity(#[from] OpenError),
    /// A certificate authority that is not the one in the network file.
    #[error("{0} is not the certificate authority that the network file names")]
    WrongAuthority(PathBuf),
    /// The noise of the network file has no distribution.
    #[error("the network's noise cannot be made: {0}")]
    Noise(#[from] BadNoise),
    /// The thread pool cannot be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (choose another address with --listen)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need privileges)",
        _ => "",
    }
}

/// Roles that are ready to be bound and run.
#[derive(Debug)]
pub struct Roles {
    entry: Option<(SocketAddr, EntryNodeConfig)>,
    identity: Option<(SocketAddr, IdentityNodeConfig)>,
    hops: Vec<(SocketAddr, HopConfig)>,
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
        let threads = limits.threads.map_or(0, std::num::NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        // Whoever waits for the work finds its channel closed, and the round is lost; the rest
        // goes on.
        let pool = pool.panic_handler(|_| tracing::error!("a round was lost to a panic"));
        let pool = Arc::new(pool.build()?);
        let entry = entry
            .map(|section| {
                Ok::<_, StartError>((section.listen, entry_role(&section, network, limits)?))
            })
            .transpose()?;
        let identity = identity
            .map(|section| Ok::<_, StartError>((section.listen, identity_role(section, network)?)))
            .transpose()?;
        let hops = hop
            .into_iter()
            .map(|section| Ok((section.listen, hop_role(&section, network, limits, &pool)?)))
            .collect::<Result<_, StartError>>()?;
        Ok(Self { entry, identity, hops })
    }

    /// One line for each role: what it is and where it listens.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = String::new();
        if let Some((address, _)) = &self.entry {
            let _ = writeln!(text, "entry for clients on {address}");
        }
        if let Some((address, _)) = &self.identity {
            let _ = writeln!(text, "identity service on {address}");
        }
        for (address, hop) in &self.hops {
            let _ = writeln!(text, "hop {} on {address}", hop.place);
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
            hop: Some(config.place),
            listen,
            onward: config.onward,
        });
        entry.into_iter().chain(hops).collect()
    }

    /// Listens on every address, and opens the database of users.
    ///
    /// # Errors
    /// [`StartError::Bind`] for the first address that is not free, or [`StartError::Identity`].
    pub async fn bind(self) -> Result<Bound, StartError> {
        let mut bound = Bound { entry: None, identity: None, hops: Vec::new() };
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
    pub async fn with_listeners(self, listeners: Listeners) -> Result<Bound, StartError> {
        let Listeners { entry, identity, hops } = listeners;
        let identity = match self.identity {
            Some((_, config)) => Some((identity, IdentityNode::open(config).await?)),
            None => None,
        };
        Ok(Bound {
            identity,
            entry: self.entry.map(|(_, config)| (entry, config)),
            hops: hops.into_iter().zip(self.hops.into_iter().map(|(_, config)| config)).collect(),
        })
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
}

impl Bound {
    /// Where the entry listens, and where each hop does.
    #[must_use]
    pub fn addresses(&self) -> (Option<SocketAddr>, Vec<(HopIndex, SocketAddr)>) {
        let entry = self.entry.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
        let hops = self.hops.iter();
        let hops = hops.filter_map(|(listener, c)| Some((c.place, listener.local_addr().ok()?)));
        (entry, hops.collect())
    }

    /// Where the identity service listens.
    #[must_use]
    pub fn identity_address(&self) -> Option<SocketAddr> {
        self.identity.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Runs all roles until asked to stop. The entry ends first, so that the hops of this process
    /// can still return what is under way.
    pub async fn run(self, reports: Reports, shutdown: Shutdown) {
        let (entry_ended, hops_may_end) = shutdown::pair();
        let mut hops = JoinSet::new();
        let has_entry = self.entry.is_some();
        let mut identity = JoinSet::new();
        if let Some((listener, node)) = self.identity {
            identity.spawn(node.run(listener, shutdown.clone()));
        }
        for (listener, config) in self.hops {
            let until = if has_entry { hops_may_end.clone() } else { shutdown.clone() };
            hops.spawn(net::hop::run(config, listener, reports.clone(), until));
        }
        if let Some((listener, config)) = self.entry {
            net::entry::run(config, listener, reports, shutdown).await;
            entry_ended.ask();
        }
        while hops.join_next().await.is_some() {}
        while identity.join_next().await.is_some() {}
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

fn entry_role(
    section: &EntrySection,
    network: &Network,
    limits: Limits,
) -> Result<EntryNodeConfig, StartError> {
    let own = keys::read_identity(&section.identity)?;
    if *own.public() != network.entry.identity {
        return Err(wrong_key(&section.identity, "the entry".to_owned()));
    }
    let ca = network.entry.ca.clone();
    let (certificate, key) = keys::read_tls(&section.tls_certificate, &section.tls_key)?;
    let shape = network.shape();
    let first = &network.hops()[0];
    let onward = onward(&own, first, HopIndex(0), network, limits)?;
    Ok(EntryNodeConfig {
        entry: EntryConfig {
            shape,
            schedule: ScheduleConfig::for_period(network.period_ms),
            max_clients: limits.max_clients.min(limits.max_onions / shape.onions()),
        },
        network: network.version(),
        keys: ChainKeys::new(network, HopIndex(0)),
        tls: Arc::new(tls::entry_config(certificate, key, ca.clone())?),
        identity: FollowerConfig {
            address: network.identity.address.clone(),
            tls: Arc::new(tls::identity_client_config(ca)?),
            network: network.id(),
            key: network.identity.key,
            folder: section.state.clone(),
        },
        onward,
    })
}

fn identity_role(
    section: IdentitySection,
    network: &Network,
) -> Result<IdentityNodeConfig, StartError> {
    let head_key = keys::read_identity(&section.head_key)?;
    if *head_key.public() != network.identity.key {
        return Err(wrong_key(&section.head_key, "the identity service".to_owned()));
    }
    // Certificates by another authority would be refused by everybody.
    if keys::read_certificate(&section.authority)? != network.entry.ca {
        return Err(StartError::WrongAuthority(section.authority));
    }
    let authority = keys::read_authority(&section.authority_key, &section.authority)?;
    let (certificate, key) = keys::read_tls(&section.tls_certificate, &section.tls_key)?;
    let service = ServiceConfig {
        network: network.id(),
        head_key,
        secrets: keys::read_opaque_secrets(&section.opaque_key)?,
        authority: Authority::new(authority),
        registrations: section.registrations,
        limits: section.limits,
    };
    let tls = Arc::new(tls::identity_config(certificate, key)?);
    let (database, control) = (section.database, section.control);
    Ok(IdentityNodeConfig { service, database, tls, control })
}

fn hop_role(
    section: &HopSection,
    network: &Network,
    limits: Limits,
    pool: &Arc<ThreadPool>,
) -> Result<HopConfig, StartError> {
    let own = keys::read_identity(&section.identity)?;
    let (place, info) = place_of(section, own.public(), network)?;
    if *own.public() != info.identity {
        return Err(wrong_key(&section.identity, format!("hop {place}")));
    }
    let next_place = HopIndex(place.0 + 1);
    let next = network.hops().get(usize::from(next_place.0));
    let onward = next.map(|next| onward(&own, next, next_place, network, limits)).transpose()?;
    let schedule = ScheduleConfig::for_period(network.period_ms);
    Ok(HopConfig {
        place,
        shape: network.shape(),
        network: network.version(),
        limits: HopLimits {
            max_slots: limits.max_onions,
            max_rounds: schedule.max_rounds,
            patience_ms: schedule.patience_ms,
        },
        period_ms: network.period_ms,
        noise: NoiseSource::new(next_place, distribution(network, next.is_some())?),
        tls: Arc::new(tls::link_server_config(&own, before(place, network))?),
        onward,
        rounds: RoundFile::open(&section.rounds, network.period_ms)?,
        keys: HopKeys::new(Arc::new(own), network, place),
        pool: pool.clone(),
        silence: silence(network),
    })
}

/// What a hop draws its noise from; the last hop adds none, for it would only know its own.
fn distribution(network: &Network, adds: bool) -> Result<Option<PairDistribution>, BadNoise> {
    let Noise { onions, alpha_tenths, .. } = network.noise;
    let alpha = f64::from(alpha_tenths) / 10.0;
    (adds && onions > 0).then(|| PairDistribution::new(onions, alpha)).transpose()
}

/// The hop of the chain that a section describes: by its place, or else by its key.
fn place_of<'a>(
    section: &HopSection,
    own: &IdentityPublic,
    network: &'a Network,
) -> Result<(HopIndex, &'a HopInfo), StartError> {
    let mut hops = (0..).map(HopIndex).zip(network.hops());
    match section.place {
        Some(place) => {
            let index = place.checked_sub(1).map(HopIndex);
            let hop = hops.find(|(at, _)| Some(*at) == index);
            hop.ok_or(StartError::NoSuchHop(place))
        }
        None => {
            let hop = hops.find(|(_, info)| info.identity == *own);
            hop.ok_or_else(|| StartError::NotInChain(section.identity.clone()))
        }
    }
}

/// The server from which the hop at `place` takes batches.
fn before(place: HopIndex, network: &Network) -> IdentityPublic {
    match place.0.checked_sub(1) {
        None => network.entry.identity,
        Some(before) => network.hops()[usize::from(before)].identity,
    }
}

fn onward(
    own: &IdentitySecret,
    next: &HopInfo,
    place: HopIndex,
    network: &Network,
    limits: Limits,
) -> Result<OnwardConfig, StartError> {
    Ok(OnwardConfig {
        address: next.address.clone(),
        name: format!("hop {place}"),
        tls: Arc::new(tls::link_client_config(own, next.identity)?),
        network: network.version(),
        reply_len: network.shape().reply_len_at(place),
        max_slots: limits.max_onions,
        silence: silence(network),
    })
}

/// Something travels on every link in every round; one that is silent for several is dead.
fn silence(network: &Network) -> Duration {
    let schedule = ScheduleConfig::for_period(network.period_ms);
    Duration::from_millis(schedule.patience_ms + 3 * network.period_ms.get() + 10_000)
}

fn wrong_key(path: &std::path::Path, role: String) -> StartError {
    StartError::WrongKey { path: path.to_owned(), role }
}
