//! The entry between its clients and the first hop: who comes in, and what everybody is told.
//!
//! Pure: it is told what comes and what the time is, and says what is to be done. What is for all
//! clients comes out as [`News`], from which each [`Visit`] takes its part.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;

use talaria_wire::control::Control;
use talaria_wire::epoch::{BadEpochKeys, ChainKeys, EpochKeys};
use talaria_wire::frame::{Announcement, Submission};
use talaria_wire::reason::{AbortReason, Farewell, Pause, Refusal};
use talaria_wire::{Batch, Round as RoundNumber, RoundShape, UnixMillis};

use super::admission::{ClientId, NotAdmitted, Seat, UserId};
use super::visit::{Call, News, RoundOver, Visit};
use super::{Action, Entry, EntryConfig};
use crate::link::{BackWord, LinkMessage};

/// What is to be done now.
#[derive(Debug)]
pub enum Errand {
    /// Tell all clients, see [`Visit::hear`].
    Tell(News),
    /// Send a batch to the first hop.
    Forward {
        /// The round.
        round: RoundNumber,
        /// Its onions.
        onions: Batch,
        /// How many clients submitted.
        clients: usize,
        /// How many were connected when it closed.
        connected: usize,
    },
    /// Say goodbye to a client and close its connection. It has no place any more.
    Dismiss {
        /// The client.
        client: ClientId,
        /// Why.
        reason: Farewell,
    },
    /// Every client has its last reply: the entry may stop.
    Drained,
}

/// The entry, the keys of the chain, and what is to be said.
#[derive(Debug)]
pub struct Gate {
    entry: Entry,
    keys: ChainKeys,
    shape: RoundShape,
    period_ms: NonZeroU64,
    /// Whether there is a link to the first hop.
    linked: bool,
    /// News that no action of the entry has brought.
    news: VecDeque<News>,
}

impl Gate {
    /// A gate without clients. `keys` are those of the whole chain, as far as they are known.
    #[must_use]
    pub fn new(config: EntryConfig, keys: ChainKeys, now: UnixMillis) -> Self {
        Self {
            entry: Entry::new(config, now),
            keys,
            shape: config.shape,
            period_ms: config.schedule.period_ms,
            linked: false,
            news: VecDeque::new(),
        }
    }

    /// Answers the hello of `user`, or of one who may not come in for the reason that was found:
    /// appends to `out` whether there is a place, and then what is known of the keys. An older
    /// connection of the user is closed.
    ///
    /// Whoever calls it passes on from then on all [`News`] to the visit.
    ///
    /// # Errors
    /// The [`Refusal`] that is said; the connection ends then.
    pub fn answer(
        &mut self,
        now: UnixMillis,
        user: Result<UserId, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<Visit, Refusal> {
        let client = user.and_then(|user| self.entry.connect(now, user));
        out.extend_from_slice(&Control::answer(&client).to_frame());
        let visit = Visit::begin(client?, self.shape, self.period_ms.get(), now);
        for keys in self.keys.all() {
            out.extend_from_slice(&keys.to_frame());
        }
        Ok(visit)
    }

    /// Hands a submission to the round that collects, see [`Visit::handle_frame`].
    ///
    /// # Errors
    /// [`NotAdmitted`] if it is not in the round.
    pub fn submit(
        &mut self,
        now: UnixMillis,
        client: ClientId,
        submission: Submission<'_>,
    ) -> Result<Seat, NotAdmitted> {
        self.pause_unless_ready(now);
        self.entry.submit(now, client, submission)
    }

    /// A client has gone. Onions that it submitted stay in their round.
    pub fn disconnect(&mut self, now: UnixMillis, client: ClientId) {
        self.entry.disconnect(now, client);
    }

    /// Closes a user's connection, if there is one.
    pub fn expel(&mut self, now: UnixMillis, user: UserId, reason: Farewell) {
        self.entry.expel(now, user, reason);
    }

    /// The first hop has said something.
    ///
    /// # Errors
    /// [`BadEpochKeys`] if it announces keys that cannot be; nothing has changed then.
    pub fn handle_link(
        &mut self,
        now: UnixMillis,
        message: LinkMessage<BackWord>,
    ) -> Result<(), BadEpochKeys> {
        match message {
            LinkMessage::Batch(round, replies) => self.entry.handle_returned(round, replies),
            LinkMessage::Word(BackWord::Abort(round, reason)) => self.lost(round, reason),
            LinkMessage::Word(BackWord::Keys(keys)) => self.learn(now, keys)?,
            // A running entry asks nobody; probes have connections of their own.
            LinkMessage::Word(BackWord::Report(_)) => {}
        }
        Ok(())
    }

    /// A round is lost.
    pub fn lost(&mut self, round: RoundNumber, reason: AbortReason) {
        self.entry.handle_lost(round, reason);
    }

    /// There is a link to the first hop: rounds can open.
    pub fn handle_link_up(&mut self) {
        self.linked = true;
    }

    /// The link to the first hop broke: every round that travels is lost, and none opens.
    pub fn handle_link_lost(&mut self) {
        self.linked = false;
        self.entry.handle_link_lost();
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        self.pause_unless_ready(now);
        self.entry.handle_timeout(now);
    }

    /// When [`Gate::handle_timeout`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.entry.poll_timeout()
    }

    /// Closes the open round at once, opens no other, and takes no further client.
    pub fn drain(&mut self, now: UnixMillis) {
        self.entry.drain(now);
    }

    /// Whether the entry is coming to its end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.entry.is_draining()
    }

    /// Whether [`Gate::poll_errand`] has something.
    #[must_use]
    pub fn has_errands(&self) -> bool {
        !self.news.is_empty() || self.entry.has_actions()
    }

    /// What to do next.
    pub fn poll_errand(&mut self, now: UnixMillis) -> Option<Errand> {
        if let Some(news) = self.news.pop_front() {
            return Some(Errand::Tell(news));
        }
        Some(match self.entry.poll_action()? {
            Action::Announce { round, closes_at } => {
                let closes_in_ms = u32::try_from(closes_at.since(now)).unwrap_or(u32::MAX);
                let announced = Announcement { round, opens_in_ms: 0, closes_in_ms };
                Errand::Tell(News::Called(call(announced)))
            }
            Action::Pause(reason) => {
                Errand::Tell(News::Paused(Control::Paused { reason }.to_frame().into()))
            }
            Action::Forward { round, onions, clients, connected } => {
                Errand::Forward { round, onions, clients, connected }
            }
            Action::Deliver { round, seats, replies, next } => {
                let next = next.filter(|next| self.pause(next.round).is_none());
                let next = next.and_then(|next| next.announcement(now)).map(call);
                Errand::Tell(News::Over(Arc::new(RoundOver { round, seats, replies, next })))
            }
            Action::Close { client, reason } => Errand::Dismiss { client, reason },
            Action::Drained => Errand::Drained,
        })
    }

    /// The keys of the chain, as far as they are known.
    #[must_use]
    pub fn keys(&self) -> &ChainKeys {
        &self.keys
    }

    /// Why a round could not travel: it would cost everybody who is in it, and be lost.
    fn pause(&self, round: RoundNumber) -> Option<Pause> {
        if !self.linked {
            Some(Pause::Unreachable)
        } else if self.keys.of_round(round).is_none() {
            Some(Pause::NoKeys)
        } else {
            None
        }
    }

    fn pause_unless_ready(&mut self, now: UnixMillis) {
        let pause = self.pause(RoundNumber::at(now, self.period_ms));
        self.entry.set_pause(pause);
    }

    /// Takes what the first hop announces, and passes it on to everybody.
    fn learn(&mut self, now: UnixMillis, announced: EpochKeys) -> Result<(), BadEpochKeys> {
        let frame = announced.to_frame();
        if self.keys.take(announced, RoundNumber::at(now, self.period_ms))? {
            self.news.push_back(News::Keys(frame.into()));
        }
        Ok(())
    }
}

fn call(announcement: Announcement) -> Call {
    Call { round: announcement.round, frame: announcement.to_frame().into() }
}

#[cfg(test)]
mod tests;
