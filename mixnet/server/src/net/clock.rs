//! The clock of a server: wall time at the start, and monotonic time from there on.
//!
//! A wall clock that is set while the server runs would make rounds jump; this one does not.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use talaria_wire::UnixMillis;

/// The wall clock.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
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

/// A clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: UnixMillis,
    started: Instant,
}

impl Clock {
    /// Reads the wall clock, once.
    #[must_use]
    pub fn start() -> Self {
        Self { wall: now(), started: Instant::now() }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.wall.plus(elapsed)
    }

    /// Waits until `at`; for ever if there is nothing to wait for.
    pub async fn sleep_until(&self, at: Option<UnixMillis>) {
        match at {
            Some(at) => {
                let offset = Duration::from_millis(at.since(self.wall));
                tokio::time::sleep_until((self.started + offset).into()).await;
            }
            None => std::future::pending().await,
        }
    }
}
