//! Network files on disk: read, verified, and the newest version remembered.
//!
//! A server that has once run with a version takes only that one or a later one to which its
//! hops have agreed. Its [`Memory`] is a copy of the file, in the folder of its own state.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use talaria_wire::UnixMillis;
use talaria_wire::network_file::{
    Known, NETWORK_FILE_MAX, Network, NetworkFile, NetworkFileError, NetworkId, PublicPart,
    Validity,
};
use thiserror::Error;

use crate::files::read_bounded;
use crate::files::write_atomically;

/// A version is valid from this long before it is made, for clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// A network file that cannot be used.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// It cannot be read or written.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is none, or it is not one to be used.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: NetworkFileError,
    },
}

/// Says which file it was.
pub fn in_file(path: &Path) -> impl Fn(NetworkFileError) -> NetworkError {
    let path = path.to_owned();
    move |error| NetworkError::File { path: path.clone(), error }
}

/// From an hour ago until `length` from now, in whole minutes.
#[must_use]
pub fn validity(now: UnixMillis, length: Duration) -> Validity {
    let minutes = |ms: u64| UnixMillis(ms / 60_000 * 60_000);
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let from = minutes(now.0.saturating_sub(ms(BACKDATED)));
    Validity { from, until: minutes(now.plus(ms(length)).0) }
}

/// Reads a network file, without looking at its signatures.
///
/// # Errors
/// [`NetworkError`], which names the file.
pub fn read_file(path: &Path) -> Result<NetworkFile, NetworkError> {
    NetworkFile::parse(&read_text(path)?).map_err(in_file(path))
}

/// Reads a network file that all of its operators have signed, whenever that was.
///
/// # Errors
/// [`NetworkError`], which names the file.
pub fn read_known(path: &Path) -> Result<Known, NetworkError> {
    read_file(path)?.into_known().map_err(|error| in_file(path)(error.into()))
}

/// Reads a network file that may be used now.
///
/// # Errors
/// [`NetworkError`], which names the file.
pub fn read_network(path: &Path, now: UnixMillis) -> Result<Network, NetworkError> {
    read_file(path)?.verify(now, None).map_err(|error| in_file(path)(error.into()))
}

/// Reads the public part of a server.
///
/// # Errors
/// [`NetworkError`], which names the file.
pub fn read_public_part(path: &Path) -> Result<PublicPart, NetworkError> {
    PublicPart::parse(&read_text(path)?).map_err(in_file(path))
}

/// Writes a network file whole, or leaves what is there.
///
/// # Errors
/// [`NetworkError`], which names the file.
pub fn write_file(path: &Path, file: &NetworkFile) -> Result<(), NetworkError> {
    write_atomically(path, file.to_toml().as_bytes()).map_err(|error| NetworkError::Io {
        what: "write",
        path: path.to_owned(),
        error,
    })
}

fn read_text(path: &Path) -> Result<String, NetworkError> {
    read_bounded(path, NETWORK_FILE_MAX as u64).map_err(|error| NetworkError::Io {
        what: "read",
        path: path.to_owned(),
        error,
    })
}

/// Where a role remembers the newest version that it has run with, of each network.
#[derive(Clone, Debug)]
pub struct Memory {
    folder: PathBuf,
}

impl Memory {
    /// A memory in the folder of a role's state, which need not be there yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The newest version of a network that was kept.
    ///
    /// # Errors
    /// [`NetworkError`] if there is a file and it is not what was written.
    pub fn known(&self, network: NetworkId) -> Result<Option<Known>, NetworkError> {
        let path = self.path(network);
        if path.exists() { read_known(&path).map(Some) } else { Ok(None) }
    }

    /// Keeps a version.
    ///
    /// # Errors
    /// [`NetworkError`] if it cannot be written.
    pub fn keep(&self, network: &Network) -> Result<(), NetworkError> {
        let path = self.path(network.id());
        if self.known(network.id())?.is_some_and(|known| known.version() == network.version()) {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder).map_err(|error| NetworkError::Io {
            what: "write",
            path: path.clone(),
            error,
        })?;
        write_file(&path, network.file())
    }

    /// Half of an id tells networks apart: they are the operator's own.
    fn path(&self, network: NetworkId) -> PathBuf {
        let digits: String = network.to_string().chars().take(32).collect();
        self.folder.join(format!("network-{digits}.toml"))
    }
}
