//! A hop between the server before it and the next one: what it does when.
//!
//! Pure: it is told what comes and what the time is, and says what is to be done. Every round that
//! [`Node::begin`] takes on is over exactly once, see [`Duty::Over`]; what is done to its onions
//! meanwhile (peel, mix, exchange, seal) is whoever drives it to do, as slowly as it takes.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use rand::CryptoRng;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::epoch::{BadEpochKeys, EpochKeys};
use talaria_wire::link::BatchHead;
use talaria_wire::network_file::{Network, NetworkVersion};
use talaria_wire::probe::{HopStatus, LinkState, ProgramVersion};
use talaria_wire::reason::AbortReason;
use talaria_wire::{Batch, HopIndex, Round as RoundNumber, RoundShape, UnixMillis};

use super::guard::{Record, RoundGuard, RoundLog};
use super::keys::{HopKeys, RoundKeys};
use super::turns::Turns;
use super::{Hop, HopLimits};
use crate::probe::Relay;
use crate::round::{Mixed, Round, Unmixed};

/// What a hop goes by.
#[derive(Clone, Copy, Debug)]
pub struct NodeConfig {
    /// Its place in the chain.
    pub place: HopIndex,
    /// Whether it is the last one, where messages are exchanged.
    pub last: bool,
    /// Sizes of the network.
    pub shape: RoundShape,
    /// The version of the network file that it runs with.
    pub network: NetworkVersion,
    /// Length of a round.
    pub period_ms: NonZeroU64,
    /// What it may be made to hold.
    pub limits: HopLimits,
}

impl NodeConfig {
    /// The hop in `place` of `network`.
    #[must_use]
    pub fn of(network: &Network, place: HopIndex, limits: HopLimits) -> Self {
        Self {
            place,
            last: usize::from(place.0) + 1 == network.hops().len(),
            shape: network.shape(),
            network: network.version(),
            period_ms: network.period_ms,
            limits,
        }
    }
}

/// What is to be done now, in this order.
#[derive(Debug)]
pub enum Duty {
    /// The turn of a round has come: its onions leave for the next hop.
    Depart(RoundNumber, Batch),
    /// A round is over for the rest of the chain: its replies are to be sealed and sent back, or
    /// the server before is to be told why there are none.
    Over(RoundNumber, Result<Round<Unmixed>, AbortReason>),
    /// The server before is to be told these keys, as far as it has not been.
    Announce(Vec<EpochKeys>),
}

/// A round that was taken on and that no record names yet: its keys come out when one does, so that
/// nobody can work on it before.
#[derive(Debug)]
#[must_use = "the round has to be recorded, or ended"]
pub struct Unrecorded {
    round: RoundNumber,
    keys: RoundKeys,
}

impl Unrecorded {
    /// Records the round, which takes as long as the disk does: not to be waited for with the node
    /// held.
    ///
    /// # Errors
    /// [`AbortReason::NotRecorded`]: the round is to be [ended](Node::end).
    pub fn record(self, record: &mut Record<impl RoundLog>) -> Result<RoundKeys, AbortReason> {
        record.record(self.round).map_err(|_| AbortReason::NotRecorded)?;
        Ok(self.keys)
    }
}

/// A hop. Whoever asks it how it is is an `A`.
#[derive(Debug)]
pub struct Node<A> {
    config: NodeConfig,
    keys: HopKeys,
    book: Hop,
    turns: Turns,
    probes: Relay<A>,
    /// When the keys have to be looked at again.
    advances_at: UnixMillis,
    duties: VecDeque<Duty>,
}

impl<A> Node<A> {
    /// A hop whose `guard` remembers what has run. It has no keys before the first
    /// [`Node::handle_timeout`].
    #[must_use]
    pub fn new(config: NodeConfig, keys: HopKeys, guard: RoundGuard) -> Self {
        Self {
            config,
            keys,
            book: Hop::new(config.place, config.shape, config.limits, guard),
            turns: Turns::default(),
            probes: Relay::before(config.place.0.saturating_add(1)),
            advances_at: UnixMillis(0),
            duties: VecDeque::new(),
        }
    }

    /// Decides whether to work on a batch that begins to arrive, once its round is recorded.
    /// Whoever works on it ends with [`Node::mixed`] or [`Node::end`], and so does whoever cannot
    /// record it.
    ///
    /// # Errors
    /// The reason to tell the server before; the batch is to be dropped.
    pub fn begin(&mut self, head: BatchHead) -> Result<Unrecorded, AbortReason> {
        // Before the round counts as run: one far from the present has no keys, and must not keep
        // the rounds before it from running.
        let keys = self.keys.begin(head.round).ok_or(AbortReason::NoKeys)?;
        self.book.begin(head)?;
        if !self.config.last {
            self.turns.take(head.round);
        }
        Ok(Unrecorded { round: head.round, keys })
    }

    /// A round is ready for the next hop. It leaves in its turn.
    pub fn mixed(&mut self, now: UnixMillis, mixed: Round<Mixed>) {
        self.turns.ready(mixed);
        self.depart(now);
    }

    /// The work on a round has ended here: at the last hop with the replies, elsewhere without.
    pub fn end(
        &mut self,
        now: UnixMillis,
        round: RoundNumber,
        outcome: Result<Round<Unmixed>, AbortReason>,
    ) {
        if self.book.lost(round) {
            self.duties.push_back(Duty::Over(round, outcome));
            self.turns.give_back(round);
            self.depart(now);
        }
    }

    /// The round will not come back, or nobody waits for it any more.
    pub fn lost(&mut self, now: UnixMillis, round: RoundNumber, reason: AbortReason) {
        self.end(now, round, Err(reason));
    }

    /// Replies have come back from the next hop.
    pub fn returned(&mut self, round: RoundNumber, replies: Batch) {
        if let Some(outcome) = self.book.returned(round, replies).transpose() {
            self.duties.push_back(Duty::Over(round, outcome));
        }
    }

    /// The link to the next hop broke: nothing that is away will come back.
    pub fn handle_link_lost(&mut self) {
        for round in self.book.lost_all_away() {
            self.duties.push_back(Duty::Over(round, Err(AbortReason::Unreachable)));
        }
    }

    /// Takes what the next hop announces.
    ///
    /// # Errors
    /// [`BadEpochKeys`]; nothing has changed then.
    pub fn learn(&mut self, now: UnixMillis, announced: EpochKeys) -> Result<(), BadEpochKeys> {
        if self.keys.learn(announced, RoundNumber::at(now, self.config.period_ms))? {
            self.announce();
        }
        Ok(())
    }

    /// A probe has come from `asker`: how this hop is, to be told before the probe is passed on.
    /// `None`: it is one too many, and to be ignored. `since` is a clock of the caller's.
    pub fn probed(
        &mut self,
        since: Duration,
        (id, asker): (u64, A),
        link: LinkState,
        program: ProgramVersion,
    ) -> Option<HopStatus> {
        self.probes.begin(since, id, asker).then(|| HopStatus {
            id,
            hop: self.config.place.0,
            round_trip_us: 0,
            round: self.book.last_round().map_or(0, |round| round.0),
            sequence: self.config.network.sequence,
            version: self.config.network.hash,
            program,
            link,
        })
    }

    /// A later hop says how it is: whom to tell what, unless nobody waits for it.
    pub fn reported(&mut self, since: Duration, status: HopStatus) -> Option<(&A, HopStatus)> {
        self.probes.reported(since, status)
    }

    /// Does what is due at `now`: gives rounds up, makes keys ahead of their epochs and wipes those
    /// that are over.
    pub fn handle_timeout(&mut self, now: UnixMillis, rng: &mut impl CryptoRng) {
        for round in self.book.handle_timeout(now) {
            self.duties.push_back(Duty::Over(round, Err(AbortReason::TooSlow)));
        }
        if self.advances_at <= now {
            let round = RoundNumber::at(now, self.config.period_ms);
            self.keys.advance(round, rng);
            self.advances_at = self.keys.next_advance(round).starts_at(self.config.period_ms);
            self.announce();
        }
    }

    /// When [`Node::handle_timeout`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> UnixMillis {
        self.book.poll_timeout().map_or(self.advances_at, |late| late.min(self.advances_at))
    }

    /// What to do next.
    pub fn poll_duty(&mut self) -> Option<Duty> {
        self.duties.pop_front()
    }

    /// Takes on no further round.
    pub fn drain(&mut self) {
        self.book.drain();
    }

    /// How many rounds have begun here and are not over.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.book.rounds()
    }

    /// What the hop goes by.
    #[must_use]
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The keys of the hops after this one for a round, if they are known.
    #[must_use]
    pub fn keys_behind(&self, round: RoundNumber) -> Option<&[OnionPublic]> {
        self.keys.behind_in(round)
    }

    fn depart(&mut self, now: UnixMillis) {
        while let Some(mixed) = self.turns.next() {
            let round = mixed.number();
            let (onions, away) = mixed.forward();
            self.duties.push_back(match self.book.depart(now, away) {
                Ok(()) => Duty::Depart(round, onions),
                Err(reason) => Duty::Over(round, Err(reason)),
            });
        }
    }

    fn announce(&mut self) {
        self.duties.push_back(Duty::Announce(self.keys.announcements()));
    }
}

#[cfg(test)]
mod tests;
