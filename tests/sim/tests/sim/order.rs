//! Rounds leave a hop in the order in which they came, however long the work on each takes.

use talaria_sim::{Setting, World, each_seed};

#[test]
fn no_round_overtakes_another_at_a_slow_hop() {
    each_seed(3, |seed| {
        let mut world = World::new(Setting { hops: 3, ..Setting::new(seed, 4) });
        world.talk(0, 1);
        for line in 0..10 {
            world.say(0, &format!("0: {line}"));
            world.say(1, &format!("1: {line}"));
        }
        world.end(0);
        world.end(1);
        world.run_for(2_000);
        // Longer than a round, so that the work on several of them goes on at once.
        world.slow_down(0, 2_000);
        world.slow_down(1, 1_500);
        world.run_for(60_000);
        for place in [0, 1] {
            let (ready, departed) = world.order(place);
            assert!(!ready.is_sorted(), "some are ready before earlier ones");
            assert!(departed.is_sorted_by(|a, b| a < b), "each leaves once, in its turn");
            assert!(departed.len() > 40);
        }
        assert_eq!(world.rounds().1, 0, "no hop has refused a round after a later one");
        assert!(world.all_finished());
        world.check();
    });
}

#[test]
fn a_round_that_is_lost_while_it_waits_holds_up_no_other() {
    each_seed(2, |seed| {
        let mut world = World::new(Setting { hops: 3, ..Setting::new(seed, 4) });
        world.slow_down(0, 1_500);
        for _ in 0..8 {
            world.run_for(3_300);
            world.restart_hop(1);
        }
        let before = world.rounds().0;
        world.run_for(20_000);
        assert!(world.rounds().0 >= before + 15, "rounds go on");
        let (_, departed) = world.order(0);
        assert!(departed.is_sorted_by(|a, b| a < b));
    });
}
