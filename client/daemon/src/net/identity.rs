//! A connection to the identity service: one request, one answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use talaria_wire::identity::directory::{Entry, Head};
use talaria_wire::identity::proof::{EXPORTER_LABEL, EXPORTER_LEN};
use talaria_wire::identity::request::{LENGTH_LEN, body_len};
use talaria_wire::identity::{Refusal, Request, Response};
use talaria_wire::network_file::Network;
use talaria_wire::tls_names::IDENTITY_NAME;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls;
use talaria_account::AccountError;
use talaria_store::HomeError;

/// How long reaching the service, the TLS handshake, and an answer may take, each.
const LIMIT: Duration = Duration::from_secs(20);

/// Why something with the identity service did not work out.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// It cannot be reached.
    #[error(
        "the identity service cannot be reached at {address}: {source}; check the network \
         connection, or ask the operator whether the service runs"
    )]
    Unreachable {
        /// Where it should be.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// It says nothing.
    #[error("the identity service at {0} does not answer: try again later")]
    NoAnswer(String),
    /// It is not the one of the network.
    #[error(
        "what answers at {address} is not the identity service of the network file, or speaks no \
         TLS: {source}"
    )]
    Tls {
        /// Where.
        address: String,
        /// What TLS says.
        source: io::Error,
    },
    /// The authority in the network file is none.
    #[error("the certificate in the network file cannot be used: {0}")]
    BadCertificate(#[from] rustls::Error),
    /// The connection broke.
    #[error("the connection to the identity service broke ({0}): try again")]
    Broken(io::Error),
    /// An answer that is none.
    #[error("the identity service does not keep the protocol: update one of the two")]
    Malformed,
    /// The service has refused, or has answered something wrong.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The account was made, and the home was not.
    #[error("the account exists now, but its home could not be written ({0})")]
    HomeNotWritten(HomeError),
}

impl ServiceError {
    /// Whether another password may help.
    #[must_use]
    pub fn is_wrong_password(&self) -> bool {
        matches!(self, Self::Account(AccountError::WrongNameOrPassword))
    }
}

/// A page of the directory.
pub type Page = (Vec<Entry>, Head);

/// A connection to the identity service of a network.
pub struct IdentityConnection {
    stream: TlsStream<TcpStream>,
    address: String,
}

impl IdentityConnection {
    /// Connects.
    ///
    /// # Errors
    /// [`ServiceError`] if there is no such service.
    pub async fn open(network: &Network) -> Result<Self, ServiceError> {
        let address = network.identity.address.clone();
        let config = tls::identity_config(network)?;
        let no_answer = |_| ServiceError::NoAnswer(address.clone());
        let stream = timeout(LIMIT, TcpStream::connect(&address)).await.map_err(no_answer)?;
        let unreachable = |source| ServiceError::Unreachable { address: address.clone(), source };
        let stream = stream.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(ServiceError::Broken)?;
        let connector = TlsConnector::from(Arc::new(config));
        let handshake = connector.connect(tls::server_name(IDENTITY_NAME), stream);
        let stream = timeout(LIMIT, handshake).await.map_err(no_answer)?;
        let stream =
            stream.map_err(|source| ServiceError::Tls { address: address.clone(), source });
        Ok(Self { stream: stream?, address })
    }

    /// The value of the TLS exporter that a renewal is bound to.
    ///
    /// # Errors
    /// [`ServiceError::Malformed`] never after a handshake.
    pub fn exporter(&self) -> Result<[u8; EXPORTER_LEN], ServiceError> {
        let (_, tls) = self.stream.get_ref();
        let value = tls.export_keying_material([0; EXPORTER_LEN], EXPORTER_LABEL, None);
        value.map_err(|_| ServiceError::Malformed)
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// [`ServiceError`] if none comes.
    pub async fn ask(&mut self, request: &Request) -> Result<Response, ServiceError> {
        let answer = timeout(LIMIT, self.exchange(request)).await;
        answer.map_err(|_| ServiceError::NoAnswer(self.address.clone()))?
    }

    async fn exchange(&mut self, request: &Request) -> Result<Response, ServiceError> {
        let broken = ServiceError::Broken;
        // A service without room says so and closes before it reads: its answer counts.
        let sent = self.stream.write_all(&request.to_message()).await;
        let sent = match sent {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        let mut length = [0; LENGTH_LEN];
        let read = self.stream.read_exact(&mut length).await;
        read.map_err(|error| broken(sent.err().unwrap_or(error)))?;
        let len = body_len(length).map_err(|_| ServiceError::Malformed)?;
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).await.map_err(broken)?;
        Response::decode(&body).map_err(|_| ServiceError::Malformed)
    }

    /// The directory from an entry on, as far as one page goes.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn page(&mut self, since: u64) -> Result<Page, ServiceError> {
        let request = Request::Directory { since, wait_ms: 0 };
        match self.ask(&request).await? {
            Response::Page { entries, head } => {
                Response::parse_page(&entries, &head).map_err(|_| ServiceError::Malformed)
            }
            Response::Refused { reason } => Err(refused(reason)),
            other => Err(AccountError::Unexpected(other.kind()).into()),
        }
    }
}

fn refused(reason: Refusal) -> ServiceError {
    AccountError::Refused(reason).into()
}
