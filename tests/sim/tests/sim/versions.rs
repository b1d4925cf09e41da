//! Versions that differ: a hop is replaced in a new version of the network file, and a client or a
//! server speaks another version of the protocol.

use talaria_sim::{Setting, World, each_seed};
use talaria_wire::control::Control;
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::reason::Refusal;

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

#[test]
fn a_client_of_another_protocol_is_told_and_comes_in_when_it_is_updated() {
    each_seed(2, |seed| {
        let mut world = World::new(Setting::new(seed, 3));
        world.speak_version(0, PROTOCOL_VERSION + 1);
        world.talk(0, 1);
        world.say(1, "are you there?");
        assert!(!world.run_until(10_000, World::all_heard));
        assert!(world.refusals(0).len() > 5, "it is told each time that it comes");
        assert!(world.refusals(0).iter().all(|reason| *reason == Refusal::Version));
        assert_eq!(world.counted(0).submitted, 0);
        assert_eq!((world.refusals(1), world.rounds().1), (&[][..], 0), "the others are served");
        world.speak_version(0, PROTOCOL_VERSION);
        assert!(world.run_until(20_000, World::all_heard));
        world.check();
    });
}

#[test]
fn a_server_of_another_protocol_is_refused_by_every_hop() {
    let world = World::new(Setting::new(1, 1));
    for place in [0, 1] {
        for other in [PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1] {
            let refused = Control::Refused { reason: Refusal::Version };
            assert_eq!(world.greet_hop(place, other), Some(refused));
        }
        let welcome = Control::Welcome { protocol: PROTOCOL_VERSION };
        assert_eq!(world.greet_hop(place, PROTOCOL_VERSION), Some(welcome));
    }
}
