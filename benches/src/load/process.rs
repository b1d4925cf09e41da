//! What a process has used, as Linux tells it under `/proc`.

use std::fs;
use std::io;

use serde::Serialize;

/// Ticks of CPU time in a second: `USER_HZ`, which Linux shows to programs as 100 everywhere.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time that a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cpu {
    /// In the program, in microseconds.
    pub user_us: u64,
    /// In the kernel on its behalf, in microseconds.
    pub system_us: u64,
}

/// Memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// What is resident, in bytes.
    pub resident_bytes: u64,
    /// The most that was ever resident, in bytes.
    pub peak_bytes: u64,
    /// What is resident and no file backs, in bytes: heap and stacks.
    pub anonymous_bytes: u64,
}

impl Cpu {
    /// What process `pid` has used so far.
    ///
    /// # Errors
    /// If there is no such process, or no `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let (user, system) = parse_stat(&read(pid, "stat")?).ok_or_else(unknown)?;
        Ok(Self { user_us: ticks_to_us(user), system_us: ticks_to_us(system) })
    }

    /// What was used since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            user_us: self.user_us.saturating_sub(before.user_us),
            system_us: self.system_us.saturating_sub(before.system_us),
        }
    }
}

impl Memory {
    /// The memory of process `pid` now.
    ///
    /// # Errors
    /// If there is no such process, or no `/proc`.
    pub fn of(pid: u32) -> io::Result<Self> {
        let status = read(pid, "status")?;
        let field = |name: &str| parse_kib(&status, name);
        // The kernel counts RssAnon in batches for each thread; the rollup is exact, but not
        // everybody may read it.
        let rollup = read(pid, "smaps_rollup").ok();
        let exact = rollup.and_then(|rollup| parse_kib(&rollup, "Anonymous"));
        Ok(Self {
            resident_bytes: field("VmRSS").ok_or_else(unknown)?,
            peak_bytes: field("VmHWM").unwrap_or_default(),
            anonymous_bytes: exact.or_else(|| field("RssAnon")).ok_or_else(unknown)?,
        })
    }
}

fn read(pid: u32, file: &str) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}"))
}

fn unknown() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an unknown form of /proc")
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
    fn this_process_uses_something() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.anonymous_bytes > 0 && memory.resident_bytes > memory.anonymous_bytes / 2);
        let (before, after) = (Cpu { user_us: 5, system_us: 7 }, Cpu { user_us: 9, system_us: 7 });
        assert_eq!(after.since(&before), Cpu { user_us: 4, system_us: 0 });
        assert!(Cpu::of(std::process::id()).is_ok() && Cpu::of(u32::MAX).is_err());
    }
}
