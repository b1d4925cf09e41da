//! Sealing ahead: what a client has ready before a round opens, and what became of it.
//!
//! [`Departures`](crate::departures::Departures) decide when a submission leaves; this side only sees
//! to it that something is there. Covers for the next rounds always are. What is said in a round is
//! sealed a fixed time before its submission leaves, out of what is committed by then, or will be
//! before it is handed over; what comes later waits for the next round. A round for which it is not
//! there in time leaves with its cover, and what was to travel in it travels later.

use std::collections::{BTreeMap, VecDeque};

use rand::CryptoRng;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::frame::{Announcement, Submission};
use talaria_wire::onion;
use talaria_wire::params::ONIONS_PER_LANE;
use talaria_wire::{ExchangeRequest, Round, UnixMillis};

use super::action::{Action, Change};
use super::away::{Lane, RoundAway};
use super::{Client, Connection};
use crate::cover::CoverPair;
use crate::departures::{Order, Prepared, offset_ms};
use crate::notice::Notice;

/// An announcement further from the local clock than this is not answered.
const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
/// Rounds from the next one on for which there is a cover.
pub(super) const STOCK: u64 = 4;
/// The most rounds that are committed as answered beyond those for which there is a cover; it is done
/// again when half of them are left, so that a disk that is slow for a while holds nothing up.
pub(super) const RESERVE: u64 = 4;
/// Rounds for which something is ready; an entry that announces ever later ones gets no further.
const MAX_READY: usize = 64;
/// Time from sealing what is said in a round to its departure, in milliseconds; half a period if that
/// is shorter.
const LEAD_MS: u64 = 200;
/// The longest lead, in periods: a disk that needs more than that is of no use.
const MAX_LEAD_PERIODS: u64 = 4;

/// The round that was announced last, and when it opens.
#[derive(Clone, Copy, Debug)]
struct Beat {
    round: Round,
    opens_at: UnixMillis,
}

/// A submission that has been sealed, and what is needed when it comes back.
struct Sealed {
    serial: u64,
    away: RoundAway,
}

/// What may leave in a round.
struct Ready {
    /// For whom the onions are sealed.
    chain: Vec<OnionPublic>,
    generation: u64,
    cover: Sealed,
    talk: Option<Sealed>,
}

/// What has been sealed and is not known to have left.
pub(super) struct Sealing {
    beat: Option<Beat>,
    ready: BTreeMap<Round, Ready>,
    /// What is said has been sealed up to this round.
    sealed: Option<Round>,
    lead_ms: u64,
    serial: u64,
    generation: u64,
    /// Rounds up to this one are committed as answered, or will be before the next submission leaves.
    reserved: Option<Round>,
    /// The same, as this connection has been told.
    permitted: Option<Round>,
    /// Rounds up to this one are known to be committed.
    durable: Option<Round>,
    stock: VecDeque<Order>,
}

impl Sealing {
    pub(super) fn new() -> Self {
        Self {
            beat: None,
            ready: BTreeMap::new(),
            sealed: None,
            lead_ms: 0,
            serial: 0,
            generation: 0,
            reserved: None,
            permitted: None,
            durable: None,
            stock: VecDeque::new(),
        }
    }

    fn number(counter: &mut u64) -> u64 {
        *counter += 1;
        *counter
    }
}

impl Client {
    /// The next thing for the connection's [`Departures`](crate::departures::Departures) that needs to
    /// wait for nothing, however many [`Action`]s do.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.sealing.stock.pop_front()
    }

    /// Nothing is ready for a new connection yet.
    pub(super) fn begin_sealing(&mut self) {
        self.sealing.lead_ms = LEAD_MS.min(self.period_ms.get() / 2);
        self.sealing.beat = None;
        self.sealing.stock.clear();
        // What is durable already waits for nothing.
        self.sealing.permitted = self.sealing.durable;
        self.sealing.stock.extend(self.sealing.durable.map(Order::Permit));
    }

    pub(super) fn handle_announcement(
        &mut self,
        now: UnixMillis,
        announcement: Announcement,
        rng: &mut impl CryptoRng,
    ) {
        let Announcement { round, opens_in_ms, .. } = announcement;
        if self.last_round.is_some_and(|last| round <= last) || !self.is_plausible(round, now) {
            return;
        }
        self.paused = false;
        self.sealing.beat = Some(Beat { round, opens_at: now.plus(opens_in_ms.into()) });
        self.restock(round, rng);
    }

    /// A server that could make a client believe in any round could make it throw away the keys
    /// of all rounds before it.
    fn is_plausible(&mut self, round: Round, now: UnixMillis) -> bool {
        let announced = round.starts_at(self.period_ms);
        if announced.since(now).max(now.since(announced)) <= CLOCK_TOLERANCE_MS {
            return true;
        }
        self.notice_clock(round, now);
        false
    }

    /// Once a connection is enough.
    fn notice_clock(&mut self, round: Round, now: UnixMillis) {
        if !self.clock_noticed {
            self.clock_noticed = true;
            let announced = i128::from(round.starts_at(self.period_ms).0);
            let ahead_ms = i64::try_from(announced - i128::from(now.0)).unwrap_or(i64::MAX);
            self.notify(Notice::Clock { round, ahead_ms });
        }
    }

    /// Keys have been announced: covers that were sealed for others are made anew, and there are covers
    /// before the first announcement.
    pub(super) fn handle_keys(&mut self, now: UnixMillis, rng: &mut impl CryptoRng) {
        let rounds: Vec<Round> = self.sealing.ready.keys().copied().collect();
        for round in rounds {
            let chain = self.keys.of_round(round);
            if chain != self.sealing.ready.get(&round).map(|ready| ready.chain.as_slice()) {
                self.cover(round, rng);
            }
        }
        let beat = self.sealing.beat.map(|beat| beat.round);
        self.restock(beat.unwrap_or_else(|| Round::at(now, self.period_ms)), rng);
    }

    /// Sees to it that there are covers for the rounds from `first` on, and that they may leave.
    fn restock(&mut self, first: Round, rng: &mut impl CryptoRng) {
        let first = self.last_round.map_or(first, |last| first.max(last.next()));
        let mut newest = None;
        for round in (first.0..first.0.saturating_add(STOCK)).map(Round) {
            let room = self.sealing.ready.len() < MAX_READY;
            if self.sealing.ready.contains_key(&round) || room && self.cover(round, rng) {
                newest = Some(round);
            }
        }
        if let Some(newest) = newest {
            self.reserve(newest);
        }
    }

    /// A round must not be answered again after a restart, so that it was is durable before anything
    /// leaves in it.
    fn reserve(&mut self, through: Round) {
        if self.sealing.reserved < Some(Round(through.0.saturating_add(RESERVE / 2))) {
            let reserved = Round(through.0.saturating_add(RESERVE));
            self.sealing.reserved = Some(reserved);
            self.commit(vec![Change::LastRound(reserved)]);
        }
        if let Some(reserved) =
            self.sealing.reserved.filter(|it| self.sealing.permitted < Some(*it))
        {
            self.sealing.permitted = Some(reserved);
            self.actions.push_back(Action::Order(Order::Permit(reserved)));
        }
    }

    /// A permission is given after the commit that it stands on.
    pub(super) fn note_durable(&mut self, action: Option<&Action>) {
        if let Some(Action::Order(Order::Permit(round))) = action {
            self.sealing.durable = self.sealing.durable.max(Some(*round));
        }
    }

    /// Makes a cover for `round`, in place of the one that there is; `false` if there are no keys.
    fn cover(&mut self, round: Round, rng: &mut impl CryptoRng) -> bool {
        let Some(chain) = self.keys.of_round(round).map(<[_]>::to_vec) else { return false };
        let lanes = (0..self.shape.lanes()).map(|_| self.idle_lane(round, rng)).collect();
        let generation = Sealing::number(&mut self.sealing.generation);
        let (cover, prepared) = self.seal(round, generation, &chain, lanes, rng);
        let talk = self.sealing.ready.remove(&round).and_then(|before| before.talk);
        self.sealing.ready.insert(round, Ready { chain, generation, cover, talk });
        self.sealing.stock.push_back(Order::Cover(prepared));
        true
    }

    fn idle_lane(
        &self,
        round: Round,
        rng: &mut impl CryptoRng,
    ) -> ([ExchangeRequest; ONIONS_PER_LANE], Lane) {
        let pair = CoverPair::new(&self.identity.secret, self.network.network, round, rng);
        (pair.requests(rng), Lane::Idle(Box::new(pair)))
    }

    fn seal(
        &mut self,
        round: Round,
        generation: u64,
        chain: &[OnionPublic],
        filled: Vec<([ExchangeRequest; ONIONS_PER_LANE], Lane)>,
        rng: &mut impl CryptoRng,
    ) -> (Sealed, Prepared) {
        let mut onions = vec![0; self.shape.onions() * self.shape.onion_len()];
        let mut slots = onions.chunks_exact_mut(self.shape.onion_len());
        let mut openers = Vec::with_capacity(self.shape.onions());
        let mut lanes = Vec::with_capacity(filled.len());
        for (requests, expected) in filled {
            for (request, slot) in requests.iter().zip(&mut slots) {
                openers.push(onion::seal(request, chain, round, rng, slot));
            }
            lanes.push(expected);
        }
        let serial = Sealing::number(&mut self.sealing.serial);
        let frame = Submission { round, onions: &onions }.to_frame();
        let away = RoundAway { round, left: UnixMillis(0), openers, lanes };
        (Sealed { serial, away }, Prepared { round, serial, generation, frame })
    }

    /// The round in which is to be said next what there is to say, and when it is sealed.
    ///
    /// Rounds are expected to follow each other; of one that does not come no more than the lead
    /// reaches are sealed.
    pub(super) fn next_sealing(&self) -> Option<(Round, UnixMillis)> {
        let Sealing { sealed, lead_ms, .. } = self.sealing;
        let beat = self.sealing.beat.filter(|_| self.talk.is_some())?;
        let first = self.last_round.map_or(beat.round, |last| beat.round.max(last.next()));
        let round = sealed.map_or(first, |sealed| first.max(sealed.next()));
        let (period, ahead) = (self.period_ms.get(), round.0 - beat.round.0);
        if ahead > 1 + lead_ms / period {
            return None;
        }
        let opens_at = beat.opens_at.plus(ahead.saturating_mul(period));
        let leaves_at = opens_at.plus(offset_ms(self.period_ms));
        Some((round, UnixMillis(leaves_at.0.saturating_sub(lead_ms))))
    }

    /// Seals what is to be said in `round`, and hands it over when it is durable.
    pub(super) fn seal_talk(&mut self, now: UnixMillis, round: Round, rng: &mut impl CryptoRng) {
        self.sealing.sealed = Some(round);
        let Some(ready) = self.sealing.ready.get(&round) else { return };
        let (chain, generation) = (ready.chain.clone(), ready.generation);
        let Some(talking) = self.talk_in(round, now, rng) else { return };
        let mut lanes = vec![talking];
        lanes.extend((1..self.shape.lanes()).map(|_| self.idle_lane(round, rng)));
        let (talk, prepared) = self.seal(round, generation, &chain, lanes, rng);
        if let Some(ready) = self.sealing.ready.get_mut(&round) {
            ready.talk = Some(talk);
        }
        // That the round may be charged has to survive a crash too.
        self.flush();
        self.actions.push_back(Action::Order(Order::Talk(prepared)));
    }

    fn talk_in(
        &mut self,
        round: Round,
        now: UnixMillis,
        rng: &mut impl CryptoRng,
    ) -> Option<([ExchangeRequest; ONIONS_PER_LANE], Lane)> {
        let talk = self.talk.as_mut()?;
        if !talk.conversation.talks_in(round) {
            return None;
        }
        let contents = talk.conversation.compose(round, rng);
        let sealed = talk.session.seal(&self.identity.secret, round, &contents, rng);
        let Ok([(first, first_answer), (second, second_answer)]) = sealed else {
            // The keys of the round are gone, or it is one that no clock shows.
            talk.conversation.not_sent(round);
            self.notice_clock(round, now);
            return None;
        };
        Some(([first, second], Lane::Talking(Box::new([first_answer, second_answer]))))
    }

    /// What was prepared under `serial` has left in `round`, at `now`.
    ///
    /// To be called before the replies to the round are handed in, and before
    /// [`Client::handle_disconnected`].
    pub fn handle_departed(
        &mut self,
        now: UnixMillis,
        round: Round,
        serial: u64,
        rng: &mut impl CryptoRng,
    ) {
        if self.connection != Connection::Up || self.last_round.is_some_and(|last| round <= last) {
            return;
        }
        self.give_up_overdue(now);
        self.last_round = Some(round);
        self.counters.submitted += 1;
        let later = self.sealing.ready.split_off(&round.next());
        for (of, Ready { cover, talk, .. }) in std::mem::replace(&mut self.sealing.ready, later) {
            if cover.serial == serial {
                self.departed(now, cover);
            }
            match talk {
                Some(talk) if talk.serial == serial => self.departed(now, talk),
                Some(talk) => {
                    self.stays(&talk.away);
                    if of == round {
                        self.lengthen_lead();
                    }
                }
                None => {}
            }
        }
        self.restock(round.next(), rng);
        self.flush();
    }

    fn departed(&mut self, now: UnixMillis, sealed: Sealed) {
        self.away.push_back(RoundAway { left: now, ..sealed.away });
    }

    /// It has not left, and will not.
    fn stays(&mut self, unsent: &RoundAway) {
        let talks = unsent.lanes.iter().any(|lane| matches!(lane, Lane::Talking(_)));
        if let Some(talk) = self.talk.as_mut().filter(|_| talks) {
            talk.conversation.not_sent(unsent.round);
        }
    }

    /// What was to be said was not there in time: the disk is slow.
    fn lengthen_lead(&mut self) {
        let longest = self.period_ms.get().saturating_mul(MAX_LEAD_PERIODS);
        self.sealing.lead_ms = self.sealing.lead_ms.saturating_mul(2).min(longest);
    }

    /// Nothing that is ready will leave any more: there is no connection.
    pub(super) fn drop_ready(&mut self) {
        for (_, ready) in std::mem::take(&mut self.sealing.ready) {
            if let Some(talk) = ready.talk {
                self.stays(&talk.away);
            }
        }
        self.begin_sealing();
    }

    /// What talks and is ready is to stay here if it has not left yet: covers leave in its place.
    /// What is expected back of it is of no conversation any more if `forget`.
    pub(super) fn void_talks(&mut self, forget: bool) {
        let Sealing { ready, generation, stock, .. } = &mut self.sealing;
        for (round, ready) in ready {
            if let Some(talk) = &mut ready.talk {
                ready.generation = Sealing::number(generation);
                let (round, generation) = (*round, ready.generation);
                stock.push_back(Order::Void { round, generation });
                if forget {
                    talk.away.forget_conversation();
                }
            }
        }
    }

    /// The client ends in order: what is ready stays here, and rounds that were not answered may be
    /// by its next run. To be called when nothing can leave any more.
    pub fn retire(&mut self) {
        self.drop_ready();
        self.flush();
        if let Some(last) = self.last_round.filter(|last| self.sealing.reserved > Some(*last)) {
            self.sealing.reserved = Some(last);
            self.commit(vec![Change::LastRound(last)]);
        }
    }
}
