//! A hop in the middle of a chain, told what comes in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::crypto::{IdentitySecret, OnionSecret};
use talaria_wire::network_file::{EntryInfo, HopInfo, IdentityInfo, NetworkFile, Terms, Validity};
use talaria_wire::onion::PeelContext;

use super::*;
use crate::hop::guard::NotRecorded;
use crate::mix::noise::Noise;

/// A disk that works, or not.
struct Log(bool);

impl RoundLog for Log {
    fn record(&mut self, _: RoundNumber) -> Result<(), NotRecorded> {
        if self.0 { Ok(()) } else { Err(NotRecorded) }
    }
}

const LIMITS: HopLimits = HopLimits { max_slots: 4, max_rounds: 4, patience_ms: 3000 };
const START: UnixMillis = UnixMillis(500_000);

fn identity(i: u8) -> IdentitySecret {
    IdentitySecret::from_bytes(&[i + 1; 32]).unwrap()
}

/// Two hops, rounds of a second.
fn network() -> Network {
    let address = "127.0.0.1:7400".to_owned();
    let operator = |i: u8| format!("operator {i}");
    let entry = EntryInfo {
        operator: operator(0),
        address: address.clone(),
        identity: *identity(0).public(),
        ca: vec![1, 2, 3].into(),
    };
    let hops = (1..=2).map(|i| HopInfo {
        operator: operator(i),
        address: address.clone(),
        identity: *identity(i).public(),
    });
    let validity = Validity { from: UnixMillis(0), until: UnixMillis(1_000_000) };
    let service = IdentityInfo { address: address.clone(), key: *identity(100).public() };
    let mut terms = Terms::first("a", validity, entry, service, hops.collect());
    terms.period_ms = NonZeroU64::new(1000).unwrap();
    let mut file = NetworkFile::new(terms).unwrap();
    (0..=2).for_each(|i| file.sign(&identity(i)));
    file.verify(START, None).unwrap()
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(3)
}

fn node(place: u8) -> Node<char> {
    let (network, place) = (network(), HopIndex(place));
    let keys = HopKeys::new(Arc::new(identity(place.0 + 1)), &network, place);
    Node::new(NodeConfig::of(&network, place, LIMITS), keys, RoundGuard::new(None))
}

/// What the node wants done, in words.
fn duties(node: &mut Node<char>) -> Vec<String> {
    std::iter::from_fn(|| node.poll_duty())
        .map(|duty| match duty {
            Duty::Depart(round, onions) => format!("depart {round}: {}", onions.len()),
            Duty::Over(round, Ok(_)) => format!("seal {round}"),
            Duty::Over(round, Err(reason)) => format!("abort {round}: {reason:?}"),
            Duty::Announce(keys) => format!("announce {}", keys.len()),
        })
        .collect()
}

/// The first of the two hops, which knows all keys.
fn ready() -> Node<char> {
    let (mut first, mut last) = (node(0), node(1));
    for node in [&mut last, &mut first] {
        node.handle_timeout(START, &mut rng());
    }
    while let Some(duty) = last.poll_duty() {
        let Duty::Announce(keys) = duty else { panic!("{duty:?}") };
        keys.into_iter().for_each(|keys| first.learn(START, keys).unwrap());
    }
    while first.poll_duty().is_some() {}
    first
}

fn head(round: u64) -> BatchHead {
    let shape = network().shape();
    BatchHead::new(RoundNumber(round), 0, shape.onion_len())
}

/// A round without onions that has been worked on.
fn mixed(round: u64) -> Round<Mixed> {
    let (round, secret) = (RoundNumber(round), OnionSecret::generate(&mut rng()));
    let behind = [*secret.public()];
    let context = PeelContext::new(&secret, &behind, round, HopIndex(0));
    let batch = Batch::zeroed(network().shape().onion_len(), 0);
    Round::arrived(round, batch).peel(&context, Noise::none(), &mut rng()).mix()
}

fn replies() -> Batch {
    Batch::zeroed(network().shape().reply_len_at(HopIndex(1)), 0)
}

/// A round whose record fails is over, for good, and does not hold up the next one.
#[test]
fn a_round_is_worked_on_when_it_is_recorded() {
    let mut first = ready();
    let lost = first.begin(head(501)).unwrap();
    let next = first.begin(head(502)).unwrap();
    assert!(next.record(&mut Record::new(None, Log(true))).is_ok());
    first.mixed(START, mixed(502));
    assert_eq!(duties(&mut first), Vec::<String>::new(), "the round before has its turn first");
    let reason = lost.record(&mut Record::new(None, Log(false))).unwrap_err();
    assert_eq!(reason, AbortReason::NotRecorded);
    first.end(START, RoundNumber(501), Err(reason));
    assert_eq!(duties(&mut first), ["abort 501: NotRecorded", "depart 502: 0"]);
    assert_eq!(first.begin(head(501)).unwrap_err(), AbortReason::AlreadyRun);
}

#[test]
fn nothing_is_recorded_without_keys() {
    let mut first = node(0);
    assert_eq!(first.poll_timeout(), UnixMillis(0));
    first.handle_timeout(START, &mut rng());
    assert_eq!(duties(&mut first), ["announce 0"], "the last hop has said nothing yet");
    assert_eq!(first.begin(head(501)).unwrap_err(), AbortReason::NoKeys);
    let mut first = ready();
    assert_eq!(first.begin(head(u64::MAX)).unwrap_err(), AbortReason::NoKeys);
    assert!(first.begin(head(501)).is_ok(), "a round that is refused for its keys has not run");
    assert_eq!(first.begin(head(501)).unwrap_err(), AbortReason::AlreadyRun);
}

#[test]
fn keys_are_announced_once_all_from_here_on_are_known_and_again_when_they_change() {
    let (mut first, mut last) = (node(0), node(1));
    last.handle_timeout(START, &mut rng());
    first.handle_timeout(START, &mut rng());
    assert_eq!(duties(&mut first), ["announce 0"]);
    let Some(Duty::Announce(keys)) = last.poll_duty() else { panic!("the last hop has keys") };
    for (known, announced) in keys.iter().enumerate() {
        first.learn(START, announced.clone()).unwrap();
        assert_eq!(duties(&mut first), [format!("announce {}", known + 1)]);
        first.learn(START, announced.clone()).unwrap();
        assert_eq!(duties(&mut first), Vec::<String>::new(), "that is no news");
    }
    assert!(first.learn(UnixMillis(u64::MAX), keys[0].clone()).is_err());
    let next = first.poll_timeout();
    assert!(next > START);
    first.handle_timeout(next, &mut rng());
    assert_eq!(duties(&mut first).len(), 1);
}

#[test]
fn rounds_leave_in_the_order_in_which_they_came() {
    let mut node = ready();
    for round in [501, 502, 503] {
        let _ = node.begin(head(round)).unwrap();
    }
    node.mixed(START, mixed(503));
    node.mixed(START, mixed(502));
    assert_eq!(duties(&mut node), Vec::<String>::new());
    node.mixed(START, mixed(501));
    assert_eq!(duties(&mut node), ["depart 501: 0", "depart 502: 0", "depart 503: 0"]);
    node.returned(RoundNumber(502), replies());
    node.returned(RoundNumber(502), replies());
    node.returned(RoundNumber(501), Batch::zeroed(1, 0));
    node.handle_link_lost();
    assert_eq!(duties(&mut node), ["seal 502", "abort 501: BadBatch", "abort 503: Unreachable"]);
}

#[test]
fn a_round_that_fails_lets_those_behind_it_go_but_not_past_those_before_it() {
    let mut node = ready();
    for round in [501, 502, 503] {
        let _ = node.begin(head(round)).unwrap();
    }
    node.mixed(START, mixed(503));
    node.end(START, RoundNumber(502), Err(AbortReason::BadBatch));
    assert_eq!(duties(&mut node), ["abort 502: BadBatch"], "501 is not ready");
    node.lost(START, RoundNumber(501), AbortReason::Unreachable);
    assert_eq!(duties(&mut node), ["abort 501: Unreachable", "depart 503: 0"]);
    node.mixed(START, mixed(501));
    assert_eq!(duties(&mut node), Vec::<String>::new(), "it is over already");
    node.handle_timeout(START.plus(LIMITS.patience_ms), &mut rng());
    assert_eq!(duties(&mut node).first().map(String::as_str), Some("abort 503: TooSlow"));
}

#[test]
fn the_last_hop_ends_its_rounds_in_any_order() {
    let mut node = node(1);
    node.handle_timeout(START, &mut rng());
    while node.poll_duty().is_some() {}
    let shape = network().shape();
    for round in [501, 502] {
        let head = BatchHead::new(RoundNumber(round), 0, shape.onion_len_at(HopIndex(1)));
        let _ = node.begin(head).unwrap();
    }
    let (_, away) = mixed(502).forward();
    let unmixed = away.returned(replies()).map_err(|_| AbortReason::WrongCount);
    node.end(START, RoundNumber(502), unmixed);
    node.end(START, RoundNumber(501), Err(AbortReason::Busy));
    assert_eq!(duties(&mut node), ["seal 502", "abort 501: Busy"]);
}

#[test]
fn a_probe_is_told_the_last_round_and_later_reports_go_to_whoever_asked() {
    let mut node = ready();
    let _ = node.begin(head(501)).unwrap();
    let program = || ProgramVersion::try_from("0.1.0".to_owned()).unwrap();
    let at = Duration::from_millis;
    let own = node.probed(at(0), (7, 'a'), LinkState::Up, program()).unwrap();
    assert_eq!((own.id, own.hop, own.round, own.sequence), (7, 0, 501, 1));
    assert_eq!(node.probed(at(1), (7, 'b'), LinkState::Up, program()), None, "one is under way");
    let later = HopStatus { hop: 1, ..own };
    let (asker, passed) = node.reported(at(2), later.clone()).unwrap();
    assert_eq!((*asker, passed.round_trip_us), ('a', 2000));
    assert_eq!(node.reported(at(3), later), None);
}

#[derive(Clone, Copy, Debug)]
enum Happens {
    Begins,
    IsReady(usize),
    Fails(usize),
    Returns(usize),
    IsLost(usize),
    LinkBreaks,
    Later(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => Just(Happens::Begins),
        4 => (0usize..4).prop_map(Happens::IsReady),
        1 => (0usize..4).prop_map(Happens::Fails),
        3 => (0usize..4).prop_map(Happens::Returns),
        1 => (0usize..4).prop_map(Happens::IsLost),
        1 => Just(Happens::LinkBreaks),
        1 => (0u64..2000).prop_map(Happens::Later),
    ]
}

/// What has become of the rounds, as one sees it from outside.
#[derive(Default)]
struct Seen {
    begun: BTreeSet<u64>,
    departed: Vec<u64>,
    over: BTreeMap<u64, bool>,
}

impl Seen {
    fn look(&mut self, node: &mut Node<char>) -> Result<(), TestCaseError> {
        while let Some(duty) = node.poll_duty() {
            match duty {
                Duty::Depart(round, _) => {
                    prop_assert!(self.begun.contains(&round.0), "it has begun");
                    prop_assert!(!self.over.contains_key(&round.0), "and is not over");
                    prop_assert!(self.departed.last() < Some(&round.0), "in its turn");
                    let waiting = self.begun.iter().filter(|r| **r < round.0).all(|earlier| {
                        self.departed.contains(earlier) || self.over.contains_key(earlier)
                    });
                    prop_assert!(waiting, "those before it have left, or will not");
                    self.departed.push(round.0);
                }
                Duty::Over(round, outcome) => {
                    prop_assert!(self.begun.contains(&round.0));
                    if outcome.is_ok() {
                        prop_assert!(self.departed.contains(&round.0));
                    }
                    prop_assert_eq!(self.over.insert(round.0, outcome.is_ok()), None, "once");
                }
                Duty::Announce(_) => {}
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rounds_leave_in_order_and_each_is_over_exactly_once(
        events in prop::collection::vec(happens(), 0..60),
    ) {
        let (mut node, mut seen, mut now) = (ready(), Seen::default(), START);
        let mut working: Vec<u64> = Vec::new();
        for (round, event) in (501..).zip(events) {
            let away = seen.departed.clone();
            let nth = |rounds: &[u64], n: usize| rounds.get(n % rounds.len().max(1)).copied();
            match event {
                Happens::Begins => {
                    if node.begin(head(round)).is_ok() {
                        seen.begun.insert(round);
                        working.push(round);
                    }
                }
                Happens::IsReady(n) => if let Some(round) = nth(&working, n) {
                    working.retain(|r| *r != round);
                    node.mixed(now, mixed(round));
                },
                Happens::Fails(n) => if let Some(round) = nth(&working, n) {
                    working.retain(|r| *r != round);
                    node.end(now, RoundNumber(round), Err(AbortReason::BadBatch));
                },
                Happens::Returns(n) => if let Some(round) = nth(&away, away.len().saturating_sub(n)) {
                    node.returned(RoundNumber(round), replies());
                },
                Happens::IsLost(n) => {
                    let all: Vec<u64> = seen.begun.iter().rev().copied().collect();
                    if let Some(round) = nth(&all, n) {
                        node.lost(now, RoundNumber(round), AbortReason::Unreachable);
                    }
                }
                Happens::LinkBreaks => node.handle_link_lost(),
                Happens::Later(ms) => {
                    now = now.plus(ms);
                    node.handle_timeout(now, &mut rng());
                }
            }
            seen.look(&mut node)?;
        }
        for round in working {
            node.mixed(now, mixed(round));
        }
        node.handle_timeout(now.plus(LIMITS.patience_ms), &mut rng());
        seen.look(&mut node)?;
        prop_assert!(seen.begun.iter().eq(seen.over.keys()), "every round is over");
    }
}
