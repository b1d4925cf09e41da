//! All machines sleep for an hour: rounds go on when they wake, with the keys of the epoch that it
//! is then, and what was said before is not lost.

use talaria_sim::{Setting, World, each_seed};

#[test]
fn rounds_go_on_in_the_epoch_that_it_is() {
    each_seed(4, |seed| {
        let mut world = World::new(Setting::new(seed, 4));
        world.talk(0, 1);
        world.say(0, "good night");
        world.run_for(20_000);
        let last = *world.runs(0).keys().next_back().unwrap();
        for sleep_ms in [3_600_000, 64_000, 8 * 3_600_000] {
            world.say(1, "half a word");
            world.suspend(sleep_ms);
            world.say(0, "good morning");
            assert!(world.run_until(120_000, World::all_heard), "not everything was heard");
            world.check();
        }
        // Ten hours of rounds were left out, and those since then have all been run.
        let before = world.rounds();
        world.run_for(60_000);
        let after = world.rounds();
        assert!(after.0 >= before.0 + 55 && after.1 == before.1, "{before:?} {after:?}");
        for place in 0..2 {
            let runs = world.runs(place);
            assert!(runs.values().all(|times| *times == 1));
            assert!(runs.keys().next_back().unwrap().0 > last.0 + 9 * 3600);
        }
    });
}
