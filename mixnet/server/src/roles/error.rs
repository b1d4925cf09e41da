//! Why a server does not start.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::files::keys::KeyError;
use crate::files::network::NetworkError;
use crate::files::rounds::BadRoundLog;
use crate::net::identity::OpenError;
use talaria_mixnet::mix::noise::pairs::BadNoise;

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

pub(super) fn wrong_key(path: &Path, role: String) -> StartError {
    StartError::WrongKey { path: path.to_owned(), role }
}
