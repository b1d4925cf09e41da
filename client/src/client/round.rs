//! One round of a client: the submission that goes out, and the replies that come back.

use std::array;

use rand::CryptoRng;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::dead_drop::EMPTY_REPLY;
use talaria_wire::frame::{Announcement, Outcome, Replies, Submission};
use talaria_wire::onion;
use talaria_wire::params::{ONIONS_PER_LANE, PEER_MESSAGE_LEN};
use talaria_wire::{ExchangeRequest, Round, UnixMillis};

use super::Client;
use super::action::{Action, Change, ProtocolError};
use super::away::{Lane, RoundAway};
use crate::conversation::SlotResult;
use crate::conversation::budget::Ended;
use crate::cover::CoverPair;
use crate::notice::{Interference, Notice};
use crate::session::Answer;

/// An announcement further from the local clock than this is not answered.
pub(super) const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
/// Rounds whose replies are waited for; beyond that the oldest count as failed.
pub(super) const MAX_ROUNDS_AWAY: usize = 64;
/// A round whose replies have not come after this long, or after five rounds if that is longer,
/// is lost.
const OVERDUE_MS: u64 = 15_000;

type Messages<'a> = [Option<&'a [u8; PEER_MESSAGE_LEN]>; ONIONS_PER_LANE];

impl Client {
    /// Answers a round that is open, or remembers to when it will be.
    pub(super) fn handle_announcement(
        &mut self,
        now: UnixMillis,
        announcement: Announcement,
        rng: &mut impl CryptoRng,
    ) {
        let Announcement { round, opens_in_ms, .. } = announcement;
        // Whatever was announced before is over, or never came to be.
        (self.upcoming, self.paused) = (None, false);
        if opens_in_ms == 0 {
            self.answer(now, round, rng);
        } else {
            self.upcoming = Some((round, now.plus(opens_in_ms.into())));
        }
    }

    /// Answers a round with a submission, once.
    pub(super) fn answer(&mut self, now: UnixMillis, round: Round, rng: &mut impl CryptoRng) {
        if self.last_round.is_some_and(|last| round <= last) || !self.is_plausible(round, now) {
            return;
        }
        // Right after a server was restarted; everybody else cannot take part either.
        let Some(chain) = self.keys.of_round(round).map(<[_]>::to_vec) else { return };
        self.give_up_overdue(now);
        self.flush();
        self.last_round = Some(round);
        self.commit(vec![Change::LastRound(round)]);
        let frame = self.submit(round, &chain, now, rng);
        // With the number of the round: that it may be charged has to survive a crash too.
        self.flush();
        self.counters.submitted += 1;
        self.actions.push_back(Action::Send(frame));
    }

    /// Rounds that will not come back any more are lost: the server has answered those that it
    /// could long ago, and what they carried is to travel again.
    fn give_up_overdue(&mut self, now: UnixMillis) {
        let patience = OVERDUE_MS.max(self.period_ms.get().saturating_mul(5));
        let overdue = |away: &RoundAway| now.since(away.announced) >= patience;
        while self.away.len() >= MAX_ROUNDS_AWAY || self.away.front().is_some_and(overdue) {
            if let Some(oldest) = self.away.pop_front() {
                self.lose(&oldest, now);
            }
        }
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

    fn submit(
        &mut self,
        round: Round,
        chain: &[OnionPublic],
        announced: UnixMillis,
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let mut onions = vec![0; self.shape.onions() * self.shape.onion_len()];
        let mut slots = onions.chunks_exact_mut(self.shape.onion_len());
        let mut openers = Vec::with_capacity(self.shape.onions());
        let mut lanes = Vec::with_capacity(self.shape.lanes().into());
        for lane in 0..self.shape.lanes() {
            let (requests, expected) = self.fill_lane(lane, round, announced, rng);
            for (request, slot) in requests.iter().zip(&mut slots) {
                openers.push(onion::seal(request, chain, round, rng, slot));
            }
            lanes.push(expected);
        }
        self.away.push_back(RoundAway { round, announced, openers, lanes });
        Submission { round, onions: &onions }.to_frame()
    }

    /// Lane 0 talks if it can; every other lane, and lane 0 else, meets itself.
    fn fill_lane(
        &mut self,
        lane: u8,
        round: Round,
        now: UnixMillis,
        rng: &mut impl CryptoRng,
    ) -> ([ExchangeRequest; ONIONS_PER_LANE], Lane) {
        if lane == 0
            && let Some(talking) = self.talk_in(round, now, rng)
        {
            return talking;
        }
        let pair = CoverPair::new(&self.identity.secret, self.network.network, round, rng);
        (pair.requests(rng), Lane::Idle(Box::new(pair)))
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
        let contents = talk.conversation.compose(round);
        let sealed = talk.session.seal(&self.identity.secret, round, &contents, rng);
        let Ok([(first, first_answer), (second, second_answer)]) = sealed else {
            // The session is younger than the round: the clocks of the two members differ.
            talk.conversation.not_sent(round);
            self.notice_clock(round, now);
            return None;
        };
        Some(([first, second], Lane::Talking(Box::new([first_answer, second_answer]))))
    }

    pub(super) fn handle_replies(
        &mut self,
        now: UnixMillis,
        replies: &Replies<'_>,
    ) -> Result<(), ProtocolError> {
        let round = replies.round;
        let Some(at) = self.away.iter().position(|away| away.round == round) else {
            // It may have been given up for lost.
            let known = self.last_round.is_some_and(|last| round <= last);
            return if known { Ok(()) } else { Err(ProtocolError::NeverSubmitted(round)) };
        };
        let Some(away) = self.away.remove(at) else {
            return Ok(());
        };
        match replies.outcome {
            Outcome::Delivered => self.open_replies(&away, replies.replies),
            Outcome::Late | Outcome::Failed => self.fail(&away, replies.outcome),
        }
        self.notify_round(&away, replies.outcome, now);
        Ok(())
    }

    fn open_replies(&mut self, away: &RoundAway, replies: &[u8]) {
        self.counters.delivered += 1;
        let mut bytes = replies.to_vec();
        let mut opened = Vec::with_capacity(away.openers.len());
        let slots = bytes.chunks_exact_mut(self.shape.reply_len());
        for (slot, (opener, reply)) in (0u8..).zip(away.openers.iter().zip(slots)) {
            let message = opener.open(reply).ok();
            if message.is_none() {
                self.counters.bad_replies += 1;
                self.interfered(away.round, Interference::BadReply { slot });
            }
            opened.push(message);
        }
        let (lanes, _) = opened.as_chunks::<ONIONS_PER_LANE>();
        for (number, (lane, messages)) in (0u8..).zip(away.lanes.iter().zip(lanes)) {
            self.judge_lane(away.round, number, lane, *messages);
        }
    }

    fn judge_lane(&mut self, round: Round, number: u8, lane: &Lane, messages: Messages<'_>) {
        match lane {
            Lane::Idle(pair) => {
                if !pair.met(messages) {
                    self.counters.idle_pairs_unmet += 1;
                    self.commit(vec![Change::IdlePairsUnmet(self.counters.idle_pairs_unmet)]);
                    self.interfered(round, Interference::IdlePairUnmet { lane: number });
                }
            }
            Lane::Talking(answers) => {
                let slots = array::from_fn(|slot| self.hear(round, slot, answers, messages));
                if let Some(talk) = &mut self.talk {
                    talk.conversation.came_back(round, slots);
                }
            }
            Lane::Forgotten => {}
        }
    }

    fn hear(
        &mut self,
        round: Round,
        slot: usize,
        answers: &[Answer; ONIONS_PER_LANE],
        messages: Messages<'_>,
    ) -> SlotResult {
        let Some(message) = messages[slot].filter(|message| **message != EMPTY_REPLY) else {
            return SlotResult::Nothing;
        };
        let Ok(content) = answers[slot].open(message, self.identity.secret.public()) else {
            self.counters.not_authentic += 1;
            let slot = u8::from(slot == 1);
            self.interfered(round, Interference::NotAuthentic { slot });
            return SlotResult::Nothing;
        };
        SlotResult::Partner(Box::new(content))
    }

    /// The round has been lost without a word from the server.
    pub(super) fn lose(&mut self, away: &RoundAway, now: UnixMillis) {
        self.fail(away, Outcome::Failed);
        self.notify_round(away, Outcome::Failed, now);
    }

    fn fail(&mut self, away: &RoundAway, outcome: Outcome) {
        let ended = match outcome {
            Outcome::Late => Ended::Late,
            _ => Ended::Lost,
        };
        match ended {
            Ended::Late => self.counters.late += 1,
            _ => self.counters.failed += 1,
        }
        if let Some(talk) = &mut self.talk {
            talk.conversation.failed(away.round, ended);
        }
    }

    fn notify_round(&mut self, away: &RoundAway, outcome: Outcome, now: UnixMillis) {
        let latency_ms = now.since(away.announced);
        self.notify(Notice::Round { round: away.round, outcome, latency_ms });
    }

    fn interfered(&mut self, round: Round, kind: Interference) {
        let times = match kind {
            Interference::IdlePairUnmet { .. } => self.counters.idle_pairs_unmet,
            Interference::BadReply { .. } => self.counters.bad_replies,
            Interference::NotAuthentic { .. } => self.counters.not_authentic,
        };
        self.notify(Notice::Interference { round, kind, times });
    }
}
