//! Clients that do not keep to the protocol disturb nobody.

use talaria_sim::{Setting, World};
use talaria_wire::frame::{HEADER_LEN, Submission};
use talaria_wire::{Hops, Round, RoundShape};

const ROGUE: usize = 2;

/// Two people talk for half a minute while a third one misbehaves every 300 ms.
fn beside_a_rogue(mut misbehave: impl FnMut(&mut World, u64)) -> World {
    let mut world = World::new(Setting::new(7, 4));
    world.talk(0, 1);
    for line in 0..20 {
        world.say(0, &format!("0: {line}"));
        world.say(1, &format!("1: {line}"));
    }
    world.end(0);
    world.end(1);
    for i in 0..100 {
        world.run_for(300);
        misbehave(&mut world, i);
    }
    assert!(world.all_finished(), "the others are served");
    world.check();
    assert_eq!(world.rounds().1, 0, "no round is lost");
    assert_eq!(world.counted(3).idle_pairs_unmet + world.counted(3).bad_replies, 0);
    world
}

fn byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

#[test]
fn replayed_submissions() {
    let mut replayed = None;
    beside_a_rogue(|world, i| {
        let last = world.last_submission(ROGUE).map(<[u8]>::to_vec);
        let old = replayed.get_or_insert_with(|| last.clone());
        for frame in [last.clone(), old.clone()].into_iter().flatten() {
            if i % 2 == 0 {
                world.inject(ROGUE, frame);
            }
        }
    });
}

#[test]
fn somebody_elses_submission() {
    beside_a_rogue(|world, _| {
        if let Some(frame) = world.last_submission(0).map(<[u8]>::to_vec) {
            world.silence(ROGUE, true);
            world.inject(ROGUE, frame);
        }
    });
}

#[test]
fn garbage() {
    beside_a_rogue(|world, i| {
        let len = usize::try_from(i * 97 % 2000).unwrap();
        let garbage: Vec<u8> = (0u64..).map(|j| byte(i * 31 + j * 7)).take(len).collect();
        world.inject(ROGUE, garbage);
    });
}

#[test]
fn garbage_in_the_shape_of_submissions() {
    let shape = RoundShape::new(Hops::new(2).unwrap(), 1).unwrap();
    beside_a_rogue(|world, i| {
        // The number of the round in which everybody else is: from somebody's last submission.
        let Some(frame) = world.last_submission(3) else { return };
        let round = Submission::decode(&frame[HEADER_LEN..], shape).unwrap().round;
        let onions = vec![byte(i); shape.onions() * shape.onion_len()];
        for round in [round, Round(round.0 + 1), Round(u64::MAX)] {
            let frame = Submission { round, onions: &onions }.to_frame();
            world.inject(ROGUE, frame);
        }
    });
}

#[test]
fn silence() {
    let world = beside_a_rogue(|world, i| world.silence(ROGUE, i > 10));
    assert!(world.counted(ROGUE).submitted < world.counted(3).submitted);
}

#[test]
fn one_user_on_two_machines_that_throw_each_other_out() {
    let mut world = beside_a_rogue(|world, i| {
        if i == 10 {
            world.share_user(ROGUE, 3);
        }
    });
    // Each of the two comes back, and so the other one has to go, as long as anybody looks.
    let before = world.broken_off();
    world.run_for(3000);
    assert!(world.broken_off() > before + 5);
}
