//! One user's connection: requests, one after the other, and an answer to each.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_wire::identity::proof::{EXPORTER_LABEL, EXPORTER_LEN};
use talaria_wire::identity::request::BadMessage;
use talaria_wire::identity::{Refusal, Request, Response};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::messages::{MessageReader, ReadError};
use super::places::{Doing, Place};
use super::reading;
use crate::net::clock::{WallClock, now};
use crate::net::frames::write;
use crate::net::shutdown::Shutdown;
use talaria_identity::limits::Origin;
use talaria_identity::service::{Peer, Service, Session};
use talaria_identity::store::Store;

type Stream = TlsStream<TcpStream>;

/// A connection whose handshake is over.
pub(super) struct Connection<S> {
    service: Arc<Service<S>>,
    stream: Stream,
    origin: Origin,
    place: Place,
    shutdown: Shutdown,
    clock: WallClock,
}

/// What is left of it for reading and writing.
struct Talk<'a, S> {
    service: &'a Service<S>,
    messages: MessageReader<ReadHalf<Stream>>,
    writer: WriteHalf<Stream>,
    session: Session,
    place: &'a Place,
    clock: WallClock,
}

impl<S: Store> Connection<S> {
    pub(super) fn new(
        service: Arc<Service<S>>,
        stream: Stream,
        origin: Origin,
        place: Place,
        shutdown: Shutdown,
        clock: WallClock,
    ) -> Self {
        Self { service, stream, origin, place, shutdown, clock }
    }

    /// Answers until either side has had enough.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        let (_, tls) = self.stream.get_ref();
        let exporter = tls
            .export_keying_material([0; EXPORTER_LEN], EXPORTER_LABEL, None)
            .map_err(io::Error::other)?;
        let rng = ChaCha20Rng::from_rng(&mut rand::rng());
        let session = Session::new(Peer { origin: self.origin, exporter }, rng);
        let stop = self.place.stop();
        let (reader, writer) = split(self.stream);
        let messages = MessageReader::new(reader);
        let (service, place) = (&*self.service, &self.place);
        let clock = self.clock;
        let mut talk = Talk { service, messages, writer, session, place, clock };
        let served = tokio::select! {
            served = talk.serve() => served,
            () = stop.cancelled() => Ok(()),
            () = self.shutdown.asked() => Ok(()),
        };
        // Whoever does not read has had time enough.
        let _ = timeout(Duration::from_secs(1), talk.writer.shutdown()).await;
        served
    }
}

impl<S: Store> Talk<'_, S> {
    async fn serve(&mut self) -> io::Result<()> {
        let limits = *self.service.limits();
        let idle = Duration::from_secs(limits.idle_s.into());
        for _ in 0..limits.max_requests {
            self.place.does(Doing::Nothing);
            // The whole message has to come in this time, in however many pieces.
            let Ok(read) = timeout(idle, self.messages.fill()).await else { return Ok(()) };
            let answer = match read {
                Ok(()) => self.answer().await,
                Err(ReadError::Length) => Some(refusal(Refusal::BadRequest)),
                Err(ReadError::Closed) => return Ok(()),
                Err(ReadError::Io(error)) => return Err(error),
            };
            let Some(answer) = answer else { return Ok(()) };
            write(&mut self.writer, &answer.to_message()).await?;
            if matches!(answer, Response::Refused { reason } if reason.ends()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The answer to the message that is there; `None` if nobody waits for it any more.
    async fn answer(&mut self) -> Option<Response> {
        let request = match Request::decode(&self.messages.take()) {
            Ok(request) => request,
            Err(BadMessage::Version(_)) => return Some(refusal(Refusal::Version)),
            Err(BadMessage::Malformed) => return Some(refusal(Refusal::BadRequest)),
        };
        self.service.observe(reading(self.clock));
        if let Request::Directory { .. } | Request::Follow { .. } = request {
            self.place.does(Doing::Waiting);
            let answer = self.service.answer(&mut self.session, request, now());
            return tokio::select! {
                answer = answer => Some(answer),
                // One request at a time: whatever comes now ends the connection.
                _ = self.messages.fill() => None,
            };
        }
        // A change is made whole, and told to those who wait, whether or not the user is still
        // there.
        self.place.does(Doing::Asking);
        Some(self.service.answer(&mut self.session, request, now()).await)
    }
}

fn refusal(reason: Refusal) -> Response {
    Response::Refused { reason }
}
