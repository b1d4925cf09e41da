//! A client's connection, as small as it can be: there are thousands.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use talaria_server::net::tls::ENTRY_NAME;
use talaria_wire::RoundShape;
use talaria_wire::control::{BadControl, Control, Farewell, Refusal};
use talaria_wire::epoch::BadEpochKeys;
use talaria_wire::frame::{Accepts, FrameError, HEADER_LEN, Header, Kind};
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::params::PROTOCOL_VERSION;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

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
        let accepts = Accepts::FromEntry(self.shape);
        let mut connection = Connection { stream, accepts, head: None, buffer: Vec::new() };
        connection.write(&Control::hello(&self.network).to_frame()).await?;
        match connection.read().await? {
            (Kind::Control, body) => match Control::decode(body)? {
                Control::Welcome { protocol: PROTOCOL_VERSION } => Ok(connection),
                Control::Refused { reason } => Err(reason.into()),
                _ => Err(ConnectionError::Unexpected("another greeting")),
            },
            _ => Err(ConnectionError::Unexpected("no greeting")),
        }
    }
}

/// Connects to `address`, from `source` if one is given.
pub(super) async fn connect_from(
    source: Option<IpAddr>,
    address: SocketAddr,
) -> io::Result<TcpStream> {
    let Some(source) = source else {
        return TcpStream::connect(address).await;
    };
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(address).await
}

/// A greeted connection, and what has been read of the next frame.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    accepts: Accepts,
    head: Option<Header>,
    /// What has been read of the header, or of the body once the header is whole. Never longer
    /// than one frame: the rest waits in the TLS session.
    buffer: Vec<u8>,
}

impl Connection {
    /// The next frame: its kind, and its body until the next call. Dropping the future loses
    /// nothing.
    pub(super) async fn read(&mut self) -> Result<(Kind, &mut [u8]), ConnectionError> {
        if self.head.is_some_and(|head| head.len == self.buffer.len()) {
            self.head = None;
            self.buffer.clear();
        }
        let head = match self.head {
            Some(head) => head,
            None => {
                self.fill(HEADER_LEN).await?;
                let bytes = self.buffer.first_chunk().ok_or(ConnectionError::Closed)?;
                let head = Header::parse(*bytes, self.accepts)?;
                self.buffer.clear();
                *self.head.insert(head)
            }
        };
        self.fill(head.len).await?;
        Ok((head.kind, &mut self.buffer))
    }

    /// Writes one frame, in one piece.
    pub(super) async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await?;
        self.stream.flush().await
    }

    async fn fill(&mut self, len: usize) -> Result<(), ConnectionError> {
        self.buffer.reserve_exact(len.saturating_sub(self.buffer.len()));
        while self.buffer.len() < len {
            let missing = (len - self.buffer.len()) as u64;
            match (&mut self.stream).take(missing).read_buf(&mut self.buffer).await {
                Ok(0) => return Err(ConnectionError::Closed),
                Ok(_) => {}
                // A server that is killed says no goodbye.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(ConnectionError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
