//! The judge has to tell a server's mistakes from what only looks like one.

use std::time::Duration;

use talaria_wire::{Hops, RoundShape};

use super::*;

/// Clients 0 and 1 talk with each other, 2 and 3 idle.
fn script() -> Script {
    Script::new(1, 4, 50, RoundShape::new(Hops::new(1).unwrap(), 1).unwrap())
}

/// A round in which everybody was asked and has sent.
fn sent() -> Ledger {
    let mut ledger = Ledger::new(&[true; 4], 2, Instant::now());
    for client in 0..4 {
        assert!(ledger.announce(client) && !ledger.announce(client));
        ledger.send(client, Instant::now());
    }
    ledger
}

fn deliver(ledger: &mut Ledger, client: usize, seen: [Seen; 2]) {
    let now = Instant::now();
    ledger.deliver(client, now, now, seen);
}

#[test]
fn a_good_round() {
    let mut ledger = sent();
    for client in 0..4 {
        assert!(!ledger.is_settled());
        deliver(&mut ledger, client, [Seen::Expected; 2]);
    }
    assert!(ledger.is_settled());
    let judged = ledger.judge(&script());
    assert_eq!((judged.announced, judged.sent, judged.delivered, judged.wrong), (4, 4, 4, 0));
    assert_eq!((judged.missed, judged.unanswered, judged.latencies.len()), (0, 0, 4));
}

#[test]
fn every_kind_of_wrong_reply_counts() {
    for client in 0..4 {
        for wrong in [Seen::Empty, Seen::Other, Seen::Unopened] {
            let mut ledger = sent();
            for other in 0..4 {
                let second = if other == client { wrong } else { Seen::Expected };
                deliver(&mut ledger, other, [Seen::Expected, second]);
            }
            assert_eq!(ledger.judge(&script()).wrong, 1, "{client} {wrong:?}");
        }
    }
}

#[test]
fn a_partner_that_was_not_in_the_round_leaves_empty_replies_and_nothing_else() {
    for fate in [Fate::Late, Fate::Missed] {
        for (seen, wrong) in [(Seen::Empty, 0), (Seen::Expected, 2), (Seen::Other, 2)] {
            let mut ledger = sent();
            ledger.end(1, fate);
            deliver(&mut ledger, 0, [seen; 2]);
            // Whoever idles needs nobody else.
            deliver(&mut ledger, 2, [Seen::Expected; 2]);
            deliver(&mut ledger, 3, [Seen::Empty, Seen::Expected]);
            assert_eq!(ledger.judge(&script()).wrong, wrong + 1);
        }
    }
}

#[test]
fn a_partner_that_broke_off_may_or_may_not_have_been_there() {
    for (seen, wrong) in [(Seen::Empty, 0), (Seen::Expected, 0), (Seen::Other, 2)] {
        let mut ledger = sent();
        ledger.lose(1);
        deliver(&mut ledger, 0, [seen; 2]);
        let judged = ledger.judge(&script());
        assert_eq!((judged.wrong, judged.unanswered), (wrong, 3));
    }
}

#[test]
fn who_comes_and_goes_is_counted_once() {
    let mut ledger = Ledger::new(&[true, true, true, false], 2, Instant::now());
    ledger.lose(0);
    ledger.lose(0);
    ledger.announce(1);
    ledger.end(1, Fate::Missed);
    ledger.lose(1);
    assert!(!ledger.is_settled());
    let judged = ledger.judge(&script());
    // Client 2 was there, and nobody told it.
    assert_eq!((judged.announced, judged.missed, judged.sent), (1, 2, 0));
}

#[test]
fn times_are_from_the_first_announcement() {
    let began = Instant::now();
    let at = |ms| began + Duration::from_millis(ms);
    let mut ledger = Ledger::new(&[true; 2], 2, began);
    for (client, sent, back) in [(0, 10, 40), (1, 20, 50)] {
        ledger.announce(client);
        ledger.send(client, at(sent));
        ledger.deliver(client, at(sent), at(back), [Seen::Expected; 2]);
    }
    let judged = ledger.judge(&Script::new(1, 2, 0, script().shape()));
    assert_eq!((judged.collect, judged.whole), (20_000, 50_000));
    assert_eq!(judged.latencies, [30_000, 30_000]);
}
