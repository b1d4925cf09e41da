//! The reception: strangers become clients that are served, or are told why not.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use talaria_wire::RoundShape;
use talaria_wire::frame::{Accepts, FrameBuffer, Submission};
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::reason::Refusal;
use talaria_wire::tls_names::ALPN_CLIENT;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::connection::Connection;
use super::door::{CertificateHash, Door, Guest};
use crate::net::HANDSHAKE;
use crate::net::frames::{FrameReader, write};
use crate::net::greeting::{GreetingError, read_hello, require_protocol};
use crate::net::shutdown::TaskGuard;

/// Handshakes at once, beyond the clients that are connected.
const MAX_HANDSHAKES: usize = 512;

/// What a new connection needs.
pub(super) struct Reception {
    pub(super) door: Arc<Door>,
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
                        // A task of its own, which is smaller than what greets.
                        Ok(Ok((guest, connection))) => {
                            tokio::spawn(async move {
                                let submit = |submission: Submission<'_>| guest.submit(submission);
                                let ended = connection.serve(guest.clock(), submit).await;
                                debug!(reason = %ended, "a client has gone");
                                drop((place, guard));
                            });
                        }
                        Ok(Err(error)) => debug!(%error, "a connection was refused"),
                        Err(_) => debug!("a connection was too slow to greet"),
                    }
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

pub(super) type Stream = tokio_rustls::server::TlsStream<TcpStream>;

/// A connection whose greeting is read and not answered yet.
#[derive(Debug)]
pub(super) struct Stranger {
    pub(super) stream: Stream,
    pub(super) frames: FrameBuffer,
}

/// Somebody who does not come in, and what to tell them.
#[derive(Debug)]
pub(super) struct TurnedAway {
    pub(super) reason: Refusal,
    pub(super) stranger: Stranger,
    pub(super) answer: Vec<u8>,
}

impl TurnedAway {
    async fn tell(mut self) -> GreetingError {
        match write(&mut self.stranger.stream, &self.answer).await {
            Ok(()) => self.reason.into(),
            Err(error) => error.into(),
        }
    }
}

impl Reception {
    async fn greet(
        &self,
        acceptor: TlsAcceptor,
        tcp: TcpStream,
    ) -> Result<(Guest, Arc<Connection>), GreetingError> {
        tcp.set_nodelay(true)?;
        let stream = acceptor.accept(tcp).await?;
        require_protocol(stream.get_ref().1, ALPN_CLIENT)?;
        let certificate = certificate_hash(&stream).ok_or(Refusal::Certificate)?;
        let mut frames = FrameReader::new(stream, Accepts::FromClient(self.shape));
        let checked = match read_hello(&mut frames, &self.network).await? {
            Ok(()) => self.door.await_member(&certificate).await,
            refused => refused,
        };
        let (stream, frames) = frames.into_parts();
        let stranger = Stranger { stream, frames };
        match Guest::admit(&self.door, &certificate, checked, stranger) {
            Ok(guest) => Ok(guest),
            Err(turned_away) => Err(turned_away.tell().await),
        }
    }
}

/// The hash of the certificate that a client has shown.
fn certificate_hash(stream: &Stream) -> Option<CertificateHash> {
    let certificate = stream.get_ref().1.peer_certificates()?.first()?;
    digest(&SHA256, certificate).as_ref().try_into().ok()
}
