//! How a conversation ends: whether the partner is there, and who waits for whom.

use talaria_wire::Round;

use super::Conversation;
use super::state::{Change, Run, Said};
use crate::notice::{Notice, Presence};

/// Rounds without a word after which the partner counts as absent.
const ABSENT_AFTER: u32 = 5;
/// Rounds without a word after which nobody waits for the partner's farewell.
pub(super) const FORGOTTEN_AFTER: u32 = 30;
/// Rounds that carry the farewell after the partner's has been seen.
const FAREWELL_ROUNDS: u32 = 2;

impl Conversation {
    /// This side has nothing more to say; `leaving`: and does not wait to hear the partner out.
    pub(crate) fn end(&mut self, leaving: bool) {
        self.leaving = leaving;
        if !self.state.run.self_ended {
            self.queue(Said::End);
        }
        self.finish_if_done();
    }

    /// The partner has everything of this side, its end included, so it speaks of this run.
    pub(super) fn hear_farewell(&mut self) {
        self.partner_done = true;
        if !self.state.run.partner_ended {
            self.change(Change::PartnerEnded { seq: None });
        }
    }

    pub(super) fn judge_presence(&mut self, round: Round, heard: bool) {
        let ended = self.state.run.partner_ended;
        if heard {
            self.set_presence(if ended { Presence::Ended } else { Presence::Present }, round);
        } else if self.quiet >= ABSENT_AFTER && self.heard.is_some() {
            self.set_presence(if ended { Presence::Left } else { Presence::Absent }, round);
        }
    }

    pub(super) fn set_presence(&mut self, presence: Presence, round: Round) {
        if self.presence != presence {
            self.presence = presence;
            self.notices.push(Notice::Partner { presence, round });
        }
    }

    /// Nothing of this side is under way, and the partner has nothing more to say.
    pub(super) fn is_done(&self) -> bool {
        let Run { self_ended, partner_ended, .. } = self.state.run;
        self_ended && partner_ended && self.state.outgoing.is_empty()
    }

    pub(super) fn finish_if_done(&mut self) {
        let Run { self_ended, partner_ended, .. } = self.state.run;
        let said_it_all = self_ended && self.state.outgoing.is_empty();
        let parted = self.is_done() && self.partner_done && self.farewells >= FAREWELL_ROUNDS;
        // Only the end itself may be unacknowledged: the partner left without waiting for it.
        let forgotten = self_ended
            && partner_ended
            && self.quiet >= FORGOTTEN_AFTER
            && self.state.unacknowledged() == 0;
        if !self.finished && (parted || forgotten || self.leaving && said_it_all) {
            self.finished = true;
            self.write_charged();
            self.change(Change::Finished);
            self.notices.push(Notice::Finished);
        }
    }
}
