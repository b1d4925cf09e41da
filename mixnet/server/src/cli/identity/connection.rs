//! The operator's side of the control socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use talaria_identity::control::{Command, Reply, to_line};
use thiserror::Error;

/// How long the service may take for the next line; a large backup takes its time to be checked.
const PATIENCE: Duration = Duration::from_secs(600);

/// Why the service cannot be asked, or did not do what it was asked.
#[derive(Debug, Error)]
pub(super) enum ServiceError {
    /// Nobody listens.
    #[error(
        "no identity service listens on {path} ({error}): start it with `talariad up` or \
         `talariad run`, or say where it is with --data DIR or --socket FILE"
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the identity service on {path} went away: {error}")]
    Gone {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It speaks another version.
    #[error("the identity service on {0} is of another version than this program")]
    OtherVersion(PathBuf),
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// A connection for one command.
pub(super) struct Connection {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(super) fn open(path: PathBuf) -> Result<Self, ServiceError> {
        let connected = UnixStream::connect(&path);
        let ready = connected.and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        });
        match ready {
            Ok(stream) => Ok(Self { path, stream: BufReader::new(stream) }),
            Err(error) => Err(ServiceError::NotRunning { path, error }),
        }
    }

    pub(super) fn send(&mut self, command: &Command) -> Result<(), ServiceError> {
        self.write(to_line(command).as_bytes())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ServiceError> {
        let written = self.stream.get_ref().write_all(bytes);
        written.map_err(|error| self.gone(error))
    }

    /// The next reply.
    pub(super) fn receive(&mut self) -> Result<Reply, ServiceError> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line);
        if read.map_err(|error| self.gone(error))? == 0 {
            return Err(self.gone(io::ErrorKind::UnexpectedEof.into()));
        }
        match serde_json::from_str(&line) {
            Ok(Reply::Error(why)) => Err(ServiceError::Refused(why)),
            Ok(reply) => Ok(reply),
            Err(_) => Err(ServiceError::OtherVersion(self.path.clone())),
        }
    }

    fn gone(&self, error: io::Error) -> ServiceError {
        ServiceError::Gone { path: self.path.clone(), error }
    }
}
