//! What a conversation keeps on disk, and the small changes that it is made of.
//!
//! The state is plain data. It only ever changes by a [`Change`], and a change is committed
//! before anything that depends on it leaves the machine, so the state in memory is always what
//! a restart would find, or ahead of it by changes that nobody has heard of.

mod streams;

use std::collections::VecDeque;
use std::fmt;

use talaria_wire::Round;
use talaria_wire::peer_message::{BODY_LEN, MessageId, StreamDigest, StreamId};
use thiserror::Error;

use super::budget::Price;

pub use streams::{KEPT, Milestone, OwnStream, PartnerStream};

/// The longest text, in bytes of UTF-8.
pub const TEXT_MAX: usize = 64 * 1024;

/// More than [`TEXT_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a text has at most {TEXT_MAX} bytes, this has {0}")]
pub struct TextTooLong(pub usize);

/// At most [`TEXT_MAX`] bytes of what somebody said. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Takes a text.
    ///
    /// # Errors
    /// [`TextTooLong`].
    pub fn new(text: impl Into<String>) -> Result<Self, TextTooLong> {
        let text = text.into();
        if text.len() > TEXT_MAX {
            return Err(TextTooLong(text.len()));
        }
        Ok(Self(text))
    }

    /// The text, exactly as it was said: whoever prints it has to tame it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many messages carry it: 1 to 205.
    #[must_use]
    pub fn fragments(&self) -> u16 {
        let fragments = self.0.len().div_ceil(BODY_LEN).max(1);
        u16::try_from(fragments).expect("a text has at most TEXT_MAX bytes")
    }

    /// The bytes of fragment `index`, counted from 0; empty past the end.
    #[must_use]
    pub fn fragment(&self, index: u16) -> &[u8] {
        let start = usize::from(index) * BODY_LEN;
        let bytes = self.0.as_bytes();
        let end = bytes.len().min(start + BODY_LEN);
        bytes.get(start..end).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// Something to be sent, with its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Sequence number of its first unit.
    pub first_seq: u32,
    /// What it is.
    pub what: Said,
}

/// What one side says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It starts to talk.
    Begin,
    /// It has nothing more to say.
    End,
    /// A text.
    Text(SaidText),
}

/// A text of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidText {
    /// Its number among the sender's texts.
    pub id: MessageId,
    /// What was said.
    pub text: Text,
    /// When, by the sender's clock, in milliseconds since the Unix epoch.
    pub sent_ms: u64,
}

impl Outgoing {
    /// Sequence numbers that it takes.
    #[must_use]
    pub fn units(&self) -> u32 {
        match &self.what {
            Said::Begin | Said::End => 1,
            Said::Text(said) => said.text.fragments().into(),
        }
    }

    /// The first sequence number after it.
    #[must_use]
    pub fn end_seq(&self) -> u32 {
        self.first_seq.saturating_add(self.units())
    }
}

/// A whole text of the partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Sequence number of its last unit.
    pub seq: u32,
    /// Its place among all texts of the partner that have arrived here, over all sessions: what
    /// [`Change::Shown`] counts by.
    pub number: u32,
    /// Its number among the partner's texts.
    pub id: MessageId,
    /// What was said.
    pub text: Text,
    /// When, by the partner's clock, in milliseconds since the Unix epoch.
    pub sent_ms: u64,
    /// The round in which its last missing part arrived.
    pub round: Round,
}

impl Received {
    /// What tells the text from every other one of the partner.
    #[must_use]
    pub fn mark(&self) -> TextMark {
        TextMark { id: self.id, sent_ms: self.sent_ms }
    }
}

/// What tells a text of the partner from every other one, also after the numbering has begun anew.
///
/// The time belongs to it because a new home of the partner counts its texts from 0 again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextMark {
    /// Its number among the partner's texts.
    pub id: MessageId,
    /// When it was said, by the partner's clock.
    pub sent_ms: u64,
}

/// Texts that a partner may send again in a new session or stream, although they have arrived: as
/// many as it remembers of those that it knows to have arrived, [`KEPT`].
pub const MAY_COME_AGAIN: u8 = KEPT;

/// The beginning of a text of the partner.
#[derive(Clone, PartialEq, Eq)]
pub struct Partial {
    /// The text's number.
    pub id: MessageId,
    /// How many fragments it has.
    pub count: u16,
    /// How many of them are here: the first ones.
    pub have: u16,
    /// When it was said, by the partner's clock.
    pub sent_ms: u64,
    /// Their bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partial({} of {})", self.have, self.count)
    }
}

/// One run of a chat, from the first word to the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// This side has said that it starts to talk.
    pub begun: bool,
    /// This side has said that it has nothing more to say.
    pub self_ended: bool,
    /// The partner has said so.
    pub partner_ended: bool,
}

/// Everything of a conversation that outlives the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationState {
    /// The entry of the directory with which the session began that the numbers below belong to, if
    /// there was one.
    pub start: Option<u64>,
    /// This side's stream.
    pub own: OwnStream,
    /// The partner's stream.
    pub partner: PartnerStream,
    /// Sequence number of the next unit to be queued.
    pub next_seq: u32,
    /// Number of the next text.
    pub next_message: u32,
    /// The partner has every unit below this.
    pub acked: u32,
    /// What the partner does not have entirely, oldest first.
    pub outgoing: VecDeque<Outgoing>,
    /// This side has every unit of the partner below this.
    pub received: u32,
    /// The text whose last fragments are still to come.
    pub partial: Option<Partial>,
    /// Texts that have arrived and have not been shown, oldest first.
    pub unshown: VecDeque<Received>,
    /// How many texts of the partner have arrived, over all sessions.
    pub texts: u32,
    /// The newest [`MAY_COME_AGAIN`] of them, oldest first.
    pub recent: VecDeque<TextMark>,
    /// Where the run stands.
    pub run: Run,
    /// Rounds charged to the privacy budget, over all runs; those included that are away.
    pub charged: u64,
    /// The worst price of one of them.
    pub charged_at: Option<Price>,
    /// It was told that half of the budget is used up.
    pub budget_warned: bool,
}

/// One step of a [`ConversationState`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new session: the numbering begins anew on both sides.
    Restarted {
        /// The entry of the directory with which it began.
        start: u64,
        /// What is to be sent in it.
        outgoing: Vec<Outgoing>,
    },
    /// Something is to be sent.
    Queued(Outgoing),
    /// A stream of this side begins: it is numbered anew.
    StreamBegan {
        /// Which.
        stream: StreamId,
        /// What its digest begins with: [`OwnStream::base`].
        base: StreamDigest,
        /// What is to be sent in it.
        outgoing: Vec<Outgoing>,
    },
    /// The partner has every unit below.
    Acknowledged {
        /// The first unit that it does not have.
        below: u32,
        /// What was in the stream up to there.
        digest: StreamDigest,
        /// The same up to the end of each thing that is acknowledged as a whole by this.
        ends: Vec<StreamDigest>,
    },
    /// The partner knows another story of this side's stream, which ends.
    OtherStory {
        /// Of how many of the [`OwnStream::milestones`] it is certain that the partner has them.
        certain: usize,
    },
    /// What was doubtful is to be sent again.
    SentAgain {
        /// All of it.
        outgoing: Vec<Outgoing>,
    },
    /// The partner has begun a stream: nothing of it is here.
    PartnerStream {
        /// Which.
        stream: StreamId,
        /// What its digest begins with: [`PartnerStream::base`].
        base: StreamDigest,
    },
    /// One more unit of the partner's stream is here.
    Digested(StreamDigest),
    /// The partner starts to talk.
    PartnerBegan {
        /// The unit that said so.
        seq: u32,
    },
    /// The partner has nothing more to say.
    PartnerEnded {
        /// The unit that said so; `None` if it was said in an earlier run.
        seq: Option<u32>,
    },
    /// A fragment of a text that is not the last one.
    Fragment {
        /// The unit.
        seq: u32,
        /// The text's number.
        id: MessageId,
        /// Which fragment; the first one starts a new text.
        index: u16,
        /// How many there are.
        count: u16,
        /// When the text was said, by the partner's clock.
        sent_ms: u64,
        /// Its bytes.
        bytes: FragmentBytes,
    },
    /// The last fragment of a text has arrived.
    Text(Received),
    /// A unit that belongs to no text: it is passed over.
    Skipped {
        /// The unit.
        seq: u32,
    },
    /// Every text up to here has been shown.
    Shown {
        /// [`Received::number`] of the last one.
        through: u32,
    },
    /// The run has ended for both sides.
    Finished,
    /// The privacy budget was charged, or a round turned out to be harmless.
    Charged {
        /// [`ConversationState::charged`] from now on.
        rounds: u64,
        /// The worst price of one of them.
        at: Option<Price>,
    },
    /// It is told that half of the privacy budget is used up.
    BudgetWarned,
}

/// Bytes of a fragment. They do not print themselves.
#[derive(Clone, PartialEq, Eq)]
pub struct FragmentBytes(pub Vec<u8>);

impl fmt::Debug for FragmentBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FragmentBytes({})", self.0.len())
    }
}

impl ConversationState {
    /// Takes one step.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Restarted { start, outgoing } => self.restart(*start, outgoing),
            Change::Queued(outgoing) => self.queue(outgoing),
            Change::StreamBegan { stream, base, outgoing } => {
                (self.own.id, self.own.acked) = (Some(*stream), *base);
                self.renumber(outgoing);
            }
            Change::Acknowledged { below, digest, ends } => {
                self.acknowledge(*below, *digest, ends);
            }
            Change::OtherStory { certain } => self.own.doubt(*certain),
            Change::SentAgain { outgoing } => {
                outgoing.iter().for_each(|outgoing| self.queue(outgoing));
                self.own.doubtful.clear();
            }
            Change::PartnerStream { stream, base } => {
                self.partner = PartnerStream { id: Some(*stream), received: *base };
                self.received = 0;
                self.partial = None;
            }
            Change::Digested(digest) => self.partner.received = *digest,
            Change::PartnerBegan { seq } => self.receive(*seq, false),
            Change::PartnerEnded { seq: Some(seq) } => self.receive(*seq, true),
            Change::PartnerEnded { seq: None } => self.run.partner_ended = true,
            Change::Fragment { seq, id, index, count, sent_ms, bytes } => {
                let partial = self.partial.take();
                self.receive(*seq, false);
                let (have, bytes) = (index.saturating_add(1), extend(partial, *index, &bytes.0));
                let (id, count, sent_ms) = (*id, *count, *sent_ms);
                self.partial = Some(Partial { id, count, have, sent_ms, bytes });
            }
            Change::Text(received) => {
                self.receive(received.seq, false);
                self.texts = received.number.saturating_add(1);
                self.recent.push_back(received.mark());
                if self.recent.len() > usize::from(MAY_COME_AGAIN) {
                    self.recent.pop_front();
                }
                self.unshown.push_back(received.clone());
            }
            Change::Skipped { seq } => self.receive(*seq, false),
            Change::Shown { through } => self.unshown.retain(|text| text.number > *through),
            Change::Finished => self.run = Run::default(),
            Change::Charged { rounds, at } => (self.charged, self.charged_at) = (*rounds, *at),
            Change::BudgetWarned => self.budget_warned = true,
        }
    }

    /// Where the run stands, texts, and what was charged outlive a session.
    fn restart(&mut self, start: u64, outgoing: &[Outgoing]) {
        self.start = Some(start);
        self.own =
            OwnStream { doubtful: std::mem::take(&mut self.own.doubtful), ..OwnStream::default() };
        self.partner = PartnerStream::default();
        self.renumber(outgoing);
        self.received = 0;
        self.partial = None;
    }

    fn renumber(&mut self, outgoing: &[Outgoing]) {
        self.next_seq = outgoing.last().map_or(0, Outgoing::end_seq);
        self.acked = 0;
        self.outgoing = outgoing.iter().cloned().collect();
    }

    fn acknowledge(&mut self, below: u32, digest: StreamDigest, ends: &[StreamDigest]) {
        self.acked = below;
        (self.own.acked, self.own.is_blind) = (digest, false);
        let whole = self.outgoing.iter().take_while(|o| o.end_seq() <= below).count();
        self.own.pass(self.outgoing.drain(..whole), ends);
    }

    /// What is doubtful, behind everything that is to be sent.
    #[must_use]
    pub fn doubtful_anew(&self) -> Vec<Outgoing> {
        number(self.next_seq, self.own.doubtful.iter().cloned().map(Said::Text))
    }

    /// What has to be sent in a new session: everything that the partner is not known to have
    /// entirely, and where this side's run stands.
    #[must_use]
    pub fn outgoing_anew(&self) -> Vec<Outgoing> {
        let waits = |what: &Said| self.outgoing.iter().any(|outgoing| outgoing.what == *what);
        let begin = (self.run.begun && !waits(&Said::Begin)).then_some(Said::Begin);
        let end = (self.run.self_ended && !waits(&Said::End)).then_some(Said::End);
        let waiting = self.outgoing.iter().map(|outgoing| outgoing.what.clone());
        number(0, begin.into_iter().chain(waiting).chain(end))
    }

    fn queue(&mut self, outgoing: &Outgoing) {
        self.next_seq = outgoing.end_seq();
        match &outgoing.what {
            Said::Begin => {
                self.run.begun = true;
                self.run.self_ended = false;
            }
            Said::End => self.run.self_ended = true,
            Said::Text(SaidText { id, .. }) => {
                // One that is sent again has an old number.
                self.next_message = self.next_message.max(id.0.saturating_add(1));
                self.run.self_ended = false;
            }
        }
        self.outgoing.push_back(outgoing.clone());
    }

    /// Whatever arrives ends a text that was under way, unless it is its next fragment.
    fn receive(&mut self, seq: u32, ended: bool) {
        self.received = seq.saturating_add(1);
        self.partial = None;
        self.run.partner_ended = ended;
    }

    /// How many texts the partner is not known to have.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        let is_text = |o: &&Outgoing| matches!(o.what, Said::Text(_));
        self.outgoing.iter().filter(is_text).count()
    }
}

/// Each after the one before, from `first_seq` on.
fn number(mut first_seq: u32, said: impl Iterator<Item = Said>) -> Vec<Outgoing> {
    let number = |what| {
        let outgoing = Outgoing { first_seq, what };
        first_seq = outgoing.end_seq();
        outgoing
    };
    said.map(number).collect()
}

fn extend(partial: Option<Partial>, index: u16, more: &[u8]) -> Vec<u8> {
    let mut bytes = match partial {
        Some(partial) if index > 0 => partial.bytes,
        _ => Vec::new(),
    };
    bytes.extend_from_slice(more);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_have_a_limit_and_do_not_print() {
        assert_eq!(Text::new("x".repeat(TEXT_MAX + 1)), Err(TextTooLong(TEXT_MAX + 1)));
        assert_eq!(Text::new("x".repeat(TEXT_MAX)).unwrap().fragments(), 205);
        assert_eq!(Text::new("").unwrap().fragments(), 1);
        let state = ConversationState {
            outgoing: [text(0, "hidden")].into(),
            ..ConversationState::default()
        };
        assert!(!format!("{state:?}").contains("hidden"));
    }

    fn text(first_seq: u32, text: &str) -> Outgoing {
        let text = Text::new(text).unwrap();
        let what = Said::Text(SaidText { id: MessageId(0), text, sent_ms: 0 });
        Outgoing { first_seq, what }
    }

    fn acknowledged(below: u32) -> Change {
        Change::Acknowledged { below, digest: StreamDigest::default(), ends: vec![] }
    }

    #[test]
    fn acknowledgements_release_only_whole_texts() {
        let mut state = ConversationState::default();
        state.apply(&Change::Queued(Outgoing { first_seq: 0, what: Said::Begin }));
        state.apply(&Change::Queued(text(1, &"x".repeat(BODY_LEN * 2))));
        assert_eq!((state.next_seq, state.unacknowledged()), (3, 1));
        state.apply(&acknowledged(2));
        assert_eq!((state.outgoing.len(), state.unacknowledged()), (1, 1));
        state.apply(&acknowledged(3));
        assert!(state.outgoing.is_empty());
    }

    proptest! {
        #[test]
        fn fragments_put_together_are_the_text(text in "\\PC{0,900}") {
            let text = Text::new(text).unwrap();
            let joined: Vec<u8> =
                (0..text.fragments()).flat_map(|i| text.fragment(i).to_vec()).collect();
            prop_assert_eq!(joined, text.as_str().as_bytes());
            prop_assert!(text.fragment(text.fragments()).is_empty());
        }
    }
}
