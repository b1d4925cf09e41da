use super::*;
use proptest::prelude::*;

const PERIOD_MS: u64 = 2000;

fn departures() -> Departures {
    Departures::new(NonZeroU64::new(PERIOD_MS).unwrap())
}

fn prepared(round: u64, serial: u64, generation: u64) -> Prepared {
    Prepared { round: Round(round), serial, generation, frame: Vec::new() }
}

fn announcement(round: u64, opens_in_ms: u32) -> Announcement {
    Announcement { round: Round(round), opens_in_ms, closes_in_ms: opens_in_ms + 1900 }
}

/// A connection with covers 1 for the rounds 1 to 4, of generation 0.
fn stocked() -> Departures {
    let mut departures = departures();
    departures.obey(Order::Permit(Round(9)));
    (1..=4).for_each(|round| departures.obey(Order::Cover(prepared(round, 1, 0))));
    departures
}

fn leaves_at(departures: &mut Departures, now: u64) -> Option<u64> {
    departures.handle_timeout(UnixMillis(now)).map(|prepared| prepared.serial)
}

#[test]
fn what_talks_leaves_in_place_of_the_cover_and_no_later_or_sooner() {
    for (talk, serial) in [(None, 1), (Some(0), 2), (Some(1), 1)] {
        let mut it = stocked();
        talk.into_iter().for_each(|of| it.obey(Order::Talk(prepared(1, 2, of))));
        it.announce(UnixMillis(100), &announcement(1, 30));
        assert_eq!(it.poll_timeout(), Some(UnixMillis(180)));
        assert_eq!(leaves_at(&mut it, 179), None);
        assert_eq!(leaves_at(&mut it, 180), Some(serial));
        // What comes too late stays, and nothing leaves twice.
        it.obey(Order::Talk(prepared(1, 3, 0)));
        it.announce(UnixMillis(200), &announcement(1, 0));
        assert_eq!((it.poll_timeout(), leaves_at(&mut it, 9999)), (None, None));
    }
}

#[test]
fn what_is_void_stays() {
    for void in [Order::Void { round: Round(1), generation: 5 }, Order::Cover(prepared(1, 1, 5))] {
        let mut it = stocked();
        it.obey(Order::Talk(prepared(1, 2, 0)));
        it.obey(void);
        it.announce(UnixMillis(0), &announcement(1, 0));
        assert_eq!(leaves_at(&mut it, 50), Some(1));
    }
}

#[test]
fn nothing_leaves_in_a_round_that_is_not_durable() {
    let mut it = departures();
    it.obey(Order::Cover(prepared(3, 1, 0)));
    it.obey(Order::Permit(Round(2)));
    it.announce(UnixMillis(0), &announcement(3, 0));
    assert_eq!(leaves_at(&mut it, 50), None);
    // It does not leave as soon as it may, but at the next of the moments for it.
    it.obey(Order::Permit(Round(3)));
    assert_eq!(it.poll_timeout(), Some(UnixMillis(100)));
    assert_eq!(leaves_at(&mut it, 99), None);
    assert_eq!(leaves_at(&mut it, 117), Some(1));
}

#[test]
fn nothing_leaves_in_a_round_that_does_not_open() {
    let mut it = stocked();
    it.announce(UnixMillis(0), &announcement(1, 100));
    it.pause();
    assert_eq!((it.poll_timeout(), leaves_at(&mut it, 9999)), (None, None));
    it.announce(UnixMillis(2000), &announcement(2, 0));
    assert_eq!(leaves_at(&mut it, 2050), Some(1));
}

#[test]
fn a_round_for_which_nothing_came_is_given_up_when_it_closes() {
    let mut it = departures();
    it.announce(UnixMillis(0), &announcement(3, 0));
    let mut moments = 0;
    while let Some(at) = it.poll_timeout() {
        assert_eq!(it.handle_timeout(at), None);
        moments += 1;
    }
    assert_eq!(moments, 1900 / 50 - 1);
}

#[test]
fn a_later_announcement_takes_the_place_of_an_earlier_one() {
    let mut it = stocked();
    it.announce(UnixMillis(0), &announcement(1, 500));
    it.announce(UnixMillis(400), &announcement(3, 0));
    assert_eq!(it.handle_timeout(UnixMillis(450)).unwrap().round, Round(3));
    it.announce(UnixMillis(460), &announcement(2, 0));
    assert_eq!(it.poll_timeout(), None);
    it.announce(UnixMillis(470), &announcement(4, 0));
    assert_eq!(it.handle_timeout(UnixMillis(600)).unwrap().round, Round(4));
    assert!(it.covers.is_empty());
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Announce(u64, u32),
    Talk(u64, u64),
    Void(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u64..400).prop_map(Step::Wait),
        2 => (1u64..12, 0u32..300).prop_map(|(round, opens)| Step::Announce(round, opens)),
        2 => (1u64..12, 0u64..3).prop_map(|(round, of)| Step::Talk(round, of)),
        1 => (1u64..12, 0u64..3).prop_map(|(round, of)| Step::Void(round, of)),
    ]
}

/// The moments and rounds in which something left.
fn run(steps: &[Step], talking: bool) -> Vec<(u64, Round)> {
    let mut it = departures();
    it.obey(Order::Permit(Round(20)));
    (1..=12).for_each(|round| it.obey(Order::Cover(prepared(round, 1, 0))));
    let (mut now, mut left) = (0, Vec::new());
    for step in steps {
        match *step {
            Step::Announce(round, opens) => {
                it.announce(UnixMillis(now), &announcement(round, opens));
            }
            Step::Talk(round, of) if talking => it.obey(Order::Talk(prepared(round, 2, of))),
            Step::Void(round, generation) if talking => {
                it.obey(Order::Void { round: Round(round), generation });
            }
            Step::Wait(ms) => {
                let end = now + ms;
                while let Some(at) = it.poll_timeout().filter(|at| at.0 <= end) {
                    left.extend(it.handle_timeout(at).map(|it| (at.0, it.round)));
                }
                now = end;
            }
            _ => {}
        }
    }
    left
}

proptest! {
    #[test]
    fn whatever_is_said_changes_no_moment(steps in prop::collection::vec(step(), 0..60)) {
        let left = run(&steps, true);
        prop_assert_eq!(&left, &run(&steps, false));
        prop_assert!(left.is_sorted_by(|one, other| one.1 < other.1));
    }
}
