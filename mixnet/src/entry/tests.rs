//! The entry with a handful of clients, told what happens and when.

use super::*;
use proptest::prelude::*;
use std::num::NonZeroU64;
use talaria_wire::Hops;

fn entry() -> Entry {
    let shape = RoundShape::new(Hops::new(1).unwrap(), 1).unwrap();
    let schedule = ScheduleConfig {
        period_ms: NonZeroU64::new(100).unwrap(),
        patience_ms: 300,
        max_rounds: 9,
    };
    let mut entry = Entry::new(EntryConfig { shape, schedule, max_clients: 3 }, UnixMillis(0));
    entry.set_pause(None);
    entry
}

fn submit(entry: &mut Entry, now: u64, client: ClientId, round: u64) -> Result<Seat, NotAdmitted> {
    let onions = vec![7; entry.config.shape.onions() * entry.config.shape.onion_len()];
    let submission = Submission { round: RoundNumber(round), onions: &onions };
    entry.submit(UnixMillis(now), client, submission)
}

/// A user who has not been here before connects.
fn join(entry: &mut Entry) -> Result<ClientId, Refusal> {
    let user = UserId(1000 + entry.next_client);
    entry.connect(UnixMillis(0), user)
}

fn actions(entry: &mut Entry) -> Vec<String> {
    std::iter::from_fn(|| entry.poll_action())
        .map(|action| match action {
            Action::Announce { round, .. } => format!("announce {round}"),
            Action::Pause(reason) => format!("pause: {reason:?}"),
            Action::Forward { round, onions, clients, .. } => {
                format!("forward {round}: {} of {clients}", onions.len())
            }
            Action::Deliver { round, seats, replies, .. } => match replies {
                Ok(_) => format!("deliver {round} to {}", seats.len()),
                Err(reason) => format!("fail {round} for {}: {reason:?}", seats.len()),
            },
            Action::Close { client, reason } => format!("close {}: {reason:?}", client.0),
            Action::Drained => "drained".to_owned(),
        })
        .collect()
}

#[test]
fn a_round_closes_when_all_have_submitted_and_replies_go_to_their_seats() {
    let mut entry = entry();
    let (a, b) = (join(&mut entry).unwrap(), join(&mut entry).unwrap());
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
    let (a, b) = (join(&mut entry).unwrap(), join(&mut entry).unwrap());
    entry.handle_timeout(UnixMillis(100));
    for round in 1..=3 {
        submit(&mut entry, round * 100 + 1, a, round).unwrap();
        entry.handle_timeout(UnixMillis(round * 100 + 100));
        let replies = Batch::zeroed(entry.config.shape.reply_len(), 2);
        entry.handle_returned(RoundNumber(round), replies);
    }
    let last = ["forward 3: 2 of 1", "announce 4", "deliver 3 to 1"].map(String::from);
    assert!(actions(&mut entry).ends_with(&last));
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
    let clients = [(); 3].map(|()| join(&mut entry).unwrap());
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
    let a = join(&mut entry).unwrap();
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
    let (a, b) = (join(&mut entry).unwrap(), join(&mut entry).unwrap());
    entry.handle_timeout(UnixMillis(100));
    submit(&mut entry, 101, a, 1).unwrap();
    entry.disconnect(UnixMillis(102), b);
    assert_eq!(actions(&mut entry), ["announce 1", "forward 1: 2 of 1"]);
    let c = join(&mut entry).unwrap();
    entry.handle_timeout(UnixMillis(200));
    submit(&mut entry, 201, a, 2).unwrap();
    entry.disconnect(UnixMillis(202), c);
    entry.disconnect(UnixMillis(203), a);
    assert_eq!(actions(&mut entry), ["announce 2", "forward 2: 2 of 1"]);
}

#[test]
fn wrong_and_missing_returns_fail_the_round_for_its_clients() {
    let mut entry = entry();
    let a = join(&mut entry).unwrap();
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
    let a = join(&mut entry).unwrap();
    entry.handle_timeout(UnixMillis(100));
    submit(&mut entry, 100, a, 1).unwrap();
    entry.drain(UnixMillis(101));
    assert_eq!(join(&mut entry), Err(Refusal::ShuttingDown));
    entry.handle_timeout(UnixMillis(200));
    assert_eq!(actions(&mut entry), ["announce 1", "forward 1: 2 of 1"]);
    entry.handle_returned(RoundNumber(1), Batch::zeroed(entry.config.shape.reply_len(), 2));
    assert_eq!(actions(&mut entry), ["deliver 1 to 1", "drained"]);
}

#[test]
fn places_are_limited() {
    let mut entry = entry();
    for _ in 0..3 {
        join(&mut entry).unwrap();
    }
    assert_eq!(join(&mut entry), Err(Refusal::Full));
    entry.disconnect(UnixMillis(0), ClientId(1));
    assert!(join(&mut entry).is_ok());
}

#[test]
fn a_newer_connection_takes_the_place_of_the_older_one() {
    let mut entry = entry();
    let now = UnixMillis(100);
    let ann = UserId(7);
    let old = entry.connect(now, ann).unwrap();
    let (b, _) = (join(&mut entry).unwrap(), join(&mut entry).unwrap());
    entry.handle_timeout(now);
    submit(&mut entry, 101, old, 1).unwrap();
    // Nobody else has a place; who is here already comes in all the same.
    assert_eq!(join(&mut entry), Err(Refusal::Full));
    let new = entry.connect(now, ann).unwrap();
    assert_eq!(actions(&mut entry), ["announce 1", "close 0: Replaced"]);
    assert_eq!(entry.clients(), 3);
    // One submission a round, over whichever connection; and none over the old one any more.
    assert_eq!(submit(&mut entry, 102, new, 1), Err(NotAdmitted::Twice));
    assert_eq!(submit(&mut entry, 102, old, 1), Err(NotAdmitted::NotOpen));
    entry.disconnect(now, old);
    assert_eq!(entry.clients(), 3);
    submit(&mut entry, 103, b, 1).unwrap();
    entry.handle_timeout(UnixMillis(200));
    submit(&mut entry, 201, new, 2).unwrap();
    assert_eq!(actions(&mut entry), ["forward 1: 4 of 2", "announce 2"]);
}

#[test]
fn whoever_replaces_a_connection_that_has_not_submitted_may_submit() {
    let mut entry = entry();
    let ann = UserId(7);
    let old = entry.connect(UnixMillis(0), ann).unwrap();
    entry.handle_timeout(UnixMillis(100));
    let new = entry.connect(UnixMillis(101), ann).unwrap();
    assert_eq!(submit(&mut entry, 102, old, 1), Err(NotAdmitted::NotOpen));
    submit(&mut entry, 103, new, 1).unwrap();
    assert_eq!(actions(&mut entry), ["announce 1", "close 0: Replaced", "forward 1: 2 of 1"]);
}

#[test]
fn nobody_waits_for_a_user_who_was_expelled() {
    let mut entry = entry();
    let (ann, bob) = (UserId(7), UserId(8));
    let a = entry.connect(UnixMillis(0), ann).unwrap();
    entry.connect(UnixMillis(0), bob).unwrap();
    entry.handle_timeout(UnixMillis(100));
    submit(&mut entry, 101, a, 1).unwrap();
    entry.expel(UnixMillis(102), bob, Farewell::Disabled);
    assert_eq!(actions(&mut entry), ["announce 1", "close 1: Disabled", "forward 1: 2 of 1"]);
    // Onions of whoever goes stay in their round, and a second time there is nobody to tell.
    entry.expel(UnixMillis(103), ann, Farewell::Superseded);
    entry.expel(UnixMillis(103), bob, Farewell::Disabled);
    assert_eq!(actions(&mut entry), ["close 0: Superseded"]);
    assert_eq!(entry.clients(), 0);
}

/// Something that happens to an entry; users and connections by number.
#[derive(Clone, Debug)]
enum Event {
    Connect(u64),
    Disconnect(usize),
    Expel(u64),
    Submit(usize, u64),
    Wait(u64),
    Return,
    Lose,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0u64..4).prop_map(Event::Connect),
        1 => (0usize..12).prop_map(Event::Disconnect),
        1 => (0u64..4).prop_map(Event::Expel),
        6 => (0usize..12, 0u64..2).prop_map(|(client, ahead)| Event::Submit(client, ahead)),
        3 => (1u64..120).prop_map(Event::Wait),
        1 => Just(Event::Return),
        1 => Just(Event::Lose),
    ]
}

/// What has to hold of the entry from outside.
#[derive(Default)]
struct Model {
    /// Everybody who ever came: user, and whether the connection is still there.
    clients: Vec<(ClientId, UserId, bool)>,
    open: u64,
    /// Who has submitted in which round.
    submitted: Vec<(u64, UserId)>,
    sent: Vec<RoundNumber>,
    /// The last round that does not collect any more.
    closed: u64,
}

impl Model {
    fn leave(&mut self, gone: impl Fn(ClientId, UserId) -> bool) -> Option<ClientId> {
        let mut left = None;
        for (client, user, here) in &mut self.clients {
            if *here && gone(*client, *user) {
                (*here, left) = (false, Some(*client));
            }
        }
        left
    }

    fn at(&self, which: usize) -> Option<(ClientId, UserId, bool)> {
        self.clients.get(which % self.clients.len().max(1)).copied()
    }

    /// Takes what the entry wants done, and gives whose connections it closed.
    fn take_actions(&mut self, entry: &mut Entry) -> Vec<ClientId> {
        let mut closed = Vec::new();
        while let Some(action) = entry.poll_action() {
            match action {
                Action::Announce { round, .. } => self.open = round.0,
                Action::Forward { round, clients, onions, .. } => {
                    let of_round = self.submitted.iter().filter(|(of, _)| *of == round.0).count();
                    assert_eq!((clients, onions.len()), (of_round, 2 * of_round));
                    self.sent.push(round);
                    self.closed = round.0;
                }
                Action::Deliver { round, seats, .. } => {
                    let of_round = self.submitted.iter().filter(|(of, _)| *of == round.0).count();
                    assert_eq!(seats.len(), of_round);
                }
                Action::Close { client, .. } => closed.push(client),
                Action::Pause(_) | Action::Drained => {}
            }
        }
        closed
    }
}

proptest! {
    /// Whatever happens in whatever order: a user has one connection and one submission a round,
    /// whoever has to go is told once, and a round closes once all who are awaited are in it.
    #[test]
    fn a_user_has_one_connection_and_one_submission_a_round(
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut entry = entry();
        let mut model = Model::default();
        let mut now = 100;
        for event in events {
            entry.handle_timeout(UnixMillis(now));
            model.take_actions(&mut entry);
            let mut to_close = None;
            match event {
                Event::Connect(user) => {
                    let user = UserId(user);
                    let was_here = model.clients.iter().any(|(_, of, here)| *here && *of == user);
                    let full = entry.clients() >= 3 && !was_here;
                    let connected = entry.connect(UnixMillis(now), user);
                    prop_assert_eq!(connected.is_err(), full);
                    if let Ok(client) = connected {
                        to_close = model.leave(|_, of| of == user);
                        model.clients.push((client, user, true));
                    }
                }
                Event::Disconnect(which) => {
                    let Some((client, ..)) = model.at(which) else { continue };
                    entry.disconnect(UnixMillis(now), client);
                    model.leave(|of, _| of == client);
                }
                Event::Expel(user) => {
                    entry.expel(UnixMillis(now), UserId(user), Farewell::Disabled);
                    to_close = model.leave(|_, of| of == UserId(user));
                }
                Event::Submit(which, ahead) => {
                    let Some((client, user, here)) = model.at(which) else { continue };
                    let round = model.open + ahead;
                    let twice = model.submitted.contains(&(round, user));
                    let admitted = submit(&mut entry, now, client, round);
                    if admitted.is_ok() {
                        prop_assert!(here && !twice && round == model.open);
                        model.submitted.push((round, user));
                    } else if here && ahead == 0 && round > model.closed {
                        prop_assert!(twice || model.open == 0, "{admitted:?}");
                    }
                }
                Event::Wait(ms) => now += ms,
                Event::Return => {
                    if let Some(round) = model.sent.pop() {
                        let of_round = model.submitted.iter().filter(|(of, _)| *of == round.0);
                        let slots = 2 * of_round.count();
                        let reply_len = entry.config.shape.reply_len();
                        entry.handle_returned(round, Batch::zeroed(reply_len, slots));
                    }
                }
                Event::Lose => entry.handle_link_lost(),
            }
            let closed = model.take_actions(&mut entry);
            prop_assert_eq!(closed, Vec::from_iter(to_close));
            let here = model.clients.iter().filter(|(.., here)| *here).count();
            prop_assert_eq!(entry.clients(), here);
            prop_assert_eq!(entry.users.len(), here);
            if let Some(open) = &entry.admission {
                let awaited = entry.clients.values().filter(|client| client.presence.is_awaited());
                let missing = awaited.filter(|client| !open.has(client.user)).count();
                prop_assert_eq!(entry.missing, missing);
            }
        }
    }
}
