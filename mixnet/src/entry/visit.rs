//! One client from its welcome to its goodbye: what it is told, and what it may do.
//!
//! Every client hears all [`News`] and takes from them what concerns it, so that a round is told
//! to thousands at the cost of one. Each is told of a round at most once and in rising order, and
//! every submission gets exactly one answer of the same size.

use std::sync::Arc;

use talaria_wire::frame::{Kind, Outcome, Replies, Submission};
use talaria_wire::reason::{AbortReason, Farewell};
use talaria_wire::{Batch, Round as RoundNumber, RoundShape, UnixMillis};

use super::admission::{ClientId, NotAdmitted, Seat, Seats};

/// Submissions in a row that may miss their round before the client is taken for broken.
const MAX_REFUSED: u32 = 16;
/// Rounds that a client lets pass before it is taken for gone.
const IDLE_ROUNDS: u64 = 10;
/// And the time, in milliseconds, that it has for that at least.
const IDLE_MS: u64 = 60_000;

/// What all clients are told.
#[derive(Clone, Debug)]
pub enum News {
    /// A round collects.
    Called(Call),
    /// The keys of an epoch are new; the frame to send.
    Keys(Arc<[u8]>),
    /// A round is over.
    Over(Arc<RoundOver>),
    /// A round was left out; the frame to send.
    Paused(Arc<[u8]>),
    /// The entry stops.
    Closing,
}

/// The announcement of a round: the frame for those who have not been told before.
#[derive(Clone, Debug)]
pub struct Call {
    /// The round.
    pub round: RoundNumber,
    /// The whole frame.
    pub frame: Arc<[u8]>,
}

/// How a round ended, for everybody in it.
#[derive(Debug)]
pub struct RoundOver {
    /// The round.
    pub round: RoundNumber,
    /// Who was in it.
    pub seats: Seats,
    /// The replies in the order of the seats, or why there are none.
    pub replies: Result<Batch, AbortReason>,
    /// The next round, which is announced with the replies.
    pub next: Option<Call>,
}

impl RoundOver {
    /// Appends the frame for the client in `seat`.
    fn put_frame(&self, seat: Seat, shape: RoundShape, out: &mut Vec<u8>) {
        let from = seat.0 * shape.reply_len();
        let to = from + shape.onions() * shape.reply_len();
        match self.replies.as_ref().ok().and_then(|replies| replies.as_bytes().get(from..to)) {
            Some(replies) => {
                Replies { round: self.round, outcome: Outcome::Delivered, replies }.put_frame(out);
            }
            None => Replies::put_without(self.round, Outcome::Failed, shape, out),
        }
    }
}

/// A client that has a place.
#[derive(Debug)]
pub struct Visit {
    client: ClientId,
    shape: RoundShape,
    idle_ms: u64,
    /// When it is forgotten if it does not submit.
    silent_until: UnixMillis,
    /// Rounds that it was told of since it submitted.
    unanswered: u64,
    /// The round that it was told of last.
    told: Option<RoundNumber>,
    /// Submissions in a row that missed their round.
    refused: u32,
}

impl Visit {
    /// `client` has got its place at `now`, in an entry whose rounds last `period_ms`. It may stay
    /// silent for ten rounds that it is told of, and for a minute at least: while there are no
    /// rounds nobody can submit.
    pub(super) fn begin(
        client: ClientId,
        shape: RoundShape,
        period_ms: u64,
        now: UnixMillis,
    ) -> Self {
        let idle_ms = period_ms.saturating_mul(IDLE_ROUNDS).max(IDLE_MS);
        let silent_until = now.plus(idle_ms);
        Self { client, shape, idle_ms, silent_until, unanswered: 0, told: None, refused: 0 }
    }

    /// Which client it is.
    #[must_use]
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// The client has sent a frame, which can only be a submission: `submit` hands it to the round
    /// that collects. If it is not in the round its answer is appended to `out` at once.
    ///
    /// # Errors
    /// The [`Farewell`] to end with.
    pub fn handle_frame(
        &mut self,
        now: UnixMillis,
        (kind, body): (Kind, &[u8]),
        submit: impl FnOnce(ClientId, Submission<'_>) -> Result<Seat, NotAdmitted>,
        out: &mut Vec<u8>,
    ) -> Result<(), Farewell> {
        if kind != Kind::Submission {
            return Err(Farewell::Protocol);
        }
        let submission = Submission::decode(body, self.shape).map_err(|_| Farewell::Protocol)?;
        self.silent_until = now.plus(self.idle_ms);
        self.unanswered = 0;
        if submit(self.client, submission).is_ok() {
            self.refused = 0;
            return Ok(());
        }
        self.refused += 1;
        if self.refused > MAX_REFUSED {
            return Err(Farewell::Protocol);
        }
        Replies::put_without(submission.round, Outcome::Late, self.shape, out);
        Ok(())
    }

    /// Appends to `out` what this client is to be told of the news.
    ///
    /// # Errors
    /// The [`Farewell`] to end with.
    pub fn hear(&mut self, news: &News, out: &mut Vec<u8>) -> Result<(), Farewell> {
        match news {
            News::Called(call) => self.tell(call, out),
            News::Keys(frame) | News::Paused(frame) => out.extend_from_slice(frame),
            News::Over(over) => {
                if let Some(seat) = over.seats.get(&self.client) {
                    over.put_frame(*seat, self.shape, out);
                    if let Some(next) = &over.next {
                        self.tell(next, out);
                    }
                }
            }
            News::Closing => return Err(Farewell::ShuttingDown),
        }
        Ok(())
    }

    /// The moment of [`Visit::poll_timeout`] has come.
    ///
    /// # Errors
    /// The [`Farewell`] to end with if nothing has come for too long.
    pub fn handle_timeout(&mut self, now: UnixMillis) -> Result<(), Farewell> {
        if now < self.silent_until {
            return Ok(());
        }
        if self.unanswered >= IDLE_ROUNDS {
            return Err(Farewell::Idle);
        }
        self.silent_until = now.plus(self.idle_ms);
        Ok(())
    }

    /// When [`Visit::handle_timeout`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> UnixMillis {
        self.silent_until
    }

    /// Announces a round, once.
    fn tell(&mut self, call: &Call, out: &mut Vec<u8>) {
        if self.told.is_none_or(|told| told < call.round) {
            self.told = Some(call.round);
            self.unanswered += 1;
            out.extend_from_slice(&call.frame);
        }
    }
}

#[cfg(test)]
mod tests;
