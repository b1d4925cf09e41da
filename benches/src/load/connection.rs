//! A client's connection, as small as it can be: there are thousands.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use talaria_wire::RoundShape;
use talaria_wire::control::{BadControl, Control, NotWelcome};
use talaria_wire::epoch::BadEpochKeys;
use talaria_wire::frame::{Accepts, FrameBuffer, FrameError, Kind};
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::reason::{Farewell, Refusal};
use talaria_wire::tls_names::ENTRY_NAME;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::connect_from;
use super::users::Entrance;

/// How long connecting, handshake and greeting may take together. A server allows ten seconds
/// for the last two; a full backlog may come before.
const OPEN_LIMIT: Duration = Duration::from_secs(20);

/// Why there is no connection, or no more.
#[derive(Debug, Error)]
pub(super) enum ConnectionError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the certificate of a user cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    #[error("the server does not answer")]
    NoAnswer,
    #[error("the server closed the connection")]
    Closed,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the server said goodbye: {0}")]
    Goodbye(Farewell),
    #[error("the server does not keep the protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("the server does not keep the protocol: {0}")]
    Control(#[from] BadControl),
    #[error("the server sent keys that cannot be used: {0}")]
    Keys(#[from] BadEpochKeys),
    #[error("the server does not keep the protocol: {0}")]
    Unexpected(&'static str),
}

/// Where clients connect, and how.
pub(super) struct Target {
    address: SocketAddr,
    entrance: Entrance,
    name: ServerName<'static>,
    network: NetworkVersion,
    shape: RoundShape,
}

impl Target {
    pub(super) fn new(
        address: SocketAddr,
        entrance: Entrance,
        network: NetworkVersion,
        shape: RoundShape,
    ) -> Self {
        let name = ServerName::try_from(ENTRY_NAME).expect("the constant is a DNS name");
        Self { address, entrance, name, network, shape }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects as `client`, from `source` if one is given, and greets.
    pub(super) async fn open(
        &self,
        client: usize,
        source: Option<IpAddr>,
    ) -> Result<Connection, ConnectionError> {
        timeout(OPEN_LIMIT, self.greet(client, source))
            .await
            .map_err(|_| ConnectionError::NoAnswer)?
    }

    async fn greet(
        &self,
        client: usize,
        source: Option<IpAddr>,
    ) -> Result<Connection, ConnectionError> {
        let connector = TlsConnector::from(Arc::new(self.entrance.of(client)?));
        let tcp = connect_from(source, self.address).await?;
        tcp.set_nodelay(true)?;
        let stream = connector.connect(self.name.clone(), tcp).await?;
        let buffer = FrameBuffer::new(Accepts::FromEntry(self.shape));
        let mut connection = Connection { stream, buffer };
        connection.write(&Control::hello(&self.network).to_frame()).await?;
        match connection.read().await? {
            (Kind::Control, body) => match Control::decode(body)?.check_answer() {
                Ok(()) => Ok(connection),
                Err(NotWelcome::Refused(reason)) => Err(reason.into()),
                Err(_) => Err(ConnectionError::Unexpected("another greeting")),
            },
            _ => Err(ConnectionError::Unexpected("no greeting")),
        }
    }
}

/// A greeted connection, and what has been read of the next frame.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    buffer: FrameBuffer,
}

impl Connection {
    /// The next frame: its kind, and its body until the next call. Dropping the future loses
    /// nothing.
    pub(super) async fn read(&mut self) -> Result<(Kind, &mut [u8]), ConnectionError> {
        loop {
            let missing = self.buffer.missing()?;
            if missing == 0 {
                return Ok(self.buffer.take());
            }
            let mut stream = (&mut self.stream).take(missing as u64);
            match stream.read_buf(self.buffer.space()).await {
                Ok(0) => return Err(ConnectionError::Closed),
                Ok(_) => {}
                // A server that is killed says no goodbye.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ConnectionError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes one frame, in one piece.
    pub(super) async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await?;
        self.stream.flush().await
    }
}
