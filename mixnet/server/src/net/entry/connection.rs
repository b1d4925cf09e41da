//! One client's connection: one task that reads submissions and writes announcements and replies.
//!
//! Whatever the client does, it costs the round nothing: a slow reader or writer is cut off, a
//! silent one is forgotten, and every submission gets exactly one answer of the same size.

use std::sync::Arc;
use std::time::Duration;

use talaria_wire::control::{Control, Farewell};
use talaria_wire::frame::{Announcement, Kind, Outcome, Replies, Submission};
use talaria_wire::{Batch, Round as RoundNumber, RoundShape};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use super::door::Guest;
use crate::net::frames::{FrameReader, ReadError, write};
use talaria_mixnet::entry::admission::{Seat, Seats};

/// Submissions that may miss their round before the client is taken for broken.
const MAX_REFUSED: u32 = 16;

/// What all clients are told.
#[derive(Clone, Debug)]
pub(super) enum News {
    /// A round collects; the frame for those who have not been told before.
    Announced(RoundNumber, Arc<[u8]>),
    /// The keys of an epoch are new; the frame to send.
    Keys(Arc<[u8]>),
    /// A round is over.
    Over(Arc<RoundOver>),
    /// The entry stops.
    Closing,
}

/// How a round ended, for everybody in it.
#[derive(Debug)]
pub(super) struct RoundOver {
    /// The round.
    pub round: RoundNumber,
    /// Who was in it.
    pub seats: Seats,
    /// The replies in the order of the seats; `None` if the round was lost.
    pub replies: Option<Batch>,
    /// The announcement of the next round, which is sent with the replies.
    pub next: Option<Announcement>,
}

impl RoundOver {
    /// Appends the frame for the client in `seat`.
    fn put_frame(&self, seat: Seat, shape: RoundShape, out: &mut Vec<u8>) {
        let from = seat.0 * shape.reply_len();
        let to = from + shape.onions() * shape.reply_len();
        match self.replies.as_ref().and_then(|replies| replies.as_bytes().get(from..to)) {
            Some(replies) => {
                Replies { round: self.round, outcome: Outcome::Delivered, replies }.put_frame(out);
            }
            None => Replies::put_without(self.round, Outcome::Failed, shape, out),
        }
    }
}

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    /// Nothing more can be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing more can be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// The client sent something that it may not send.
    #[error("the client broke the protocol")]
    Protocol,
    /// The client did not take its frames as fast as they came.
    #[error("the client reads too slowly")]
    TooSlow,
    /// No submission for too long.
    #[error("the client was silent for too long")]
    Idle,
    /// The entry stops.
    #[error("the entry stops")]
    Closing,
    /// The user may not be here any more, or is here over another connection.
    #[error(transparent)]
    Dismissed(Farewell),
}

/// One connection after its greeting.
pub(super) struct Connection<R, W> {
    pub(super) guest: Guest,
    pub(super) shape: RoundShape,
    pub(super) idle: Duration,
    pub(super) frames: FrameReader<R>,
    pub(super) writer: W,
    pub(super) news: broadcast::Receiver<News>,
    /// The round that the client was told of last.
    pub(super) told: Option<RoundNumber>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    /// Serves the client until something ends it.
    pub(super) async fn serve(mut self) -> Ended {
        let ended = self.run().await;
        let farewell = match ended {
            Ended::Closing => Some(Farewell::ShuttingDown),
            Ended::Dismissed(reason) => Some(reason),
            Ended::Idle => Some(Farewell::Idle),
            Ended::Protocol => Some(Farewell::Protocol),
            Ended::Read(ReadError::Frame(_)) => Some(Farewell::Protocol),
            _ => None,
        };
        if let Some(reason) = farewell {
            let _ = write(&mut self.writer, &Control::Goodbye { reason }.to_frame()).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.writer).await;
        }
        ended
    }

    async fn run(&mut self) -> Ended {
        let mut refused = 0;
        let mut buffer = Vec::new();
        let mut silent_until = Instant::now() + self.idle;
        loop {
            buffer.clear();
            let turn = tokio::select! {
                biased;
                reason = self.guest.dismissed() => Err(Ended::Dismissed(reason)),
                news = self.news.recv() => self.take_news(news, &mut buffer),
                frame = self.frames.next() => match frame {
                    Ok((Kind::Submission, body)) => {
                        silent_until = Instant::now() + self.idle;
                        submit(&self.guest, self.shape, body, &mut buffer)
                            .map(|admitted| refused = if admitted { 0 } else { refused + 1 })
                    }
                    Ok(_) => Err(Ended::Protocol),
                    Err(error) => Err(error.into()),
                },
                () = sleep_until(silent_until) => Err(Ended::Idle),
            };
            if let Err(ended) = turn {
                return ended;
            }
            if refused > MAX_REFUSED {
                return Ended::Protocol;
            }
            if !buffer.is_empty()
                && let Err(error) = write(&mut self.writer, &buffer).await
            {
                return error.into();
            }
        }
    }

    fn take_news(
        &mut self,
        news: Result<News, RecvError>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        match news {
            Ok(News::Announced(round, frame)) => self.tell(round, &frame, buffer),
            Ok(News::Keys(frame)) => buffer.extend_from_slice(&frame),
            Ok(News::Over(over)) => {
                if let Some(seat) = over.seats.get(&self.guest.client()) {
                    over.put_frame(*seat, self.shape, buffer);
                    if let Some(next) = over.next {
                        self.tell(next.round, &next.to_frame(), buffer);
                    }
                }
            }
            Ok(News::Closing) | Err(RecvError::Closed) => return Err(Ended::Closing),
            Err(RecvError::Lagged(_)) => return Err(Ended::TooSlow),
        }
        Ok(())
    }

    /// Announces a round, once.
    fn tell(&mut self, round: RoundNumber, announcement: &[u8], buffer: &mut Vec<u8>) {
        if self.told.is_none_or(|told| told < round) {
            self.told = Some(round);
            buffer.extend_from_slice(announcement);
        }
    }
}

/// Hands a submission to the entry, and says whether it is in the round. If it is not, its
/// answer is ready at once.
fn submit(
    guest: &Guest,
    shape: RoundShape,
    body: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<bool, Ended> {
    let submission = Submission::decode(body, shape).map_err(|_| Ended::Protocol)?;
    let admitted = guest.submit(submission).is_ok();
    if !admitted {
        Replies::put_without(submission.round, Outcome::Late, shape, buffer);
    }
    Ok(admitted)
}

/// How long a client may stay silent before it is forgotten: ten rounds, and at least a minute.
#[must_use]
pub(super) fn idle_limit(period_ms: u64) -> Duration {
    Duration::from_millis(period_ms.saturating_mul(10).max(60_000))
}
