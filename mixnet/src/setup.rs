//! A whole network from nothing: keys, authority, network file and configurations in one folder.
//!
//! Everything that is there already is kept. The network file is written last, so that a set-up
//! that was interrupted is simply finished by the next one.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use talaria_wire::network_file::{EntryInfo, HopInfo, NETWORK_FILE_MAX, Network, NetworkFileError};
use thiserror::Error;

use crate::config::{Config, EntrySection, HopSection, Limits, read_bounded};
use crate::keys::{self, CertificatePaths, KeyError};

/// Where clients connect unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7400";
const DEFAULT_HOPS: u8 = 3;
const DEFAULT_PERIOD: Duration = Duration::from_secs(2);
const DEFAULT_LANES: u8 = 1;

/// What somebody wants of a network; what is not said stays as it is, or is the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Length of the chain.
    pub hops: Option<u8>,
    /// Length of a round.
    pub period: Option<Duration>,
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
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The network file in the folder.
    #[error("{path}: {error}")]
    Network {
        /// The file.
        path: PathBuf,
        /// Why.
        error: NetworkFileError,
    },
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
        let lock = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(path.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(SetupError::InUse(path)),
            Err(fs::TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// The network file.
    #[must_use]
    pub fn network_file(&self) -> PathBuf {
        self.path.join("network.toml")
    }

    /// The network as the folder holds it, if it holds one.
    ///
    /// # Errors
    /// [`SetupError::Network`] if the file is there and cannot be used.
    pub fn network(&self) -> Result<Option<Network>, SetupError> {
        let path = self.network_file();
        if !path.exists() {
            return Ok(None);
        }
        read_network(&path).map(Some)
    }

    /// Makes every key that is missing, and describes the network at these addresses.
    ///
    /// The result is not written yet: the addresses may still have to be found.
    ///
    /// # Errors
    /// [`SetupError`] if a key cannot be made or a wish is out of range.
    pub fn prepare(&self, wishes: Wishes) -> Result<Network, SetupError> {
        let existing = self.network()?;
        let hops = wishes
            .hops
            .or(existing.as_ref().map(|network| network.shape().hops().get()))
            .unwrap_or(DEFAULT_HOPS);
        let period_ms = wishes
            .period
            .map(|period| u64::try_from(period.as_millis()).unwrap_or(u64::MAX))
            .or(existing.as_ref().map(|network| network.period_ms.get()))
            .unwrap_or(u64::try_from(DEFAULT_PERIOD.as_millis()).unwrap_or(u64::MAX));
        let lanes = existing.map_or(DEFAULT_LANES, |network| network.shape().lanes());
        // Placeholders are checked like real ones, before anything is written.
        let unknown = String::from("127.0.0.1:0");
        self.folder("entry")?;
        keys::authority(&self.path.join("ca.key"), &self.path.join("ca.pem"))?;
        keys::entry_certificate(&CertificatePaths {
            authority_key: &self.path.join("ca.key"),
            authority: &self.path.join("ca.pem"),
            entry_key: &self.path.join("entry/tls.key"),
            entry: &self.path.join("entry/tls.pem"),
        })?;
        let entry = EntryInfo {
            address: unknown.clone(),
            identity: *keys::identity(&self.path.join("entry/identity.key"))?.public(),
            ca: CertificateDer::from_pem_slice(self.ca_pem()?.as_bytes())
                .map_err(|_| KeyError::Malformed(self.path.join("ca.pem")))?,
        };
        let hops = (1..=hops)
            .map(|place| self.prepare_hop(place, unknown.clone()))
            .collect::<Result<_, _>>()?;
        Network::new(period_ms, lanes, entry, hops)
            .map_err(|error| SetupError::Network { path: self.network_file(), error })
    }

    fn prepare_hop(&self, place: u8, address: String) -> Result<HopInfo, SetupError> {
        let name = hop_name(place);
        self.folder(&name)?;
        let folder = self.path.join(name);
        Ok(HopInfo {
            address,
            identity: *keys::identity(&folder.join("identity.key"))?.public(),
            onion_key: *keys::onion_key(&folder.join("onion.key"))?.public(),
        })
    }

    /// Writes a configuration for each role, and then the network file.
    ///
    /// # Errors
    /// [`SetupError`] if a file cannot be written.
    pub fn write(&self, network: &Network, listen: &Listen) -> Result<(), SetupError> {
        let entry = entry_toml(listen.entry);
        keys::write_file(&self.path.join("entry.toml"), entry.as_bytes())?;
        for (place, address) in (1..).zip(&listen.hops) {
            let file = self.path.join(format!("{}.toml", hop_name(place)));
            keys::write_file(&file, hop_toml(place, *address).as_bytes())?;
        }
        let file = network.to_file(&self.ca_pem()?);
        Ok(keys::write_file(&self.network_file(), file.as_bytes())?)
    }

    /// One configuration with every role of the network.
    #[must_use]
    pub fn config(&self, listen: &Listen) -> Config {
        let at = |name: &str| self.path.join(name);
        let hop = |(place, listen): (u8, &SocketAddr)| HopSection {
            place,
            listen: *listen,
            identity: at(&hop_name(place)).join("identity.key"),
            onion_key: at(&hop_name(place)).join("onion.key"),
            rounds: at(&hop_name(place)).join("rounds"),
        };
        Config {
            network: self.network_file(),
            entry: Some(EntrySection {
                listen: listen.entry,
                identity: at("entry/identity.key"),
                tls_certificate: at("entry/tls.pem"),
                tls_key: at("entry/tls.key"),
            }),
            hop: (1..).zip(&listen.hops).map(hop).collect(),
            limits: Limits::default(),
        }
    }

    fn ca_pem(&self) -> Result<String, SetupError> {
        let path = self.path.join("ca.pem");
        fs::read_to_string(&path).map_err(|error| SetupError::Io { path, error })
    }

    fn folder(&self, name: &str) -> Result<(), SetupError> {
        let path = self.path.join(name);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| SetupError::Io { path, error })
    }
}

/// Where every role listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The entry.
    pub entry: SocketAddr,
    /// The hops, first hop first.
    pub hops: Vec<SocketAddr>,
}

/// Reads and checks a network file.
///
/// # Errors
/// [`SetupError`], which names the file.
pub fn read_network(path: &Path) -> Result<Network, SetupError> {
    let text = read_bounded(path, NETWORK_FILE_MAX as u64)
        .map_err(|error| SetupError::Io { path: path.to_owned(), error })?;
    Network::parse(&text).map_err(|error| SetupError::Network { path: path.to_owned(), error })
}

fn hop_name(place: u8) -> String {
    format!("hop-{place}")
}

const LIMITS: &str = "\
# What clients and peers may make this process hold; these are the defaults.
#[limits]
#max_clients = 20000
#max_onions = 1000000
#threads = 2          # all cores if not given
";

fn entry_toml(listen: SocketAddr) -> String {
    format!(
        "# The entry of a Talaria network. Start it with: talariad run --config entry.toml\n\
         # Paths are relative to this file.\n\
         network = \"network.toml\"\n\n\
         [entry]\n\
         listen = \"{listen}\"                 # where clients connect\n\
         identity = \"entry/identity.key\"            # shown to the first hop\n\
         tls_certificate = \"entry/tls.pem\"          # signed by the network's authority\n\
         tls_key = \"entry/tls.key\"\n\n{LIMITS}"
    )
}

fn hop_toml(place: u8, listen: SocketAddr) -> String {
    let name = hop_name(place);
    format!(
        "# Hop {place} of a Talaria network. Start it with: talariad run --config {name}.toml\n\
         # Paths are relative to this file.\n\
         network = \"network.toml\"\n\n\
         [[hop]]\n\
         place = {place}                               # in the chain, from 1\n\
         listen = \"{listen}\"                 # where the server before it connects\n\
         identity = \"{name}/identity.key\"            # shown on its links\n\
         onion_key = \"{name}/onion.key\"              # onions are sealed to it\n\
         rounds = \"{name}/rounds\"                    # the last round: never delete it while\n\
         \x20                                           # the network runs\n\n{LIMITS}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(hops: u16) -> Listen {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Listen { entry: at(7400), hops: (1..=hops).map(|i| at(7400 + i)).collect() }
    }

    #[test]
    fn what_is_there_is_kept_and_wishes_change_it() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("new/data")).unwrap();
        let first = data.prepare(Wishes::default()).unwrap();
        assert_eq!((first.shape().hops().get(), first.period_ms.get()), (3, 2000));
        data.write(&first, &listen(3)).unwrap();
        assert_eq!(data.prepare(Wishes::default()).unwrap().id(), first.id());

        let wishes = Wishes { hops: Some(4), period: Some(Duration::from_millis(250)) };
        let changed = data.prepare(wishes).unwrap();
        assert_eq!((changed.shape().hops().get(), changed.period_ms.get()), (4, 250));
        assert_eq!(changed.hops()[0], first.hops()[0]);
        assert_ne!(changed.id(), first.id());
    }

    #[test]
    fn the_files_it_writes_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let network = data.prepare(Wishes { hops: Some(2), period: None }).unwrap();
        data.write(&network, &listen(2)).unwrap();
        assert_eq!(data.network().unwrap().unwrap().id(), network.id());
        let whole = data.config(&listen(2));
        let entry = Config::load(&data.path.join("entry.toml")).unwrap();
        assert_eq!((entry.entry, entry.network), (whole.entry, whole.network));
        for (place, section) in (1..).zip(whole.hop) {
            let hop = Config::load(&data.path.join(format!("hop-{place}.toml"))).unwrap();
            assert_eq!(hop.hop, [section]);
        }
    }

    #[test]
    fn a_folder_has_one_user_and_wishes_have_limits() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(SetupError::InUse(_))));
        let wishes = Wishes { hops: Some(17), period: None };
        assert!(matches!(data.prepare(wishes), Err(SetupError::Network { .. })));
    }
}
