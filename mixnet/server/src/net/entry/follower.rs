//! The entry follows the directory of users, as any client does: it asks the identity service for
//! what comes after what it has, and waits there for more.
//!
//! While the service cannot be reached the entry goes on with what it knows, which it also keeps on
//! disk.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rustls::ClientConfig;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::identity::directory::{BadPage, Entry, Head, PAGE_MAX};
use talaria_wire::identity::proof::{EXPORTER_LABEL, EXPORTER_LEN, EntryTime};
use talaria_wire::identity::{Refusal, Request, Response};
use talaria_wire::network_file::NetworkId;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::{debug, error, info, warn};

use super::door::Door;
use crate::files::directory::DirectoryFile;
use crate::net::clock::now;
use crate::net::frames::write;
use crate::net::identity::{MessageReader, ReadError};
use crate::net::link::dial;
use crate::net::{HANDSHAKE, tls};
use talaria_mixnet::entry::members::Members;

/// How long the service is asked to hold a request for which it has nothing.
const WAIT: Duration = Duration::from_secs(25);
/// An answer without entries that comes sooner is not followed by the next request at once.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Which directory is followed, and where the copy is kept.
#[derive(Clone, Debug)]
pub struct FollowerConfig {
    /// `host:port` of the identity service.
    pub address: String,
    /// The authority that it is known by, see [`tls::identity_client_config`].
    pub tls: Arc<ClientConfig>,
    /// The network.
    pub network: NetworkId,
    /// The key that signs the heads of the directory.
    pub key: IdentityPublic,
    /// The folder for the copy.
    pub folder: PathBuf,
    /// The key of this entry, with which it says what its clock shows.
    pub own: Arc<IdentitySecret>,
}

/// Why the service is not followed for the moment.
#[derive(Debug, Error)]
enum NotFollowed {
    #[error(transparent)]
    Link(#[from] crate::net::link::BrokenLink),
    #[error("cannot connect: {0}")]
    Tls(#[source] io::Error),
    #[error("the identity service does not answer")]
    Silent,
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the identity service sent something that cannot be understood")]
    Malformed,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    BadPage(#[from] BadPage),
}

/// Opens the copy on disk and hands what is in it to `members`. Without one the entry runs all the
/// same, and knows nobody after a restart until it reaches the service.
pub(super) fn open_copy(config: &FollowerConfig, members: &mut Members) -> Option<DirectoryFile> {
    match DirectoryFile::open(&config.folder, config.network, members) {
        Ok(file) => {
            info!(entries = members.directory().entries(), "the copy of the directory is read");
            if let Some(proof) = file.proof() {
                error!(
                    proof = %proof.display(),
                    "the identity service has signed two directories that contradict each other: \
                     show the proof to the other operators and to users, and remove it when that \
                     is settled"
                );
            }
            Some(file)
        }
        Err(error) => {
            let folder = config.folder.display();
            error!(%folder, %error, "the copy of the directory cannot be used");
            None
        }
    }
}

/// Follows for ever.
pub(super) async fn follow(
    config: FollowerConfig,
    door: Arc<Door>,
    copy: Option<DirectoryFile>,
) -> Infallible {
    let mut follower = Follower { config, door, copy, pause: FIRST_PAUSE };
    loop {
        let Err(error) = follower.stay().await;
        follower.door.lose_touch();
        if let NotFollowed::BadPage(bad) = &error {
            follower.keep_proof(bad).await;
        }
        follower.tell(&error);
        // Jitter, so that the entry does not come back in the same instant as its clients.
        let jitter = rand::rng().random_range(50..=100);
        sleep(follower.pause * jitter / 100).await;
        follower.pause = (follower.pause * 2).min(LONGEST_PAUSE);
    }
}

struct Follower {
    config: FollowerConfig,
    door: Arc<Door>,
    copy: Option<DirectoryFile>,
    pause: Duration,
}

impl Follower {
    /// Connects, and stays as long as it goes well.
    async fn stay(&mut self) -> Result<Infallible, NotFollowed> {
        let mut stream = connect(&self.config).await?;
        let exporter = exporter_of(&stream)?;
        let mut wait = WAIT;
        loop {
            let asked = Instant::now();
            let since = self.door.members().directory().entries();
            let request = self.request(since, wait, &exporter);
            let (entries, head) = ask(&mut stream, request).await?;
            self.door.learn(&entries, &head)?;
            // Behind a full page there may be nothing, and that is to be known soon.
            wait = if entries.len() < PAGE_MAX { WAIT } else { Duration::ZERO };
            if entries.is_empty() && asked.elapsed() < SHORTEST_WAIT {
                sleep_until(asked + SHORTEST_WAIT).await;
            }
            self.keep(entries, head).await;
            self.pause = FIRST_PAUSE;
        }
    }

    /// Asks for entries, and says what the clock shows: the wall clock as it is set, for the service
    /// holds its own against it.
    fn request(&self, since: u64, wait: Duration, exporter: &[u8; EXPORTER_LEN]) -> Request {
        let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        let (network, time_ms) = (&self.config.network, now().0);
        let signature = EntryTime { network, exporter, time_ms }.sign(&self.config.own);
        Request::Follow { since, wait_ms, time_ms, signature: signature.to_vec().into() }
    }

    /// Keeps a page that was taken, with its head.
    async fn keep(&mut self, entries: Vec<Entry>, head: Head) {
        let Some(mut copy) = self.copy.take() else { return };
        let kept = spawn_blocking(move || copy.append(&entries, &head).map(|()| copy)).await;
        match kept {
            Ok(Ok(copy)) => self.copy = Some(copy),
            // What is there stays; after a restart it goes on from there.
            Ok(Err(error)) => error!(%error, "the copy of the directory cannot be kept any more"),
            Err(_) => error!("the copy of the directory cannot be kept any more"),
        }
    }

    /// Keeps the proof of what the service should not have signed.
    async fn keep_proof(&mut self, bad: &BadPage) {
        let Some((heads, copy)) = bad.proof().copied().zip(self.copy.take()) else { return };
        let kept = spawn_blocking(move || (copy.keep_proof(&heads), copy)).await;
        match kept {
            Ok((kept, copy)) => {
                self.copy = Some(copy);
                if let Err(error) = kept {
                    error!(%error, "the proof against the identity service cannot be kept");
                }
            }
            Err(_) => error!("the copy of the directory cannot be kept any more"),
        }
    }

    fn tell(&self, error: &NotFollowed) {
        match error {
            NotFollowed::BadPage(bad) => {
                let proof = bad.proof().map(|heads| hex::encode(heads.to_bytes()));
                error!(
                    error = %bad,
                    copy = ?self.copy.as_ref().map(DirectoryFile::path),
                    proof,
                    "users come and go unseen: the identity service does not go on from what this \
                     entry knows. If it was restored from an older backup, stop the entry and \
                     remove its copy"
                );
            }
            _ if self.pause < LONGEST_PAUSE => debug!(%error, "the directory is not followed"),
            _ => warn!(%error, "the directory is not followed: new users cannot come in"),
        }
    }
}

async fn connect(config: &FollowerConfig) -> Result<TlsStream<TcpStream>, NotFollowed> {
    let tcp = dial(&config.address, HANDSHAKE).await?;
    tcp.set_nodelay(true)?;
    let connecting = TlsConnector::from(config.tls.clone()).connect(tls::identity_name(), tcp);
    let stream = timeout(HANDSHAKE, connecting).await.map_err(|_| NotFollowed::Silent)?;
    stream.map_err(NotFollowed::Tls)
}

/// What this connection has that no other one has.
fn exporter_of(stream: &TlsStream<TcpStream>) -> Result<[u8; EXPORTER_LEN], NotFollowed> {
    let (_, tls) = stream.get_ref();
    let value = tls.export_keying_material([0; EXPORTER_LEN], EXPORTER_LABEL, None);
    value.map_err(|error| NotFollowed::Tls(io::Error::other(error)))
}

/// Asks for entries, and waits for the answer.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: Request,
) -> Result<(Vec<Entry>, Head), NotFollowed> {
    write(stream, &request.to_message()).await?;
    let answer = timeout(WAIT + HANDSHAKE, read(stream)).await;
    match answer.map_err(|_| NotFollowed::Silent)?? {
        Response::Page { entries, head } => {
            Response::parse_page(&entries, &head).map_err(|_| NotFollowed::Malformed)
        }
        Response::Refused { reason } => Err(reason.into()),
        _ => Err(NotFollowed::Malformed),
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Response, NotFollowed> {
    let mut messages = MessageReader::new(stream);
    messages.fill().await?;
    Response::decode(&messages.take()).map_err(|_| NotFollowed::Malformed)
}
