//! The identity service on the network: its listener, its connections, and the control socket.

mod connection;
mod control;
mod messages;
mod places;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use talaria_identity::store::Database;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::HANDSHAKE;
use super::shutdown::{Shutdown, Tasks};
use crate::net::clock::{WallClock, now};
use connection::Connection;
use places::{Place, Places};
use talaria_identity::clock::Reading;
use talaria_identity::service::{Service, ServiceConfig};
use talaria_identity::store::{PostgresStore, SqliteStore, Store, StoreError};

pub use control::{ControlError, socket_path};
pub use messages::{MessageReader, ReadError};

/// How often what is not needed any more is forgotten.
const TIDY: Duration = Duration::from_secs(60);

/// Everything that the identity service needs to run.
#[derive(Debug)]
pub struct IdentityNodeConfig {
    /// Keys, policy and limits.
    pub service: ServiceConfig,
    /// Where users are kept.
    pub database: Database,
    /// TLS towards users, see [`tls::identity_config`](super::tls::identity_config).
    pub tls: Arc<rustls::ServerConfig>,
    /// The socket for the operator.
    pub control: PathBuf,
}

/// Why the identity service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error("the identity service cannot use its database: {0}")]
    Store(#[from] StoreError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// A service whose database and control socket are open.
#[derive(Debug)]
pub struct IdentityNode(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(Node<SqliteStore>),
    Postgres(Node<PostgresStore>),
}

#[derive(Debug)]
struct Node<S> {
    service: Arc<Service<S>>,
    tls: Arc<rustls::ServerConfig>,
    control: control::Socket,
    clock: WallClock,
}

impl IdentityNode {
    /// Opens the database, brings it up to date, and listens on the control socket.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(config: IdentityNodeConfig) -> Result<Self, OpenError> {
        let IdentityNodeConfig { service, database, tls, control } = config;
        let control = control::Socket::bind(control).await?;
        let clock = WallClock::start();
        Ok(Self(match database {
            Database::File(path) => {
                let service = Service::new(SqliteStore::open(&path).await?, service, now());
                Kind::Sqlite(Node { service: Arc::new(service.await?), tls, control, clock })
            }
            Database::Url(url) => {
                let service = Service::new(PostgresStore::open(&url).await?, service, now());
                Kind::Postgres(Node { service: Arc::new(service.await?), tls, control, clock })
            }
        }))
    }

    /// Serves users on `listener` and the operator on the control socket until asked to stop.
    pub async fn run(self, listener: TcpListener, shutdown: Shutdown) {
        match self.0 {
            Kind::Sqlite(node) => node.run(listener, shutdown).await,
            Kind::Postgres(node) => node.run(listener, shutdown).await,
        }
    }
}

impl<S: Store> Node<S> {
    async fn run(self, listener: TcpListener, mut shutdown: Shutdown) {
        let tasks = Tasks::new();
        let limits = self.service.limits();
        let reception = Reception {
            places: Places::new(limits.max_connections, limits.max_per_address),
            acceptor: TlsAcceptor::from(self.tls),
            service: self.service,
            shutdown: shutdown.clone(),
            clock: self.clock,
        };
        let reception = Arc::new(reception);
        info!("identity service ready");
        tokio::select! {
            () = accept(&reception, &listener, &tasks) => {}
            () = control::serve(&reception.service, self.control.listener(), self.clock, &tasks) => {}
            () = tidy(&reception.service, self.clock) => {}
            () = shutdown.asked() => {}
        }
        drop(listener);
        if timeout(HANDSHAKE, tasks.finished()).await.is_err() {
            debug!("some users did not take their leave");
        }
        info!("identity service stopped");
    }
}

async fn tidy<S: Store>(service: &Service<S>, clock: WallClock) {
    loop {
        tokio::time::sleep(TIDY).await;
        service.tidy();
        service.observe(reading(clock));
    }
}

fn reading(clock: WallClock) -> Reading {
    let (wall, monotonic) = clock.read();
    Reading { wall, monotonic }
}

/// What a new connection needs.
struct Reception<S> {
    service: Arc<Service<S>>,
    places: Arc<Places>,
    acceptor: TlsAcceptor,
    shutdown: Shutdown,
    clock: WallClock,
}

async fn accept<S: Store>(reception: &Arc<Reception<S>>, listener: &TcpListener, tasks: &Tasks) {
    loop {
        match listener.accept().await {
            Ok((tcp, address)) => {
                // Whoever finds no place is closed without a word: an answer would cost more than
                // it is worth to those who are inside.
                let Some(place) = reception.places.admit(address.ip().into()) else { continue };
                let (reception, guard) = (reception.clone(), tasks.guard());
                tokio::spawn(async move {
                    serve(&reception, tcp, address, place).await;
                    drop(guard);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept");
                reception.places.make_room();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve<S: Store>(
    reception: &Reception<S>,
    tcp: TcpStream,
    address: SocketAddr,
    place: Place,
) {
    let stop = place.stop();
    let mut shutdown = reception.shutdown.clone();
    let greeted = async {
        tcp.set_nodelay(true)?;
        let handshake = timeout(HANDSHAKE, reception.acceptor.accept(tcp)).await;
        handshake.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    };
    let greeted = tokio::select! {
        greeted = greeted => greeted,
        () = stop.cancelled() => return,
        () = shutdown.asked() => return,
    };
    let ended = match greeted {
        Ok(stream) => {
            let service = reception.service.clone();
            let (origin, clock) = (address.ip().into(), reception.clock);
            Connection::new(service, stream, origin, place, shutdown, clock).serve().await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        debug!(%error, "a connection to the identity service ended");
    }
}

#[cfg(test)]
mod tests;
