//! Times of a network file: how they are written, and the last one.

use std::time::{Duration, UNIX_EPOCH};

use crate::params::UnixMillis;

/// The last second of the year 9999: four digits are what the text has for a year.
pub(super) const LAST_TIME: UnixMillis = UnixMillis(253_402_300_799_000);

/// `time` as RFC 3339 has it, in UTC and whole seconds; at most the end of the year 9999.
#[must_use]
pub fn show_time(time: UnixMillis) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(time.min(LAST_TIME).0);
    humantime::format_rfc3339_seconds(time).to_string()
}
