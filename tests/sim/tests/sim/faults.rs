//! What travels is lost, late, doubled, cut off, reordered or altered: nothing that was shown as
//! delivered is missing, nothing comes twice or to the wrong person, and rounds go on.

use rand::RngExt;
use talaria_sim::net::{Envelope, Fate, Node, Payload};
use talaria_sim::{Setting, World, each_seed};
use talaria_wire::Batch;

const LINES: usize = 15;

/// Two pairs talk, two clients idle, under a fault that befalls one thing in `one_in`.
fn chat_under(
    seed: u64,
    one_in: u32,
    mut fault: impl FnMut(&Envelope, u32) -> Option<Fate> + 'static,
) -> World {
    let mut world = World::new(Setting::new(seed, 6));
    world.fault(move |envelope, rng| {
        let dice = rng.random::<u32>();
        if !dice.is_multiple_of(one_in) {
            return Fate::Pass;
        }
        fault(envelope, dice / one_in).unwrap_or(Fate::Pass)
    });
    for (a, b) in [(0, 1), (2, 3)] {
        world.talk(a, b);
        for line in 0..LINES {
            world.say(a, &format!("{a}: {line}"));
            world.say(b, &format!("{b}: {line}"));
        }
        world.end(a);
        world.end(b);
    }
    assert!(world.run_until(900_000, World::all_heard), "not everything was heard");
    world.check();
    let before = world.rounds().0;
    world.heal();
    world.run_for(30_000);
    assert!(world.rounds().0 >= before + 20, "rounds go on");
    world.check();
    world
}

fn is_frame(envelope: &Envelope) -> bool {
    matches!(envelope.payload, Payload::Frame(_))
}

#[test]
fn lost() {
    each_seed(4, |seed| {
        chat_under(seed, 15, |_, _| Some(Fate::Lose));
    });
}

#[test]
fn late() {
    each_seed(4, |seed| {
        chat_under(seed, 8, |_, dice| Some(Fate::Delay(u64::from(dice % 3000))));
    });
}

#[test]
fn duplicated() {
    each_seed(4, |seed| {
        chat_under(seed, 6, |_, _| Some(Fate::Duplicate));
    });
}

#[test]
fn truncated() {
    each_seed(4, |seed| {
        chat_under(seed, 20, |envelope, dice| match &envelope.payload {
            Payload::Frame(frame) => {
                let cut = frame[..dice as usize % frame.len()].to_vec();
                Some(Fate::Replace(Payload::Frame(cut)))
            }
            _ => None,
        });
    });
}

#[test]
fn reordered() {
    each_seed(4, |seed| {
        // Longer than the way takes, so that what was sent later arrives earlier.
        chat_under(seed, 4, |envelope, dice| {
            is_frame(envelope).then_some(Fate::Delay(u64::from(dice % 120)))
        });
    });
}

#[test]
fn altered() {
    each_seed(4, |seed| {
        chat_under(seed, 15, |envelope, dice| match &envelope.payload {
            Payload::Frame(frame) => {
                let mut frame = frame.clone();
                let at = dice as usize % frame.len();
                frame[at] ^= 1 << (dice % 8);
                Some(Fate::Replace(Payload::Frame(frame)))
            }
            _ => None,
        });
    });
}

/// Replaces the batches that the hop in `place` sends back.
fn lying_hop(
    seed: u64,
    place: u8,
    one_in: u32,
    lie: impl Fn(Batch, u32) -> Batch + 'static,
) -> World {
    let before = place.checked_sub(1).map_or(Node::Entry, Node::Hop);
    chat_under(seed, one_in, move |envelope, dice| match envelope.batch() {
        Some(batch) if envelope.from == Node::Hop(place) && envelope.to == before => {
            Some(envelope.replaced_by(lie(batch.clone(), dice)))
        }
        _ => None,
    })
}

#[test]
fn a_hop_returns_too_few_replies() {
    each_seed(2, |seed| {
        for place in [0, 1] {
            let world = lying_hop(seed, place, 2, |batch, dice| {
                let keep = dice as usize % batch.len().max(1);
                let bytes = batch.as_bytes()[..keep * batch.slot_len()].to_vec();
                Batch::from_bytes(batch.slot_len(), bytes).unwrap()
            });
            assert!(world.rounds().1 > 0, "such rounds are lost");
        }
    });
}

#[test]
fn a_hop_alters_replies() {
    each_seed(2, |seed| {
        for place in [0, 1] {
            let world = lying_hop(seed, place, 3, |mut batch, dice| {
                let len = batch.as_bytes().len();
                if len > 0 {
                    batch.as_bytes_mut()[dice as usize % len] ^= 1;
                }
                batch
            });
            let bad: u64 = (0..6).map(|client| world.counted(client).bad_replies).sum();
            assert!(bad > 0, "the clients notice");
        }
    });
}

#[test]
fn a_hop_swaps_replies() {
    each_seed(2, |seed| {
        let world = lying_hop(seed, 1, 3, |batch, dice| {
            let mut swapped = batch.clone();
            let (a, b) = (dice as usize % batch.len(), dice as usize / 7 % batch.len());
            swapped.slot_mut(a).copy_from_slice(batch.slot(b));
            swapped.slot_mut(b).copy_from_slice(batch.slot(a));
            swapped
        });
        let bad: u64 = (0..6).map(|client| world.counted(client).bad_replies).sum();
        assert!(bad > 0, "the clients notice");
    });
}

#[test]
fn a_hop_alters_onions() {
    each_seed(2, |seed| {
        chat_under(seed, 3, |envelope, dice| match envelope.batch() {
            Some(batch) if envelope.to == Node::Hop(1) && !batch.is_empty() => {
                let mut batch = batch.clone();
                let len = batch.as_bytes().len();
                batch.as_bytes_mut()[dice as usize % len] ^= 1;
                Some(envelope.replaced_by(batch))
            }
            _ => None,
        });
    });
}

#[test]
fn idle_pairs_notice_who_is_removed() {
    let mut world = World::new(Setting::new(1, 4));
    world.fault(|envelope, _| match envelope.batch() {
        // The first hop is the attacker's: it drops the first onion that it sends on.
        Some(batch) if envelope.to == Node::Hop(1) && !batch.is_empty() => {
            let mut batch = batch.clone();
            batch.slot_mut(0).fill(0);
            envelope.replaced_by(batch)
        }
        _ => Fate::Pass,
    });
    world.run_for(10_500);
    let unmet: u64 = (0..4).map(|client| world.counted(client).idle_pairs_unmet).sum();
    assert!(unmet >= 9, "{unmet} of about ten removals were noticed");
}
