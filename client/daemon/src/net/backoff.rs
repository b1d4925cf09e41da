//! How long to wait before the next attempt to connect.

use std::time::Duration;

use rand::{Rng, RngExt};

const FIRST_MS: u64 = 250;
const LAST_MS: u64 = 30_000;
const MAX_DOUBLINGS: u32 = 7;

/// Twice as long every time, up to 30 seconds, and never at the same moment as everybody else.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The time to wait: between half and all of the current step.
    pub(crate) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let step = (FIRST_MS << self.failures.min(MAX_DOUBLINGS)).min(LAST_MS);
        self.failures = self.failures.saturating_add(1);
        Duration::from_millis(rng.random_range(step / 2..=step))
    }

    /// The connection was good: the next failure is a new one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    #[test]
    fn grows_to_a_limit_and_starts_again() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        for step in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let wait = backoff.next(&mut rng).as_millis();
            assert!((step / 2..=step).contains(&wait), "{wait} of {step}");
        }
        backoff.failures = u32::MAX;
        assert!(backoff.next(&mut rng).as_millis() <= 30_000);
        backoff.reset();
        assert!(backoff.next(&mut rng).as_millis() <= 250);
    }
}
