//! The clock of a server: the wall clock at the start, and monotonic time from there on.
//!
//! A wall clock that is set back while the server runs would make rounds jump; this one never goes
//! back. Monotonic time stands still while a machine is suspended, and the wall clock of one that has
//! just begun may be corrected by a lot: so the wall clock is read again each time, and if it is
//! ahead by more than corrections of a running clock are, this one steps forward to it. What it
//! steps over is as if nobody had been there: rounds are given up, epochs begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use talaria_wire::UnixMillis;
use tracing::warn;

/// How far the wall clock has to be ahead.
const STEP_MS: u64 = 2000;
/// Timers do not run while a machine is suspended either, so whoever waits looks at the clock again
/// after this time.
const NAP: Duration = Duration::from_secs(1);

/// The wall clock.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(millis(since))
}

/// The wall clock, as it is set, beside monotonic time.
#[derive(Clone, Copy, Debug)]
pub struct WallClock(Instant);

impl WallClock {
    /// Monotonic time counts from here on.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Both, now.
    #[must_use]
    pub fn read(&self) -> (UnixMillis, Duration) {
        (now(), self.0.elapsed())
    }
}

/// A clock that never goes back. All copies show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    steps: Steps,
}

impl Clock {
    /// Begins with the wall clock.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now(), steps: Steps::new(now()) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.steps.read(now(), self.started.elapsed())
    }

    /// Waits until `at`; for ever if there is nothing to wait for.
    pub async fn sleep_until(&self, at: Option<UnixMillis>) {
        let Some(at) = at else { return std::future::pending().await };
        while self.now() < at {
            let nap = Instant::now() + NAP;
            let wake = (self.started + self.steps.counted_at(at)).min(nap);
            tokio::time::sleep_until(wake.into()).await;
        }
    }
}

/// What monotonic time makes of the wall clock. Pure.
#[derive(Clone, Debug)]
struct Steps {
    began: UnixMillis,
    /// Milliseconds that were stepped over: they only grow.
    over: Arc<AtomicU64>,
}

impl Steps {
    fn new(began: UnixMillis) -> Self {
        Self { began, over: Arc::default() }
    }

    /// The time, when the wall clock shows `wall` and `counted` has passed by the monotonic one.
    fn read(&self, wall: UnixMillis, counted: Duration) -> UnixMillis {
        let counted = self.began.plus(millis(counted));
        let over = self.over.load(Ordering::Relaxed);
        let ahead = wall.since(counted);
        if ahead <= over.saturating_add(STEP_MS) {
            return counted.plus(over);
        }
        let before = self.over.fetch_max(ahead, Ordering::Relaxed);
        if before < ahead {
            let forward_ms = ahead - before;
            warn!(
                forward_ms,
                "this machine was suspended, or its clock was set: time steps forward"
            );
        }
        counted.plus(ahead.max(before))
    }

    /// How much will have been counted at `at`, unless there are further steps.
    fn counted_at(&self, at: UnixMillis) -> Duration {
        let over = self.over.load(Ordering::Relaxed);
        Duration::from_millis(at.since(self.began).saturating_sub(over))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BEGAN: UnixMillis = UnixMillis(1_800_000_000_000);
    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn a_machine_that_was_suspended_has_the_right_time_again() {
        let steps = Steps::new(BEGAN);
        let copy = steps.clone();
        let at = |wall_ms, counted_ms| {
            let time = steps.read(BEGAN.plus(wall_ms), Duration::from_millis(counted_ms));
            time.since(BEGAN)
        };
        assert_eq!(at(5000, 5000), 5000);
        // An hour in which monotonic time stood still.
        assert_eq!(at(HOUR_MS + 6000, 6000), HOUR_MS + 6000);
        assert_eq!(at(HOUR_MS + 7000, 7000), HOUR_MS + 7000);
        assert_eq!(copy.counted_at(BEGAN.plus(HOUR_MS + 8000)), Duration::from_secs(8));
        let copied = copy.read(BEGAN.plus(HOUR_MS + 9000), Duration::from_secs(9));
        assert_eq!(copied, BEGAN.plus(HOUR_MS + 9000), "all copies step");
        // And once more.
        assert_eq!(at(3 * HOUR_MS, 10_000), 3 * HOUR_MS);
    }

    #[test]
    fn a_clock_that_is_set_back_or_corrected_a_little_moves_nothing() {
        let steps = Steps::new(BEGAN);
        for wall in [0, 4000, 5000, 5000 + STEP_MS] {
            let time = steps.read(BEGAN.plus(wall), Duration::from_secs(5));
            assert_eq!(time, BEGAN.plus(5000));
        }
        let time = steps.read(UnixMillis(0), Duration::from_secs(6));
        assert_eq!(time, BEGAN.plus(6000));
    }

    proptest! {
        #[test]
        fn it_never_goes_back_and_is_never_far_behind(
            readings in prop::collection::vec((0u64..10 * HOUR_MS, 0u64..5000), 1..50),
        ) {
            let steps = Steps::new(BEGAN);
            let (mut counted, mut last) = (0, BEGAN);
            for (wall, passed) in readings {
                counted += passed;
                let wall = BEGAN.plus(wall);
                let time = steps.read(wall, Duration::from_millis(counted));
                prop_assert!(time >= last.plus(passed) && wall.since(time) <= STEP_MS);
                last = time;
            }
        }
    }
}
