//! What is sealed ahead, and what becomes of it when the round, the keys or the disk are not as expected.

use super::*;
use crate::client::away::Lane;

/// Alice, who talks, with everything of her round `FIRST` behind her.
fn talking(server: &Server) -> Person {
    let [mut alice, _] = pair(server);
    alice.answer(FIRST);
    alice
}

/// Whether what left last talks.
fn talked(person: &Person) -> bool {
    let away = person.client.away.back().unwrap();
    away.lanes.iter().any(|lane| matches!(lane, Lane::Talking(_)))
}

fn offset() -> u64 {
    offset_ms(PERIOD.try_into().unwrap())
}

fn starts(round: Round) -> UnixMillis {
    round.starts_at(PERIOD.try_into().unwrap())
}

/// What leaves in `round`, if it is announced when it opens.
fn leaves_in(person: &mut Person, round: Round) -> Prepared {
    person.run_until(starts(round));
    person.take(starts(round), &announcement(round)).unwrap();
    let left = person.run_until(starts(round).plus(PERIOD / 2));
    let [(at, prepared)] = left.try_into().unwrap();
    assert_eq!(at, starts(round).plus(offset()));
    prepared
}

#[test]
fn the_next_round_is_sealed_before_it_is_announced() {
    let server = Server::new(1);
    let mut alice = talking(&server);
    let second = FIRST.next();
    let seal_at = starts(second).plus(offset()).0 - 200;
    assert_eq!(alice.client.next_sealing(), Some((second, UnixMillis(seal_at))));
    alice.run_until(UnixMillis(seal_at));
    assert_eq!(alice.client.next_sealing(), None);
    // Nothing that happens from now on changes what leaves.
    alice.client.say("too late", UnixMillis(seal_at)).unwrap();
    assert_eq!(alice.state.next_seq, 1);
    let sent = |alice: &Person| alice.client.conversation().unwrap().next_seq;
    assert_eq!(sent(&alice), 2);
    leaves_in(&mut alice, second);
    assert!(talked(&alice));
    assert_eq!(alice.state.charged, 2);
}

#[test]
fn a_line_that_is_typed_too_late_goes_with_the_next_round() {
    let server = Server::new(1);
    let mut people = pair(&server);
    run_round(&server, &mut people, FIRST, &[]);
    let heard = |people: &[Person]| {
        people[1].notices.iter().any(|notice| matches!(notice, Notice::Message { .. }))
    };
    for (round, comes) in [(FIRST.next(), false), (FIRST.next().next(), true)] {
        for person in &mut people {
            person.run_until(starts(round));
        }
        if !comes {
            people[0].client.say("late", starts(round)).unwrap();
        }
        run_round(&server, &mut people, round, &[]);
        assert_eq!(heard(&people), comes);
    }
}

#[test]
fn what_is_not_durable_in_time_leaves_its_place_to_the_cover() {
    let server = Server::new(1);
    let mut alice = talking(&server);
    alice.client.say("hello", start()).unwrap();
    alice.settle();
    let (second, third) = (FIRST.next(), FIRST.next().next());
    let lead = |alice: &Person| {
        let (round, seal_at) = alice.client.next_sealing().unwrap();
        starts(round).plus(offset()).since(seal_at)
    };
    assert_eq!(lead(&alice), 200);
    alice.disk_stuck = true;
    leaves_in(&mut alice, second);
    assert!(!talked(&alice));
    // Nobody has seen it, and it is not charged; from now on there is more time for the disk.
    alice.disk_stuck = false;
    alice.settle();
    assert_eq!(alice.state.charged, 1);
    leaves_in(&mut alice, third);
    assert!(talked(&alice));
    assert_eq!((alice.state.charged, lead(&alice)), (2, 400));
}

#[test]
fn covers_last_while_the_disk_does_nothing() {
    let server = Server::new(1);
    let mut alice = talking(&server);
    alice.disk_stuck = true;
    for r in 1..=STOCK + 1 {
        leaves_in(&mut alice, Round(FIRST.0 + r));
        assert!(!talked(&alice));
    }
}

#[test]
fn rounds_that_are_left_out_cost_nothing_and_are_answered_in_time() {
    let server = Server::new(1);
    let mut alice = talking(&server);
    for gap in [2, 1, 3, 2, STOCK, 9] {
        let round = Round(alice.client.last_round().unwrap().0 + gap);
        leaves_in(&mut alice, round);
        assert!(talked(&alice));
    }
    // All of them were in vain, and none that did not leave is among them.
    alice.client.handle_disconnected(starts(Round(FIRST.0 + 30)));
    alice.settle();
    assert_eq!(alice.state.charged, 7);
}

/// Keys of the hop for the epoch of `round`, as an entry sends them; `byte` makes them.
fn new_keys(person: &mut Person, round: Round, byte: u8) {
    let (own, hop) = (identity(101, "xxx").0.secret, OnionSecret::from_bytes(&[byte; 32]));
    let keys = epoch_keys(&person.network, &own, &hop, round);
    let body = &keys[HEADER_LEN..];
    person.client.handle_frame(starts(round), Kind::EpochKeys, body, &mut person.rng).unwrap();
}

#[test]
fn what_was_sealed_for_keys_that_are_gone_stays() {
    let server = Server::new(1);
    let mut alice = talking(&server);
    let second = FIRST.next();
    alice.run_until(starts(second));
    // The hop was restarted after the round had been sealed.
    alice.wire.announce(starts(second), &decoded(second));
    new_keys(&mut alice, second, 6);
    let left = alice.run_until(starts(second).plus(offset()));
    assert_eq!(left.len(), 1);
    assert!(!talked(&alice));
    assert_eq!(alice.client.away.len(), 2);
    alice.settle();
    assert_eq!(alice.state.charged, 1);
    let body = &left[0].1.frame[HEADER_LEN + 8..];
    let context =
        |byte: u8| (OnionSecret::from_bytes(&[byte; 32]), body[..body.len() / 2].to_vec());
    for (byte, opens) in [(5, false), (6, true)] {
        let (hop, mut onion) = context(byte);
        assert_eq!(peel(&mut onion, &PeelContext::new(&hop, &[], second, HopIndex(0))).1, opens);
    }
    // The same keys once more, or those of another epoch, change nothing.
    let before = alice.client.poll_order();
    new_keys(&mut alice, second, 6);
    new_keys(&mut alice, Round(second.0 + 64), 6);
    assert_eq!((before, alice.client.poll_order()), (None, None));
}

fn decoded(round: Round) -> Announcement {
    Announcement::decode(&announcement(round)[HEADER_LEN..]).unwrap()
}

#[test]
fn what_was_sealed_before_a_change_of_mind_stays() {
    let server = Server::new(1);
    let second = FIRST.next();
    let ahead = |happens: &dyn Fn(&mut Client)| {
        let mut alice = talking(&server);
        alice.run_until(starts(second));
        happens(&mut alice.client);
        alice.take(starts(second), &announcement(second)).unwrap();
        assert_eq!(alice.run_until(starts(second).plus(offset())).len(), 1);
        (talked(&alice), alice.state.charged)
    };
    assert_eq!(ahead(&|_| {}), (true, 2));
    assert_eq!(ahead(&|client| client.hold_back(true)), (false, 1));
    let mut again = identity(2, "bob").0;
    again.since = 7;
    let (talked, _) = ahead(&|client| client.renew_session(&again.contact()));
    assert!(!talked);
}
