//! A conversation: a reliable, ordered, exactly-once stream of texts each way, over rounds that
//! may fail, come late, or bring nothing.
//!
//! It knows rounds and slots, and no time, key or connection. Everything it decides comes out as
//! [`Change`]s, to be committed first, and [`Notice`]s.

mod acknowledging;
pub mod budget;
mod ending;
mod gossip;
mod inbox;
mod outbox;
mod search;
pub mod state;
mod units;

use std::collections::BTreeMap;

use rand::CryptoRng;
use talaria_wire::identity::directory::Head;
use talaria_wire::params::ONIONS_PER_LANE;
use talaria_wire::peer_message::{Content, MessageId, SessionId, StreamId};
use talaria_wire::{Round, UnixMillis};
use thiserror::Error;

use crate::loss::Loss;
use crate::notice::{Notice, Presence, Way};
use budget::{BudgetStage, Ended, Ledger, Limit};
use gossip::Gossip;
use inbox::Inbox;
use outbox::{Acknowledgement, Outbox};
use search::Search;
use state::{Change, ConversationState, Outgoing, Received, Said, SaidText, Text, TextTooLong};
use talaria_wire::identity::UserName;
use units::content;

/// Texts end here. What is left of the numbers is for beginnings and ends.
const SEQ_LIMIT: u32 = u32::MAX - 65_536;

/// Why a text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SayError {
    /// It is too long.
    #[error(transparent)]
    TooLong(#[from] TextTooLong),
    /// No conversation is open.
    #[error("no conversation is open")]
    NotOpen,
    /// The stream has no numbers left: four billion messages have been sent.
    #[error("this conversation has used up its numbers: make a new identity to go on")]
    Exhausted,
}

/// What a slot of a round brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SlotResult {
    /// The partner's message.
    Partner(Box<Content>),
    /// Nothing of the partner's: it did not come, or somebody interfered.
    Nothing,
}

/// A round that has been composed and has not come back.
#[derive(Clone, Copy, Debug)]
struct Away {
    units: [Option<u32>; ONIONS_PER_LANE],
    /// It says that this side is done, and the partner's farewell had been seen before.
    farewell: bool,
}

/// One side of a conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    partner: UserName,
    state: ConversationState,
    outbox: Outbox,
    inbox: Inbox,
    gossip: Gossip,
    ledger: Ledger,
    search: Search,
    /// What was told of the budget in this run.
    stage: Option<BudgetStage>,
    away: BTreeMap<Round, Away>,
    /// The newest round in which the partner was heard.
    heard: Option<Round>,
    /// Rounds that came back without a word of the partner, or in which this side was silent.
    quiet: u32,
    presence: Presence,
    /// This side leaves as soon as its own words have arrived.
    leaving: bool,
    /// The partner has said that it needs nothing more.
    partner_done: bool,
    farewells: u32,
    finished: bool,
    /// Nothing is to be sent for now.
    held_back: bool,
    changes: Vec<Change>,
    notices: Vec<Notice>,
}

impl Conversation {
    /// Takes up a conversation where `state` left it, or begins a run. If `state` is of another
    /// session than the one that began with the entry `start`, the numbering begins anew.
    pub(crate) fn new(
        partner: UserName,
        session: &SessionId,
        start: u64,
        state: ConversationState,
        limit: Limit,
    ) -> Self {
        let mut conversation = Self {
            partner,
            outbox: Outbox::new(state.acked),
            ledger: Ledger::new(limit, state.charged, state.charged_at),
            state,
            inbox: Inbox::default(),
            gossip: Gossip::default(),
            search: Search::new(session),
            stage: None,
            away: BTreeMap::new(),
            heard: None,
            quiet: 0,
            presence: Presence::Absent,
            leaving: false,
            partner_done: false,
            farewells: 0,
            finished: false,
            held_back: false,
            changes: Vec::new(),
            notices: Vec::new(),
        };
        if conversation.state.start != Some(start) {
            conversation.restart(session, start);
        }
        conversation.write_charged();
        conversation.leave_blind_stream();
        conversation.take_up();
        conversation
    }

    /// Goes on in a new session with the same partner: nothing of the old one will be acknowledged
    /// any more, so everything that was not is sent again.
    pub(crate) fn restart(&mut self, session: &SessionId, start: u64) {
        let outgoing = self.state.outgoing_anew();
        self.change(Change::Restarted { start, outgoing });
        self.outbox = Outbox::new(0);
        self.inbox = Inbox::default();
        self.search = Search::new(session);
        // Nobody will know what became of them.
        for _ in std::mem::take(&mut self.away) {
            self.ledger.settle(Ended::Lost(Loss::Unknown));
        }
        (self.heard, self.quiet, self.farewells) = (None, 0, 0);
        (self.presence, self.partner_done) = (Presence::Absent, false);
    }

    fn take_up(&mut self) {
        let unshown: Vec<_> = self.state.unshown.iter().cloned().collect();
        for received in unshown {
            self.notify_message(received);
        }
        if !self.state.run.begun {
            self.queue(Said::Begin);
        }
        if !self.state.own.doubtful.is_empty() {
            self.tell_doubtful(false);
        }
        self.tell_budget();
    }

    /// Another version of the network may be worth another budget.
    pub(crate) fn set_limit(&mut self, limit: Limit) {
        self.ledger.set_limit(limit);
        self.tell_budget();
    }

    /// Whether nothing is said until more rounds are recorded.
    pub(crate) fn awaits_record(&self) -> bool {
        self.ledger.awaits_record()
    }

    pub(crate) fn partner(&self) -> &UserName {
        &self.partner
    }

    /// The newest head of the directory that is known here.
    pub(crate) fn know_head(&mut self, head: Option<Head>) {
        self.gossip.know(head);
    }

    /// Heads that the partner has told of.
    pub(crate) fn take_heads(&mut self) -> Vec<Head> {
        self.gossip.take()
    }

    pub(crate) fn hold_back(&mut self, held: bool) {
        self.held_back = held;
    }

    pub(crate) fn state(&self) -> &ConversationState {
        &self.state
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// What has to be committed before anything else leaves the machine.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// What there is to tell, after the changes are committed.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub(crate) fn say(&mut self, text: &str, now: UnixMillis) -> Result<MessageId, SayError> {
        let text = Text::new(text)?;
        let end = self.state.next_seq.checked_add(text.fragments().into());
        if end.is_none_or(|end| end > SEQ_LIMIT) {
            return Err(SayError::Exhausted);
        }
        let id = MessageId(self.state.next_message);
        self.partner_done = false;
        self.queue(Said::Text(SaidText { id, text, sent_ms: now.0 }));
        self.notices.push(Notice::Sent { id });
        Ok(id)
    }

    pub(crate) fn shown(&mut self, through: u32) {
        if self.state.unshown.front().is_some_and(|text| text.number <= through) {
            self.change(Change::Shown { through });
        }
    }

    /// Whether the lane talks in `round`; to be asked once a round.
    pub(crate) fn talks_in(&mut self, round: Round) -> bool {
        if self.finished {
            return false;
        }
        let may_talk = !self.held_back && self.ledger.allows_one_more();
        let talks = may_talk && self.search.talks_in(round);
        if !talks {
            self.quiet = self.quiet.saturating_add(1);
            self.judge_presence(round, false);
            self.finish_if_done();
        }
        talks
    }

    /// What to say in `round`: the next units, or nothing, with what has arrived so far. The
    /// round counts as charged until it has come back.
    pub(crate) fn compose(
        &mut self,
        round: Round,
        rng: &mut impl CryptoRng,
    ) -> [Content; ONIONS_PER_LANE] {
        let stream = self.begin_stream(|| StreamId::random(rng));
        self.ledger.depart();
        self.write_charged();
        let (acked, end) = (self.state.acked, self.state.next_seq);
        let units = [(); ONIONS_PER_LANE].map(|()| self.outbox.next(acked, end));
        let done = self.is_done();
        let farewell = done && self.partner_done;
        self.away.insert(round, Away { units, farewell });
        units.map(|unit| Content {
            done,
            stream,
            ack_stream: self.state.partner.id,
            ack_digest: self.state.partner.received,
            ack: self.state.received,
            selective_ack: self.inbox.selective(self.state.received),
            ..unit.map_or_else(|| self.gossip.idle(), |seq| self.unit(seq))
        })
    }

    /// The round has come back.
    ///
    /// After the end nothing is taken in any more: the partner keeps it, and sends it again.
    pub(crate) fn came_back(&mut self, round: Round, slots: [SlotResult; ONIONS_PER_LANE]) {
        let Some(away) = self.away.remove(&round) else {
            return;
        };
        let met = slots.each_ref().map(|slot| matches!(slot, SlotResult::Partner(_)));
        self.settle(Ended::Back { met });
        if self.finished {
            return;
        }
        let mut heard = false;
        for (unit, slot) in away.units.into_iter().zip(slots) {
            match (unit, &slot) {
                (Some(seq), SlotResult::Partner(_)) => self.outbox.swapped(seq, round),
                (Some(seq), SlotResult::Nothing) => self.outbox.lost(seq),
                (None, _) => {}
            }
            if let SlotResult::Partner(content) = slot {
                heard = true;
                self.hear(round, *content);
            }
        }
        self.farewells += u32::from(away.farewell);
        self.quiet = if heard { 0 } else { self.quiet.saturating_add(1) };
        self.judge_presence(round, heard);
        self.finish_if_done();
    }

    /// The round was lost, or its replies were.
    pub(crate) fn lost(&mut self, round: Round, loss: Loss) {
        if self.take_back(round) {
            self.settle(Ended::Lost(loss));
        }
    }

    /// What was composed for the round has not been sent, and will not be.
    pub(crate) fn not_sent(&mut self, round: Round) {
        if self.take_back(round) {
            self.ledger.withdraw();
            self.write_charged();
        }
    }

    /// What the round carried has to travel again.
    fn take_back(&mut self, round: Round) -> bool {
        let away = self.away.remove(&round);
        let units = away.into_iter().flat_map(|away| away.units).flatten();
        units.for_each(|seq| self.outbox.lost(seq));
        away.is_some()
    }

    fn settle(&mut self, ended: Ended) {
        self.ledger.settle(ended);
        self.search.ended(matches!(ended, Ended::Back { met } if met.contains(&true)));
        // Else the next round writes it down, together with its own number.
        if self.finished {
            self.write_charged();
        }
        self.tell_budget();
    }

    fn write_charged(&mut self) {
        let (rounds, at) = (self.ledger.charged(), self.ledger.at());
        if (rounds, at) != (self.state.charged, self.state.charged_at) {
            self.change(Change::Charged { rounds, at });
        }
    }

    /// Warns at half, once for ever, and at the end, once a run.
    fn tell_budget(&mut self) {
        let stage = self.ledger.stage();
        let Some((now, budget)) = stage.zip(self.ledger.rounds()) else {
            return;
        };
        let news = match now {
            BudgetStage::Half => !self.state.budget_warned,
            BudgetStage::Spent | BudgetStage::Beyond => self.stage != stage,
        };
        self.stage = stage;
        if news {
            let (charged, causes) = (self.ledger.settled(), self.ledger.causes());
            self.notices.push(Notice::Budget { stage: now, charged, budget, causes });
        }
        if !self.state.budget_warned {
            self.change(Change::BudgetWarned);
        }
    }

    fn hear(&mut self, round: Round, content: Content) {
        self.gossip.hear(&content);
        let newest = self.heard.is_none_or(|heard| round >= heard);
        if newest {
            self.heard = Some(round);
        }
        let said = self.take_acknowledgement(round, newest, &content);
        if newest {
            self.outbox.heard(round, said.unwrap_or(Acknowledgement::NONE));
        }
        let done = content.done && said.is_some_and(|said| said.ack == self.state.next_seq);
        if self.follow(content.stream, newest) {
            self.inbox.take_in(content, round, self.state.received);
            while let Some((change, digest)) = self.inbox.next(&self.state) {
                self.receive(change, round);
                self.change(Change::Digested(digest));
            }
        }
        if newest && done && self.state.run.self_ended {
            self.hear_farewell();
        }
    }

    fn receive(&mut self, change: Change, round: Round) {
        match &change {
            Change::Fragment { id, index, count, .. } => self.notices.push(Notice::Progress {
                id: *id,
                way: Way::Receiving,
                have: index + 1,
                count: *count,
            }),
            Change::Text(received) => self.notify_message(received.clone()),
            _ => {}
        }
        let ended = matches!(change, Change::PartnerEnded { .. });
        if !ended {
            self.partner_done = false;
        }
        self.change(change);
        if ended {
            self.set_presence(Presence::Ended, round);
        }
    }

    fn notify_message(&mut self, received: Received) {
        let Received { number, id, text, sent_ms, round, .. } = received;
        let from = self.partner.clone();
        self.notices.push(Notice::Message { id, from, text, round, sent_ms, number });
    }

    fn queue(&mut self, what: Said) {
        let first_seq = self.state.next_seq;
        // Past the limit there are only beginnings and ends, and room for 65,535 of them.
        if first_seq < u32::MAX - 1 {
            self.change(Change::Queued(Outgoing { first_seq, what }));
        }
    }

    fn change(&mut self, change: Change) {
        self.state.apply(&change);
        self.changes.push(change);
    }

    /// The unit with this number, without acknowledgements.
    fn unit(&self, seq: u32) -> Content {
        let outgoing = &self.state.outgoing;
        let after = outgoing.partition_point(|o| o.first_seq <= seq);
        match after.checked_sub(1).and_then(|at| outgoing.get(at)) {
            Some(outgoing) => content(outgoing, seq),
            None => Content::idle(),
        }
    }
}

#[cfg(test)]
mod tests;
