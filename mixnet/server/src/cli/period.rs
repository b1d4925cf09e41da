//! The length of a round, on the command line.

use std::time::Duration;

use talaria_wire::params::{MAX_PERIOD_MS, MIN_PERIOD_MS};

/// A duration that a round may last.
pub(super) fn parse_period(text: &str) -> Result<Duration, String> {
    let period = humantime::parse_duration(text)
        .map_err(|_| "expected a number with a unit, such as 2s or 250ms".to_owned())?;
    let allowed = Duration::from_millis(MIN_PERIOD_MS)..=Duration::from_millis(MAX_PERIOD_MS);
    if allowed.contains(&period) {
        Ok(period)
    } else {
        Err(format!("a round lasts {MIN_PERIOD_MS}ms to {}h", MAX_PERIOD_MS / 3_600_000))
    }
}
