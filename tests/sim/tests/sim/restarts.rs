//! Servers and clients are killed in the middle of rounds and come back.

use chacha20::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use talaria_sim::net::{Fate, Node};
use talaria_sim::{Setting, World, each_seed};

fn talking(seed: u64, lines: usize) -> World {
    let mut world = World::new(Setting { hops: 3, ..Setting::new(seed, 4) });
    world.talk(0, 1);
    for line in 0..lines {
        world.say(0, &format!("0: {line}"));
        world.say(1, &format!("1: {line}"));
    }
    world.end(0);
    world.end(1);
    world
}

fn assert_no_round_ran_twice(world: &World) {
    for place in 0..3 {
        assert!(world.runs(place).values().all(|times| *times == 1));
    }
}

#[test]
fn a_hop_restarts_in_the_middle_of_a_round() {
    each_seed(3, |seed| {
        for place in 0..3 {
            let mut world = talking(seed, 20);
            for _ in 0..3 {
                world.run_for(3_000);
                let before = world.runs(place).len();
                assert!(world.run_until(2_000, |world| world.runs(place).len() > before));
                world.restart_hop(place);
            }
            assert!(world.run_until(120_000, World::all_finished));
            world.check();
            assert_eq!(world.rounds().1, 3, "the rounds in flight are lost");
            assert_no_round_ran_twice(&world);
        }
    });
}

#[test]
fn a_round_that_is_asked_for_twice_is_refused() {
    let mut world = talking(1, 20);
    world.fault(|envelope, _| match (envelope.batch(), envelope.to) {
        (Some(_), Node::Hop(_)) => Fate::Duplicate,
        _ => Fate::Pass,
    });
    world.run_for(20_000);
    world.heal();
    assert!(world.run_until(120_000, World::all_finished));
    world.check();
    assert_no_round_ran_twice(&world);
    assert!(world.runs(0).len() > 20);
}

#[test]
fn a_round_is_refused_also_by_a_hop_that_has_just_restarted() {
    // The batch of a round is kept back, its copy runs, the hop restarts, the batch arrives.
    let mut world = talking(2, 10);
    let mut copied = false;
    world.fault(move |envelope, _| match (envelope.batch(), envelope.to) {
        (Some(_), Node::Hop(0)) if !copied => {
            copied = true;
            Fate::Duplicate
        }
        _ => Fate::Pass,
    });
    world.run_until(10_000, |world| !world.runs(0).is_empty());
    world.restart_hop(0);
    assert!(world.run_until(120_000, World::all_finished));
    assert_no_round_ran_twice(&world);
}

#[test]
fn the_entry_restarts() {
    each_seed(3, |seed| {
        let mut world = talking(seed, 20);
        for after in [3_010, 2_500, 4_030] {
            world.run_for(after);
            world.restart_entry();
        }
        assert!(world.run_until(120_000, World::all_finished));
        world.check();
        assert_no_round_ran_twice(&world);
    });
}

#[test]
fn a_client_restarts_at_any_moment() {
    each_seed(6, |seed| {
        let mut world = talking(seed, 30);
        for i in 0..8 {
            world.run_for(700 + 370 * i);
            world.restart_client(usize::from((seed + i) % 2 == 1));
        }
        assert!(world.run_until(200_000, World::all_finished));
        world.check();
    });
}

#[test]
fn everything_goes_wrong_at_once() {
    each_seed(8, |seed| {
        let mut dice = ChaCha20Rng::seed_from_u64(seed);
        let mut world = talking(seed, 25);
        world.fault(|_, rng| match rng.random_range(0..60) {
            0 => Fate::Lose,
            1 => Fate::Duplicate,
            2 => Fate::Delay(rng.random_range(0..4_000)),
            _ => Fate::Pass,
        });
        for _ in 0..15 {
            world.run_for(dice.random_range(100..4_000));
            match dice.random_range(0..4) {
                0 => world.restart_hop(dice.random_range(0..3)),
                1 => world.restart_entry(),
                _ => world.restart_client(dice.random_range(0..4)),
            }
            world.check();
        }
        world.heal();
        assert!(world.run_until(300_000, World::all_heard));
        world.check();
        assert_no_round_ran_twice(&world);
    });
}
