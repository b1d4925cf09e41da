//! What a process has used, as Linux tells it under `/proc`.

use std::fs;
use std::io;

use serde::Serialize;

/// Ticks of CPU time in a second: `USER_HZ`, which Linux shows to programs as 100 everywhere.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time and memory of a process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// CPU time in the program, in microseconds.
    pub user_us: u64,
    /// CPU time in the kernel on its behalf, in microseconds.
    pub system_us: u64,
    /// Memory that is resident, in bytes.
    pub resident_bytes: u64,
    /// The most that was ever resident, in bytes.
    pub peak_bytes: u64,
    /// Resident memory that no file backs, in bytes: heap and stacks.
    pub anonymous_bytes: u64,
}

impl Usage {
    /// The usage of process `pid` now.
    ///
    /// # Errors
    /// If there is no such process, or no `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "an unknown form of /proc");
        let (user, system) = parse_stat(&read("stat")?).ok_or_else(unknown)?;
        let status = read("status")?;
        let field = |name: &str| parse_kib(&status, name);
        // The kernel counts RssAnon in batches for each thread; the rollup is exact, but not
        // everybody may read it.
        let exact = read("smaps_rollup").ok().and_then(|rollup| parse_kib(&rollup, "Anonymous"));
        Ok(Self {
            user_us: ticks_to_us(user),
            system_us: ticks_to_us(system),
            resident_bytes: field("VmRSS").ok_or_else(unknown)?,
            peak_bytes: field("VmHWM").unwrap_or_default(),
            anonymous_bytes: exact.or_else(|| field("RssAnon")).ok_or_else(unknown)?,
        })
    }

    /// CPU time since `before`: in the program and in the kernel, in microseconds.
    #[must_use]
    pub fn cpu_since(&self, before: &Self) -> (u64, u64) {
        let user = self.user_us.saturating_sub(before.user_us);
        (user, self.system_us.saturating_sub(before.system_us))
    }
}

fn ticks_to_us(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000 / TICKS_PER_SECOND)
}

/// `utime` and `stime`, fields 14 and 15. The name in field 2 may hold spaces and parentheses,
/// so counting starts after its end.
fn parse_stat(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user = fields.next()?.parse().ok()?;
    let system = fields.next()?.parse().ok()?;
    Some((user, system))
}

/// The bytes of a line such as `VmRSS:     1234 kB`.
fn parse_kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name() {
        let rest = "S 1 1 1 0 -1 4194304 100 0 0 0 73 41 0 0 20 0 5 0 100 1000 10";
        for name in ["talariad", "a b", ") 9 9 (x"] {
            assert_eq!(parse_stat(&format!("77 ({name}) {rest}")), Some((73, 41)));
        }
        for wrong in ["", "77 (x", "77 (x) S 1 1", "77 (x) S 1 1 1 0 -1 4 1 0 0 0 a 41"] {
            assert_eq!(parse_stat(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn memory_lines_are_found_by_their_whole_name() {
        let text = "Name:\tVmRSS\nVmRSSx:\t 9 kB\nVmRSS:\t    1234 kB\nRssAnon:\t 12 kB\nBad: 1\n";
        assert_eq!(parse_kib(text, "VmRSS"), Some(1234 * 1024));
        assert_eq!(parse_kib(text, "RssAnon"), Some(12 * 1024));
        assert_eq!(parse_kib(text, "VmHWM"), None);
        assert_eq!(parse_kib(text, "Bad"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_a_usage() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_bytes > 0 && usage.anonymous_bytes > 0);
        assert!(usage.peak_bytes >= usage.resident_bytes / 2);
    }
}
