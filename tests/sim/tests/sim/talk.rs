//! Conversations in the simulated network when nothing goes wrong, and what they show outside.

use talaria_sim::observer::Observation;
use talaria_sim::{Setting, World, each_seed};

/// Everybody in `pairs` says `lines` lines to each other and ends.
fn chat(world: &mut World, pairs: &[(usize, usize)], lines: usize) {
    for &(a, b) in pairs {
        world.talk(a, b);
        for line in 0..lines {
            world.say(a, &format!("{a} to {b}: line {line}"));
            world.say(b, &format!("{b} to {a}: line {line}"));
        }
        world.end(a);
        world.end(b);
    }
}

#[test]
fn pairs_talk_among_idle_clients() {
    each_seed(3, |seed| {
        let mut world = World::new(Setting { hops: 3, ..Setting::new(seed, 9) });
        chat(&mut world, &[(0, 1), (2, 7)], 20);
        assert!(world.run_until(60_000, World::all_finished));
        world.check();
        assert!(world.heard(1).iter().all(|heard| heard.from == "client-0"));
        assert_eq!(world.rounds().1, 0, "no round is lost");
        assert_eq!((0..9).map(|client| world.counted(client).idle_pairs_unmet).sum::<u64>(), 0);
    });
}

#[test]
fn two_hundred_lines_each_way_need_few_more_than_a_hundred_rounds() {
    let mut world = World::new(Setting::new(1, 2));
    chat(&mut world, &[(0, 1)], 200);
    assert!(world.run_until(1_000_000, World::all_finished));
    world.check();
    let (delivered, lost) = world.rounds();
    assert!(lost == 0 && delivered < 125, "{delivered} rounds");
}

#[test]
fn long_texts_come_through_whole() {
    let mut world = World::new(Setting::new(2, 2));
    world.talk(0, 1);
    let long: String = ('a'..='z').cycle().take(64 * 1024).collect();
    world.say(0, "before");
    world.say(0, &long);
    world.say(0, "");
    world.say(1, "ä→🜁 and every other character");
    world.end(0);
    world.end(1);
    assert!(world.run_until(1_000_000, World::all_finished));
    world.check();
    assert_eq!(world.heard(1)[1].text, long);
}

#[test]
fn whoever_comes_later_hears_what_was_said_before() {
    let mut world = World::new(Setting::new(3, 2));
    world.silence(1, true);
    chat(&mut world, &[(0, 1)], 5);
    world.run_for(20_000);
    assert!(world.heard(1).is_empty());
    world.silence(1, false);
    assert!(world.run_until(60_000, World::all_finished));
    world.check();
}

/// What a network attacker sees of `world` in half a minute of whatever it does.
fn half_a_minute(mut world: World, prepare: impl Fn(&mut World)) -> Vec<Observation> {
    prepare(&mut world);
    world.run_for(30_000);
    world.trace().to_vec()
}

#[test]
fn idle_and_talking_clients_leave_equal_traces() {
    each_seed(3, |seed| {
        let world = || World::new(Setting::new(seed, 6));
        let idle = half_a_minute(world(), |_| {});
        let talking = half_a_minute(world(), |world| chat(world, &[(0, 1), (2, 3)], 10));
        let others = half_a_minute(world(), |world| chat(world, &[(0, 4), (1, 5)], 300));
        assert!(idle.len() > 6 * 3 * 25, "everybody takes part in every round");
        assert!(idle == talking && idle == others);
    });
}

#[test]
fn the_comparison_of_traces_can_fail() {
    let world = || World::new(Setting::new(0, 6));
    let idle = half_a_minute(world(), |_| {});
    let one_silent = half_a_minute(world(), |world| world.silence(5, true));
    assert!(idle != one_silent);
}

#[test]
fn the_last_hop_sees_only_pairs_and_as_many_whoever_talks() {
    let run = |pairs: &[(usize, usize)]| {
        let mut world = World::new(Setting::new(4, 6));
        chat(&mut world, pairs, 4);
        world.run_for(15_000);
        world.tallies().to_vec()
    };
    let idle = run(&[]);
    assert!(idle.iter().all(|tally| (tally.pairs, tally.singles, tally.crowds) == (6, 0, 0)));
    assert_eq!(idle, run(&[(0, 1), (2, 3)]));
}

#[test]
fn a_day_without_clients_passes() {
    let mut world = World::new(Setting { period_ms: 2000, ..Setting::new(5, 0) });
    world.run_for(24 * 60 * 60 * 1000);
    // The first round is the one after the start, and the last is still collecting.
    assert_eq!(world.rounds(), (43_198, 0));
}
