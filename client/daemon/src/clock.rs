//! The clock of this machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use talaria_wire::UnixMillis;
use tokio::time::sleep;

/// Timers do not run while a machine is suspended, so whoever waits looks at the clock again after
/// this time.
const NAP_MS: u64 = 1000;

/// The local clock.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Waits until the clock shows `at`, also if that is because it was set or the machine suspended.
pub(crate) async fn reached(at: UnixMillis) {
    reached_by(now, sleep, at).await;
}

async fn reached_by<S: Future<Output = ()>>(
    clock: impl Fn() -> UnixMillis,
    sleep: impl Fn(Duration) -> S,
    at: UnixMillis,
) {
    loop {
        let left = at.since(clock());
        if left == 0 {
            return;
        }
        sleep(Duration::from_millis(left.min(NAP_MS))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::pin::pin;
    use std::task::{Context, Waker};

    /// Milliseconds slept until `at`, on a machine that is suspended for an hour when it has slept for
    /// three seconds.
    fn slept_until(at: u64) -> u64 {
        let slept = Cell::new(0);
        let clock = || {
            let suspended = if slept.get() >= 3000 { 3_600_000 } else { 0 };
            UnixMillis(slept.get() + suspended)
        };
        let sleep = |time: Duration| {
            slept.set(slept.get() + u64::try_from(time.as_millis()).unwrap());
            std::future::ready(())
        };
        let reached = pin!(reached_by(clock, sleep, UnixMillis(at)));
        assert!(reached.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        slept.get()
    }

    #[test]
    fn whoever_waits_notices_that_the_machine_was_suspended() {
        assert_eq!(slept_until(0), 0);
        assert_eq!(slept_until(2500), 2500);
        assert_eq!(slept_until(1_800_000), 3000);
        assert_eq!(slept_until(3_600_000 + 4500), 4500);
    }
}
