//! Why a run could not begin.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use talaria_wire::network_file::NetworkFileError;
use thiserror::Error;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The network file cannot be read.
    #[error("{path} cannot be read: {error}", path = .0.display(), error = .1)]
    Read(PathBuf, #[source] io::Error),
    /// The network file is none.
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Network(PathBuf, #[source] NetworkFileError),
    /// TLS cannot be set up.
    #[error("the certificate in the network file cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The address in the network file names no machine.
    #[error("{0} names no machine")]
    NoSuchAddress(String),
    /// Too few files may be open.
    #[error("{needed} clients need as many open files, and the limit is {limit}")]
    Files {
        /// The clients.
        needed: u32,
        /// The limit, raised as far as it goes.
        limit: u64,
    },
    /// The server's process cannot be looked at.
    #[error("process {0} cannot be looked at: {1}")]
    Process(u32, #[source] io::Error),
    /// A file of users is none.
    #[error("{path} does not hold users: remove it, and others are registered", path = .0.display())]
    Users(PathBuf),
    /// No users.
    #[error("no users could be registered: {0}")]
    Registration(String),
    /// Nobody could connect.
    #[error("no client could connect: {0}")]
    NobodyConnected(String),
    /// The server announces nothing.
    #[error("no round was announced for {0:?}")]
    NoRounds(Duration),
    /// The system gives no threads or no sockets.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The system gives no threads.
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
