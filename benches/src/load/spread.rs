//! How times are spread: minimum, percentiles, maximum.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The spread of some times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The shortest.
    pub min: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 90 % are at most this.
    pub p90: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Spread {
    /// The spread of times in microseconds, which are sorted for it; `None` if there are none.
    pub(super) fn of(micros: &mut [u32]) -> Option<Self> {
        micros.sort_unstable();
        let at = |percent| rank(micros, percent).map(|micros| f64::from(micros) / 1000.0);
        let (min, max) = (at(0)?, at(100)?);
        Some(Self { min, p50: at(50)?, p90: at(90)?, p99: at(99)?, max })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, p50, p90, p99, max } = self;
        write!(f, "{min:.1} / {p50:.1} / {p90:.1} / {p99:.1} / {max:.1} ms")
    }
}

/// The nearest rank: the smallest value that at least `percent` of all do not exceed.
fn rank(sorted: &[u32], percent: usize) -> Option<u32> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// A time in microseconds, as far as it fits: over an hour is all the same here.
pub(super) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut times: Vec<u32> = (1..=200).rev().map(|ms| ms * 1000).collect();
        let spread = Spread::of(&mut times).unwrap();
        let expected = Spread { min: 1.0, p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 };
        assert_eq!(spread, expected);
    }

    #[test]
    fn few_and_no_times() {
        assert_eq!(Spread::of(&mut []), None);
        let one = Spread::of(&mut [1500]).unwrap();
        assert_eq!((one.min, one.p50, one.p99, one.max), (1.5, 1.5, 1.5, 1.5));
        let two = Spread::of(&mut [3000, 1000]).unwrap();
        assert_eq!((two.min, two.p50, two.p90, two.max), (1.0, 1.0, 3.0, 3.0));
    }

    #[test]
    fn long_times_do_not_wrap() {
        assert_eq!(micros(Duration::from_secs(1 << 40)), u32::MAX);
        assert_eq!(micros(Duration::from_millis(2)), 2000);
    }
}
