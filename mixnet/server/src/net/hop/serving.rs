//! The far side of a link: it listens, takes batches, and writes what becomes of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use talaria_wire::epoch::EpochKeys;
use talaria_wire::frame::Accepts;
use talaria_wire::link::{BatchHead, Inlet};
use talaria_wire::reason::AbortReason;
use talaria_wire::tls_names::ALPN_LINK;
use tokio::io::{ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::super::HANDSHAKE;
use super::super::frames::{FrameReader, write};
use super::super::greeting::{GreetingError, answer_hello, read_hello, require_protocol};
use super::super::link::{BrokenLink, Incoming, read_incoming, write_slots};
use super::answers::{Answer, Answers, Unanswered};
use super::arrival::Arrival;
use super::shell::Shell;
use super::work::{begin, give_up, report, run_round};
use talaria_mixnet::hop::keys::Carried;
use talaria_mixnet::hop::node::NodeConfig;
use talaria_mixnet::link::{OnwardWord, Word as _};

/// Connections that a hop holds at once: one is needed, a few more let a restarted server before
/// it come back while its old connection has not been missed yet.
pub(super) const MAX_LINKS: usize = 8;
/// Answers that wait to be written to one link.
const QUEUE: usize = 64;

/// Takes connections, until dropped.
pub(super) async fn accept(shell: Arc<Shell>, listener: TcpListener, acceptor: TlsAcceptor) {
    let places = Arc::new(Semaphore::new(MAX_LINKS));
    // Dropped with this future: a link to a server that goes on must not keep the hop from ending.
    let mut links = JoinSet::new();
    loop {
        while links.try_join_next().is_some() {}
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, _)) => {
                let (shell, acceptor) = (shell.clone(), acceptor.clone());
                links.spawn(async move {
                    serve(shell, acceptor, tcp).await;
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
    shell: &Shell,
    acceptor: TlsAcceptor,
    tcp: TcpStream,
) -> Result<(Reading, Writing), GreetingError> {
    tcp.set_nodelay(true)?;
    let stream = acceptor.accept(tcp).await?;
    require_protocol(stream.get_ref().1, ALPN_LINK)?;
    let (reader, mut writer) = split(stream);
    let mut frames = FrameReader::new(reader, Accepts::OnLink);
    let answer = read_hello(&mut frames, &shell.config.network).await?;
    answer_hello(&mut writer, answer).await?;
    Ok((frames, writer))
}

/// Serves one connection from the server before this hop.
async fn serve(shell: Arc<Shell>, acceptor: TlsAcceptor, tcp: TcpStream) {
    let (frames, writer) = match timeout(HANDSHAKE, greet(&shell, acceptor, tcp)).await {
        Ok(Ok(halves)) => halves,
        Ok(Err(GreetingError::Refused(reason))) => {
            return warn!(hop = %shell.config.place, ?reason, "the server before has another network file");
        }
        Ok(Err(error)) => return debug!(hop = %shell.config.place, %error, "link refused"),
        Err(_) => return debug!(hop = %shell.config.place, "link too slow to greet"),
    };
    let (answers, queue) = mpsc::channel(QUEUE);
    let error = tokio::select! {
        error = take_batches(&shell, frames, answers) => error,
        error = write_answers(&shell, writer, queue) => BrokenLink::Write(error),
    };
    debug!(hop = %shell.config.place, %error, "link ended");
}

/// Takes what comes, until the link breaks. Each batch becomes a task as it begins.
async fn take_batches(shell: &Arc<Shell>, mut frames: Reading, answers: Answers) -> BrokenLink {
    let NodeConfig { place, shape, limits, .. } = shell.config;
    let mut inlet = Inlet::new(shape.onion_len_at(place), limits.max_slots);
    let mut arrival = None;
    loop {
        let incoming = timeout(shell.silence, read_incoming(&mut frames)).await;
        let taken = match incoming.unwrap_or(Err(BrokenLink::Silent)) {
            Ok(Incoming::Head(head)) => match inlet.head(head) {
                Ok(()) => {
                    arrival = take_on(shell, head, &answers).await;
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
            Ok(Incoming::Word(word)) => {
                heed(shell, &word, &answers);
                Ok(())
            }
            Ok(Incoming::Ignored) => Ok(()),
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
///
/// A refusal is answered before anything else is read, so that nothing waits for it but the link:
/// `None`, and the bytes of its batch are dropped.
async fn take_on(shell: &Arc<Shell>, head: BatchHead, answers: &Answers) -> Option<Arrival> {
    let answering = (answers.clone(), Unanswered::new(&shell.pending));
    match begin(shell, head).await {
        Ok(begun) => {
            let (arrival, pieces) = Arrival::new(shell.buffers.clone());
            tokio::spawn(run_round(shell.clone(), head, begun, pieces, answering));
            Some(arrival)
        }
        Err(reason) => {
            give_up(shell, report(shell, head), reason, answering).await;
            None
        }
    }
}

fn heed(shell: &Arc<Shell>, word: &OnwardWord, answers: &Answers) {
    match *word {
        OnwardWord::Abort(round, _) => {
            shell.tell(|node, now| node.lost(now, round, AbortReason::Unreachable));
        }
        OnwardWord::Probe(id) => shell.probed(id, answers),
    }
}

/// Writes answers and announcements, until it cannot.
async fn write_answers(
    shell: &Shell,
    mut writer: Writing,
    mut queue: mpsc::Receiver<(Answer, Unanswered)>,
) -> io::Error {
    let mut announcements = shell.announcements.subscribe();
    announcements.mark_changed();
    let mut carried = Carried::default();
    loop {
        let written = tokio::select! {
            Some((answer, _unanswered)) = queue.recv() => write_answer(&mut writer, answer).await,
            Ok(()) = announcements.changed() => {
                let keys = announcements.borrow_and_update().clone();
                write_keys(&mut writer, &carried.take_news(keys)).await
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
        Answer::Word(word) => write(writer, &word.to_frame()).await,
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

async fn write_keys(writer: &mut Writing, keys: &[EpochKeys]) -> io::Result<()> {
    for epoch in keys {
        write(writer, &epoch.to_frame()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
