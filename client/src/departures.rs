//! When a submission leaves: at a fixed time after its round opens, whatever else the client does.
//!
//! [`Departures`] holds what has been sealed ahead, and is driven by nothing but announcements and a
//! clock: no disk, no verification and no person stands between a round's opening and what leaves in
//! it. For every round that may open there is a *cover*, whose lanes all idle. A submission that
//! *talks* takes its place if it is there in time, and is not missed by anybody who looks from
//! outside if it is not. Whoever drives it does nothing else.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use talaria_wire::frame::Announcement;
use talaria_wire::{Round, UnixMillis};

/// Time from the opening of a round to the departure of its submission, in milliseconds; a quarter of
/// a period if that is shorter. Long enough for whatever wakes late, and for what was not announced
/// as expected to be sealed.
const OFFSET_MS: u64 = 50;

/// The offset in a network with this period.
pub(crate) fn offset_ms(period_ms: NonZeroU64) -> u64 {
    OFFSET_MS.min(period_ms.get() / 4).max(1)
}

/// A whole submission, ready to leave in its round and in no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The round.
    pub round: Round,
    /// Tells it from everything else that the client has prepared.
    pub serial: u64,
    /// A submission that talks leaves only in place of a cover of the same generation: what has been
    /// sealed for other keys, or in a session that is over, is of an earlier one.
    pub generation: u64,
    /// The frame.
    pub frame: Vec<u8>,
}

/// What a client wants of its departures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// This is what leaves in its round, in place of an earlier cover for it.
    Cover(Prepared),
    /// This leaves in place of the cover, if it is there in time.
    Talk(Prepared),
    /// What talks in this round and is of an earlier generation stays here.
    Void {
        /// The round.
        round: Round,
        /// The generation of its cover from now on.
        generation: u64,
    },
    /// Rounds up to this one may be answered: that they have been is durable.
    Permit(Round),
}

/// The round that was announced last.
#[derive(Clone, Copy, Debug)]
struct Pending {
    round: Round,
    leaves_at: UnixMillis,
    closes_at: UnixMillis,
}

/// What leaves on one connection, and when.
#[derive(Debug)]
pub struct Departures {
    offset_ms: u64,
    covers: BTreeMap<Round, Prepared>,
    talks: BTreeMap<Round, Prepared>,
    permitted: Option<Round>,
    /// The newest round that was answered over this connection.
    last: Option<Round>,
    pending: Option<Pending>,
}

impl Departures {
    /// Of a connection on which nothing has left.
    #[must_use]
    pub fn new(period_ms: NonZeroU64) -> Self {
        Self {
            offset_ms: offset_ms(period_ms),
            covers: BTreeMap::new(),
            talks: BTreeMap::new(),
            permitted: None,
            last: None,
            pending: None,
        }
    }

    /// Takes what the client has decided.
    pub fn obey(&mut self, order: Order) {
        match order {
            Order::Cover(cover) if Some(cover.round) > self.last => {
                self.covers.insert(cover.round, cover);
            }
            Order::Talk(talk) if Some(talk.round) > self.last => {
                self.talks.insert(talk.round, talk);
            }
            Order::Cover(_) | Order::Talk(_) => {}
            Order::Void { round, generation } => {
                if let Some(cover) = self.covers.get_mut(&round) {
                    cover.generation = generation;
                }
            }
            Order::Permit(round) => self.permitted = self.permitted.max(Some(round)),
        }
    }

    /// A round was announced, in bytes that left the socket at `arrived`. Whatever was announced
    /// before is over, or never came to be.
    pub fn announce(&mut self, arrived: UnixMillis, announcement: &Announcement) {
        let &Announcement { round, opens_in_ms, closes_in_ms } = announcement;
        if Some(round) > self.last {
            let leaves_at = arrived.plus(opens_in_ms.into()).plus(self.offset_ms);
            let closes_at = arrived.plus(closes_in_ms.into());
            self.pending = Some(Pending { round, leaves_at, closes_at });
        }
    }

    /// The entry has said that the round which is due does not open.
    pub fn pause(&mut self) {
        self.pending = None;
    }

    /// When [`Departures::handle_timeout`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.pending.map(|pending| pending.leaves_at)
    }

    /// What has to be written now. The client has to be told that it left.
    ///
    /// If nothing is there, which happens to a client that has just connected, the next moment is
    /// one offset later, as long as the round is open: even then the time tells little of the work.
    pub fn handle_timeout(&mut self, now: UnixMillis) -> Option<Prepared> {
        let pending = self.pending.as_mut().filter(|pending| pending.leaves_at <= now)?;
        let round = pending.round;
        let permitted = self.permitted >= Some(round);
        let cover = if permitted { self.covers.remove(&round) } else { None };
        let Some(cover) = cover else {
            let missed = now.since(pending.leaves_at) / self.offset_ms + 1;
            pending.leaves_at = pending.leaves_at.plus(missed.saturating_mul(self.offset_ms));
            if pending.leaves_at >= pending.closes_at {
                self.pending = None;
            }
            return None;
        };
        let talk = self.talks.remove(&round);
        let talk = talk.filter(|talk| talk.generation == cover.generation);
        self.covers = self.covers.split_off(&round);
        self.talks = self.talks.split_off(&round);
        (self.last, self.pending) = (Some(round), None);
        Some(talk.unwrap_or(cover))
    }
}

#[cfg(test)]
mod tests;
