//! Two conversations, wired together by rounds that fail, lose, delay and part them.

mod restored;

use std::collections::VecDeque;

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;

use super::ending::FORGOTTEN_AFTER;
use super::state::{OwnStream, Run};
use super::*;
use talaria_wire::peer_message::Kind;

type Contents = [Content; ONIONS_PER_LANE];

/// One side: a conversation and what of it would survive a crash.
struct Side {
    conversation: Conversation,
    committed: ConversationState,
    /// Texts shown, over all restarts.
    heard: Vec<String>,
    delivered: Vec<MessageId>,
    /// Rounds that have been swapped and not come back yet.
    pending: VecDeque<(Round, [SlotResult; 2])>,
    finished: bool,
    /// The session that it knows of.
    start: u8,
    /// What a person sees of one's own texts.
    own: Vec<(MessageId, String, Mark)>,
    /// It may be a copy of old files.
    may_be_old: bool,
}

/// What is shown beside one's own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Waiting,
    Delivered,
    Doubtful,
}

impl Side {
    fn new() -> Self {
        let mut side = Self {
            conversation: open(0, ConversationState::default()),
            committed: ConversationState::default(),
            heard: Vec::new(),
            delivered: Vec::new(),
            pending: VecDeque::new(),
            finished: false,
            start: 0,
            own: Vec::new(),
            may_be_old: false,
        };
        side.settle();
        side
    }

    fn commit(&mut self) {
        for change in self.conversation.take_changes() {
            self.committed.apply(&change);
        }
        assert_eq!(&self.committed, self.conversation.state());
    }

    /// Commits, then shows, as the driver does.
    fn settle(&mut self) {
        self.commit();
        for notice in self.conversation.take_notices() {
            match notice {
                Notice::Message { text, number, .. } => {
                    self.heard.push(text.as_str().to_owned());
                    self.conversation.shown(number);
                }
                Notice::Delivered { id, .. } => {
                    self.delivered.push(id);
                    self.mark(id, Mark::Delivered);
                }
                Notice::Finished => self.finished = true,
                Notice::OutOfStep | Notice::MayBeLost { .. } if !self.may_be_old => {
                    panic!("nobody works with old files here")
                }
                Notice::MayBeLost { ids, older } => self.doubt(&ids, older),
                Notice::SentAgain { ids } => {
                    ids.into_iter().for_each(|id| self.mark(id, Mark::Waiting));
                }
                _ => {}
            }
        }
        self.commit();
    }

    fn say(&mut self, text: &str, now: UnixMillis) {
        let id = self.conversation.say(text, now).unwrap();
        self.own.push((id, text.to_owned(), Mark::Waiting));
        self.settle();
    }

    fn mark(&mut self, id: MessageId, mark: Mark) {
        if let Some(own) = self.own.iter_mut().rev().find(|own| own.0 == id) {
            own.2 = mark;
        }
    }

    fn doubt(&mut self, ids: &[MessageId], older: bool) {
        ids.iter().for_each(|id| self.mark(*id, Mark::Doubtful));
        let first = self.own.iter().position(|own| ids.contains(&own.0));
        let before = first.unwrap_or(self.own.len());
        for own in self.own[..before].iter_mut().filter(|_| older) {
            own.2 = Mark::Doubtful;
        }
    }

    fn restart(&mut self) {
        self.pending.clear();
        self.conversation = open(self.start, self.committed.clone());
        self.settle();
        if self.conversation.state().run.self_ended {
            self.conversation.end(false);
            self.settle();
        }
    }

    fn renew(&mut self, start: u8) {
        self.start = start;
        self.pending.clear();
        self.conversation.restart(&SessionId([start; 32]), start.into());
        self.settle();
    }

    fn return_oldest(&mut self) {
        if let Some((round, slots)) = self.pending.pop_front() {
            self.conversation.came_back(round, slots);
            self.settle();
        }
    }
}

fn partner(content: Content) -> SlotResult {
    SlotResult::Partner(Box::new(content))
}

fn open(start: u8, state: ConversationState) -> Conversation {
    let session = SessionId([start; 32]);
    Conversation::new(name(), &session, start.into(), state, Limit::default())
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(2)
}

fn name() -> UserName {
    UserName::new("partner").unwrap()
}

/// What happens to one round.
#[derive(Clone, Debug, Default)]
struct Fate {
    /// Side takes no part at all.
    absent: [bool; 2],
    /// The message of (side, slot) is dropped on the way out.
    dropped: [[bool; 2]; 2],
    /// The replies of a side are lost on the way back.
    failed: [bool; 2],
    /// The replies of a side stay away for some rounds, or overtake earlier ones.
    delayed: [bool; 2],
    overtaken: [bool; 2],
    restarted: [bool; 2],
    /// A side crashes after it has committed what came back, and before it shows any of it.
    interrupted: [bool; 2],
    /// One of the two has a new key, and so the two have a new session.
    renewed: bool,
    /// A side does not get to know of the newest session in this round.
    unaware: [bool; 2],
}

fn fate() -> impl Strategy<Value = Fate> {
    let rarely = || prop::array::uniform2(prop::bool::weighted(0.12));
    let very_rarely = || prop::array::uniform2(prop::bool::weighted(0.03));
    let dropped = prop::array::uniform2(rarely());
    let often = prop::array::uniform2(prop::bool::weighted(0.7));
    let renewed = (prop::bool::weighted(0.03), often);
    let crashes = (very_rarely(), very_rarely());
    let mishaps = (rarely(), dropped, rarely(), rarely(), rarely(), crashes, renewed);
    mishaps.prop_map(|(absent, dropped, failed, delayed, overtaken, crashes, renewed)| Fate {
        absent,
        dropped,
        failed,
        delayed,
        overtaken,
        restarted: crashes.0,
        interrupted: crashes.1,
        renewed: renewed.0,
        unaware: renewed.1,
    })
}

struct Wire {
    sides: [Side; 2],
    round: u64,
    /// The newest session.
    start: u8,
    rng: ChaCha20Rng,
}

impl Wire {
    fn new() -> Self {
        let rng = ChaCha20Rng::seed_from_u64(1);
        Self { sides: [Side::new(), Side::new()], round: 0, start: 0, rng }
    }

    fn step(&mut self, fate: &Fate) {
        let round = Round(self.round);
        self.round += 1;
        self.start += u8::from(fate.renewed);
        let said = [0, 1].map(|i| self.speak(i, round, fate));
        for i in 0..2 {
            self.listen(i, round, &said, fate);
        }
    }

    fn speak(&mut self, i: usize, round: Round, fate: &Fate) -> Option<Contents> {
        let newest = self.start;
        let side = &mut self.sides[i];
        if side.start != newest && !fate.unaware[i] && !side.finished {
            side.renew(newest);
        }
        if fate.restarted[i] && !side.finished {
            side.restart();
        }
        let present = !fate.absent[i] && side.conversation.talks_in(round);
        side.settle();
        let rng = &mut self.rng;
        let said = present.then(|| side.conversation.compose(round, rng));
        // Nothing leaves before it is durable.
        side.commit();
        said
    }

    fn listen(&mut self, i: usize, round: Round, said: &[Option<Contents>; 2], fate: &Fate) {
        // In different sessions they go to different dead drops.
        let together = self.sides[0].start == self.sides[1].start;
        let side = &mut self.sides[i];
        if said[i].is_none() {
            return;
        }
        let met = |slot: usize| together && !fate.dropped[i][slot] && !fate.dropped[1 - i][slot];
        let other = said[1 - i].as_ref();
        let slots = [0, 1].map(|slot: usize| match other {
            Some(contents) if met(slot) => SlotResult::Partner(Box::new(contents[slot].clone())),
            _ => SlotResult::Nothing,
        });
        if fate.failed[i] {
            side.conversation.lost(round, Loss::Unknown);
            side.settle();
        } else if fate.overtaken[i] {
            side.pending.push_front((round, slots));
        } else {
            side.pending.push_back((round, slots));
        }
        // Usually the replies of the round before arrive while this one collects.
        if fate.interrupted[i]
            && let Some((round, slots)) = side.pending.pop_front()
        {
            side.conversation.came_back(round, slots);
            side.commit();
            if side.conversation.is_finished() {
                // It was all over: a restart would begin a new run, and wait for the partner.
                side.finished = true;
            } else {
                side.restart();
            }
        }
        while side.pending.len() > if fate.delayed[i] { 3 } else { 1 } {
            side.return_oldest();
        }
    }

    fn say(&mut self, i: usize, text: &str) {
        self.sides[i].say(text, UnixMillis(1));
    }

    fn end(&mut self, i: usize) {
        self.sides[i].conversation.end(false);
        self.sides[i].settle();
    }

    fn run_until_finished(&mut self, limit: u64) {
        let end = self.round + limit;
        while self.sides.iter().any(|side| !side.finished) {
            assert!(self.round < end, "not finished after {limit} rounds");
            self.step(&Fate::default());
        }
    }
}

fn lines(side: usize, count: usize, long: &[usize]) -> Vec<String> {
    let text = |n: usize| match long.get(n) {
        Some(len) => format!("{side}-{n}-{}", "ä".repeat(*len)),
        None => format!("{side}-{n}"),
    };
    (0..count).map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn everything_arrives_once_and_in_order_and_both_finish(
        fates in prop::collection::vec(fate(), 0..150),
        counts in prop::array::uniform2(0usize..60),
        long in prop::array::uniform2(prop::collection::vec(0usize..900, 0..3)),
        end_at in prop::array::uniform2(0usize..150),
    ) {
        let mut wire = Wire::new();
        let said = [0, 1].map(|i| lines(i, counts[i], &long[i]));
        let mut next = [0, 0];
        for (at, fate) in fates.iter().enumerate() {
            for i in 0..2 {
                let due = if at >= end_at[i] { counts[i] } else { counts[i] * at / end_at[i].max(1) };
                while next[i] < due {
                    wire.say(i, &said[i][next[i]]);
                    next[i] += 1;
                }
                if at == end_at[i] && !wire.sides[i].finished {
                    wire.end(i);
                }
            }
            wire.step(fate);
        }
        for i in 0..2 {
            while next[i] < counts[i] {
                wire.say(i, &said[i][next[i]]);
                next[i] += 1;
            }
            if !wire.sides[i].finished {
                wire.end(i);
            }
        }
        wire.run_until_finished(200);
        for (side, said) in wire.sides.iter().rev().zip(&said) {
            prop_assert_eq!(&side.heard, said);
        }
        for side in &wire.sides {
            // A crash may swallow the news, but there is none that is false, or comes twice.
            prop_assert!(side.delivered.is_sorted_by(|a, b| a < b));
            // In a new session a partner who has finished acknowledges no end a second time.
            let renewed = fates.iter().any(|fate| fate.renewed);
            prop_assert_eq!(side.committed.unacknowledged(), 0);
            prop_assert!(renewed || side.committed.outgoing.is_empty());
        }
    }
}

#[test]
fn two_hundred_lines_each_way_take_little_more_than_a_hundred_rounds() {
    let mut wire = Wire::new();
    for i in 0..2 {
        for line in lines(i, 200, &[]) {
            wire.say(i, &line);
        }
        wire.end(i);
    }
    wire.run_until_finished(115);
    assert_eq!(wire.sides[0].heard, lines(1, 200, &[]));
}

#[test]
fn a_new_run_begins_where_the_last_one_ended() {
    let mut wire = Wire::new();
    for text in ["first", "second"] {
        for i in 0..2 {
            wire.say(i, text);
            wire.end(i);
        }
        wire.run_until_finished(20);
        for side in &mut wire.sides {
            assert_eq!(side.committed.run, Run::default());
            side.finished = false;
            side.restart();
        }
    }
    assert_eq!(wire.sides[0].heard, ["first", "second"]);
}

#[test]
fn one_side_may_start_a_new_run_while_the_other_still_says_farewell() {
    let mut wire = Wire::new();
    wire.end(0);
    wire.end(1);
    while !wire.sides[0].finished {
        // Side 1 never sees what comes back: it does not know that side 0 has finished.
        let fate = Fate { failed: [false, wire.round > 3], ..Fate::default() };
        wire.step(&fate);
        assert!(wire.round < 60);
    }
    assert!(!wire.sides[1].finished);
    wire.sides[0].finished = false;
    wire.sides[0].restart();
    wire.say(0, "again");
    wire.end(0);
    wire.run_until_finished(40);
    assert_eq!(wire.sides[1].heard, ["again"]);
}

#[test]
fn a_partner_in_a_new_home_gets_what_was_not_acknowledged() {
    let mut wire = Wire::new();
    for text in ["heard", "lost"] {
        wire.say(0, text);
        let alone = Fate { absent: [false, text == "lost"], ..Fate::default() };
        for _ in 0..6 {
            wire.step(&alone);
        }
    }
    // The new home knows nothing of what the old one said and heard.
    wire.sides[1] = Side::new();
    wire.say(1, "new");
    wire.step(&Fate { renewed: true, ..Fate::default() });
    wire.end(0);
    wire.end(1);
    wire.run_until_finished(40);
    assert_eq!(wire.sides[1].heard, ["lost"]);
    assert_eq!(wire.sides[0].heard, ["new"]);
}

#[test]
fn who_is_done_does_not_wait_for_a_vanished_partner_for_ever() {
    let mut wire = Wire::new();
    wire.say(0, "bye");
    wire.end(0);
    wire.end(1);
    for _ in 0..6 {
        wire.step(&Fate::default());
    }
    let gone = Fate { absent: [false, true], ..Fate::default() };
    for _ in 0..FORGOTTEN_AFTER + 3 {
        wire.step(&gone);
    }
    assert!(wire.sides[0].finished);
}

#[test]
fn who_leaves_waits_for_its_own_words_only() {
    let mut wire = Wire::new();
    wire.say(0, "hello");
    wire.sides[0].conversation.end(true);
    for _ in 0..8 {
        wire.step(&Fate::default());
    }
    assert!(wire.sides[0].finished && !wire.sides[1].finished);
    assert_eq!(wire.sides[1].heard, ["hello"]);
    // The other side has only its end to say: it notices that nobody listens any more.
    wire.end(1);
    for _ in 0..FORGOTTEN_AFTER + 3 {
        wire.step(&Fate::default());
    }
    assert!(wire.sides[1].finished);
}

#[test]
fn lines_that_nobody_fetched_are_kept() {
    let mut wire = Wire::new();
    wire.say(0, "kept");
    wire.end(0);
    let alone = Fate { absent: [false, true], ..Fate::default() };
    for _ in 0..100 {
        wire.step(&alone);
    }
    assert!(!wire.sides[0].finished);
    assert_eq!(wire.sides[0].committed.unacknowledged(), 1);
}

#[test]
fn presence_is_told_once() {
    let mut conversation = open(0, ConversationState::default());
    let mut presences = Vec::new();
    for round in 0..30 {
        let round = Round(round);
        conversation.compose(round, &mut rng());
        let here = (3..6).contains(&round.0) || round.0 == 20;
        let slot = if here { partner(Content::idle()) } else { SlotResult::Nothing };
        conversation.came_back(round, [slot.clone(), slot]);
        for notice in conversation.take_notices() {
            if let Notice::Partner { presence, round } = notice {
                presences.push((round.0, presence));
            }
        }
    }
    let expected = [
        (3, Presence::Present),
        (10, Presence::Absent),
        (20, Presence::Present),
        (25, Presence::Absent),
    ];
    assert_eq!(presences, expected);
}

#[test]
fn long_texts_report_progress_on_both_sides() {
    let mut wire = Wire::new();
    let mut seen = Vec::new();
    let text = "x".repeat(1900);
    wire.sides[0].conversation.say(&text, UnixMillis(1)).unwrap();
    for _ in 0..10 {
        let round = Round(wire.round);
        wire.round += 1;
        let a = wire.sides[0].conversation.compose(round, &mut rng());
        let b = wire.sides[1].conversation.compose(round, &mut rng());
        wire.sides[0].conversation.came_back(round, b.map(partner));
        wire.sides[1].conversation.came_back(round, a.map(partner));
        for side in &mut wire.sides {
            seen.extend(side.conversation.take_notices().into_iter().filter_map(|n| match n {
                Notice::Progress { way, have, count, .. } => Some((way, have, count)),
                _ => None,
            }));
        }
    }
    let ways = |way| seen.iter().filter(|s| s.0 == way).map(|s| (s.1, s.2)).collect::<Vec<_>>();
    assert_eq!(ways(Way::Receiving), [(1, 6), (2, 6), (3, 6), (4, 6), (5, 6)]);
    assert_eq!(ways(Way::Sending), [(1, 6), (3, 6), (5, 6)]);
}

#[test]
fn acknowledgements_of_what_was_never_said_are_noticed() {
    let mut conversation = open(0, ConversationState::default());
    for round in 0..3 {
        conversation.compose(Round(round), &mut rng());
        let ack_stream = conversation.state().own.id;
        let ahead = Content { ack: 9, ack_stream, ..Content::idle() };
        let slots = [partner(ahead), SlotResult::Nothing];
        conversation.came_back(Round(round), slots);
    }
    let notices = conversation.take_notices();
    assert_eq!(
        notices.iter().filter(|n| **n == Notice::OutOfStep).count(),
        3,
        "each in a new stream"
    );
    assert_eq!(conversation.state().acked, 0);
}

#[test]
fn the_stream_ends_before_its_numbers_do() {
    let state = ConversationState {
        start: Some(0),
        next_seq: SEQ_LIMIT - 1,
        acked: SEQ_LIMIT - 1,
        own: OwnStream { id: Some(StreamId::UNSET), ..OwnStream::default() },
        run: Run { begun: true, ..Run::default() },
        ..ConversationState::default()
    };
    let mut conversation = open(0, state);
    assert!(conversation.say("last", UnixMillis(0)).is_ok());
    assert_eq!(conversation.say("more", UnixMillis(0)), Err(SayError::Exhausted));
    conversation.end(false);
    assert_eq!(conversation.compose(Round(1), &mut rng()).map(|c| c.kind), [Kind::Data, Kind::End]);
}
