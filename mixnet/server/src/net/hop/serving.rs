//! The far side of a link: it listens, takes batches, and writes what becomes of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use talaria_wire::epoch::EpochKeys;
use talaria_wire::frame::Accepts;
use talaria_wire::link::{BatchHead, Inlet};
use talaria_wire::{Batch, control::AbortReason};
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::super::HANDSHAKE;
use super::super::frames::{FrameReader, write};
use super::super::greeting::{GreetingError, answer_hello, read_hello};
use super::super::link::{BrokenLink, Incoming, read_incoming, write_message, write_slots};
use super::arrival::Arrival;
use super::work::{begin, run_round};
use super::{MAX_LINKS, Node, Unanswered};
use talaria_mixnet::link::LinkMessage;

/// Answers that wait to be written to one link.
const QUEUE: usize = 64;

/// What is written to the server before this hop.
pub(super) enum Answer {
    Message(LinkMessage),
    /// Replies that are still being sealed: the head of their batch, and its parts.
    Replies(BatchHead, mpsc::Receiver<Batch>),
}

/// Where answers go, each with what is to be dropped once it is written.
pub(super) type Answers = mpsc::Sender<(Answer, Unanswered)>;

/// Takes connections, until dropped.
pub(super) async fn accept(node: Arc<Node>, listener: TcpListener, acceptor: TlsAcceptor) {
    let places = Arc::new(Semaphore::new(MAX_LINKS));
    // Dropped with this future: a link to a server that goes on must not keep the hop from ending.
    let mut links = JoinSet::new();
    loop {
        while links.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let (node, acceptor) = (node.clone(), acceptor.clone());
                links.spawn(async move {
                    serve(node, acceptor, tcp).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

type Stream = tokio_rustls::server::TlsStream<TcpStream>;
type Reading = FrameReader<ReadHalf<Stream>>;
type Writing = WriteHalf<Stream>;

async fn greet(
    node: &Node,
    acceptor: TlsAcceptor,
    tcp: TcpStream,
) -> Result<(Reading, Writing), GreetingError> {
    tcp.set_nodelay(true)?;
    let (reader, mut writer) = split(acceptor.accept(tcp).await?);
    let mut frames = FrameReader::new(reader, Accepts::OnLink);
    let answer = read_hello(&mut frames, &node.network).await?;
    answer_hello(&mut writer, answer).await?;
    Ok((frames, writer))
}

/// Serves one connection from the server before this hop.
async fn serve(node: Arc<Node>, acceptor: TlsAcceptor, tcp: TcpStream) {
    let (frames, writer) = match timeout(HANDSHAKE, greet(&node, acceptor, tcp)).await {
        Ok(Ok(halves)) => halves,
        Ok(Err(GreetingError::Refused(reason))) => {
            return warn!(hop = %node.place, ?reason, "the server before has another network file");
        }
        Ok(Err(error)) => return debug!(hop = %node.place, %error, "link refused"),
        Err(_) => return debug!(hop = %node.place, "link too slow to greet"),
    };
    let (answers, queue) = mpsc::channel(QUEUE);
    let error = tokio::select! {
        error = take_batches(&node, frames, answers) => error,
        error = write_answers(&node, writer, queue) => BrokenLink::Write(error),
    };
    debug!(hop = %node.place, %error, "link ended");
}

/// Takes what comes, until the link breaks. Each batch becomes a task as it begins.
async fn take_batches(node: &Arc<Node>, mut frames: Reading, answers: Answers) -> BrokenLink {
    let mut inlet = Inlet::new(node.shape.onion_len_at(node.place), node.max_slots);
    let mut arrival = None;
    loop {
        let incoming = timeout(node.silence, read_incoming(&mut frames)).await;
        let taken = match incoming.unwrap_or(Err(BrokenLink::Silent)) {
            Ok(Incoming::Head(head)) => match inlet.head(head) {
                Ok(()) => {
                    arrival = Some(take_on(node, head, &answers).await);
                    Ok(())
                }
                Err(error) => Err(error.into()),
            },
            Ok(Incoming::Chunk(bytes)) => match inlet.chunk(bytes.len()) {
                Ok(()) => {
                    if let Some(arrival) = &mut arrival {
                        arrival.take(bytes).await;
                    }
                    Ok(())
                }
                Err(error) => Err(error.into()),
            },
            Ok(Incoming::Message(message)) => heed(node, &message, &answers),
            Err(error) => Err(error),
        };
        if let Err(error) = taken {
            return error;
        }
        if let Some(arrival) = arrival.take_if(|_| inlet.is_whole()) {
            arrival.end().await;
        }
    }
}

/// Begins a round. Rounds are begun one after the other, as they come: a hop refuses a round after
/// a later one, so they must not overtake each other.
async fn take_on(node: &Arc<Node>, head: BatchHead, answers: &Answers) -> Arrival {
    let unanswered = Unanswered::new(node);
    let (arrival, pieces) = Arrival::new(node.buffers.clone());
    let begun = begin(node, head).await;
    tokio::spawn(run_round(unanswered, head, begun, pieces, answers.clone()));
    arrival
}

fn heed(node: &Arc<Node>, message: &LinkMessage, answers: &Answers) -> Result<(), BrokenLink> {
    match message {
        LinkMessage::Abort(round, _) => node.lost(*round, AbortReason::Unreachable),
        LinkMessage::Probe(id) => node.probed(*id, answers),
        // Keys come from the other side only, and batches in frames of their own.
        LinkMessage::Keys(_) | LinkMessage::Batch(..) => return Err(BrokenLink::Malformed),
        // Reports come from the other side.
        LinkMessage::Report(_) => {}
    }
    Ok(())
}

/// Writes answers and announcements, until it cannot.
async fn write_answers(
    node: &Node,
    mut writer: Writing,
    mut queue: mpsc::Receiver<(Answer, Unanswered)>,
) -> io::Error {
    let mut announcements = node.announcements.subscribe();
    announcements.mark_changed();
    let mut announced = Vec::new();
    loop {
        let written = tokio::select! {
            Some((answer, _unanswered)) = queue.recv() => write_answer(&mut writer, answer).await,
            Ok(()) = announcements.changed() => {
                let keys = announcements.borrow_and_update().clone();
                write_new(&mut writer, &mut announced, keys).await
            }
            else => return io::ErrorKind::BrokenPipe.into(),
        };
        if let Err(error) = written {
            return error;
        }
    }
}

async fn write_answer(writer: &mut Writing, answer: Answer) -> io::Result<()> {
    match answer {
        Answer::Message(message) => write_message(writer, &message).await,
        Answer::Replies(head, mut parts) => {
            write(writer, &head.to_frame()).await?;
            let mut missing = head.slots as usize;
            while let Some(part) = parts.recv().await {
                write_slots(writer, part.as_bytes()).await?;
                missing -= part.len();
            }
            if missing == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        }
    }
}

/// Writes those announcements that this link has not carried yet.
async fn write_new(
    writer: &mut Writing,
    announced: &mut Vec<EpochKeys>,
    keys: Vec<EpochKeys>,
) -> io::Result<()> {
    for epoch in &keys {
        if !announced.contains(epoch) {
            write_message(writer, &LinkMessage::Keys(epoch.clone())).await?;
        }
    }
    *announced = keys;
    Ok(())
}
