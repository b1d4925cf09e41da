//! The reception: strangers become clients that are served, or are told why not.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use talaria_wire::RoundShape;
use talaria_wire::frame::Accepts;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::reason::Refusal;
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, broadcast};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::connection::Connection;
use super::door::{CertificateHash, Door, Guest};
use crate::net::HANDSHAKE;
use crate::net::frames::{FrameReader, write};
use crate::net::greeting::{GreetingError, read_hello};
use crate::net::shutdown::TaskGuard;
use talaria_mixnet::entry::visit::News;

/// Handshakes at once, beyond the clients that are connected.
const MAX_HANDSHAKES: usize = 512;

/// What a new connection needs.
pub(super) struct Reception {
    pub(super) door: Arc<Door>,
    pub(super) news: broadcast::Sender<News>,
    pub(super) network: NetworkVersion,
    pub(super) shape: RoundShape,
}

/// Takes connections for at most `max_clients` clients, until dropped.
pub(super) async fn accept(
    reception: Arc<Reception>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    max_clients: usize,
    guard: TaskGuard,
) {
    let places = Arc::new(Semaphore::new(max_clients + MAX_HANDSHAKES));
    let handshakes = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Ok(handshake) = handshakes.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let (reception, acceptor) = (reception.clone(), acceptor.clone());
                let guard = guard.clone();
                tokio::spawn(async move {
                    let greeted = timeout(HANDSHAKE, reception.greet(acceptor, tcp)).await;
                    drop(handshake);
                    match greeted {
                        Ok(Ok(connection)) => {
                            let ended = connection.serve().await;
                            debug!(reason = %ended, "a client has gone");
                        }
                        Ok(Err(error)) => debug!(%error, "a connection was refused"),
                        Err(_) => debug!("a connection was too slow to greet"),
                    }
                    drop((place, guard));
                });
            }
            Err(error) => {
                // Usually out of file descriptors: others have to go first.
                warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

type Stream = tokio_rustls::server::TlsStream<TcpStream>;
type Hosted = Connection<ReadHalf<Stream>, WriteHalf<Stream>>;

impl Reception {
    async fn greet(&self, acceptor: TlsAcceptor, tcp: TcpStream) -> Result<Hosted, GreetingError> {
        tcp.set_nodelay(true)?;
        let stream = acceptor.accept(tcp).await?;
        let certificate = certificate_hash(&stream).ok_or(Refusal::Certificate)?;
        let (reader, mut writer) = split(stream);
        let mut frames = FrameReader::new(reader, Accepts::FromClient(self.shape));
        let member = match read_hello(&mut frames, &self.network).await? {
            Ok(()) => self.door.await_member(&certificate).await,
            refused => refused,
        };
        // Subscribed before there is a place, so that whoever has one hears every announcement, and
        // that the entry stops.
        let news = self.news.subscribe();
        let mut answer = Vec::new();
        let admitted = Guest::admit(&self.door, &certificate, member, &mut answer);
        write(&mut writer, &answer).await?;
        let (guest, visit) = admitted?;
        Ok(Connection { guest, visit, frames, writer, news })
    }
}

/// The hash of the certificate that a client has shown.
fn certificate_hash(stream: &Stream) -> Option<CertificateHash> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    digest(&SHA256, certificate).as_ref().try_into().ok()
}
