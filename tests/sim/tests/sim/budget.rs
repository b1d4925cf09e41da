//! The privacy budget: a first hop that removes onions of two people who talk is counted, and the
//! two stop talking before it has learnt more than the noise covers up.

use std::collections::HashSet;

use talaria_client::conversation::budget::Ended;
use talaria_client::{BudgetStage, Loss};
use talaria_privacy::lane;
use talaria_sim::net::{Envelope, Fate, Node, Payload};
use talaria_sim::observer::Observation;
use talaria_sim::{Setting, World, each_seed};
use talaria_wire::frame::HEADER_LEN;

/// What each side may spend: half of what the network file names.
const BUDGET: u64 = 6;

fn talking(seed: u64, each: Option<u64>) -> World {
    let charged_rounds = each.map(|each| 2 * each);
    let mut world = World::new(Setting { charged_rounds, ..Setting::new(seed, 4) });
    world.talk(0, 1);
    for line in 0..200 {
        world.say(0, &format!("0: {line}"));
        world.say(1, &format!("1: {line}"));
    }
    world
}

/// A first hop that removes, in every `every`th round, the onions of its victims: it knows whose
/// an onion is, since it is the first to get them.
fn removing(every: u64, victims: &'static [(usize, usize)]) -> impl FnMut(&Envelope) -> Fate {
    let mut wanted: HashSet<Vec<u8>> = HashSet::new();
    move |envelope| match (&envelope.payload, envelope.from, envelope.to) {
        (Payload::Frame(frame), Node::Client(client), Node::Entry) => {
            // A header, the round, and two onions.
            let onions = frame.get(HEADER_LEN + 8..).filter(|onions| onions.len() > 1000);
            for (_, slot) in victims.iter().filter(|(victim, _)| *victim == client) {
                let onion = onions.and_then(|onions| onions.chunks(onions.len() / 2).nth(*slot));
                wanted.extend(onion.map(<[u8]>::to_vec));
            }
            Fate::Pass
        }
        (payload, Node::Entry, Node::Hop(0)) => {
            let batch = payload.batch().filter(|(round, _)| round.0.is_multiple_of(every));
            let Some((_, batch)) = batch else { return Fate::Pass };
            let mut batch = batch.clone();
            for slot in 0..batch.len() {
                if wanted.contains(batch.slot(slot)) {
                    batch.slot_mut(slot).fill(0);
                }
            }
            envelope.replaced_by(batch)
        }
        _ => Fate::Pass,
    }
}

#[test]
fn removed_onions_are_counted_until_the_two_stop() {
    for victims in [&[(0, 0), (0, 1)][..], &[(1, 0)], &[(0, 1), (1, 1)]] {
        each_seed(2, |seed| {
            let mut world = talking(seed, Some(BUDGET));
            let mut fault = removing(4, victims);
            world.fault(move |envelope, _| fault(envelope));
            world.run_for(14_500);
            for client in [0, 1] {
                let charged = world.charged(client);
                assert!((3..=5).contains(&charged), "{charged} in 14 rounds");
                assert_eq!(world.budget_stages(client), [BudgetStage::Half]);
            }
            world.run_for(45_000);
            let heard = world.heard(1).len();
            for client in [0, 1] {
                assert_eq!(world.charged(client), BUDGET);
                let told = [BudgetStage::Half, BudgetStage::Spent];
                assert_eq!(world.budget_stages(client), told);
            }
            assert!(0 < heard && heard < 100, "{heard} lines arrived before the end");
            // What their idle pairs tell goes on, and is not charged.
            assert!((0..2).any(|client| world.counted(client).idle_pairs_unmet > 0));
            world.run_for(20_000);
            assert_eq!((world.heard(1).len(), world.charged(0)), (heard, BUDGET));
            world.check();
        });
    }
}

/// Neither side knows what the other has counted, and what one of them does not see the other may.
#[test]
fn both_sides_together_never_spend_more_than_the_network_file_names() {
    for victims in [&[(0, 0), (0, 1)][..], &[(1, 0)], &[(0, 1), (1, 1)]] {
        let charged_rounds = 9;
        let mut world =
            World::new(Setting { charged_rounds: Some(charged_rounds), ..Setting::new(7, 4) });
        world.talk(0, 1);
        let mut fault = removing(3, victims);
        world.fault(move |envelope, _| fault(envelope));
        for _ in 0..20 {
            world.run_for(4_000);
            assert!(world.charged(0) + world.charged(1) <= charged_rounds);
        }
        assert_eq!([world.charged(0), world.charged(1)], [charged_rounds / 2; 2]);
    }
}

#[test]
fn a_restart_neither_forgets_the_budget_nor_renews_it() {
    let mut world = talking(1, Some(BUDGET));
    let mut fault = removing(3, &[(0, 0)]);
    world.fault(move |envelope, _| fault(envelope));
    let mut before = 0;
    for _ in 0..12 {
        // After a kill it leaves out the rounds that it may have answered.
        world.run_for(15_300);
        world.restart_client(0);
        assert!(world.charged(0) >= before && world.charged(0) <= BUDGET);
        before = world.charged(0);
    }
    assert_eq!(before, BUDGET);
}

#[test]
fn nothing_is_charged_when_nothing_is_removed() {
    each_seed(2, |seed| {
        let mut world = talking(seed, Some(BUDGET));
        world.end(0);
        world.end(1);
        assert!(world.run_until(200_000, World::all_finished));
        for client in [0, 1] {
            // At the end one side stays a round or two longer than the other.
            assert!(world.charged(client) <= 2, "{}", world.charged(client));
            assert_eq!(world.budget_stages(client), []);
        }
    });
}

#[test]
fn stopping_looks_the_same_from_outside() {
    let run = |goes_on: bool| -> (u64, Vec<Observation>) {
        let mut world = talking(3, Some(BUDGET));
        if goes_on {
            world.go_beyond_budget(0);
            world.go_beyond_budget(1);
        }
        let mut fault = removing(2, &[(0, 0), (0, 1)]);
        world.fault(move |envelope, _| fault(envelope));
        world.run_for(40_000);
        (world.charged(0), world.trace().to_vec())
    };
    let ((stops_at, stops), (goes_to, goes_on)) = (run(false), run(true));
    assert!(stops_at == BUDGET && goes_to > 2 * BUDGET);
    assert!(stops == goes_on);
}

/// Every way to lose onions and replies: what the accounting charges, each of the two charges.
#[test]
fn clients_charge_every_round_that_the_accounting_charges() {
    let both = [[false, false], [true, false], [false, true], [true, true]];
    let lost = |arrived: [bool; 2]| arrived.iter().map(|ok| u8::from(!ok)).sum();
    for (alice, bob) in both.iter().flat_map(|alice| both.map(|bob| (*alice, bob))) {
        for replies in both {
            let met = [0, 1].map(|slot: usize| alice[slot] && bob[slot] && replies[slot]);
            let charged = Ended::Back { met }.is_charged();
            assert!(charged || !lane::is_charged(lost(alice), lost(bob)), "{alice:?} {bob:?}");
        }
    }
    // Too late: both onions of one side are missing.
    assert!(Ended::Lost(Loss::Own).is_charged() && lane::is_charged(2, 0));
}
