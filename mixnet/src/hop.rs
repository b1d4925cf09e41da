//! One hop of the chain: which rounds it takes on, and what it waits for.
//!
//! The work itself is the typestate in [`round`](crate::round), on a thread pool; this is the
//! book-keeping around it, without sockets or clocks. A hop takes a batch only if it has the
//! right shape, the round has not run, and there is room; and it gives a round up when the next
//! hop does not return it in time.

pub mod guard;
pub mod keys;
pub mod node;
mod turns;

use std::collections::BTreeSet;

use talaria_wire::link::BatchHead;
use talaria_wire::reason::AbortReason;
use talaria_wire::{Batch, HopIndex, Round as RoundNumber, RoundShape, UnixMillis};

use crate::round::{Away, Round, Unmixed};
use crate::underway::Underway;
use guard::RoundGuard;

/// What a hop may be made to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopLimits {
    /// The most onions in a batch.
    pub max_slots: usize,
    /// The most rounds that are under way at once.
    pub max_rounds: usize,
    /// How long the rest of the chain may take, in milliseconds.
    pub patience_ms: u64,
}

/// The book of one hop.
#[derive(Debug)]
pub struct Hop {
    place: HopIndex,
    shape: RoundShape,
    limits: HopLimits,
    guard: RoundGuard,
    /// Taken on, and still being peeled and mixed.
    at_work: BTreeSet<RoundNumber>,
    away: Underway<Round<Away>>,
    draining: bool,
}

impl Hop {
    /// A hop at `place` of a chain, whose `guard` remembers what has run.
    #[must_use]
    pub fn new(place: HopIndex, shape: RoundShape, limits: HopLimits, guard: RoundGuard) -> Self {
        Self {
            place,
            shape,
            limits,
            guard,
            at_work: BTreeSet::new(),
            away: Underway::new(limits.max_rounds),
            draining: false,
        }
    }

    /// Decides whether to work on a batch that begins to arrive, once its round is recorded.
    ///
    /// # Errors
    /// The reason to tell the sender; the batch is to be dropped.
    pub fn begin(&mut self, head: BatchHead) -> Result<(), AbortReason> {
        let BatchHead { round, slots, slot_len } = head;
        if self.draining {
            return Err(AbortReason::ShuttingDown);
        }
        if usize::from(slot_len) != self.shape.onion_len_at(self.place)
            || slots as usize > self.limits.max_slots
        {
            return Err(AbortReason::BadBatch);
        }
        if self.rounds() >= self.limits.max_rounds {
            return Err(AbortReason::Busy);
        }
        self.guard.admit(round).map_err(|_| AbortReason::AlreadyRun)?;
        self.at_work.insert(round);
        Ok(())
    }

    /// The batch of `round` is about to leave for the next hop.
    ///
    /// # Errors
    /// [`AbortReason::Busy`] if the round was not begun here, or was given up since.
    pub fn depart(&mut self, now: UnixMillis, round: Round<Away>) -> Result<(), AbortReason> {
        let number = round.number();
        if !self.at_work.remove(&number) {
            return Err(AbortReason::Busy);
        }
        self.away
            .depart(number, now.plus(self.limits.patience_ms), round)
            .map_err(|_| AbortReason::Busy)
    }

    /// The replies of `round` have come back. `Ok(None)`: nobody waits for it any more.
    ///
    /// # Errors
    /// [`AbortReason`] if they cannot be its replies; the round is lost.
    pub fn returned(
        &mut self,
        round: RoundNumber,
        replies: Batch,
    ) -> Result<Option<Round<Unmixed>>, AbortReason> {
        let Some(away) = self.away.arrive(round) else {
            return Ok(None);
        };
        if replies.slot_len() != self.shape.reply_len_at(HopIndex(self.place.0 + 1)) {
            return Err(AbortReason::BadBatch);
        }
        away.returned(replies).map(Some).map_err(|_| AbortReason::WrongCount)
    }

    /// The rest of the chain has lost `round`. Says whether anybody was waiting.
    pub fn lost(&mut self, round: RoundNumber) -> bool {
        self.at_work.remove(&round) | self.away.arrive(round).is_some()
    }

    /// The link to the next hop broke: every round that is away is lost.
    pub fn lost_all_away(&mut self) -> Vec<RoundNumber> {
        self.away.drain()
    }

    /// Gives up the rounds whose time is over, and says which.
    pub fn handle_timeout(&mut self, now: UnixMillis) -> Vec<RoundNumber> {
        self.away.expire(now).into_iter().map(|(number, _)| number).collect()
    }

    /// When [`Hop::handle_timeout`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.away.poll_timeout()
    }

    /// Takes on no further round.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// The last round that was taken on, in this life or an earlier one.
    #[must_use]
    pub fn last_round(&self) -> Option<RoundNumber> {
        self.guard.last()
    }

    /// How many rounds are being worked on or away.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.at_work.len() + self.away.len()
    }
}

#[cfg(test)]
mod tests;
