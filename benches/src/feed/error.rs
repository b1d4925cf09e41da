//! Why a chain could not be fed.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use talaria_server::roles::StartError;
use talaria_wire::network_file::NetworkFileError;
use talaria_wire::reason::AbortReason;
use thiserror::Error;

/// Why there is no report.
#[derive(Debug, Error)]
pub enum FeedError {
    /// There is no server to start.
    #[error(
        "{path} cannot be started: {error}; build it with `cargo build --release -p \
         talaria-server`, or say where it is with --talariad",
        path = .0.display(), error = .1
    )]
    Program(PathBuf, #[source] io::Error),
    /// A step of setting the network up failed.
    #[error("`talariad {0}` failed: {1}")]
    Setup(String, String),
    /// The network file that it made is none.
    #[error(transparent)]
    Network(#[from] NetworkFileError),
    /// The key or the link cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A hop ended.
    #[error("hop {0} has ended; its last words: {1}")]
    HopEnded(usize, String),
    /// Nothing happened for too long.
    #[error("nothing came from the chain for {0:?}")]
    Silent(Duration),
    /// The link to the first hop broke.
    #[error("the link to the first hop broke")]
    LinkDown,
    /// A hop announced keys that cannot be.
    #[error("the first hop announced keys that cannot be")]
    Keys,
    /// A round failed.
    #[error("a round failed: {0:?}; is there enough memory?")]
    Failed(AbortReason),
    /// What came back is not what has to.
    #[error("{0} replies of {1} are wrong")]
    Wrong(usize, usize),
    /// The plot cannot be written.
    #[error("{path} cannot be written: {error}", path = .0.display(), error = .1)]
    Write(PathBuf, #[source] io::Error),
    /// The system gives no threads, ports or folders.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The system gives no threads.
    #[error(transparent)]
    Threads(#[from] rayon::ThreadPoolBuildError),
}
