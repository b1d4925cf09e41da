//! What an acknowledgement says of this side's stream, and what it means if it fits no story that
//! is known here: one of the two homes was restored from a copy, or there are two of it.
//!
//! Then nothing counts as delivered until the partner has said so in a new stream, and whatever it
//! is not certain to have is doubtful. Certain is what a remembered place proves.

use talaria_wire::Round;
use talaria_wire::peer_message::{Content, StreamDigest, StreamId};

use super::Conversation;
use super::inbox::Inbox;
use super::outbox::{Acknowledgement, Outbox};
use super::state::Change;
use super::units::{arrival, content};
use crate::notice::Notice;

/// What the partner says it has.
#[derive(Debug)]
enum Verdict {
    /// It does not speak of this stream (any more, or yet).
    Nothing,
    /// All units below `below`.
    Has { below: u32, digest: StreamDigest, ends: Vec<StreamDigest> },
    /// Something else than what was said here: the oldest `certain` milestones, and no more.
    OtherStory { certain: usize },
}

impl Conversation {
    /// A stream begins, unless there is one: everything that is not acknowledged is sent in it.
    pub(super) fn begin_stream(&mut self, draw: impl FnOnce() -> StreamId) -> StreamId {
        if let Some(stream) = self.state.own.id {
            return stream;
        }
        let (stream, base, outgoing) = (draw(), self.state.own.base(), self.state.outgoing_anew());
        self.change(Change::StreamBegan { stream, base, outgoing });
        self.outbox = Outbox::new(0);
        // What is still away was numbered otherwise.
        self.away.values_mut().for_each(|away| away.units = Default::default());
        stream
    }

    /// A stream of which nobody can say what the partner had before is not gone on with after a start:
    /// another copy of this home may have sent in it.
    pub(super) fn leave_blind_stream(&mut self) {
        if self.state.own.is_blind && self.state.own.id.is_some() {
            self.change(Change::OtherStory { certain: 0 });
        }
    }

    /// Follows the partner into a new stream. Says whether a unit of `stream` is to be taken in: an
    /// older message may come late, and lead back into no other stream.
    pub(super) fn follow(&mut self, stream: StreamId, newest: bool) -> bool {
        let is_new = self.state.partner.id != Some(stream);
        if is_new && newest {
            let base = self.state.partner.base(self.state.received);
            self.change(Change::PartnerStream { stream, base });
            self.inbox = Inbox::default();
        }
        !is_new || newest
    }

    /// Takes what a message acknowledges. Gives what it says of units that are under way, which is
    /// nothing if it speaks of another stream.
    pub(super) fn take_acknowledgement(
        &mut self,
        round: Round,
        newest: bool,
        content: &Content,
    ) -> Option<Acknowledgement> {
        match self.judge(content, newest) {
            Verdict::Nothing => None,
            Verdict::OtherStory { certain } => {
                self.fall_out_of_step(certain);
                None
            }
            Verdict::Has { below, digest, ends } => {
                self.acknowledge(round, below, digest, ends);
                let (ack, selective) = (content.ack, content.selective_ack);
                Some(Acknowledgement { ack, selective })
            }
        }
    }

    fn judge(&self, content: &Content, newest: bool) -> Verdict {
        let own = &self.state.own;
        // Until a new stream has begun nothing can be acknowledged.
        let Some(stream) = own.id else { return Verdict::Nothing };
        let (ack, digest) = (content.ack, content.ack_digest);
        let speaks_of_it = content.ack_stream == Some(stream);
        if speaks_of_it && ack >= self.state.acked {
            return match self.ends_below(ack) {
                Some((there, ends)) if there == digest => Verdict::Has { below: ack, digest, ends },
                // What is said first of a stream that nobody but this run has ever sent in.
                Some((_, ends)) if own.is_blind => {
                    let unknown = vec![StreamDigest::default(); ends.len()];
                    Verdict::Has { below: ack, digest, ends: unknown }
                }
                _ => Verdict::OtherStory { certain: 0 },
            };
        }
        // What was said earlier may come late.
        if !newest {
            return Verdict::Nothing;
        }
        let certain = content.ack_stream.map_or(0, |stream| own.certain(stream, ack, digest));
        // The partner has yet to hear of a stream that has just begun.
        let is_expected = self.state.acked == 0 && certain == own.milestones.len();
        if is_expected { Verdict::Nothing } else { Verdict::OtherStory { certain } }
    }

    /// What was in the stream below `ack`, and up to the end of each thing that ends there or
    /// before; `None` if so much was never said.
    fn ends_below(&self, ack: u32) -> Option<(StreamDigest, Vec<StreamDigest>)> {
        if ack > self.state.next_seq {
            return None;
        }
        let (mut digest, mut ends) = (self.state.own.acked, Vec::new());
        for outgoing in self.state.outgoing.iter().take_while(|o| o.first_seq < ack) {
            let end = outgoing.end_seq();
            let acknowledged = self.state.acked.max(outgoing.first_seq)..ack.min(end);
            digest = acknowledged.fold(digest, |digest, seq| digest.and(&content(outgoing, seq)));
            if end <= ack {
                ends.push(digest);
            }
        }
        Some((digest, ends))
    }

    fn acknowledge(
        &mut self,
        round: Round,
        below: u32,
        digest: StreamDigest,
        ends: Vec<StreamDigest>,
    ) {
        let before = self.state.acked;
        if below <= before {
            return;
        }
        let arrived = self.state.outgoing.iter().take_while(|o| o.first_seq < below);
        let notices: Vec<_> =
            arrived.filter_map(|outgoing| arrival(outgoing, before, below, round)).collect();
        self.notices.extend(notices);
        self.outbox.acknowledged(below);
        self.change(Change::Acknowledged { below, digest, ends });
    }

    fn fall_out_of_step(&mut self, certain: usize) {
        let before = self.state.own.doubtful.len();
        let older = certain == 0 && self.state.own.cut;
        self.change(Change::OtherStory { certain });
        self.notices.push(Notice::OutOfStep);
        if older || self.state.own.doubtful.len() > before {
            self.tell_doubtful(older);
        }
    }

    /// Says what the partner may not have any more.
    pub(super) fn tell_doubtful(&mut self, older: bool) {
        let ids = self.state.own.doubtful.iter().map(|text| text.id).collect();
        self.notices.push(Notice::MayBeLost { ids, older });
    }

    /// Sends again what the partner may not have any more; with its number and time, by which the
    /// partner knows it if it does have it.
    pub(crate) fn again(&mut self) {
        let texts = &self.state.own.doubtful;
        if texts.is_empty() {
            return;
        }
        let ids = texts.iter().map(|text| text.id).collect();
        self.partner_done = false;
        self.change(Change::SentAgain { outgoing: self.state.doubtful_anew() });
        self.notices.push(Notice::SentAgain { ids });
    }
}
