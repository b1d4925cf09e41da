//! A connection to the entry: whole frames in, whole frames out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use talaria_wire::frame::{Accepts, FrameBuffer, FrameError, Kind};
use talaria_wire::network_file::Network;
use talaria_wire::tls_names::ENTRY_NAME;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls;
use crate::clock::now;
use talaria_client::certificate::Credentials;
use talaria_store::{HomeError, NetworkSource};

/// How long reaching the server and the TLS handshake may take, each.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a frame may take to leave: the server has stopped reading after that.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Why there is no connection, or no more.
#[derive(Debug, Error)]
pub(crate) enum ConnectionError {
    #[error("{0}")]
    Home(#[from] HomeError),
    #[error("the server cannot be reached at {address}: {source}")]
    Unreachable { address: String, source: io::Error },
    #[error("the server at {0} does not answer")]
    NoAnswer(String),
    #[error("the server is not the one in the network file, or speaks no TLS: {0}")]
    Tls(io::Error),
    #[error("the certificate in the network file cannot be used: {0}")]
    BadCertificate(#[from] rustls::Error),
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server does not keep the protocol: {0}")]
    Frame(#[from] FrameError),
}

/// A TLS connection.
pub(crate) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: FrameBuffer,
}

/// What comes in, and what has been read of the next frame.
pub(crate) struct Reading {
    stream: ReadHalf<TlsStream<TcpStream>>,
    buffer: FrameBuffer,
}

/// What goes out.
pub(crate) struct Writing {
    stream: WriteHalf<TlsStream<TcpStream>>,
}

impl Connection {
    /// Connects to where the network file says, as it says it now.
    pub(crate) async fn open(
        source: NetworkSource,
        own: Credentials,
    ) -> Result<(Self, Network), ConnectionError> {
        let network = source.load(now())?;
        let config = tls::client_config(&network, &own)?;
        let address = network.entry.address.clone();
        let stream = match timeout(CONNECT_LIMIT, TcpStream::connect(&address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(source)) => return Err(ConnectionError::Unreachable { address, source }),
            Err(_) => return Err(ConnectionError::NoAnswer(address)),
        };
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = connector.connect(tls::server_name(ENTRY_NAME), stream);
        let stream = timeout(CONNECT_LIMIT, handshake)
            .await
            .map_err(|_| ConnectionError::NoAnswer(address))?
            .map_err(ConnectionError::Tls)?;
        let buffer = FrameBuffer::new(Accepts::FromEntry(network.shape()));
        Ok((Self { stream, buffer }, network))
    }

    /// Both directions, each for a task of its own.
    pub(crate) fn split(self) -> (Reading, Writing) {
        let (read, write) = split(self.stream);
        (Reading { stream: read, buffer: self.buffer }, Writing { stream: write })
    }
}

impl Reading {
    /// The next frame. Dropping the future loses nothing: what was read stays in the buffer.
    pub(crate) async fn next(&mut self) -> Result<(Kind, Vec<u8>), ConnectionError> {
        loop {
            let missing = self.buffer.missing()?;
            if missing == 0 {
                let (kind, body) = self.buffer.take();
                return Ok((kind, body.to_vec()));
            }
            let mut stream = (&mut self.stream).take(missing as u64);
            match stream.read_buf(self.buffer.space()).await {
                Ok(0) => return Err(ConnectionError::Closed),
                Ok(_) => {}
                // A server that is killed says no goodbye. Frames have a length, so nothing can
                // be cut off unseen.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ConnectionError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Writing {
    /// Writes one frame, in one piece.
    pub(crate) async fn write(&mut self, frame: &[u8]) -> Result<(), ConnectionError> {
        let write = async {
            self.stream.write_all(frame).await?;
            self.stream.flush().await
        };
        let stalled = || io::Error::new(io::ErrorKind::TimedOut, "the server has stopped reading");
        timeout(WRITE_LIMIT, write).await.unwrap_or_else(|_| Err(stalled()))?;
        Ok(())
    }

    /// Says goodbye to the server, if it listens.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.stream.shutdown()).await;
    }
}
