//! A hop is replaced in a new version of the network file: conversations go on.

use talaria_sim::{Setting, World, each_seed};

#[test]
fn conversations_go_on_when_a_hop_is_replaced() {
    each_seed(4, |seed| {
        let mut world = World::new(Setting::new(seed, 2));
        world.talk(0, 1);
        world.say(0, "through the old hop");
        assert!(world.run_until(20_000, World::all_heard));
        world.say(1, "on its way when the hop goes");
        world.run_for(200);
        for place in [1, 0] {
            world.replace_hop(place);
            world.bring_network_file(0);
            world.bring_network_file(1);
            world.say(0, "through the new hop");
            assert!(world.run_until(40_000, World::all_heard));
        }
        world.end(0);
        world.end(1);
        assert!(world.run_until(40_000, World::all_finished));
        world.check();
    });
}

#[test]
fn whoever_has_an_old_file_waits_until_the_new_one_comes() {
    each_seed(4, |seed| {
        let mut world = World::new(Setting::new(seed, 2));
        world.talk(0, 1);
        world.replace_hop(1);
        world.bring_network_file(0);
        world.say(0, "are you there?");
        assert!(!world.run_until(20_000, World::all_heard));
        assert_eq!(world.counted(1).submitted, 0);
        world.bring_network_file(1);
        assert!(world.run_until(40_000, World::all_heard));
        world.check();
    });
}
