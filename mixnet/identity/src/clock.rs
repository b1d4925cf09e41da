//! Whether the service's clock can be believed: what is dated wrongly stays in the directory for
//! ever.
//!
//! The wall clock is held against monotonic time, against the newest head that was signed, and
//! against what the entry says. Pure: all clocks are arguments.

use std::time::Duration;

use talaria_wire::UnixMillis;
use talaria_wire::identity::directory::TOLERANCE_S;
use thiserror::Error;

const TOLERANCE_MS: u64 = TOLERANCE_S * 1000;

/// What the clocks of a machine show at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time of day.
    pub wall: UnixMillis,
    /// Time since some moment, which nobody sets.
    pub monotonic: Duration,
}

impl Reading {
    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.monotonic.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Why the clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClockDoubt {
    /// It was set, or the machine was suspended.
    #[error("it has gone {by_s} s {} monotonic time", way(*.ahead))]
    Jumped {
        /// How far it is from where it should be.
        by_s: u64,
        /// It is ahead.
        ahead: bool,
    },
    /// A newer head was signed.
    #[error("it is {by_s} s behind the newest head that was signed")]
    BehindHead {
        /// By how much.
        by_s: u64,
    },
    /// The newest head was signed long ago, and nobody has said since what time it is.
    #[error(
        "it is {by_s} s ahead of the newest head that was signed, and no entry has confirmed it"
    )]
    Unconfirmed {
        /// By how much.
        by_s: u64,
    },
    /// The entry says something else.
    #[error("it is {by_s} s {} the clock of the entry", way(*.ahead))]
    Entry {
        /// By how much.
        by_s: u64,
        /// It is ahead.
        ahead: bool,
    },
}

fn way(ahead: bool) -> &'static str {
    if ahead { "ahead of" } else { "behind" }
}

/// What the wall clock is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockGuard {
    /// A moment at which the wall clock was right.
    anchor: Reading,
    /// When the newest head was signed, in seconds since 1970; 0 before there is one.
    head_s: u64,
    /// The entry or the operator has confirmed that it is so long after the newest head.
    confirmed: bool,
    /// What the entry said, and when.
    entry: Option<Reading>,
    /// How far the entry is ahead of the wall clock, in milliseconds, when the operator said that
    /// the wall clock is right.
    accepted: i128,
}

impl ClockGuard {
    /// A service begins that has signed its newest head in the second `head_s`.
    pub(crate) fn new(now: Reading, head_s: u64) -> Self {
        let confirmed = head_s == 0 || now.wall.0 <= ms(head_s).saturating_add(TOLERANCE_MS);
        Self { anchor: now, head_s, confirmed, entry: None, accepted: 0 }
    }

    /// Whether what is written now may be dated.
    pub(crate) fn check(&self, now: Reading) -> Result<(), ClockDoubt> {
        let jumped = difference(now.wall.0, expected(self.anchor, now));
        if let Some((by_s, ahead)) = beyond(jumped) {
            return Err(ClockDoubt::Jumped { by_s, ahead });
        }
        let since_head = difference(now.wall.0, ms(self.head_s));
        match beyond(since_head) {
            Some((by_s, false)) => return Err(ClockDoubt::BehindHead { by_s }),
            Some((by_s, true)) if !self.confirmed => {
                return Err(ClockDoubt::Unconfirmed { by_s });
            }
            _ => {}
        }
        let ahead_of_entry = self.entry.map(|entry| difference(now.wall.0, expected(entry, now)));
        let doubted = ahead_of_entry.filter(|by| beyond(by + self.accepted).is_some());
        match doubted.and_then(beyond) {
            Some((by_s, ahead)) => Err(ClockDoubt::Entry { by_s, ahead }),
            None => Ok(()),
        }
    }

    /// The entry has said what time it is.
    pub(crate) fn hear(&mut self, entry: UnixMillis, now: Reading) {
        self.entry = Some(Reading { wall: entry, monotonic: now.monotonic });
        self.confirmed |= beyond(difference(now.wall.0, entry.0)).is_none();
    }

    /// A head was signed.
    pub(crate) fn signed(&mut self, head_s: u64) {
        self.head_s = self.head_s.max(head_s);
    }

    /// The operator says that the wall clock is right.
    pub(crate) fn accept(&mut self, now: Reading) {
        self.anchor = now;
        self.confirmed = true;
        self.accepted = self.entry.map_or(0, |entry| difference(expected(entry, now), now.wall.0));
    }
}

fn ms(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}

/// What the wall clock should show if it went on from a moment as monotonic time did.
fn expected(from: Reading, now: Reading) -> u64 {
    from.wall.0.saturating_add(now.monotonic_ms().saturating_sub(from.monotonic_ms()))
}

fn difference(a: u64, b: u64) -> i128 {
    i128::from(a) - i128::from(b)
}

/// By how many seconds, and whether ahead, if that is more than clocks may be apart.
fn beyond(by_ms: i128) -> Option<(u64, bool)> {
    let far = by_ms.unsigned_abs() > u128::from(TOLERANCE_MS);
    far.then(|| (u64::try_from(by_ms.unsigned_abs() / 1000).unwrap_or(u64::MAX), by_ms > 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START_S: u64 = 1_800_000_000;
    const HOUR_S: u64 = 3600;

    fn at(wall_s: u64, monotonic_s: u64) -> Reading {
        Reading { wall: UnixMillis(wall_s * 1000), monotonic: Duration::from_secs(monotonic_s) }
    }

    fn started() -> ClockGuard {
        ClockGuard::new(at(START_S, 5), START_S - 60)
    }

    #[test]
    fn a_clock_that_is_set_is_doubted_until_it_is_set_back_or_accepted() {
        let mut guard = started();
        assert_eq!(guard.check(at(START_S + HOUR_S, 5 + HOUR_S)), Ok(()));
        assert_eq!(guard.check(at(START_S + HOUR_S + 600, 5 + HOUR_S)), Ok(()));
        let jumped = at(START_S + HOUR_S + 601, 5 + HOUR_S);
        assert_eq!(guard.check(jumped), Err(ClockDoubt::Jumped { by_s: 601, ahead: true }));
        let back = at(START_S + HOUR_S - 601, 5 + HOUR_S);
        assert_eq!(guard.check(back), Err(ClockDoubt::Jumped { by_s: 601, ahead: false }));
        assert_eq!(guard.check(at(START_S + HOUR_S + 20, 25 + HOUR_S)), Ok(()));
        guard.accept(jumped);
        assert_eq!(guard.check(jumped), Ok(()));
        assert!(guard.check(at(START_S + HOUR_S, 5 + HOUR_S)).is_err());
    }

    #[test]
    fn a_clock_before_the_newest_head_is_doubted_whatever_anybody_says() {
        let mut guard = ClockGuard::new(at(START_S, 0), START_S + 601);
        let behind = Err(ClockDoubt::BehindHead { by_s: 601 });
        assert_eq!(guard.check(at(START_S, 0)), behind);
        guard.hear(UnixMillis(START_S * 1000), at(START_S, 0));
        guard.accept(at(START_S, 0));
        assert_eq!(guard.check(at(START_S, 0)), behind);
        assert_eq!(guard.check(at(START_S + 1, 1)), Ok(()));
        guard.signed(START_S + HOUR_S);
        assert!(guard.check(at(START_S + 1, 1)).is_err());
    }

    #[test]
    fn after_a_pause_somebody_has_to_confirm_the_time() {
        let now = at(START_S + 30 * HOUR_S, 0);
        let mut guard = ClockGuard::new(now, START_S);
        assert_eq!(guard.check(now), Err(ClockDoubt::Unconfirmed { by_s: 30 * HOUR_S }));
        let mut accepted = guard;
        accepted.accept(now);
        assert_eq!(accepted.check(now), Ok(()));
        guard.hear(UnixMillis(START_S * 1000), now);
        assert!(guard.check(now).is_err());
        guard.hear(now.wall.plus(600_000), now);
        assert_eq!(guard.check(now), Ok(()));
        // The first of all services has nothing to go by.
        assert_eq!(ClockGuard::new(now, 0).check(now), Ok(()));
    }

    #[test]
    fn what_the_entry_says_counts_until_it_says_something_else() {
        let mut guard = started();
        let now = at(START_S, 5);
        guard.hear(UnixMillis((START_S + 601) * 1000), now);
        let doubt = Err(ClockDoubt::Entry { by_s: 601, ahead: false });
        assert_eq!(guard.check(now), doubt);
        assert_eq!(guard.check(at(START_S + HOUR_S, 5 + HOUR_S)), doubt);
        let mut right = guard;
        right.hear(now.wall, now);
        assert_eq!(right.check(now), Ok(()));
        // The entry's clock is the wrong one, and stays so; further away it is news.
        guard.accept(now);
        guard.hear(UnixMillis((START_S + 650) * 1000), now);
        assert_eq!(guard.check(now), Ok(()));
        guard.hear(UnixMillis((START_S + 2000) * 1000), now);
        assert_eq!(guard.check(now), Err(ClockDoubt::Entry { by_s: 2000, ahead: false }));
        guard.hear(now.wall, now);
        assert_eq!(guard.check(now), Ok(()));
    }

    proptest! {
        #[test]
        fn no_reading_is_too_wild(
            walls in any::<[u64; 4]>(), monotonic in any::<[u64; 4]>(), head_s: u64,
        ) {
            let at = |i: usize| Reading {
                wall: UnixMillis(walls[i]),
                monotonic: Duration::from_millis(monotonic[i]),
            };
            let mut guard = ClockGuard::new(at(0), head_s);
            let _ = guard.check(at(1));
            guard.hear(UnixMillis(walls[2]), at(1));
            let _ = guard.check(at(2));
            guard.accept(at(3));
            let is_before_head = |doubt| matches!(doubt, ClockDoubt::BehindHead { .. });
            prop_assert!(guard.check(at(3)).err().is_none_or(is_before_head));
        }
    }
}
