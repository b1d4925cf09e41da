//! Which stream each side is in, and what the partner is known to have had of one's own.

use std::collections::VecDeque;

use talaria_wire::peer_message::{StreamDigest, StreamId};

use super::{Outgoing, Said, SaidText};

/// Things that the partner has, of which is remembered where in which stream they ended.
pub const KEPT: u8 = 128;

/// The end of something that the partner has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// The stream that it was in.
    pub stream: StreamId,
    /// The first number after it.
    pub end_seq: u32,
    /// What was in the stream up to there.
    pub digest: StreamDigest,
    /// The text, if it was one: it may have to be sent again.
    pub text: Option<SaidText>,
}

/// One's own stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnStream {
    /// Which; none until something is sent, and after the partner has shown that it knows another
    /// story: then a new one begins.
    pub id: Option<StreamId>,
    /// What was in the units that are acknowledged.
    pub acked: StreamDigest,
    /// Nothing of this stream is acknowledged, and nobody knows here what the partner had before.
    pub is_blind: bool,
    /// The newest [`KEPT`] things that the partner has, over the streams of the session, oldest first.
    pub milestones: VecDeque<Milestone>,
    /// There were older ones.
    pub cut: bool,
    /// Texts that were acknowledged, and that the partner may not have any more, oldest first.
    pub doubtful: VecDeque<SaidText>,
}

impl OwnStream {
    /// The partner has these things from now on; `ends` are the digests up to the end of each.
    pub(super) fn pass(
        &mut self,
        passed: impl IntoIterator<Item = Outgoing>,
        ends: &[StreamDigest],
    ) {
        let Some(stream) = self.id else { return };
        for (outgoing, digest) in passed.into_iter().zip(ends) {
            let end_seq = outgoing.end_seq();
            let text = match outgoing.what {
                Said::Text(text) => Some(text),
                Said::Begin | Said::End => None,
            };
            self.milestones.push_back(Milestone { stream, end_seq, digest: *digest, text });
        }
        self.cut |= shorten(&mut self.milestones);
    }

    /// Only of the oldest `certain` milestones it is certain that the partner has them.
    pub(super) fn doubt(&mut self, certain: usize) {
        self.id = None;
        let certain = certain.min(self.milestones.len());
        self.is_blind = certain == 0;
        let doubtful = self.milestones.drain(certain..);
        self.doubtful.extend(doubtful.filter_map(|milestone| milestone.text));
        shorten(&mut self.doubtful);
    }

    /// What the digest of the next stream begins with: with how far the partner has come for certain.
    #[must_use]
    pub fn base(&self) -> StreamDigest {
        let newest = self.milestones.back();
        newest.map_or_else(StreamDigest::default, |it| it.digest.base(it.stream, it.end_seq))
    }

    /// How many milestones the partner has for certain, who says that it is at this place: none if
    /// it is no place that is remembered.
    #[must_use]
    pub fn certain(&self, stream: StreamId, ack: u32, digest: StreamDigest) -> usize {
        let is_it = |it: &Milestone| (it.stream, it.end_seq, it.digest) == (stream, ack, digest);
        self.milestones.iter().rposition(is_it).map_or(0, |at| at + 1)
    }
}

/// The partner's stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartnerStream {
    /// Which, as soon as the partner has been heard.
    pub id: Option<StreamId>,
    /// What was in the units that are here, upon what was here of streams before.
    pub received: StreamDigest,
}

impl PartnerStream {
    /// What the digest of the partner's next stream begins with, with `received` units of this one here.
    #[must_use]
    pub fn base(&self, received: u32) -> StreamDigest {
        self.id.map_or(self.received, |stream| self.received.base(stream, received))
    }
}

fn shorten<T>(list: &mut VecDeque<T>) -> bool {
    let too_many = list.len().saturating_sub(KEPT.into());
    list.drain(..too_many);
    too_many > 0
}
