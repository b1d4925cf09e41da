//! When submissions leave: whoever talks, and has much to do, leaves at the same moments as whoever
//! idles.

use std::collections::BTreeSet;

use talaria_sim::net::Node;
use talaria_sim::{Costs, Setting, World, each_seed};
use talaria_wire::UnixMillis;

/// Long enough for a chain of two hops to answer most rounds before the next one opens.
const PERIOD_MS: u64 = 500;
const SUBMISSION_MIN: usize = 1000;

/// Moments at which a client sent a submission.
fn departures(world: &World, client: usize) -> Vec<UnixMillis> {
    let own = world.trace().iter().filter(|seen| seen.from == Node::Client(client));
    own.filter(|seen| seen.bytes >= SUBMISSION_MIN).map(|seen| seen.at).collect()
}

/// Two clients that talk, and have something to say all the time, or idle.
fn run(seed: u64, costs: Costs, talking: bool) -> World {
    let mut world = World::new(Setting { period_ms: PERIOD_MS, costs, ..Setting::new(seed, 2) });
    world.run_for(3_210);
    if talking {
        world.talk(0, 1);
    }
    for step in 0..120u64 {
        if talking {
            // A line is typed at any time, and long ones are committed in many pieces.
            let client = usize::from(step % 3 == 0);
            world.say(
                client,
                &format!("{step} {}", "word ".repeat(usize::try_from(step % 9 * 60).unwrap())),
            );
        }
        world.run_for(370 + step % 7 * 11);
    }
    world
}

#[test]
fn who_talks_leaves_at_the_moments_of_who_idles_however_long_its_work_takes() {
    for costs in [
        Costs::default(),
        Costs { verify_ms: 30, commit_ms: 0 },
        Costs { verify_ms: 0, commit_ms: 40 },
        Costs { verify_ms: 35, commit_ms: 70 },
        // Slower than rounds follow each other.
        Costs { verify_ms: 80, commit_ms: 650 },
    ] {
        each_seed(1, |seed| {
            let [talking, idle] = [true, false].map(|talking| run(seed, costs, talking));
            for client in [0, 1] {
                let moments = departures(&idle, client);
                assert!(moments.len() > 90, "{}", moments.len());
                assert_eq!(departures(&talking, client), moments, "{costs:?}");
            }
            talking.check();
            assert!(talking.heard(0).len() + talking.heard(1).len() > 20, "{costs:?}");
        });
    }
}

#[test]
fn what_the_server_sends_is_the_same_too() {
    let costs = Costs { verify_ms: 35, commit_ms: 70 };
    let seen = |world: &World| -> Vec<_> {
        world.trace().iter().map(|seen| (seen.at, seen.from, seen.to, seen.bytes)).collect()
    };
    let [talking, idle] = [true, false].map(|talking| run(7, costs, talking));
    assert!(seen(&talking) == seen(&idle));
}

#[test]
fn submissions_leave_a_fixed_time_after_their_rounds_open() {
    let world = run(3, Costs { verify_ms: 35, commit_ms: 70 }, true);
    // Announcements take 5 to 40 ms; those that come ahead of the opening differ by as much.
    let phases: BTreeSet<u64> = departures(&world, 0).iter().map(|at| at.0 % PERIOD_MS).collect();
    assert!(phases.iter().all(|phase| (50..=50 + 80).contains(phase)), "{phases:?}");
}
