//! Noise in whole rounds: it looks like what clients send, wherever somebody can look, and it
//! covers what one pair of dead drops more or less would show.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use talaria_privacy::lane::is_charged;
use talaria_sim::liar::removal;
use talaria_sim::net::{Fate, Node};
use talaria_sim::statistics::differ;
use talaria_sim::{Setting, World, each_seed};
use talaria_wire::Batch;
use talaria_wire::params::{DEAD_DROP_LEN, EXCHANGE_REQUEST_LEN, PEER_MESSAGE_LEN, TAG_LEN};

/// Onions, or replies, that somebody can see, one after the other.
type Seen = Vec<Vec<u8>>;

/// What the last of two hops sees of one kind of onions.
struct View {
    /// As they leave the first hop.
    onions: Seen,
    /// As they come to the exchange.
    requests: Seen,
    /// The replies as they come back to the first hop.
    replies: Seen,
}

/// What passes in `ms` milliseconds between the two hops and at the exchange, with what clients have
/// sent or without.
fn view(mut world: World, ms: u64, with_clients: bool) -> View {
    let [onions, replies] = [(); 2].map(|()| Rc::new(RefCell::new(Seen::new())));
    let (out, back) = (Rc::clone(&onions), Rc::clone(&replies));
    world.keep_requests();
    world.fault(move |envelope, _| {
        if let Some(batch) = envelope.batch() {
            let slots = batch.slots().map(<[u8]>::to_vec);
            match (envelope.from, envelope.to) {
                (Node::Hop(0), Node::Hop(1)) => out.borrow_mut().extend(slots),
                (Node::Hop(1), Node::Hop(0)) => back.borrow_mut().extend(slots),
                (Node::Entry, _) if !with_clients => {
                    // No onion is sound, and all are dropped.
                    return envelope.replaced_by(Batch::zeroed(batch.slot_len(), batch.len()));
                }
                _ => {}
            }
        }
        Fate::Pass
    });
    world.run_for(ms);
    let requests = world.requests().iter().flat_map(Batch::slots).map(<[u8]>::to_vec).collect();
    View { onions: onions.take(), requests, replies: replies.take() }
}

/// Clients who talk and clients who idle, and no noise.
fn clients(seed: u64) -> View {
    let mut world = World::new(Setting::new(seed, 24));
    for a in (0..12).step_by(2) {
        world.talk(a, a + 1);
        for line in 0..50 {
            world.say(a, &format!("line {line}"));
        }
    }
    view(world, 125_000, true)
}

/// Noise alone. A round without onions has none, so there is a client, whose onions are taken away.
fn noise(seed: u64) -> View {
    view(World::new(Setting::new(seed, 1).with_noise(100, 20)), 60_000, false)
}

#[test]
fn a_round_without_onions_gets_no_noise() {
    let seen = view(World::new(Setting::new(1, 0).with_noise(100, 20)), 60_000, true);
    assert_eq!((seen.onions.len(), seen.requests.len(), seen.replies.len()), (0, 0, 0));
}

/// The bytes of a slot whose values are spread differently in two samples.
fn differences(one: &Seen, other: &Seen) -> Vec<usize> {
    let len = one[0].len();
    let column = |seen: &Seen, at: usize| seen.iter().map(|slot| slot[at]).collect::<Vec<u8>>();
    (0..len).filter(|&at| differ(&column(one, at), &column(other, at))).collect()
}

const NOWHERE: [usize; 0] = [];

/// Each dead drop once: who meets leaves the same bytes there twice.
fn dead_drops(requests: &Seen) -> Seen {
    let ids: BTreeSet<&[u8]> = requests.iter().map(|request| &request[..DEAD_DROP_LEN]).collect();
    ids.into_iter().map(<[u8]>::to_vec).collect()
}

fn messages(requests: &Seen) -> Seen {
    requests.iter().map(|request| request[DEAD_DROP_LEN..].to_vec()).collect()
}

fn check_lengths(view: &View) {
    for (seen, len) in [
        (&view.onions, EXCHANGE_REQUEST_LEN + 48),
        (&view.requests, EXCHANGE_REQUEST_LEN),
        (&view.replies, PEER_MESSAGE_LEN + TAG_LEN),
    ] {
        assert!(seen.len() >= 5_000, "{} to look at", seen.len());
        assert!(seen.iter().all(|slot| slot.len() == len));
    }
}

#[test]
fn noise_looks_like_what_clients_send() {
    each_seed(1, |seed| {
        let (clients, noise) = (clients(seed), noise(seed + 1));
        check_lengths(&clients);
        check_lengths(&noise);
        assert_eq!(differences(&clients.onions, &noise.onions), NOWHERE);
        assert_eq!(differences(&clients.replies, &noise.replies), NOWHERE);
        assert_eq!(differences(&messages(&clients.requests), &messages(&noise.requests)), NOWHERE);
        let [of_clients, of_noise] = [&clients, &noise].map(|view| dead_drops(&view.requests));
        assert_eq!(differences(&of_clients, &of_noise), NOWHERE);
        // The top bit of an ephemeral key is no part of the key, and nobody sets it.
        for onion in clients.onions.iter().chain(&noise.onions) {
            assert_eq!(onion[31] & 0x80, 0);
        }
        check_that_errors_are_seen(&clients.onions, &noise.onions);
    });
}

/// What noise must not be like.
fn check_that_errors_are_seen(clients: &Seen, noise: &Seen) {
    let altered = |at: usize, alter: fn(u8, usize) -> u8| {
        let mut noise = noise.clone();
        for (i, onion) in noise.iter_mut().enumerate() {
            onion[at] = alter(onion[at], i);
        }
        differences(clients, &noise)
    };
    assert_eq!(altered(0, |byte, _| byte & !1), [0], "a bit that is never set");
    assert_eq!(altered(31, |byte, _| byte | 0x80), [31], "the top bit of the key");
    assert_eq!(
        altered(31, |byte, i| byte | if i % 20 == 0 { 0x80 } else { 0 }),
        [31],
        "now and then"
    );
    assert_eq!(altered(300, |byte, i| if i % 8 == 0 { 0 } else { byte }), [300], "too many zeros");
    assert_eq!(altered(575, |byte, i| byte | u8::from(i % 4 == 0)), [575], "uneven odds");
}

/// T of the honest hop in the rounds below.
const NOISE: u32 = 24;

/// How many dead drops were touched twice, round by round, while a hostile first hop removes one
/// onion of Alice and one of Bob in every round; an honest hop and a hostile last one follow.
fn pairs_under_attack(seed: u64, noise: u32, talking: bool, places: [usize; 2]) -> Vec<usize> {
    assert!(is_charged(1, 1));
    let setting = Setting { hops: 3, ..Setting::new(seed, 3) }.with_noise(noise, 20);
    let mut world = World::new(setting);
    // It is the attacker's: what it added, it could subtract.
    world.go_without_noise(0);
    if talking {
        world.talk(0, 1);
    }
    world.fault(removal(vec![(0, places[0]), (1, places[1])]));
    world.run_for(60_500);
    let tallies = &world.tallies()[1..];
    // Whatever they do and the noise draws, all accesses together are known beforehand.
    for tally in tallies {
        assert_eq!((2 * tally.pairs + tally.singles, tally.crowds), (4 + noise as usize, 0));
    }
    tallies.iter().map(|tally| tally.pairs).collect()
}

#[test]
fn without_noise_the_pairs_tell_who_talks() {
    each_seed(1, |seed| {
        // Carol's pair is there in any case.
        let pairs = |talking| pairs_under_attack(seed, 0, talking, [0, 0]);
        assert!(pairs(true).iter().all(|pairs| *pairs == 2));
        assert!(pairs(false).iter().all(|pairs| *pairs == 1));
    });
}

#[test]
fn removals_that_are_not_charged_tell_nothing() {
    each_seed(1, |seed| {
        // Of different slots: nobody meets, whether they talk or not.
        let [talking, idle] =
            [true, false].map(|talking| pairs_under_attack(seed, 0, talking, [0, 1]));
        assert_eq!(talking, idle);
        assert!(idle.iter().all(|pairs| *pairs == 1));
    });
}

#[test]
fn with_noise_the_pairs_could_be_of_either() {
    each_seed(2, |seed| {
        let [talking, idle] =
            [true, false].map(|talking| pairs_under_attack(seed, NOISE, talking, [0, 0]));
        for (pairs, own) in [(&talking, 2), (&idle, 1)] {
            let drawn = own..=own + NOISE as usize / 2;
            assert!(pairs.iter().all(|pairs| drawn.contains(pairs)), "{pairs:?}");
            let different: BTreeSet<usize> = pairs.iter().copied().collect();
            assert!(different.len() >= 4, "noise is drawn anew for each round: {different:?}");
        }
        // Nearly all of what was seen could have been seen under the other story.
        let [could_idle, could_talk] = [(&talking, 1), (&idle, 2)].map(|(pairs, own)| {
            let drawn = own..=own + NOISE as usize / 2;
            pairs.iter().filter(|pairs| drawn.contains(pairs)).count() as f64 / pairs.len() as f64
        });
        assert!(could_idle > 0.9 && could_talk > 0.9, "{could_idle} {could_talk}");
    });
}
