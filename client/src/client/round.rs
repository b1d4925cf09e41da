//! One round of a client from its departure on: the replies that come back, or do not.

use std::array;

use talaria_wire::dead_drop::EMPTY_REPLY;
use talaria_wire::frame::Replies;
use talaria_wire::params::{ONIONS_PER_LANE, PEER_MESSAGE_LEN};
use talaria_wire::{Round, UnixMillis};

use super::Client;
use super::action::{Change, ProtocolError};
use super::away::{Lane, RoundAway};
use crate::conversation::SlotResult;
use crate::loss::{Loss, RoundEnd};
use crate::notice::{Interference, Notice};
use crate::session::Answer;

/// Rounds whose replies are waited for; beyond that the oldest count as failed.
pub(super) const MAX_ROUNDS_AWAY: usize = 64;
/// A round whose replies have not come after this long, or after five rounds if that is longer,
/// is lost.
const OVERDUE_MS: u64 = 15_000;

type Messages<'a> = [Option<&'a [u8; PEER_MESSAGE_LEN]>; ONIONS_PER_LANE];

impl Client {
    /// Rounds that will not come back any more are lost: the server has answered those that it
    /// could long ago, and what they carried is to travel again.
    pub(super) fn give_up_overdue(&mut self, now: UnixMillis) {
        let patience = OVERDUE_MS.max(self.period_ms.get().saturating_mul(5));
        let overdue = |away: &RoundAway| now.since(away.left) >= patience;
        while self.away.len() >= MAX_ROUNDS_AWAY || self.away.front().is_some_and(overdue) {
            if let Some(oldest) = self.away.pop_front() {
                self.lose(&oldest, now);
            }
        }
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
        let end = RoundEnd::said(replies.outcome);
        match end {
            RoundEnd::Delivered => self.open_replies(&away, replies.replies),
            RoundEnd::Lost(loss) => self.miss(&away, loss),
        }
        self.notify_round(&away, end, now);
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
        self.miss(away, Loss::Unknown);
        self.notify_round(away, RoundEnd::Lost(Loss::Unknown), now);
    }

    fn miss(&mut self, away: &RoundAway, loss: Loss) {
        match loss {
            Loss::Own => self.counters.late += 1,
            Loss::Everybody => self.counters.failed += 1,
            Loss::Unknown => self.counters.unanswered += 1,
        }
        if let Some(talk) = &mut self.talk {
            talk.conversation.lost(away.round, loss);
        }
    }

    fn notify_round(&mut self, away: &RoundAway, end: RoundEnd, now: UnixMillis) {
        let latency_ms = now.since(away.left);
        self.notify(Notice::Round { round: away.round, end, latency_ms });
        // What is lost with a connection is told with its end.
        if self.is_up()
            && let Some((loss, rounds)) = self.streak.note(end)
        {
            self.notify(Notice::RoundsLost { loss, rounds });
        }
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
