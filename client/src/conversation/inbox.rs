//! Units of the partner's stream, put back in order.
//!
//! What comes out of order waits in memory and may be forgotten in a crash; only what is in order
//! becomes a [`Change`], is committed, and counts in the cumulative acknowledgement.

use std::collections::BTreeMap;

use talaria_wire::Round;
use talaria_wire::peer_message::{BODY_LEN, Content, Kind, StreamDigest};

use super::outbox::WINDOW;
use super::state::{Change, ConversationState, FragmentBytes, Partial, Received, TEXT_MAX, Text};

/// Units past the first missing one. At most [`WINDOW`] of them.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    later: BTreeMap<u32, (Content, Round)>,
}

impl Inbox {
    /// Keeps a unit, if it is new and within the window.
    pub(crate) fn take_in(&mut self, content: Content, round: Round, received: u32) {
        let Some(ahead) = content.seq.checked_sub(received) else {
            return;
        };
        if content.kind.is_unit() && ahead <= WINDOW && content.seq < u32::MAX {
            self.later.entry(content.seq).or_insert((content, round));
        }
    }

    /// The change that the next unit in order makes, if it is here, and what the stream holds with it.
    pub(crate) fn next(&mut self, state: &ConversationState) -> Option<(Change, StreamDigest)> {
        let (content, round) = self.later.remove(&state.received)?;
        Some((change(&content, round, state), state.partner.received.and(&content)))
    }

    /// Bit `i`: unit `received + 1 + i` is here.
    pub(crate) fn selective(&self, received: u32) -> u32 {
        let ahead = |seq: &u32| seq.checked_sub(received)?.checked_sub(1);
        let bits = self.later.keys().filter_map(ahead).filter(|&i| i < WINDOW);
        bits.fold(0, |bits, i| bits | 1 << i)
    }
}

fn change(unit: &Content, round: Round, state: &ConversationState) -> Change {
    let seq = unit.seq;
    let partial = state.partial.as_ref();
    match unit.kind {
        Kind::Begin => Change::PartnerBegan { seq },
        Kind::End => Change::PartnerEnded { seq: Some(seq) },
        Kind::Data if belongs(unit, partial) => fragment(unit, round, state),
        Kind::Data | Kind::Idle | Kind::Head => Change::Skipped { seq },
    }
}

/// Whether a fragment is the next one of the text under way, or the first one of a text.
fn belongs(unit: &Content, partial: Option<&Partial>) -> bool {
    let last = unit.fragment_index + 1 == unit.fragment_count;
    let fits = usize::from(unit.fragment_count) <= TEXT_MAX.div_ceil(BODY_LEN)
        && (last || unit.body.as_bytes().len() == BODY_LEN);
    fits && match (unit.fragment_index, partial) {
        (0, _) => true,
        (index, Some(partial)) => {
            partial.id == unit.message_id
                && partial.count == unit.fragment_count
                // Of two copies of a home each may have a text with this number.
                && partial.sent_ms == unit.sent_ms
                && partial.have == index
        }
        (_, None) => false,
    }
}

fn fragment(unit: &Content, round: Round, state: &ConversationState) -> Change {
    let (seq, id) = (unit.seq, unit.message_id);
    let body = unit.body.as_bytes();
    if unit.fragment_index + 1 < unit.fragment_count {
        let bytes = FragmentBytes(body.to_vec());
        let (index, count) = (unit.fragment_index, unit.fragment_count);
        return Change::Fragment { seq, id, index, count, sent_ms: unit.sent_ms, bytes };
    }
    let mut bytes = match &state.partial {
        Some(partial) if unit.fragment_index > 0 => partial.bytes.clone(),
        _ => Vec::new(),
    };
    bytes.extend_from_slice(body);
    let text = String::from_utf8(bytes).ok().and_then(|text| Text::new(text).ok());
    let (sent_ms, number) = (unit.sent_ms, state.texts);
    let received = text.map(|text| Received { seq, number, id, text, sent_ms, round });
    // It came in an earlier session already, without the partner getting to know.
    let news = received.filter(|received| !state.recent.contains(&received.mark()));
    news.map_or(Change::Skipped { seq }, Change::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use talaria_wire::peer_message::{Body, MessageId};

    fn data(seq: u32, index: u16, count: u16, body: &[u8]) -> Content {
        Content {
            kind: Kind::Data,
            seq,
            message_id: MessageId(seq.wrapping_sub(index.into())),
            fragment_index: index,
            fragment_count: count,
            body: Body::new(body).unwrap(),
            ..Content::idle()
        }
    }

    fn receive(units: Vec<Content>) -> ConversationState {
        let mut state = ConversationState::default();
        let mut inbox = Inbox::default();
        for unit in units {
            inbox.take_in(unit, Round(1), state.received);
            while let Some((change, _)) = inbox.next(&state) {
                state.apply(&change);
            }
        }
        state
    }

    #[test]
    fn order_is_restored_and_duplicates_are_dropped() {
        let units = [2u8, 0, 0, 2, 1, 1].map(|seq| data(seq.into(), 0, 1, &[b'a' + seq]));
        let state = receive(units.to_vec());
        let texts: Vec<_> = state.unshown.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "c"]);
    }

    #[test]
    fn the_window_is_kept_and_told() {
        let mut inbox = Inbox::default();
        for seq in [1, 3, WINDOW, WINDOW + 1, u32::MAX] {
            inbox.take_in(data(seq, 0, 1, b""), Round(1), 0);
        }
        assert_eq!(inbox.selective(0), 1 << 31 | 0b101);
        assert_eq!(inbox.later.len(), 3);
    }

    #[test]
    fn fragments_make_a_text_and_strays_are_passed_over() {
        let full = [b'x'; BODY_LEN];
        let state = receive(vec![data(0, 0, 2, &full), data(1, 1, 2, b"y")]);
        assert_eq!(state.unshown[0].text.as_str().len(), BODY_LEN + 1);
        for strays in [
            vec![data(0, 1, 2, b"y")],
            vec![data(0, 0, 2, b"not full"), data(1, 1, 2, b"y")],
            vec![data(0, 0, 3, &full), data(1, 2, 3, b"y")],
            vec![data(0, 0, 206, &full)],
            vec![data(0, 0, 1, &[0xff])],
        ] {
            let count = u32::try_from(strays.len()).unwrap();
            let state = receive(strays);
            assert_eq!((state.received, state.unshown.len()), (count, 0));
            assert_eq!(state.partial, None);
        }
    }
}
