//! The near side of a link: it connects, and connects again with growing pauses.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rustls::ClientConfig;
use talaria_wire::control::Control;
use talaria_wire::frame::Accepts;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::probe::LinkState;
use talaria_wire::reason::AbortReason;
use talaria_wire::{Batch, Round};
use tokio::io::split;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tracing::{debug, info, warn};

use super::super::frames::{FrameReader, write};
use super::super::greeting::{GreetingError, read_control};
use super::super::{HANDSHAKE, tls};
use super::broken::BrokenLink;
use super::fault::state_of;
use super::messages::{LinkReader, write_message};
use talaria_mixnet::link::{BackWord, LinkMessage, OnwardWord};

/// Batches that wait to be written to one link.
const QUEUE: usize = 8;
/// Probes that wait to be passed on.
const PROBES: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the near side learns from its link.
#[derive(Debug)]
pub enum LinkEvent {
    /// The next hop said something.
    Message(LinkMessage<BackWord>),
    /// There is a link now.
    Up,
    /// The link broke: nothing that is away will come back.
    Down,
}

/// Where the next hop is, and how to talk to it.
#[derive(Clone, Debug)]
pub struct OnwardConfig {
    /// `host:port`.
    pub address: String,
    /// What to call it in logs.
    pub name: String,
    /// Keys, see [`tls::link_client_config`].
    pub tls: Arc<ClientConfig>,
    /// The version of the network file that both have to have.
    pub network: NetworkVersion,
    /// Bytes of a reply that comes back.
    pub reply_len: usize,
    /// The most replies in a batch.
    pub max_slots: usize,
    /// How long the link may be silent before it is taken for dead and made anew.
    pub silence: Duration,
}

/// The link to the next hop.
#[derive(Clone, Debug)]
pub struct Onward {
    queue: mpsc::Sender<(Round, Batch)>,
    probes: mpsc::Sender<u64>,
    state: watch::Receiver<LinkState>,
}

impl Onward {
    /// Starts to connect; what happens on the link comes out of the receiver.
    #[must_use]
    pub fn start(config: OnwardConfig) -> (Self, mpsc::Receiver<LinkEvent>) {
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let (events, receiver) = mpsc::channel(QUEUE);
        let (probes, asked) = mpsc::channel(PROBES);
        let (told, state) = watch::channel(LinkState::Starting);
        tokio::spawn(keep_connected(config, outgoing, asked, told, events));
        (Self { queue, probes, state }, receiver)
    }

    /// How the link is: up, or why not.
    #[must_use]
    pub fn state(&self) -> LinkState {
        *self.state.borrow()
    }

    /// Passes a probe on, if the link is up and not busy with others.
    pub fn probe(&self, id: u64) {
        if self.state() == LinkState::Up {
            let _ = self.probes.try_send(id);
        }
    }

    /// Sends a batch.
    ///
    /// # Errors
    /// [`AbortReason::Busy`] if the next hop takes batches more slowly than they come.
    pub fn send(&self, round: Round, batch: Batch) -> Result<(), AbortReason> {
        self.queue.try_send((round, batch)).map_err(|_| AbortReason::Busy)
    }
}

async fn keep_connected(
    config: OnwardConfig,
    mut outgoing: mpsc::Receiver<(Round, Batch)>,
    mut probes: mpsc::Receiver<u64>,
    state: watch::Sender<LinkState>,
    events: mpsc::Sender<LinkEvent>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let outcome = match connect_unless_needed(&config, &mut outgoing, &events).await {
            Ok(stream) => {
                info!(peer = config.name, "link up");
                pause = FIRST_PAUSE;
                state.send_replace(LinkState::Up);
                if events.send(LinkEvent::Up).await.is_err() {
                    return;
                }
                serve(&config, stream, &mut outgoing, &mut probes, &events).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &outcome {
            state.send_replace(state_of(error));
        }
        if matches!(outcome, Err(BrokenLink::Ended)) || events.send(LinkEvent::Down).await.is_err()
        {
            return;
        }
        if let Err(error) = outcome {
            // A hop that is starting up is no reason to alarm anybody.
            if pause < LONGEST_PAUSE {
                debug!(peer = config.name, %error, "link down");
            } else {
                warn!(peer = config.name, %error, "link down");
            }
        }
        // Jitter, so that a whole network does not come back in the same instant.
        let jitter = rand::rng().random_range(50..=100);
        refuse_for(pause * jitter / 100, &mut outgoing, &events).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects, and tells meanwhile that nothing can be sent.
async fn connect_unless_needed(
    config: &OnwardConfig,
    outgoing: &mut mpsc::Receiver<(Round, Batch)>,
    events: &mpsc::Sender<LinkEvent>,
) -> Result<Connected, BrokenLink> {
    let connecting = connect(config, HANDSHAKE);
    tokio::pin!(connecting);
    loop {
        tokio::select! {
            connected = &mut connecting => return connected,
            batch = outgoing.recv() => {
                let (round, _) = batch.ok_or(BrokenLink::Ended)?;
                refuse(round, events).await?;
            }
        }
    }
}

async fn refuse_for(
    pause: Duration,
    outgoing: &mut mpsc::Receiver<(Round, Batch)>,
    events: &mpsc::Sender<LinkEvent>,
) {
    let over = sleep(pause);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return,
            batch = outgoing.recv() => match batch {
                Some((round, _)) if refuse(round, events).await.is_ok() => {}
                _ => return,
            }
        }
    }
}

async fn refuse(round: Round, events: &mpsc::Sender<LinkEvent>) -> Result<(), BrokenLink> {
    let abort = BackWord::Abort(round, AbortReason::Unreachable);
    events.send(LinkEvent::Message(LinkMessage::Word(abort))).await.map_err(|_| BrokenLink::Ended)
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// A connection to the next hop that has been greeted.
pub(in crate::net) struct Connected {
    pub(in crate::net) frames: FrameReader<tokio::io::ReadHalf<Stream>>,
    pub(in crate::net) writer: tokio::io::WriteHalf<Stream>,
}

/// Connects and greets; each of the two may take as long as `limit`.
pub(in crate::net) async fn connect(
    config: &OnwardConfig,
    limit: Duration,
) -> Result<Connected, BrokenLink> {
    let tcp = dial(&config.address, limit).await?;
    timeout(limit, greet(config, tcp)).await.map_err(|_| BrokenLink::Silent)?
}

/// Connects to `address`, `host:port`, within `limit`.
pub(in crate::net) async fn dial(address: &str, limit: Duration) -> Result<TcpStream, BrokenLink> {
    let connecting = async {
        let found: Vec<_> = lookup_host(address).await.map_err(BrokenLink::Resolve)?.collect();
        let tcp = TcpStream::connect(&found[..]).await.map_err(BrokenLink::Connect)?;
        tcp.set_nodelay(true).map_err(BrokenLink::Connect)?;
        Ok(tcp)
    };
    let too_slow = |_| BrokenLink::Connect(std::io::ErrorKind::TimedOut.into());
    timeout(limit, connecting).await.map_err(too_slow)?
}

async fn greet(config: &OnwardConfig, tcp: TcpStream) -> Result<Connected, BrokenLink> {
    let connector = TlsConnector::from(config.tls.clone());
    let stream = connector.connect(tls::link_name(), tcp).await.map_err(BrokenLink::Tls)?;
    let (reader, mut writer) = split(stream);
    // If it fails the answer says why: a peer that does not take the key sends an alert, and may
    // have closed before the hello is written.
    let _ = write(&mut writer, &Control::hello(&config.network).to_frame()).await;
    let mut frames = FrameReader::new(reader, Accepts::OnLink);
    let answer = read_control(&mut frames).await?;
    answer.check_answer().map_err(GreetingError::from)?;
    Ok(Connected { frames, writer })
}

async fn serve(
    config: &OnwardConfig,
    connected: Connected,
    outgoing: &mut mpsc::Receiver<(Round, Batch)>,
    probes: &mut mpsc::Receiver<u64>,
    events: &mpsc::Sender<LinkEvent>,
) -> Result<(), BrokenLink> {
    let Connected { frames, mut writer } = connected;
    let mut reader = LinkReader::new(frames, config.reply_len, config.max_slots);
    let reading = async {
        loop {
            let message = timeout(config.silence, reader.next());
            let message = message.await.map_err(|_| BrokenLink::Silent)??;
            events.send(LinkEvent::Message(message)).await.map_err(|_| BrokenLink::Ended)?;
        }
    };
    let writing = async {
        loop {
            let message = tokio::select! {
                biased;
                batch = outgoing.recv() => {
                    let (round, batch) = batch.ok_or(BrokenLink::Ended)?;
                    LinkMessage::Batch(round, batch)
                }
                Some(id) = probes.recv() => LinkMessage::Word(OnwardWord::Probe(id)),
            };
            write_message(&mut writer, &message).await.map_err(BrokenLink::Write)?;
        }
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}
