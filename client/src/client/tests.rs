//! Clients against a chain of one hop in memory.

use std::collections::HashMap;

use chacha20::ChaCha20Rng;
use rustls_pki_types::CertificateDer;
use talaria_wire::crypto::OnionSecret;
use talaria_wire::dead_drop::EMPTY_REPLY;
use talaria_wire::frame::{Accepts, HEADER_LEN, Header, Outcome, Submission};
use talaria_wire::identity::directory::{AHEAD_MAX, EntryHash};
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, NetworkFile, Noise, NoiseGoal, Terms, Validity,
};
use talaria_wire::onion::{PeelContext, peel, seal_reply};
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::peer_message::MessageId;
use talaria_wire::reason::{Farewell, Pause, Refusal};
use talaria_wire::{HopIndex, UnixMillis};

use super::round::MAX_ROUNDS_AWAY;
use super::sealing::{RESERVE, STOCK};
use super::*;
use crate::conversation::SayError;
use crate::conversation::budget::{BudgetStage, Causes};
use crate::conversation::state::{self, ConversationState};
use crate::departures::{Departures, Order, Prepared, offset_ms};
use crate::identity::tests::identity;
use crate::loss::{Loss, RoundEnd};
use crate::notice::Interference;
use talaria_fixtures::epoch_keys;

const PERIOD: u64 = 2000;
const FIRST: Round = Round(5000);

mod sealing;

fn sign(terms: Terms, seeds: &[u64]) -> Network {
    let mut file = NetworkFile::new(terms).unwrap();
    for seed in seeds {
        file.sign(&identity(*seed, "xxx").0.secret);
    }
    file.verify(UnixMillis(0), None).unwrap()
}

/// A hop, an exchange and the frames of an entry.
struct Server {
    hop: OnionSecret,
    network: Network,
}

impl Server {
    fn new(lanes: u8) -> Self {
        Self::with_noise(lanes, Noise::NONE)
    }

    /// A goal that leaves each side so many charged rounds; the hop itself adds nothing.
    fn with_budget(each: u64) -> Self {
        let charged_rounds = 2 * each;
        let goal = NoiseGoal { epsilon_millionths: 1, delta_billionths: 1, charged_rounds };
        Self::with_noise(1, Noise { onions: 2, goal: Some(goal), ..Noise::NONE })
    }

    fn with_noise(lanes: u8, noise: Noise) -> Self {
        let hop = OnionSecret::from_bytes(&[5; 32]);
        let [key, hop_key, directory] =
            [100, 101, 102].map(|seed| *identity(seed, "xxx").0.secret.public());
        let address = "127.0.0.1:1".to_owned();
        let entry = EntryInfo {
            operator: "Eve".to_owned(),
            address: address.clone(),
            identity: key,
            ca: CertificateDer::from(vec![1]),
        };
        let service = IdentityInfo { address: address.clone(), key: directory };
        let operator = "Harry".to_owned();
        let info = HopInfo { operator, address, identity: hop_key };
        let validity = Validity { from: UnixMillis(0), until: UnixMillis(1_000_000_000_000) };
        let mut terms = Terms::first("test", validity, entry, service, vec![info]);
        terms.lanes = lanes;
        terms.noise = noise;
        Self { hop, network: sign(terms, &[100, 101]) }
    }

    /// Runs a round over what each client submitted; `drop` are onions lost on the way.
    fn run(&self, round: Round, submissions: &[Vec<u8>], drop: &[(usize, usize)]) -> Vec<Vec<u8>> {
        let shape = self.network.shape();
        let mut seen: HashMap<Vec<u8>, (usize, usize)> = HashMap::new();
        let mut replies = vec![vec![EMPTY_REPLY; shape.onions()]; submissions.len()];
        let mut keys = Vec::new();
        let mut messages = HashMap::new();
        for (who, frame) in submissions.iter().enumerate() {
            let body = body(frame, Accepts::FromClient(shape));
            let submission = Submission::decode(body, shape).unwrap();
            assert_eq!(submission.round, round);
            for (which, onion) in submission.onions.chunks(shape.onion_len()).enumerate() {
                let mut onion = onion.to_vec();
                let context = PeelContext::new(&self.hop, &[], round, HopIndex(0));
                let (key, sound) = peel(&mut onion, &context);
                assert!(sound);
                keys.push(key);
                if drop.contains(&(who, which)) {
                    continue;
                }
                let (id, message) = onion[32..onion.len() - 16].split_at(16);
                messages.insert((who, which), message.to_vec());
                if let Some(other) = seen.insert(id.to_vec(), (who, which)) {
                    replies[who][which].copy_from_slice(&messages[&other]);
                    replies[other.0][other.1].copy_from_slice(message);
                }
            }
        }
        let mut keys = keys.into_iter();
        let seal = |message: &[u8; 512], key| {
            let mut slot = message.to_vec();
            slot.extend_from_slice(&[0; 16]);
            seal_reply(&key, &mut slot);
            slot
        };
        let frame = |mine: &Vec<[u8; 512]>, keys: &mut dyn Iterator<Item = _>| {
            let replies: Vec<u8> =
                mine.iter().zip(keys).flat_map(|(message, key)| seal(message, key)).collect();
            let mut frame = Vec::new();
            let outcome = Outcome::Delivered;
            Replies { round, outcome, replies: &replies }.put_frame(&mut frame);
            frame
        };
        replies.iter().map(|mine| frame(mine, &mut keys.by_ref().take(shape.onions()))).collect()
    }
}

fn body(frame: &[u8], accepts: Accepts) -> &[u8] {
    let (head, body) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
    assert_eq!(Header::parse(*head, accepts).unwrap().len, body.len());
    body
}

struct Person {
    client: Client,
    wire: Departures,
    /// Nothing becomes durable for now, and whatever waits for it waits.
    disk_stuck: bool,
    network: Network,
    rng: ChaCha20Rng,
    state: ConversationState,
    last_round: Option<Round>,
    unmet: u64,
    notices: Vec<Notice>,
    closed: Option<CloseReason>,
}

impl Person {
    fn new(seed: u64, name: &str, server: &Server) -> Self {
        let (identity, rng) = identity(seed, name);
        let client = Client::new(&server.network, identity, None);
        Self {
            client,
            wire: Departures::new(server.network.period_ms),
            disk_stuck: false,
            network: server.network.clone(),
            rng,
            state: ConversationState::default(),
            last_round: None,
            unmet: 0,
            notices: Vec::new(),
            closed: None,
        }
    }

    fn connect(&mut self, now: UnixMillis) {
        self.wire = Departures::new(self.network.period_ms);
        assert_eq!(self.client.handle_connected(now)[0], Kind::Control as u8);
        self.settle();
        let welcome = Control::Welcome { protocol: PROTOCOL_VERSION }.to_frame();
        self.take(now, &welcome).unwrap();
        self.settle();
    }

    fn take(&mut self, now: UnixMillis, frame: &[u8]) -> Result<(), ProtocolError> {
        let shape = self.client.shape;
        let (head, body) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
        let header = Header::parse(*head, Accepts::FromEntry(shape)).unwrap();
        if let (Kind::Announcement, Ok(it)) = (header.kind, Announcement::decode(body)) {
            // The keys of its epoch have been announced before; they are the same in all epochs.
            let (own, hop) = (identity(101, "xxx").0.secret, OnionSecret::from_bytes(&[5; 32]));
            let keys = epoch_keys(&self.network, &own, &hop, it.round);
            let _ =
                self.client.handle_frame(now, Kind::EpochKeys, &keys[HEADER_LEN..], &mut self.rng);
            self.wire.announce(now, &it);
        }
        if let (Kind::Control, Ok(Control::Paused { .. })) = (header.kind, Control::decode(body)) {
            self.wire.pause();
        }
        self.client.handle_frame(now, header.kind, body, &mut self.rng)
    }

    /// Executes every action.
    fn settle(&mut self) {
        while let Some(order) = self.client.poll_order() {
            self.wire.obey(order);
        }
        if self.disk_stuck {
            return;
        }
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Commit(changes) => changes.iter().for_each(|change| match change {
                    Change::LastRound(round) => self.last_round = Some(*round),
                    Change::IdlePairsUnmet(times) => self.unmet = *times,
                    Change::Conversation(_, change) => self.state.apply(change),
                }),
                Action::Order(order) => self.wire.obey(order),
                Action::Notify(notice) => self.notices.push(notice),
                Action::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    /// What leaves until `end`, and when.
    fn run_until(&mut self, end: UnixMillis) -> Vec<(UnixMillis, Prepared)> {
        let mut left = Vec::new();
        loop {
            self.settle();
            let timers = self.client.poll_timeout().into_iter().chain(self.wire.poll_timeout());
            let Some(now) = timers.min().filter(|at| *at <= end) else { return left };
            if self.wire.poll_timeout() > Some(now) || self.wire.poll_timeout().is_none() {
                self.client.handle_timeout(now, &mut self.rng);
            } else if let Some(leaving) = self.wire.handle_timeout(now) {
                let Prepared { round, serial, .. } = leaving;
                self.client.handle_departed(now, round, serial, &mut self.rng);
                left.push((now, leaving));
            }
        }
    }

    /// The round is announced at `now`, and collects: what leaves in it.
    fn try_answer(&mut self, now: UnixMillis, round: Round) -> Vec<Vec<u8>> {
        self.take(now, &announcement(round)).unwrap();
        let left = self.run_until(now.plus(offset_ms(self.client.period_ms)));
        left.into_iter().map(|(_, prepared)| prepared.frame).collect()
    }

    fn answer(&mut self, round: Round) -> Vec<u8> {
        let mut sent = self.try_answer(round.starts_at(self.client.period_ms), round);
        assert_eq!(self.client.last_round(), Some(round));
        assert!(self.last_round >= Some(round));
        assert_eq!(sent.len(), 1);
        sent.remove(0)
    }
}

fn announcement(round: Round) -> Vec<u8> {
    Announcement { round, opens_in_ms: 0, closes_in_ms: 1500 }.to_frame()
}

fn pair(server: &Server) -> [Person; 2] {
    let mut pair = [Person::new(1, "alice", server), Person::new(2, "bob", server)];
    let contacts = [0, 1].map(|i: usize| pair[i].client.identity.contact());
    for (person, contact) in pair.iter_mut().zip(contacts.into_iter().rev()) {
        person.client.open(contact, ConversationState::default());
        person.connect(start());
    }
    pair
}

fn start() -> UnixMillis {
    UnixMillis(FIRST.0 * PERIOD)
}

fn run_round(server: &Server, people: &mut [Person], round: Round, drop: &[(usize, usize)]) {
    let submissions: Vec<_> = people.iter_mut().map(|person| person.answer(round)).collect();
    let now = round.starts_at(server.network.period_ms).plus(2300);
    for (person, frame) in people.iter_mut().zip(server.run(round, &submissions, drop)) {
        person.take(now, &frame).unwrap();
        person.settle();
        assert_eq!(person.client.conversation().unwrap_or(&person.state), &person.state);
    }
}

#[test]
fn two_people_talk_and_part() {
    let server = Server::new(1);
    let mut people = pair(&server);
    people[0].client.say("hello", start()).unwrap();
    people[1].client.say("hi", start()).unwrap();
    for person in &mut people {
        person.client.end();
        person.settle();
    }
    for r in 0..12 {
        run_round(&server, &mut people, Round(FIRST.0 + r), &[]);
    }
    for person in &mut people {
        assert_eq!(person.client.say("more", start()), Err(SayError::NotOpen));
        // What was shown can still be marked after the end, or it would be shown again.
        assert_eq!(person.state.unshown.len(), 1);
        person.client.shown(u32::MAX);
        person.settle();
        assert!(person.state.unshown.is_empty());
    }
    for (person, (from, said)) in people.iter().zip([("bob", "hi"), ("alice", "hello")]) {
        let has = |wanted: &dyn Fn(&Notice) -> bool| person.notices.iter().any(wanted);
        assert!(has(&|n| matches!(n, Notice::Message { from: f, text, .. }
            if f.as_str() == from && text.as_str() == said)));
        assert!(has(&|n| matches!(n, Notice::Delivered { id: MessageId(0), .. })));
        assert!(has(&|n| *n == Notice::Finished));
        // What comes after the end is cover, and meets itself.
        assert_eq!(person.client.counters.idle_pairs_unmet, 0);
    }
}

#[test]
fn idle_and_talking_clients_send_frames_of_one_size() {
    let server = Server::new(2);
    let mut people = Vec::from(pair(&server));
    let mut idle = Person::new(3, "Carol", &server);
    idle.connect(start());
    people.push(idle);
    people[0].client.say(&"long ".repeat(2000), start()).unwrap();
    let sizes: Vec<_> = people.iter_mut().map(|p| p.answer(FIRST).len()).collect();
    assert_eq!(sizes, [sizes[0]; 3]);
}

#[test]
fn partners_tell_each_other_the_newest_heads_where_they_would_say_nothing() {
    let server = Server::new(2);
    let mut people = pair(&server);
    let head = |entries, time_s| {
        let hash = EntryHash([7; 32]);
        Head { entries, hash, time_s, signature: [9; 64] }
    };
    people[0].client.know_head(Some(head(8, 100)));
    people[1].client.know_head(Some(head(5, 90)));
    people[0].client.say("a text goes on as before", start()).unwrap();
    for r in 1..6 {
        run_round(&server, &mut people, Round(FIRST.0 + r), &[]);
    }
    assert_eq!(people[1].state.texts, 1);
    assert_eq!(people[0].client.take_heads(), [head(5, 90)]);
    assert_eq!(people[1].client.take_heads(), [head(8, 100)]);
    // Once is enough, until there is another one; and what both know is no news.
    people[0].client.know_head(Some(head(5, 95)));
    people[1].client.know_head(Some(head(5, 95)));
    for r in 6..9 {
        run_round(&server, &mut people, Round(FIRST.0 + r), &[]);
    }
    assert_eq!(people[0].client.take_heads(), []);
    // A partner who says one after the other does not fill the memory.
    for r in 9..40 {
        people[1].client.know_head(Some(head(r, 95)));
        run_round(&server, &mut people, Round(FIRST.0 + r), &[]);
    }
    assert_eq!(people[0].client.take_heads().len(), AHEAD_MAX);
    // Nobody else sees whether there is one.
    people[1].client.know_head(None);
    let [one, other] = [0, 1].map(|i: usize| people[i].answer(Round(FIRST.0 + 40)).len());
    assert_eq!(one, other);
}

#[test]
fn an_idle_pair_that_does_not_meet_is_noticed() {
    let server = Server::new(2);
    let mut idle = [Person::new(3, "Carol", &server)];
    idle[0].connect(start());
    run_round(&server, &mut idle, FIRST, &[]);
    assert_eq!(idle[0].client.counters.idle_pairs_unmet, 0);
    run_round(&server, &mut idle, FIRST.next(), &[(0, 3)]);
    let unmet = Interference::IdlePairUnmet { lane: 1 };
    let notice = Notice::Interference { round: FIRST.next(), kind: unmet, times: 1 };
    assert!(idle[0].notices.contains(&notice));
    assert_eq!((idle[0].client.counters.idle_pairs_unmet, idle[0].unmet), (1, 1));
}

#[test]
fn altered_replies_are_counted_and_nothing_is_taken_from_them() {
    let server = Server::new(1);
    let mut people = pair(&server);
    people[1].client.say("hi", start()).unwrap();
    people[1].settle();
    let submissions: Vec<_> = people.iter_mut().map(|person| person.answer(FIRST)).collect();
    let mut frames = server.run(FIRST, &submissions, &[]);
    let last = frames[0].len() - 1;
    frames[0][last] ^= 1;
    people[0].take(start(), &frames[0]).unwrap();
    people[0].settle();
    assert_eq!(people[0].client.counters.bad_replies, 1);
    assert!(!people[0].notices.iter().any(|n| matches!(n, Notice::Message { .. })));
}

#[test]
fn a_round_is_answered_once_even_across_restarts() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    person.connect(start());
    person.answer(FIRST);
    for round in [FIRST, Round(FIRST.0 - 1)] {
        assert!(person.try_answer(start(), round).is_empty());
    }
    // Whoever is killed leaves out what may have been answered; whoever ends in order does not.
    let reserved = person.last_round.unwrap();
    assert!(FIRST.next() < reserved && reserved.0 <= FIRST.0 + STOCK + RESERVE);
    let again = |person: &mut Person| {
        person.client = Client::new(&server.network, identity(1, "alice").0, person.last_round);
        person.connect(start());
    };
    again(&mut person);
    for r in FIRST.0..=reserved.0 {
        let round = Round(r);
        assert!(person.try_answer(round.starts_at(server.network.period_ms), round).is_empty());
    }
    person.answer(reserved.next());
    person.client.retire();
    person.settle();
    again(&mut person);
    let next = reserved.next();
    assert!(person.try_answer(next.starts_at(server.network.period_ms), next).is_empty());
    person.answer(next.next());
}

#[test]
fn a_round_is_committed_before_anything_may_leave_in_it() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    person.connect(start());
    person.take(start(), &announcement(FIRST)).unwrap();
    let reserved = Round(FIRST.0 + STOCK - 1 + RESERVE);
    let commit = Action::Commit(vec![Change::LastRound(reserved)]);
    assert_eq!(person.client.poll_action(), Some(commit));
    // The covers are there, and do not leave before the commit is done.
    while let Some(order) = person.client.poll_order() {
        person.wire.obey(order);
    }
    let (at, later) = (start().plus(50), start().plus(100));
    assert_eq!((person.wire.poll_timeout(), person.wire.handle_timeout(at)), (Some(at), None));
    assert_eq!(person.client.poll_action(), Some(Action::Order(Order::Permit(reserved))));
    person.wire.obey(Order::Permit(reserved));
    assert_eq!(person.wire.poll_timeout(), Some(later));
    assert_eq!(person.wire.handle_timeout(later).unwrap().round, FIRST);
}

#[test]
fn rounds_that_do_not_fit_the_clock_are_left_out() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    person.connect(start());
    for round in [Round(FIRST.0 + 1000), Round(FIRST.0 - 1000), Round(u64::MAX), Round(0)] {
        person.take(start(), &announcement(round)).unwrap();
    }
    person.settle();
    let clock = Notice::Clock { round: Round(FIRST.0 + 1000), ahead_ms: 2_000_000 };
    assert_eq!(person.notices[1..], [clock]);
    assert_eq!(person.last_round, None);
}

#[test]
fn too_many_rounds_away_lose_the_oldest() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    person.connect(start());
    for r in 0..=MAX_ROUNDS_AWAY as u64 {
        assert_eq!(person.try_answer(start(), Round(FIRST.0 + r)).len(), 1);
    }
    let unanswered = person.client.counters.unanswered;
    assert_eq!((person.client.away.len(), unanswered), (MAX_ROUNDS_AWAY, 1));
    // Its replies are not a mistake of the server, only of no use any more.
    let mut late = Vec::new();
    Replies::put_without(FIRST, Outcome::Failed, server.network.shape(), &mut late);
    assert_eq!(person.take(start(), &late), Ok(()));
    person.client.handle_disconnected(start());
    assert!(person.client.away.is_empty());
}

#[test]
fn rounds_that_never_come_back_are_given_up() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    person.connect(start());
    person.answer(FIRST);
    let later = Round(FIRST.0 + 60);
    person.answer(later);
    let lost = |notice: &Notice| {
        matches!(notice, Notice::Round { round: FIRST, end, .. }
        if *end == RoundEnd::Lost(Loss::Unknown))
    };
    assert!(person.notices.iter().any(lost));
    assert_eq!((person.client.away.len(), person.client.counters.unanswered), (1, 1));
}

#[test]
fn servers_that_break_the_protocol_are_left() {
    let server = Server::new(1);
    let shape = server.network.shape();
    let mut replies = Vec::new();
    Replies::put_without(Round(9), Outcome::Late, shape, &mut replies);
    let mut person = Person::new(1, "alice", &server);
    let welcome = Control::Welcome { protocol: PROTOCOL_VERSION }.to_frame();
    assert_eq!(person.take(start(), &welcome), Err(ProtocolError::Unexpected));
    let _ = person.client.handle_connected(start());
    assert_eq!(person.take(start(), &announcement(FIRST)), Err(ProtocolError::Unexpected));
    let other = PROTOCOL_VERSION + 1;
    let newer = Control::Welcome { protocol: other }.to_frame();
    assert_eq!(person.take(start(), &newer), Err(ProtocolError::Version(other)));
    person.settle();
    person.connect(start());
    assert_eq!(person.take(start(), &welcome), Err(ProtocolError::Unexpected));
    assert_eq!(person.take(start(), &replies), Err(ProtocolError::NeverSubmitted(Round(9))));
}

#[test]
fn a_round_that_was_announced_ahead_is_answered_when_it_opens() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    person.connect(start());
    let ahead = |round, opens_in_ms| {
        Announcement { round, opens_in_ms, closes_in_ms: opens_in_ms + 1000 }.to_frame()
    };
    let (now, second) = (start(), FIRST.next());
    let left = |person: &mut Person, until| {
        let left = person.run_until(until).into_iter();
        left.map(|(at, prepared)| (at, prepared.round)).collect::<Vec<_>>()
    };
    person.take(now, &ahead(FIRST, 300)).unwrap();
    assert_eq!(left(&mut person, now.plus(349)), []);
    assert_eq!(left(&mut person, now.plus(350)), [(now.plus(350), FIRST)]);
    // Told again, or told of a round that was skipped: one submission each, at most.
    person.take(now.plus(351), &announcement(FIRST)).unwrap();
    person.take(now.plus(400), &ahead(second, 1600)).unwrap();
    person.take(now.plus(500), &announcement(second.next())).unwrap();
    let third = second.next();
    assert_eq!(left(&mut person, now.plus(2500)), [(now.plus(550), third)]);
    person.take(now.plus(2600), &ahead(third.next(), 10)).unwrap();
    person.client.handle_disconnected(now.plus(2605));
    person.settle();
}

#[test]
fn a_round_that_does_not_open_costs_nothing_and_is_told_once() {
    let server = Server::with_budget(1000);
    let mut people = pair(&server);
    let person = &mut people[0];
    let ahead =
        |round, opens_in_ms| Announcement { round, opens_in_ms, closes_in_ms: 4000 }.to_frame();
    let paused = |reason| Control::Paused { reason }.to_frame();
    person.take(start(), &ahead(FIRST, 300)).unwrap();
    assert!(person.run_until(start().plus(300)).is_empty());
    for reason in [Pause::Unreachable, Pause::NoKeys] {
        person.take(start().plus(300), &paused(reason)).unwrap();
    }
    assert!(person.run_until(start().plus(1900)).is_empty(), "it would be late, and charged");
    person.answer(FIRST.next());
    assert_eq!(person.state.charged, 1, "what was sealed for the round that did not open is not");
    person.take(start(), &paused(Pause::NoKeys)).unwrap();
    person.settle();
    let told = |notice: &&Notice| matches!(notice, Notice::Paused { .. });
    assert_eq!(person.notices.iter().filter(told).count(), 2);
    let reason = Pause::Unreachable;
    assert_eq!(person.notices.iter().find(told), Some(&Notice::Paused { reason }));
}

#[test]
fn silence_and_farewells_close_the_connection() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    let _ = person.client.handle_connected(start());
    let deadline = person.client.poll_timeout().unwrap();
    person.client.handle_timeout(deadline, &mut person.rng);
    person.settle();
    assert_eq!(person.closed, Some(CloseReason::Silent));
    person.client.handle_disconnected(start());
    assert_eq!(person.client.poll_timeout(), None);

    person.connect(start());
    let deadline = person.client.poll_timeout();
    person.take(start().plus(500), &announcement(FIRST)).unwrap();
    assert!(person.client.poll_timeout() > deadline);
    let goodbye = Control::Goodbye { reason: Farewell::ShuttingDown };
    person.take(start(), &goodbye.to_frame()).unwrap();
    person.settle();
    assert_eq!(person.closed, Some(CloseReason::Goodbye(Farewell::ShuttingDown)));

    let _ = person.client.handle_connected(start());
    let refused = Control::Refused { reason: Refusal::Network };
    person.take(start(), &refused.to_frame()).unwrap();
    person.settle();
    assert_eq!(person.closed, Some(CloseReason::Refused(Refusal::Network)));
}

#[test]
fn changes_join_the_commit_that_waits() {
    let server = Server::new(1);
    let mut person = Person::new(1, "alice", &server);
    let bob = identity(2, "bob").0.contact();
    person.client.open(bob, ConversationState::default());
    person.client.say("one", start()).unwrap();
    person.client.say("two", start()).unwrap();
    person.client.say("three", start()).unwrap();
    let mut kinds = Vec::new();
    while let Some(action) = person.client.poll_action() {
        kinds.push(match action {
            Action::Commit(changes) => format!("commit {}", changes.len()),
            Action::Order(_) => "order".to_owned(),
            Action::Notify(_) => "notify".to_owned(),
            Action::Close(_) => "close".to_owned(),
        });
    }
    assert_eq!(kinds, ["commit 5", "notify", "notify", "notify"]);
}

/// What was told of the budget, in short.
fn budget_notices(person: &Person) -> Vec<(BudgetStage, u64, u64)> {
    let stages = person.notices.iter().filter_map(|notice| match notice {
        Notice::Budget { stage, charged, budget, .. } => Some((*stage, *charged, *budget)),
        _ => None,
    });
    stages.collect()
}

/// Runs rounds from `*next` on.
fn run_rounds(
    server: &Server,
    people: &mut [Person],
    next: &mut Round,
    count: u64,
    drop: &[(usize, usize)],
) {
    for _ in 0..count {
        run_round(server, people, *next, drop);
        *next = next.next();
    }
}

#[test]
fn a_lane_idles_before_more_is_charged_than_is_recorded() {
    let server = Server::with_budget(20);
    let (mut people, mut next) = (pair(&server), FIRST);
    people[0].client.record(3);
    run_rounds(&server, &mut people, &mut next, 30, &[(0, 0)]);
    assert_eq!(people[0].state.charged, 3);
    assert!(people[0].client.awaits_record() && !people[1].client.awaits_record());
    assert!(budget_notices(&people[0]).is_empty(), "the budget is not used up");

    people[0].client.record(20);
    people[0].client.say("at last", start()).unwrap();
    people[0].settle();
    run_rounds(&server, &mut people, &mut next, 30, &[]);
    let said = |notice: &Notice| matches!(notice, Notice::Message { .. });
    assert!(people[1].notices.iter().any(said));

    // What is recorded is recorded at the price of the noise before.
    people[0].client.handle_disconnected(start());
    people[0].client.adopt(&server.network);
    assert!(!people[0].client.awaits_record());
    let mut terms = server.network.known().next_terms();
    terms.noise.goal = Server::with_budget(18).network.noise.goal;
    people[0].client.adopt(&sign(terms, &[100, 101]));
    assert!(people[0].client.awaits_record());
}

#[test]
fn removed_onions_are_charged_until_the_lane_stops() {
    let server = Server::with_budget(4);
    let (mut people, mut next) = (pair(&server), FIRST);
    run_rounds(&server, &mut people, &mut next, 6, &[]);
    // Nothing is known of the newest round when it is written down.
    assert_eq!(people.each_ref().map(|person| person.state.charged), [1, 1]);
    for (half, drop) in [(0, (0, 0)), (1, (1, 1)), (1, (0, 1)), (1, (1, 0))] {
        run_rounds(&server, &mut people, &mut next, 1, &[drop]);
        run_rounds(&server, &mut people, &mut next, 2, &[]);
        assert_eq!(budget_notices(&people[0]).len().min(1), half);
    }
    for person in &mut people {
        let told = [(BudgetStage::Half, 2, 4), (BudgetStage::Spent, 4, 4)];
        assert_eq!(budget_notices(person), told);
        assert_eq!(person.state.charged, 4);
        assert!(person.client.say("kept", start()).is_ok());
        person.settle();
    }
    // Their lanes idle: each notices when its own two onions do not meet, and nothing is charged.
    run_rounds(&server, &mut people, &mut next, 2, &[]);
    run_rounds(&server, &mut people, &mut next, 3, &[(0, 0)]);
    let unmet = people.each_ref().map(|person| person.client.counters.idle_pairs_unmet);
    assert_eq!(unmet, [3, 0]);
    assert_eq!(people.each_ref().map(|person| person.state.charged), [4, 4]);
    let message = |notice: &Notice| matches!(notice, Notice::Message { .. });
    assert!(!people[1].notices.iter().any(message));

    // Told to go on, they do, and what was said arrives.
    for person in &mut people {
        person.client.go_beyond_budget(true);
        person.settle();
        assert_eq!(budget_notices(person)[2..], [(BudgetStage::Beyond, 4, 4)]);
    }
    run_rounds(&server, &mut people, &mut next, 10, &[]);
    assert!(people[1].notices.iter().any(message));
}

#[test]
fn the_charge_is_committed_before_the_submission_leaves_and_survives_a_crash() {
    let server = Server::with_budget(3);
    let mut people = pair(&server);
    people[0].settle();
    people[0].take(start(), &announcement(FIRST)).unwrap();
    let alice = &mut people[0];
    alice.client.handle_timeout(start(), &mut alice.rng);
    let partner = identity(2, "bob").0.contact().key;
    let charged = Change::Conversation(
        partner,
        state::Change::Charged { rounds: 1, at: Budget::of(&server.network.noise).price() },
    );
    let Some(Action::Commit(changes)) = alice.client.poll_action() else { panic!("no commit") };
    assert!(matches!(
        &changes[1..],
        [Change::Conversation(_, state::Change::StreamBegan { .. }), last] if *last == charged
    ));
    let Some(Action::Order(Order::Permit(_))) = alice.client.poll_action() else { panic!() };
    assert!(matches!(alice.client.poll_action(), Some(Action::Order(Order::Talk(_)))));

    let state = ConversationState { charged: 3, budget_warned: true, ..people[0].state.clone() };
    let mut again = Person::new(1, "alice", &server);
    again.client.open(identity(2, "bob").0.contact(), state.clone());
    again.state = state;
    again.connect(start());
    assert_eq!(budget_notices(&again), [(BudgetStage::Spent, 3, 3)]);
    again.answer(FIRST.next());
    assert_eq!(again.state.charged, 3);
}

#[test]
fn late_and_lost_rounds_are_charged_and_without_a_goal_nothing_stops() {
    let server = Server::new(1);
    let mut people = pair(&server);
    let shape = server.network.shape();
    for (r, outcome) in (0..).zip([Outcome::Late, Outcome::Failed, Outcome::Late]) {
        let round = Round(FIRST.0 + r);
        people[0].answer(round);
        let mut frame = Vec::new();
        Replies::put_without(round, outcome, shape, &mut frame);
        people[0].take(start(), &frame).unwrap();
    }
    people[0].answer(Round(FIRST.0 + 3));
    people[0].client.handle_disconnected(start());
    people[0].settle();
    assert_eq!(people[0].state.charged, 4);
    assert_eq!(budget_notices(&people[0]), []);
}

#[test]
fn who_waits_alone_is_charged_for_one_round_in_eight_and_is_found() {
    let server = Server::with_budget(1000);
    let mut people = pair(&server);
    let mut next = FIRST;
    run_rounds(&server, &mut people[..1], &mut next, 88, &[]);
    assert_eq!(people[0].state.charged, 8 + 10);
    assert_eq!(people[0].client.counters.idle_pairs_unmet, 0);
    people[1].client.say("here I am", start()).unwrap();
    people[1].settle();
    run_rounds(&server, &mut people, &mut next, 10, &[]);
    assert!(people[0].notices.iter().any(|notice| matches!(notice, Notice::Message { .. })));
    let charged = people[0].state.charged;
    run_rounds(&server, &mut people, &mut next, 20, &[]);
    assert_eq!(people[0].state.charged, charged);
}

#[test]
fn rounds_lost_for_everybody_for_oneself_and_without_a_word_are_told_apart_and_all_charged() {
    let server = Server::with_budget(8);
    let mut people = pair(&server);
    let (shape, alice) = (server.network.shape(), &mut people[0]);
    let mut lose = |rounds: std::ops::Range<u64>, outcome| {
        for round in rounds.map(|r| Round(FIRST.0 + r)) {
            alice.answer(round);
            let mut frame = Vec::new();
            Replies::put_without(round, outcome, shape, &mut frame);
            alice.take(round.starts_at(alice.client.period_ms), &frame).unwrap();
        }
    };
    lose(0..5, Outcome::Failed);
    lose(5..6, Outcome::Late);
    alice.answer(Round(FIRST.0 + 6));
    alice.answer(Round(FIRST.0 + 7));
    alice.client.handle_disconnected(start());
    alice.settle();
    assert_eq!(alice.state.charged, 8, "what the entry says cannot be checked");
    let counters = alice.client.counters;
    assert_eq!((counters.failed, counters.late, counters.unanswered), (5, 1, 2));
    let ends = alice.notices.iter().filter_map(|notice| match notice {
        Notice::Round { end, .. } => Some(*end),
        _ => None,
    });
    let ends: Vec<_> = ends.collect();
    let [own, everybody, unknown] = [Loss::Own, Loss::Everybody, Loss::Unknown].map(RoundEnd::Lost);
    assert_eq!(ends[..5], [everybody; 5]);
    assert_eq!(ends[5..], [own, unknown, unknown]);
    let streaks = alice.notices.iter().filter(|n| matches!(n, Notice::RoundsLost { .. }));
    assert_eq!(
        streaks.collect::<Vec<_>>(),
        [&Notice::RoundsLost { loss: Loss::Everybody, rounds: 5 }],
        "and what is lost with a connection is told with its end"
    );
    let spent = alice.notices.iter().find_map(|notice| match notice {
        Notice::Budget { stage: BudgetStage::Spent, causes, .. } => Some(*causes),
        _ => None,
    });
    assert_eq!(spent, Some(Causes { unmet: 0, own: 1, everybody: 5, unknown: 2 }));
}
