//! What is under way as units: what each of them carries, and what it means that some have arrived.

use talaria_wire::Round;
use talaria_wire::peer_message::{BODY_LEN, Body, Content, Kind};

use super::state::{Outgoing, Said, SaidText, TEXT_MAX};
use crate::notice::{Notice, Way};

/// What the unit `seq` of something under way carries, without acknowledgements.
pub(super) fn content(outgoing: &Outgoing, seq: u32) -> Content {
    let mut content = Content { seq, ..Content::idle() };
    match &outgoing.what {
        Said::Begin => content.kind = Kind::Begin,
        Said::End => content.kind = Kind::End,
        Said::Text(SaidText { id, text, sent_ms }) => {
            let index = u16::try_from(seq - outgoing.first_seq).unwrap_or(u16::MAX);
            content.kind = Kind::Data;
            content.message_id = *id;
            content.fragment_index = index;
            content.fragment_count = text.fragments();
            content.sent_ms = *sent_ms;
            content.body = Body::new(text.fragment(index)).expect("a fragment fits a body");
        }
    }
    content
}

/// What it means for something under way that the partner has everything below `below`.
pub(super) fn arrival(
    outgoing: &Outgoing,
    before: u32,
    below: u32,
    round: Round,
) -> Option<Notice> {
    let Said::Text(SaidText { id, .. }) = outgoing.what else {
        return None;
    };
    if outgoing.end_seq() <= below {
        return Some(Notice::Delivered { id, round });
    }
    let count = u16::try_from(outgoing.units()).unwrap_or(u16::MAX);
    let have = u16::try_from(below - outgoing.first_seq).unwrap_or(u16::MAX);
    let way = Way::Sending;
    (before < below).then_some(Notice::Progress { id, way, have, count })
}

const _: () = assert!(TEXT_MAX / BODY_LEN < 65_536, "a text's fragments are counted in 16 bits");
