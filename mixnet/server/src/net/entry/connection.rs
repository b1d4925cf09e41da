//! One client's connection: submissions are read by its own task, and what everybody is told is
//! written by whoever tells it, without waking that task.
//!
//! Whatever the client does, it costs the round nothing: a slow reader is cut off and holds up
//! nobody, a silent one is forgotten, and every submission gets exactly one answer of the same
//! size. What the socket does not take at once waits sealed: at most [`MAX_BEHIND`] messages.

use std::future::poll_fn;
use std::io::{self, BufRead, ErrorKind, Write};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use rustls::ServerConnection;
use talaria_mixnet::entry::admission::{NotAdmitted, Seat};
use talaria_mixnet::entry::visit::{News, Visit};
use talaria_wire::UnixMillis;
use talaria_wire::control::Control;
use talaria_wire::frame::{FrameBuffer, FrameError, Submission};
use talaria_wire::reason::Farewell;
use thiserror::Error;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::reception::Stranger;
use super::socket::{AtOnce, Polled};
use crate::net::WRITE;
use crate::net::clock::Clock;

/// Messages that may wait for a client that does not read: those of four rounds.
pub(super) const MAX_BEHIND: u8 = 4;

/// Where submissions go.
pub(super) trait Submit: Fn(Submission<'_>) -> Result<Seat, NotAdmitted> {}

impl<F: Fn(Submission<'_>) -> Result<Seat, NotAdmitted>> Submit for F {}

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    /// The client closed it.
    #[error("the connection was closed")]
    Closed,
    /// It broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// What came is no TLS.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// The client sent a frame that does not belong here.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The client did not take its frames as fast as they came.
    #[error("the client reads too slowly")]
    TooSlow,
    /// The client may not be here any more.
    #[error(transparent)]
    Dismissed(#[from] Farewell),
}

impl Ended {
    /// What the client is told, if it is to hear anything.
    fn farewell(&self) -> Option<Farewell> {
        match self {
            Self::Dismissed(reason) => Some(*reason),
            Self::Frame(_) => Some(Farewell::Protocol),
            Self::Closed | Self::Io(_) | Self::Tls(_) | Self::TooSlow => None,
        }
    }
}

/// One connection after its greeting.
#[derive(Debug)]
pub(super) struct Connection(Mutex<Line>);

/// What reading and writing share. Locked before the gate.
#[derive(Debug)]
struct Line {
    tcp: TcpStream,
    tls: ServerConnection,
    frames: FrameBuffer,
    visit: Visit,
    /// Messages since the socket took everything.
    behind: u8,
    /// It came to its end; why, until its task knows.
    over: bool,
    ended: Option<Ended>,
    /// The task that reads.
    task: Option<Waker>,
}

impl Connection {
    /// A connection whose client has got its place; `answer` goes out before anything else.
    pub(super) fn new(stranger: Stranger, visit: Visit, answer: &[u8]) -> Self {
        let Stranger { stream, frames } = stranger;
        let (tcp, tls) = stream.into_inner();
        let (behind, over, ended, task) = (0, false, None, None);
        let mut line = Line { tcp, tls, frames, visit, behind, over, ended, task };
        let answered = line.tls.writer().write_all(answer);
        line.end_if(answered.map_err(Ended::from));
        Self(Mutex::new(line))
    }

    /// Serves the client until something ends it; its submissions go to `submit`.
    pub(super) async fn serve(&self, clock: &Clock, submit: impl Submit) -> Ended {
        let ended = poll_fn(|context| self.line().poll(context, clock, &submit)).await;
        if let Some(reason) = ended.farewell() {
            self.line().part(reason);
            let gone = poll_fn(|context| self.line().poll_shutdown(context));
            // Whoever does not read is not waited for long.
            let _ = timeout(WRITE, gone).await;
        }
        ended
    }

    /// Tells the client what concerns it; `scratch` is overwritten.
    pub(super) fn tell(&self, news: &News, scratch: &mut Vec<u8>) {
        scratch.clear();
        let mut line = self.line();
        if line.over {
            return;
        }
        let told = match line.visit.hear(news, scratch) {
            Ok(()) => line.send(scratch),
            Err(farewell) => Err(farewell.into()),
        };
        line.end_if(told);
    }

    /// Has the connection say goodbye and end.
    pub(super) fn dismiss(&self, reason: Farewell) {
        self.line().end_if(Err(reason.into()));
    }

    /// Ends the connection if nothing has come for too long; whether it is at its end.
    pub(super) fn is_over(&self, now: UnixMillis) -> bool {
        let mut line = self.line();
        let idle = line.visit.handle_timeout(now).map_err(Ended::from);
        line.end_if(idle);
        line.over
    }

    /// How many sealed bytes wait for the socket; they are lost.
    #[cfg(test)]
    pub(super) fn waiting_bytes(&self) -> usize {
        let mut sealed = Vec::new();
        while self.line().tls.write_tls(&mut sealed).is_ok_and(|written| written > 0) {}
        sealed.len()
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Ends the connection once; its task is woken to take leave.
    fn end_if(&mut self, result: Result<(), Ended>) {
        if let Err(ended) = result
            && !self.over
        {
            (self.over, self.ended) = (true, Some(ended));
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(task) = self.task.take() {
            task.wake();
        }
    }

    /// Reads and answers what has come; ready at the end.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        clock: &Clock,
        submit: &impl Submit,
    ) -> Poll<Ended> {
        if !self.over {
            match &mut self.task {
                Some(task) => task.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            let ended = match self.poll_submissions(context, clock, submit) {
                Poll::Ready(ended) => ended,
                // Telling wakes it where the socket did not take everything.
                Poll::Pending => return self.poll_end(),
            };
            self.end_if(Err(ended));
        }
        self.poll_end()
    }

    fn poll_end(&mut self) -> Poll<Ended> {
        self.ended.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn poll_submissions(
        &mut self,
        context: &mut Context<'_>,
        clock: &Clock,
        submit: &impl Submit,
    ) -> Poll<Ended> {
        loop {
            if let Err(ended) = self.take_frames(clock, submit) {
                return Poll::Ready(ended);
            }
            if let Poll::Ready(Err(error)) = self.poll_flush(context) {
                return Poll::Ready(error.into());
            }
            match ready!(self.poll_receive(context)) {
                Ok(0) => return Poll::Ready(Ended::Closed),
                Ok(_) => {}
                Err(error) => return Poll::Ready(error.into()),
            }
            if let Err(error) = self.tls.process_new_packets() {
                // The alert, as far as the socket takes it.
                let _ = self.flush();
                return Poll::Ready(error.into());
            }
        }
    }

    /// Takes the frames that TLS has opened.
    fn take_frames(&mut self, clock: &Clock, submit: &impl Submit) -> Result<(), Ended> {
        loop {
            let mut answer = Vec::new();
            let mut reader = self.tls.reader();
            let bytes = match reader.fill_buf() {
                Ok([]) => return Err(Ended::Closed),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(Ended::Closed);
                }
                Err(error) => return Err(error.into()),
            };
            let (read, frame) = self.frames.read(bytes)?;
            if let Some(frame) = frame {
                let submit = |_, submission: Submission<'_>| submit(submission);
                self.visit.handle_frame(clock.now(), frame, submit, &mut answer)?;
            }
            reader.consume(read);
            self.send(&answer)?;
        }
    }

    /// Seals a message, and writes what the socket takes.
    fn send(&mut self, message: &[u8]) -> Result<(), Ended> {
        if message.is_empty() {
            return Ok(());
        }
        if self.tls.wants_write() {
            self.behind += 1;
            if self.behind > MAX_BEHIND {
                return Err(Ended::TooSlow);
            }
        }
        self.tls.writer().write_all(message)?;
        self.flush()?;
        Ok(())
    }

    /// Writes what the socket takes; its task sees to the rest.
    fn flush(&mut self) -> io::Result<()> {
        if write_sealed(&mut self.tls, &mut AtOnce(&self.tcp))? {
            self.behind = 0;
        } else {
            self.wake();
        }
        Ok(())
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !write_sealed(&mut self.tls, &mut Polled { tcp: &mut self.tcp, context })? {
            return Poll::Pending;
        }
        self.behind = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.tls.read_tls(&mut Polled { tcp: &mut self.tcp, context }) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            read => Poll::Ready(read),
        }
    }

    /// Has the last frame follow whatever waits.
    fn part(&mut self, reason: Farewell) {
        // Without room for it the client does not read either.
        let _ = self.tls.writer().write_all(&Control::Goodbye { reason }.to_frame());
        self.tls.send_close_notify();
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(context))?;
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

/// Writes what `socket` takes of what waits sealed; whether that was everything.
fn write_sealed(tls: &mut ServerConnection, socket: &mut impl Write) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
