//! What a hop says of itself when the chain is probed: how far the link behind it holds.
//!
//! An operator's probe goes from hop to hop, and every hop sends one [`HopStatus`] back. There is
//! nothing about users in it: the number of the last round, which everybody knows anyway, the
//! version of the network file, the version of the program, and the state of one link.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::network_file::VersionHash;

/// The version of a program has at most this many characters.
pub const PROGRAM_MAX: usize = 31;

/// What one hop answers to a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HopStatus {
    /// The number in the probe.
    pub id: u64,
    /// The place of the hop, counted from 0.
    pub hop: u8,
    /// Microseconds from sending the probe until this report came back, as the server before the
    /// hop has measured them; 0 as it leaves the hop.
    pub round_trip_us: u32,
    /// The last round that the hop took on; 0 if there was none.
    pub round: u64,
    /// The number of the version of the network file that it runs with.
    pub sequence: u64,
    /// The hash of that version.
    pub version: VersionHash,
    /// The version of its program.
    pub program: ProgramVersion,
    /// Its link to the next hop.
    pub link: LinkState,
}

/// How a link to the next server is, as the near side sees it: up, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkState {
    /// There is none: this is the last hop.
    Last,
    /// It carries rounds.
    Up,
    /// The first attempt to connect is still under way.
    Starting,
    /// The name in the address cannot be resolved.
    NoAddress,
    /// The machine answers, and nobody listens on the port.
    NobodyListens,
    /// There is no way to the machine.
    Unreachable,
    /// Nobody answers to the attempt to connect.
    TimedOut,
    /// Somebody took the connection, and then nothing came.
    Silent,
    /// Who answers shows another key than the network file has.
    AnotherKey,
    /// The far side does not take the key of the near side.
    KeyRefused,
    /// Who answers does not speak as a link does.
    NoLink,
    /// Refused: the versions of the protocol differ.
    Version,
    /// Refused: the networks differ.
    Network,
    /// Refused: the near side has the older network file.
    Outdated,
    /// Refused: the far side has the older network file.
    Behind,
    /// Refused: there are two network files of one number.
    Forked,
    /// Refused: no room.
    Full,
    /// Refused: the far side is going down.
    ShuttingDown,
    /// The connection ended or broke.
    Broken,
    /// The far side sent what does not belong there.
    Malformed,
}

/// The version of a program: 1 to [`PROGRAM_MAX`] visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProgramVersion(String);

/// Text that cannot be the version of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the version of a program has 1 to {PROGRAM_MAX} visible ASCII characters")]
pub struct BadProgramVersion;

impl TryFrom<String> for ProgramVersion {
    type Error = BadProgramVersion;

    fn try_from(text: String) -> Result<Self, BadProgramVersion> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = (1..=PROGRAM_MAX).contains(&text.len()) && visible;
        fits.then_some(Self(text)).ok_or(BadProgramVersion)
    }
}

impl From<ProgramVersion> for String {
    fn from(version: ProgramVersion) -> Self {
        version.0
    }
}

impl fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{BadControl, Control};
    use crate::frame::{CONTROL_MAX, HEADER_LEN};
    use proptest::prelude::*;

    fn status(program: ProgramVersion) -> HopStatus {
        HopStatus {
            id: u64::MAX,
            hop: u8::MAX,
            round_trip_us: u32::MAX,
            round: u64::MAX,
            sequence: u64::MAX,
            version: VersionHash([0xff; 32]),
            program,
            link: LinkState::NobodyListens,
        }
    }

    #[test]
    fn versions_that_are_too_long_or_invisible_are_refused() {
        for bad in [String::new(), "1".repeat(PROGRAM_MAX + 1), "1 2".into(), "é".into()] {
            assert_eq!(ProgramVersion::try_from(bad), Err(BadProgramVersion));
        }
        let longest = ProgramVersion::try_from("9".repeat(PROGRAM_MAX)).unwrap();
        let frame = Control::Report(status(longest)).to_frame();
        assert!(frame.len() < CONTROL_MAX / 10, "{}", frame.len());
        // The same report with a space in the version.
        let body = frame[HEADER_LEN..].to_vec();
        let at = body.windows(2).position(|two| two == b"99").unwrap();
        let mut bad = body.clone();
        bad[at] = b' ';
        assert!(Control::decode(&body).is_ok());
        assert_eq!(Control::decode(&bad), Err(BadControl));
    }

    proptest! {
        #[test]
        fn reports_round_trip(id: u64, hop: u8, round_trip_us: u32, round: u64, sequence: u64,
                              hash: [u8; 32], program in "[!-~]{1,31}") {
            let program = ProgramVersion::try_from(program).unwrap();
            let version = VersionHash(hash);
            let link = LinkState::Up;
            let report = HopStatus { id, hop, round_trip_us, round, sequence, version, program, link };
            let control = Control::Report(report);
            prop_assert_eq!(Control::decode(&control.to_frame()[HEADER_LEN..]), Ok(control));
        }
    }
}
