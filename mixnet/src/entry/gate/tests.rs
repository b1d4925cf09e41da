//! Clients at the gate: each is told of rounds once and in order, and every submission is answered
//! once, whatever happens when.

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::HopIndex;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::frame::{Accepts, HEADER_LEN, Header, Kind, Replies, replies_len};
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, Network, NetworkFile, Terms, Validity,
};

use super::*;
use crate::hop::keys::HopKeys;
use crate::schedule::ScheduleConfig;

const START: UnixMillis = UnixMillis(500_000);

fn network() -> Network {
    let identity = |i: u8| IdentitySecret::from_bytes(&[i + 1; 32]).unwrap();
    let address = "127.0.0.1:7400".to_owned();
    let operator = |i: u8| format!("operator {i}");
    let entry = EntryInfo {
        operator: operator(0),
        address: address.clone(),
        identity: *identity(0).public(),
        ca: vec![1, 2, 3].into(),
    };
    let hop = HopInfo {
        operator: operator(1),
        address: address.clone(),
        identity: *identity(1).public(),
    };
    let validity = Validity { from: UnixMillis(0), until: UnixMillis(1_000_000) };
    let service = IdentityInfo { address, key: *identity(100).public() };
    let mut terms = Terms::first("a", validity, entry, service, vec![hop]);
    terms.period_ms = NonZeroU64::new(1000).unwrap();
    let mut file = NetworkFile::new(terms).unwrap();
    (0..=1).for_each(|i| file.sign(&identity(i)));
    file.verify(START, None).unwrap()
}

fn gate(max_clients: usize) -> Gate {
    let network = network();
    let schedule = ScheduleConfig::for_period(network.period_ms);
    let config = EntryConfig { shape: network.shape(), schedule, max_clients };
    Gate::new(config, ChainKeys::new(&network, HopIndex(0)), START)
}

/// Takes whole frames apart.
fn frames(mut bytes: &[u8], shape: RoundShape) -> Vec<(Kind, &[u8])> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let head = Header::parse(*head, Accepts::FromEntry(shape)).unwrap();
        let (body, rest) = rest.split_at(head.len);
        frames.push((head.kind, body));
        bytes = rest;
    }
    frames
}

/// A client as it sees itself.
struct Client {
    visit: Visit,
    called: Vec<RoundNumber>,
    /// How often it was told that there is no round.
    paused: usize,
    /// How many submissions for each round, less the answers to them.
    unanswered: BTreeMap<RoundNumber, usize>,
}

/// A gate, its clients, and a first hop that returns what it likes.
struct World {
    gate: Gate,
    now: UnixMillis,
    clients: Vec<Client>,
    away: Vec<(RoundNumber, usize)>,
    delivered: usize,
    hop: HopKeys,
    linked: bool,
}

impl World {
    /// The link is up, and the keys are known.
    fn new() -> Self {
        let (now, clients, away) = (START, Vec::new(), Vec::new());
        let (hop, linked, delivered) = (hop(), false, 0);
        let mut world = Self { gate: gate(5), now, clients, away, delivered, hop, linked };
        world.link();
        world.learn();
        world
    }

    fn link(&mut self) {
        self.linked = true;
        self.gate.handle_link_up();
    }

    fn learn(&mut self) {
        let round = RoundNumber::at(self.now, self.gate.period_ms);
        self.hop.advance(round, &mut ChaCha20Rng::seed_from_u64(round.0));
        for keys in self.hop.announcements() {
            let message = LinkMessage::Word(BackWord::Keys(keys));
            self.gate.handle_link(self.now, message).unwrap();
        }
        self.run_errands();
    }

    fn shape(&self) -> RoundShape {
        self.gate.shape
    }

    fn join(&mut self, user: u64) {
        let mut out = Vec::new();
        let answer = self.gate.answer(self.now, Ok(UserId(user)), &mut out);
        let control = Control::decode(frames(&out, self.shape())[0].1).unwrap();
        assert_eq!(control, Control::answer(&answer));
        if let Ok(visit) = answer {
            let (called, unanswered) = (Vec::new(), BTreeMap::new());
            self.clients.push(Client { visit, called, paused: 0, unanswered });
        }
        self.run_errands();
    }

    fn submit(&mut self, client: usize, round: RoundNumber) {
        let (now, shape) = (self.now, self.shape());
        let Some(client) = self.clients.get_mut(client) else { return };
        let onions = vec![7; shape.onions() * shape.onion_len()];
        let frame = Submission { round, onions: &onions }.to_frame();
        let mut out = Vec::new();
        *client.unanswered.entry(round).or_default() += 1;
        let frame = (Kind::Submission, &frame[HEADER_LEN..]);
        let submit = |id, submission: Submission<'_>| self.gate.submit(now, id, submission);
        match client.visit.handle_frame(now, frame, submit, &mut out) {
            Ok(()) => client.read(&out, shape),
            Err(reason) => {
                assert_eq!(reason, Farewell::Protocol);
                let id = client.visit.client();
                self.leave(id);
            }
        }
        self.run_errands();
    }

    /// The first hop returns what has been away for longest.
    fn back(&mut self, good: bool) {
        if !self.away.is_empty() {
            let (round, onions) = self.away.remove(0);
            let message = match good {
                true => LinkMessage::Batch(round, Batch::zeroed(self.shape().reply_len(), onions)),
                false => LinkMessage::Word(BackWord::Abort(round, AbortReason::Busy)),
            };
            self.gate.handle_link(self.now, message).unwrap();
        }
        self.run_errands();
    }

    fn leave(&mut self, id: ClientId) {
        self.gate.disconnect(self.now, id);
        self.clients.retain(|client| client.visit.client() != id);
    }

    fn run_errands(&mut self) {
        self.gate.handle_timeout(self.now);
        while let Some(errand) = self.gate.poll_errand(self.now) {
            match errand {
                Errand::Tell(news) => {
                    let shape = self.shape();
                    let bound_to_fail = matches!(news, News::Called(_)) && !self.linked;
                    assert!(!bound_to_fail, "a round opens without a link");
                    for client in &mut self.clients {
                        let mut out = Vec::new();
                        client.visit.hear(&news, &mut out).unwrap();
                        client.read(&out, shape);
                    }
                    self.delivered +=
                        usize::from(matches!(&news, News::Over(o) if o.replies.is_ok()));
                }
                Errand::Forward { round, onions, clients, connected } => {
                    assert_eq!(onions.len(), clients * self.shape().onions());
                    assert!(connected <= 5, "there is no place for more");
                    self.away.push((round, onions.len()));
                }
                Errand::Dismiss { client, reason } => {
                    assert_eq!(reason, Farewell::Replaced);
                    self.clients.retain(|here| here.visit.client() != client);
                }
                Errand::Drained => {}
            }
        }
        assert_eq!(self.gate.entry.clients(), self.clients.len());
    }
}

impl Client {
    fn read(&mut self, bytes: &[u8], shape: RoundShape) {
        for (kind, body) in frames(bytes, shape) {
            match kind {
                Kind::Announcement => {
                    let round = Announcement::decode(body).unwrap().round;
                    assert!(self.called.last() < Some(&round), "once, and in rising order");
                    self.called.push(round);
                }
                Kind::Replies => {
                    assert_eq!(body.len(), replies_len(shape));
                    let replies = Replies::decode(body, shape).unwrap();
                    let left = self.unanswered.get_mut(&replies.round).expect("it submitted");
                    *left = left.checked_sub(1).expect("one answer for each submission");
                }
                Kind::EpochKeys => {}
                Kind::Control => {
                    let paused = Control::decode(body).unwrap();
                    assert_eq!(paused, Control::Paused { reason: Pause::Unreachable });
                    self.paused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    Joins(u64),
    Leaves(usize),
    /// A client submits for the round that it was told of last, or one further off.
    Submits(usize, u64),
    Returns(bool),
    LinkBreaks,
    LinkReturns,
    Later(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        2 => (0u64..8).prop_map(Happens::Joins),
        1 => (0usize..5).prop_map(Happens::Leaves),
        8 => (0usize..5, prop_oneof![8 => Just(1u64), 1 => 0u64..4])
            .prop_map(|(client, off)| Happens::Submits(client, off)),
        4 => any::<bool>().prop_map(Happens::Returns),
        1 => Just(Happens::LinkBreaks),
        2 => Just(Happens::LinkReturns),
        4 => (0u64..700).prop_map(Happens::Later),
    ]
}

proptest! {
    #[test]
    fn rounds_are_told_once_in_order_and_every_submission_is_answered_once(
        events in prop::collection::vec(happens(), 0..120),
    ) {
        let mut world = World::new();
        for event in events {
            match event {
                Happens::Joins(user) => world.join(user),
                Happens::Leaves(n) => if let Some(client) = world.clients.get(n) {
                    let id = client.visit.client();
                    world.leave(id);
                    world.run_errands();
                },
                Happens::Submits(n, off) => {
                    let client = world.clients.get(n);
                    let round = client.and_then(|client| client.called.last().copied());
                    if let Some(round) = round {
                        world.submit(n, RoundNumber(round.0 + off - 1));
                    }
                }
                Happens::Returns(good) => world.back(good),
                Happens::LinkBreaks => {
                    world.away.clear();
                    world.linked = false;
                    world.gate.handle_link_lost();
                    world.run_errands();
                }
                Happens::LinkReturns => {
                    world.link();
                    world.run_errands();
                }
                Happens::Later(ms) => {
                    world.now = world.now.plus(ms);
                    if world.linked {
                        world.learn();
                    }
                    world.run_errands();
                }
            }
        }
        world.gate.drain(world.now);
        world.run_errands();
        world.gate.handle_link_lost();
        world.run_errands();
        for client in &world.clients {
            prop_assert!(client.unanswered.values().all(|left| *left == 0));
        }
    }
}

#[test]
fn who_comes_in_is_welcomed_with_the_keys_and_who_does_not_is_told_why() {
    let mut gate = gate(1);
    let mut out = Vec::new();
    for reason in [Refusal::Version, Refusal::Certificate] {
        assert_eq!(gate.answer(START, Err(reason), &mut out).unwrap_err(), reason);
        assert_eq!(out, Control::Refused { reason }.to_frame());
        out.clear();
    }
    let visit = gate.answer(START, Ok(UserId(1)), &mut out).unwrap();
    assert_eq!(out, Control::answer(&Ok(())).to_frame(), "no keys are known yet");
    out.clear();
    assert_eq!(gate.answer(START, Ok(UserId(2)), &mut out).unwrap_err(), Refusal::Full);
    let newer = gate.answer(START, Ok(UserId(1)), &mut out).unwrap();
    assert_ne!(visit.client(), newer.client());
    let dismissed = Farewell::Replaced;
    assert!(matches!(
        gate.poll_errand(START),
        Some(Errand::Dismiss { client, reason }) if client == visit.client() && reason == dismissed
    ));
}

#[test]
fn replies_come_with_the_next_round_and_it_is_not_told_again() {
    let mut world = World::new();
    world.join(1);
    world.now = UnixMillis(501_000);
    world.run_errands();
    assert_eq!(world.clients[0].called, [RoundNumber(501)]);
    world.submit(0, RoundNumber(501));
    world.back(true);
    assert_eq!(world.delivered, 1);
    assert_eq!(world.clients[0].called, [RoundNumber(501), RoundNumber(502)]);
    world.now = UnixMillis(502_000);
    world.run_errands();
    assert_eq!(world.clients[0].called.len(), 2);
}

#[test]
fn no_round_opens_without_a_link_or_keys_and_everybody_is_told_why() {
    let mut world = World::new();
    world.join(1);
    world.linked = false;
    world.gate.handle_link_lost();
    for round in 501..700 {
        world.now = UnixMillis(round * 1000);
        world.run_errands();
        // Who cannot submit is not taken for gone.
        assert_eq!(world.clients[0].visit.handle_timeout(world.now), Ok(()));
    }
    assert_eq!((world.clients[0].called.len(), world.clients[0].paused), (0, 199));
    // There is a link again, but only keys of times that are over.
    world.link();
    world.gate.handle_timeout(UnixMillis(700_000));
    let errand = world.gate.poll_errand(UnixMillis(700_000));
    let Some(Errand::Tell(News::Paused(frame))) = errand else { panic!("{errand:?}") };
    assert_eq!(*frame, *Control::Paused { reason: Pause::NoKeys }.to_frame());
    world.now = UnixMillis(701_000);
    world.learn();
    assert_eq!(world.clients[0].called, [RoundNumber(701)]);
}

#[test]
fn whoever_lets_ten_rounds_pass_and_a_minute_is_gone() {
    let mut world = World::new();
    world.join(1);
    for round in 501..=560 {
        assert_eq!(world.clients[0].visit.handle_timeout(world.now), Ok(()));
        world.now = UnixMillis(round * 1000);
        world.learn();
        world.back(true);
    }
    assert_eq!(world.clients[0].called.len(), 60);
    assert_eq!(world.clients[0].visit.handle_timeout(world.now), Err(Farewell::Idle));
    world.submit(0, RoundNumber(560));
    assert_eq!(world.clients[0].visit.handle_timeout(world.now), Ok(()));
}

/// The only hop of the network, without keys.
fn hop() -> HopKeys {
    let own = Arc::new(IdentitySecret::from_bytes(&[2; 32]).unwrap());
    HopKeys::new(own, &network(), HopIndex(0))
}

#[test]
fn keys_are_passed_on_once_and_told_to_whoever_comes_later() {
    let mut hop = hop();
    hop.advance(RoundNumber(500), &mut ChaCha20Rng::seed_from_u64(1));
    let announced = hop.announcements();
    let mut gate = gate(5);
    for keys in &announced {
        for _ in 0..2 {
            let message = LinkMessage::Word(BackWord::Keys(keys.clone()));
            gate.handle_link(START, message).unwrap();
        }
    }
    let mut told = Vec::new();
    while let Some(errand) = gate.poll_errand(START) {
        let Errand::Tell(News::Keys(frame)) = errand else { panic!("{errand:?}") };
        told.extend_from_slice(&frame);
    }
    let whole: Vec<u8> = announced.iter().flat_map(EpochKeys::to_frame).collect();
    assert_eq!(told, whole);
    let mut out = Vec::new();
    gate.answer(START, Ok(UserId(1)), &mut out).unwrap();
    assert_eq!(out, [Control::answer(&Ok(())).to_frame(), whole].concat());
}
