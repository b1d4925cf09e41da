//! A whole network from nothing: keys, authority, network file and configurations in one folder.
//!
//! Everything that is there already is kept. The network file is written last, so that a set-up
//! that was interrupted is simply finished by the next one. Whoever sets up a whole network has
//! the keys of all of its operators, and signs with each.

mod kept;
pub mod operator;
mod templates;

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, Known, Network, NetworkFile, NetworkFileError, Noise,
    NoiseGoal, Terms, VerifyError,
};
use talaria_wire::params::{MAX_HOPS, MAX_PERIOD_MS, MIN_PERIOD_MS};
use thiserror::Error;

use crate::config::{Config, ConfigError, EntrySection, HopSection, IdentitySection, Limits};
use crate::files;
use crate::files::keys::{self, CertificatePaths, KeyError};
use crate::files::network::{self, NetworkError, in_file};
use crate::net::identity::socket_path;
pub use kept::Gone;
use talaria_identity::limits::IdentityLimits;
use talaria_identity::service::Registrations;
use talaria_identity::store::Database;
use templates::{entry_toml, hop_toml};

/// Where clients connect unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7400";
const DEFAULT_HOPS: u8 = 3;
/// The least noise for 10,000 charged rounds at ε′ = ln 2, δ′ = 1e-4 (`talariad plan`).
pub const DEFAULT_NOISE: Noise = Noise { onions: 5668, alpha_tenths: 24, goal: Some(goal(10_000)) };
/// The same for 1,000, of a network whose hops are all run by one operator, who sees everything
/// anyway.
pub const TRIAL_NOISE: Noise = Noise { onions: 1846, alpha_tenths: 26, goal: Some(goal(1000)) };
const fn goal(charged_rounds: u64) -> NoiseGoal {
    NoiseGoal { epsilon_millionths: 693_147, delta_billionths: 100_000, charged_rounds }
}

/// Stands for an address that is not known yet.
const UNKNOWN: &str = "127.0.0.1:0";
/// How long a version is valid; the next set-up after half of it makes the next one.
const VALID_FOR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What somebody wants of a network; what is not said stays as it is, or is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Length of the chain.
    pub hops: Option<u8>,
    /// Length of a round.
    pub period: Option<Duration>,
    /// Noise onions that each hop but the last adds to a round.
    pub noise_onions: Option<u32>,
}

/// Why a folder could not be set up.
#[derive(Debug, Error)]
pub enum SetupError {
    /// A folder or file cannot be used.
    #[error("cannot use {path}: {error}")]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another server uses the folder.
    #[error("{0} is in use by another talariad: stop it, or choose another folder with --data")]
    InUse(PathBuf),
    /// Others could put keys or a network of their own there.
    #[error("others can write to {0}, and put what they like there: run `chmod go-w {0}`")]
    Shared(PathBuf),
    /// No port for the identity service.
    #[error("the identity service listens on the port after the entry's: choose a lower port")]
    NoPort,
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A network file, or what would become one.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The network file in the folder is not what a set-up has written.
    #[error("{0}. Put a copy of it back: every client has one in its home. Nothing was changed")]
    Existing(NetworkError),
    /// Something that was there is gone.
    #[error("{0}")]
    Gone(Gone),
    /// What is wished for would not be this network any more.
    #[error(
        "this would be another network ({0}), in which every user has to register again: choose another \
         folder with --data. Nothing was changed"
    )]
    Another(VerifyError),
    /// A configuration in the folder.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A configuration that lacks what its file is for.
    #[error("{0} does not name just its own roles, which `up` runs: put them back, or use `run`")]
    NoRole(PathBuf),
}

/// A folder that holds everything for one network.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Held as long as the folder is used; gone with the process, however it ends.
    _lock: File,
}

impl DataFolder {
    /// Opens a folder for this process alone; it is made if it is not there.
    ///
    /// # Errors
    /// [`SetupError`] if it cannot be made or somebody else uses it.
    pub fn open(path: &Path) -> Result<Self, SetupError> {
        let io = |error| SetupError::Io { path: path.to_owned(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let path = path.canonicalize().map_err(io)?;
        if fs::metadata(&path).map_err(io)?.permissions().mode() & 0o022 != 0 {
            return Err(SetupError::Shared(path));
        }
        match files::lock(&path).map_err(io)? {
            Some(lock) => Ok(Self { path, _lock: lock }),
            None => Err(SetupError::InUse(path)),
        }
    }

    /// The network file.
    #[must_use]
    pub fn network_file(&self) -> PathBuf {
        self.path.join("network.toml")
    }

    /// The newest version of the network that the folder holds, if it holds one.
    ///
    /// # Errors
    /// [`SetupError::Existing`] if the file is there and cannot be used.
    pub fn known(&self) -> Result<Option<Known>, SetupError> {
        let path = self.network_file();
        if !path.exists() {
            return Ok(None);
        }
        network::read_known(&path).map(Some).map_err(SetupError::Existing)
    }

    /// Makes every key that is missing, and describes the network, with addresses that have still
    /// to be put in. Nothing of it is signed yet.
    ///
    /// # Errors
    /// [`SetupError`] if a key cannot be made or a wish is out of range.
    pub fn prepare(&self, wishes: Wishes) -> Result<Terms, SetupError> {
        let existing = self.known()?;
        self.require_whole(existing.as_ref())?;
        let before = existing.as_ref().map(Known::terms);
        let count = before.map(|terms| u8::try_from(terms.hops.len()).unwrap_or(u8::MAX));
        let count = wishes.hops.or(count).unwrap_or(DEFAULT_HOPS);
        let entry_folder = self.folder("entry")?;
        let entry = EntryInfo {
            operator: "entry".to_owned(),
            address: UNKNOWN.to_owned(),
            identity: *keys::identity(&entry_folder.join("identity.key"))?.public(),
            ca: self.certificates(&entry_folder)?,
        };
        let identity = self.identity_info(UNKNOWN.to_owned())?;
        let hops = (1..=count).map(|place| self.prepare_hop(place)).collect::<Result<_, _>>()?;
        let validity = network::validity(UnixMillis(0), VALID_FOR);
        let mut terms = match before {
            Some(before) => Terms { entry, identity, hops, ..before.clone() },
            None => {
                let first = Terms::first("talaria", validity, entry, identity, hops);
                Terms { noise: TRIAL_NOISE, ..first }
            }
        };
        if let Some(period) = wishes.period {
            terms.period_ms = period_ms(period).map_err(in_file(&self.network_file()))?;
        }
        if let Some(onions) = wishes.noise_onions.filter(|onions| *onions != terms.noise.onions) {
            // A goal belongs to the noise that was chosen for it.
            terms.noise = Noise { onions, goal: None, ..TRIAL_NOISE };
        }
        let file = self.network_file();
        // Addresses apart, this is how it will be: better refused now than half written.
        NetworkFile::new(terms.clone()).map_err(in_file(&file))?;
        Ok(terms)
    }

    /// The identity service at `address`, with the key that signs the heads of its directory.
    fn identity_info(&self, address: String) -> Result<IdentityInfo, SetupError> {
        let folder = self.folder("identity")?;
        let head = keys::identity(&folder.join("head.key"))?;
        keys::opaque_secrets(&folder.join("opaque.key"))?;
        keys::identity_certificate(&CertificatePaths {
            authority_key: &self.path.join("ca.key"),
            authority: &self.path.join("ca.pem"),
            server_key: &folder.join("tls.key"),
            server: &folder.join("tls.pem"),
        })?;
        Ok(IdentityInfo { address, key: *head.public() })
    }

    fn prepare_hop(&self, place: u8) -> Result<HopInfo, SetupError> {
        let folder = self.folder(&hop_name(place))?;
        Ok(HopInfo {
            operator: format!("hop {place}"),
            address: UNKNOWN.to_owned(),
            identity: *keys::identity(&folder.join("identity.key"))?.public(),
        })
    }

    /// Signs the terms with every key of the folder: as they are if they have not changed, else
    /// as the next version.
    ///
    /// # Errors
    /// [`SetupError`] if a key cannot be read or an address has not its form, or the next version would
    /// not be one of the network that there is.
    pub fn sign(&self, terms: &Terms, now: UnixMillis) -> Result<Network, SetupError> {
        if let Some(known) = self.known()? {
            return self.sign_next(&known, terms, now);
        }
        let first = Terms { sequence: 1, origin: None, previous: None, ..terms.clone() };
        let signed = self.sign_with_all_keys(first, now)?.verify(now, None);
        Ok(signed.map_err(|error| in_file(&self.network_file())(error.into()))?)
    }

    fn sign_next(
        &self,
        known: &Known,
        terms: &Terms,
        now: UnixMillis,
    ) -> Result<Network, SetupError> {
        if terms == known.terms()
            && let Ok(network) = known.file().clone().verify(now, None)
            && network.validity.until.since(now)
                > network.validity.until.since(network.validity.from) / 2
        {
            return Ok(network);
        }
        let Terms { sequence, origin, previous, .. } = known.next_terms();
        let next = Terms { sequence, origin, previous, ..terms.clone() };
        match self.sign_with_all_keys(next, now)?.verify(now, Some(known)) {
            Ok(network) => Ok(network),
            Err(error @ (VerifyError::NotSignedBefore { .. } | VerifyError::OtherPeriod)) => {
                Err(SetupError::Another(error))
            }
            Err(error) => Err(in_file(&self.network_file())(error.into()).into()),
        }
    }

    fn sign_with_all_keys(&self, terms: Terms, now: UnixMillis) -> Result<NetworkFile, SetupError> {
        let validity = network::validity(now, VALID_FOR);
        let mut file =
            NetworkFile::new(Terms { validity, ..terms }).map_err(in_file(&self.network_file()))?;
        for key in self.identities()? {
            file.sign(&key);
        }
        Ok(file)
    }

    /// The keys of the entry and of every hop that the folder has ever had.
    fn identities(&self) -> Result<Vec<IdentitySecret>, SetupError> {
        let folders = (1..=MAX_HOPS).map(hop_name).chain(["entry".to_owned()]);
        let paths = folders.map(|folder| self.path.join(folder).join("identity.key"));
        let keys = paths.filter(|path| path.exists()).map(|path| keys::read_identity(&path));
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Writes a configuration for each role that has none, and then the network file.
    ///
    /// # Errors
    /// [`SetupError`] if a file cannot be written.
    pub fn write(&self, network: &Network, listen: &Listen) -> Result<(), SetupError> {
        self.make_users()?;
        let entry = entry_toml(listen.entry, listen.identity, "entry/");
        write_unless_there(&self.config_file("entry"), &entry)?;
        for (place, address) in (1..).zip(&listen.hops) {
            let name = hop_name(place);
            let config = hop_toml(&name, Some(place), *address, &format!("{name}/"));
            write_unless_there(&self.config_file(&name), &config)?;
        }
        Ok(network::write_file(&self.network_file(), network.file())?)
    }

    /// One configuration with every role of the network.
    #[must_use]
    pub fn config(&self, listen: &Listen) -> Config {
        let at = |name: &str| self.path.join(name);
        let hop = |(place, listen): (u8, &SocketAddr)| HopSection {
            place: Some(place),
            listen: *listen,
            identity: at(&hop_name(place)).join("identity.key"),
            rounds: at(&hop_name(place)).join("rounds"),
        };
        Config {
            log: None,
            network: self.network_file(),
            entry: Some(EntrySection {
                listen: listen.entry,
                identity: at("entry/identity.key"),
                tls_certificate: at("entry/tls.pem"),
                tls_key: at("entry/tls.key"),
                state: at("entry/state"),
            }),
            identity: Some(self.identity_section(listen.identity)),
            hop: (1..).zip(&listen.hops).map(hop).collect(),
            limits: Limits::default(),
        }
    }

    fn identity_section(&self, listen: SocketAddr) -> IdentitySection {
        let at = |name: &str| self.path.join(name);
        IdentitySection {
            listen,
            database: Database::File(at("identity/users.db")),
            authority: at("ca.pem"),
            authority_key: at("ca.key"),
            tls_certificate: at("identity/tls.pem"),
            tls_key: at("identity/tls.key"),
            head_key: at("identity/head.key"),
            opaque_key: at("identity/opaque.key"),
            control: socket_path(&self.path),
            registrations: Registrations::Open,
            limits: IdentityLimits::default(),
        }
    }

    fn folder(&self, name: &str) -> Result<PathBuf, SetupError> {
        let path = self.path.join(name);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| SetupError::Io { path: path.clone(), error })?;
        Ok(path)
    }
}

/// Where every role listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The entry.
    pub entry: SocketAddr,
    /// The identity service.
    pub identity: SocketAddr,
    /// The hops, first hop first.
    pub hops: Vec<SocketAddr>,
}

/// The same host with the port after: where the identity service is, unless somebody says
/// otherwise. `None` if there is no such port.
#[must_use]
pub fn next_port(address: &str) -> Option<String> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse::<u16>().ok()?.checked_add(1)?;
    Some(format!("{host}:{port}"))
}

/// What an operator has written stays as it is.
fn write_unless_there(path: &Path, text: &str) -> Result<(), KeyError> {
    if path.exists() { Ok(()) } else { keys::write_file(path, text.as_bytes()) }
}

fn hop_name(place: u8) -> String {
    format!("hop-{place}")
}

fn period_ms(period: Duration) -> Result<NonZeroU64, NetworkFileError> {
    let ms = u64::try_from(period.as_millis()).ok().and_then(NonZeroU64::new);
    let range = format!("{MIN_PERIOD_MS} to {MAX_PERIOD_MS}");
    ms.ok_or(NetworkFileError::OutOfRange { field: "period_ms", range })
}

#[cfg(test)]
mod tests;
