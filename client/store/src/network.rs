//! The network of a home: the newest version that it has taken, and where newer ones come from.
//!
//! The home's copy is the version that is known: whatever comes later has to follow upon it, so
//! nobody can put an older network file, or one of their own, in its place.

use std::fs::File;
use std::path::{Path, PathBuf};

use talaria_wire::UnixMillis;
use talaria_wire::network_file::{
    Known, NETWORK_FILE_MAX, Network, NetworkFile, NetworkFileError, NetworkId, VerifyError,
};
use tracing::warn;

use crate::account_file::AccountFile;
use crate::error::HomeError;
use crate::files::{self, NETWORK_FILE};

/// The two files that describe a home's network: its own copy, and the one it was copied from.
///
/// The original is looked at again and again, so that a client that runs takes a new version as
/// soon as it lies there; it counts only if it may follow upon the copy.
#[derive(Clone, Debug)]
pub struct NetworkSource {
    id: NetworkId,
    copy: PathBuf,
    lock: PathBuf,
    origin: Option<PathBuf>,
}

impl NetworkSource {
    /// The network of a home that may be locked; the network file of the home says which it is.
    ///
    /// # Errors
    /// [`HomeError::NoNetwork`] if it has none.
    pub fn of_home(dir: &Path) -> Result<Self, HomeError> {
        let copy = dir.join(NETWORK_FILE);
        if !copy.exists() {
            return Err(HomeError::NoNetwork);
        }
        let known = read_file(&copy)?.into_known();
        let known = known.map_err(|error| failed(&copy, error.into()))?;
        let origin = AccountFile::read(dir).ok().and_then(|file| file.network_file);
        Ok(Self::new(dir, known.version().network, origin))
    }

    pub(super) fn new(dir: &Path, id: NetworkId, origin: Option<PathBuf>) -> Self {
        Self { id, copy: dir.join(NETWORK_FILE), lock: files::hold_path(dir), origin }
    }

    /// The newest version that was taken.
    ///
    /// # Errors
    /// [`HomeError`] if the copy cannot be used, or is not that of the network.
    pub fn known(&self) -> Result<Known, HomeError> {
        let known = read_file(&self.copy)?.into_known();
        let known = known.map_err(|error| failed(&self.copy, error.into()))?;
        if known.version().network != self.id {
            return Err(HomeError::OtherNetwork);
        }
        Ok(known)
    }

    /// The network in its newest version, which is kept from then on.
    ///
    /// # Errors
    /// [`HomeError`] if neither file can be used now.
    pub fn load(&self, now: UnixMillis) -> Result<Network, HomeError> {
        let _held = self.hold()?;
        let known = self.known()?;
        let newer = self.origin.as_deref().map(|path| read(path, now, Some(&known)));
        let refused = match newer {
            Some(Ok(network)) => return self.keep(network, &known),
            Some(Err(error)) => telling(error),
            None => None,
        };
        if let Some(error) = &refused {
            warn!(%error, "a network file was not taken");
        }
        let network = known.file().clone().verify(now, None);
        network.map_err(|error| refused.unwrap_or_else(|| failed(&self.copy, error.into())))
    }

    /// Takes the version in `file`, if it may follow upon the one that is known.
    fn update(&self, file: &Path, now: UnixMillis) -> Result<Network, HomeError> {
        let _held = self.hold()?;
        let known = self.known()?;
        let network = read(file, now, Some(&known))?;
        self.keep(network, &known)
    }

    fn keep(&self, network: Network, known: &Known) -> Result<Network, HomeError> {
        if network.version() != known.version() {
            files::write_private(&self.copy, network.file().to_toml().as_bytes())?;
        }
        Ok(network)
    }

    fn hold(&self) -> Result<File, HomeError> {
        files::hold_file(&self.lock)
    }
}

/// Takes another version of the network file into a home, also while it is locked or another
/// process uses it: that one goes on with it from its next connection on. Later versions are
/// looked for where this one lies.
///
/// # Errors
/// [`HomeError`] if it does not follow upon the version that is known; the home is as before then.
pub fn update(dir: &Path, file: &Path, now: UnixMillis) -> Result<Network, HomeError> {
    let network = NetworkSource::of_home(dir)?.update(file, now)?;
    let origin = files::absolute(file);
    AccountFile::change(dir, |account| account.network_file = origin)?;
    Ok(network)
}

/// Reads and verifies a network file, which has to follow upon `known` if there is one.
///
/// # Errors
/// [`HomeError::Network`], [`HomeError::Elsewhere`] or that it cannot be read.
pub fn read(path: &Path, now: UnixMillis, known: Option<&Known>) -> Result<Network, HomeError> {
    let network = read_file(path)?.verify(now, known);
    network.map_err(|error| match error {
        VerifyError::OtherNetwork(name) => HomeError::Elsewhere { path: path.to_owned(), name },
        error => failed(path, error.into()),
    })
}

/// An original that has gone, is older or has expired itself says nothing that the copy does not.
fn telling(error: HomeError) -> Option<HomeError> {
    match error {
        HomeError::Network {
            source:
                NetworkFileError::NotValid(VerifyError::RolledBack { .. } | VerifyError::Expired(_)),
            ..
        }
        | HomeError::File { .. } => None,
        error => Some(error),
    }
}

fn read_file(path: &Path) -> Result<NetworkFile, HomeError> {
    let len = std::fs::metadata(path).map_err(files::failed("read", path))?.len();
    if len > NETWORK_FILE_MAX as u64 {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        return Err(failed(path, NetworkFileError::TooLong(len)));
    }
    let text = std::fs::read_to_string(path).map_err(files::failed("read", path))?;
    NetworkFile::parse(&text).map_err(|error| failed(path, error))
}

fn failed(path: &Path, source: NetworkFileError) -> HomeError {
    HomeError::Network { path: path.to_owned(), source }
}
