//! The entry with a handful of clients, told what happens and when.

use super::*;
use std::num::NonZeroU64;
use talaria_wire::Hops;

fn entry() -> Entry {
    let shape = RoundShape::new(Hops::new(1).unwrap(), 1).unwrap();
    let schedule = ScheduleConfig {
        period_ms: NonZeroU64::new(100).unwrap(),
        patience_ms: 300,
        max_rounds: 9,
    };
    Entry::new(EntryConfig { shape, schedule, max_clients: 3 }, UnixMillis(0))
}

fn submit(entry: &mut Entry, now: u64, client: ClientId, round: u64) -> Result<Seat, NotAdmitted> {
    let onions = vec![7; entry.config.shape.onions() * entry.config.shape.onion_len()];
    let submission = Submission { round: RoundNumber(round), onions: &onions };
    entry.submit(UnixMillis(now), client, submission)
}

fn actions(entry: &mut Entry) -> Vec<String> {
    std::iter::from_fn(|| entry.poll_action())
        .map(|action| match action {
            Action::Announce { round, .. } => format!("announce {round}"),
            Action::Forward { round, onions, clients } => {
                format!("forward {round}: {} of {clients}", onions.len())
            }
            Action::Deliver { round, seats, replies, .. } => match replies {
                Ok(_) => format!("deliver {round} to {}", seats.len()),
                Err(reason) => format!("fail {round} for {}: {reason:?}", seats.len()),
            },
            Action::Drained => "drained".to_owned(),
        })
        .collect()
}

#[test]
fn a_round_closes_when_all_have_submitted_and_replies_go_to_their_seats() {
    let mut entry = entry();
    let (a, b) = (entry.connect().unwrap(), entry.connect().unwrap());
    entry.handle_timeout(UnixMillis(100));
    assert_eq!(actions(&mut entry), ["announce 1"]);
    assert_eq!(submit(&mut entry, 101, b, 1), Ok(Seat(0)));
    assert_eq!(submit(&mut entry, 101, b, 1), Err(NotAdmitted::Twice));
    assert_eq!(submit(&mut entry, 102, a, 1), Ok(Seat(2)));
    assert_eq!(actions(&mut entry), ["forward 1: 4 of 2"]);
    assert_eq!(submit(&mut entry, 103, a, 1), Err(NotAdmitted::NotOpen));
    entry.handle_returned(RoundNumber(1), Batch::zeroed(entry.config.shape.reply_len(), 4));
    assert_eq!(actions(&mut entry), ["deliver 1 to 2"]);
    entry.handle_returned(RoundNumber(1), Batch::zeroed(entry.config.shape.reply_len(), 4));
    assert_eq!(actions(&mut entry), Vec::<String>::new());
}

#[test]
fn a_silent_client_is_waited_for_three_times_and_a_late_one_again() {
    let mut entry = entry();
    let (a, b) = (entry.connect().unwrap(), entry.connect().unwrap());
    entry.handle_timeout(UnixMillis(100));
    for round in 1..=3 {
        submit(&mut entry, round * 100 + 1, a, round).unwrap();
        entry.handle_timeout(UnixMillis(round * 100 + 100));
    }
    assert!(actions(&mut entry).ends_with(&["forward 3: 2 of 1".into(), "announce 4".into()]));
    submit(&mut entry, 401, a, 4).unwrap();
    assert_eq!(actions(&mut entry), ["forward 4: 2 of 1"]);
    assert_eq!(submit(&mut entry, 402, b, 3), Err(NotAdmitted::NotOpen));
    entry.handle_timeout(UnixMillis(500));
    submit(&mut entry, 501, a, 5).unwrap();
    assert!(actions(&mut entry).ends_with(&["announce 5".into()]));
    submit(&mut entry, 502, b, 5).unwrap();
    assert_eq!(actions(&mut entry), ["forward 5: 4 of 2"]);
}

#[test]
fn a_moment_in_which_all_are_held_up_leaves_nobody_alone_in_a_round() {
    let mut entry = entry();
    let clients = [(); 3].map(|()| entry.connect().unwrap());
    for round in 1..=4 {
        entry.handle_timeout(UnixMillis(round * 100));
    }
    assert!(actions(&mut entry).ends_with(&["announce 4".into()]));
    // Longer than anybody is waited for: still not before half of them are there.
    submit(&mut entry, 401, clients[0], 4).unwrap();
    assert_eq!(actions(&mut entry), Vec::<String>::new());
    submit(&mut entry, 402, clients[1], 4).unwrap();
    assert_eq!(actions(&mut entry), ["forward 4: 4 of 2"]);
}

#[test]
fn the_next_round_is_told_with_the_replies_and_opens_for_whoever_comes_first() {
    let mut entry = entry();
    let a = entry.connect().unwrap();
    entry.handle_timeout(UnixMillis(100));
    submit(&mut entry, 101, a, 1).unwrap();
    entry.handle_returned(RoundNumber(1), Batch::zeroed(entry.config.shape.reply_len(), 2));
    let next = std::iter::from_fn(|| entry.poll_action()).find_map(|action| match action {
        Action::Deliver { next, .. } => next,
        _ => None,
    });
    let next = next.unwrap();
    assert_eq!((next.round, next.opens_at), (RoundNumber(2), UnixMillis(200)));
    let told = next.announcement(UnixMillis(130)).unwrap();
    assert_eq!((told.opens_in_ms, told.closes_in_ms), (70 + 5, 170));
    assert_eq!(next.announcement(UnixMillis(200)), None);
    assert_eq!(Upcoming { opens_at: UnixMillis(20_000), ..next }.announcement(UnixMillis(1)), None);

    assert_eq!(submit(&mut entry, 199, a, 2), Err(NotAdmitted::NotOpen));
    submit(&mut entry, 205, a, 2).unwrap();
    assert_eq!(actions(&mut entry), ["announce 2", "forward 2: 2 of 1"]);
}

#[test]
fn nobody_waits_for_a_client_that_has_gone() {
    let mut entry = entry();
    let (a, b) = (entry.connect().unwrap(), entry.connect().unwrap());
    entry.handle_timeout(UnixMillis(100));
    submit(&mut entry, 101, a, 1).unwrap();
    entry.disconnect(UnixMillis(102), b);
    assert_eq!(actions(&mut entry), ["announce 1", "forward 1: 2 of 1"]);
    let c = entry.connect().unwrap();
    entry.handle_timeout(UnixMillis(200));
    submit(&mut entry, 201, a, 2).unwrap();
    entry.disconnect(UnixMillis(202), c);
    entry.disconnect(UnixMillis(203), a);
    assert_eq!(actions(&mut entry), ["announce 2", "forward 2: 2 of 1"]);
}

#[test]
fn wrong_and_missing_returns_fail_the_round_for_its_clients() {
    let mut entry = entry();
    let a = entry.connect().unwrap();
    let reply_len = entry.config.shape.reply_len();
    for (round, replies, reason) in [
        (1, Batch::zeroed(reply_len, 1), "WrongCount"),
        (2, Batch::zeroed(reply_len + 1, 2), "BadBatch"),
    ] {
        entry.handle_timeout(UnixMillis(round * 100));
        submit(&mut entry, round * 100, a, round).unwrap();
        entry.handle_returned(RoundNumber(round), replies);
        assert_eq!(actions(&mut entry)[2], format!("fail {round} for 1: {reason}"));
    }
    entry.handle_timeout(UnixMillis(300));
    submit(&mut entry, 300, a, 3).unwrap();
    entry.handle_link_lost();
    assert_eq!(actions(&mut entry)[2], "fail 3 for 1: Unreachable");
    entry.handle_timeout(UnixMillis(400));
    submit(&mut entry, 400, a, 4).unwrap();
    entry.handle_timeout(UnixMillis(700));
    assert_eq!(actions(&mut entry)[2], "fail 4 for 1: TooSlow");
}

#[test]
fn draining_answers_everybody_and_takes_nobody() {
    let mut entry = entry();
    let a = entry.connect().unwrap();
    entry.handle_timeout(UnixMillis(100));
    submit(&mut entry, 100, a, 1).unwrap();
    entry.drain(UnixMillis(101));
    assert_eq!(entry.connect(), Err(Refusal::ShuttingDown));
    entry.handle_timeout(UnixMillis(200));
    assert_eq!(actions(&mut entry), ["announce 1", "forward 1: 2 of 1"]);
    entry.handle_returned(RoundNumber(1), Batch::zeroed(entry.config.shape.reply_len(), 2));
    assert_eq!(actions(&mut entry), ["deliver 1 to 1", "drained"]);
}

#[test]
fn places_are_limited() {
    let mut entry = entry();
    for _ in 0..3 {
        entry.connect().unwrap();
    }
    assert_eq!(entry.connect(), Err(Refusal::Full));
    entry.disconnect(UnixMillis(0), ClientId(1));
    assert!(entry.connect().is_ok());
}
