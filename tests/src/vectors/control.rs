//! `control.json`: control frames, and bodies that are refused.

use serde::{Deserialize, Serialize};
use talaria_wire::control::Control;
use talaria_wire::frame::HEADER_LEN;
use talaria_wire::network_file::{NetworkId, VersionHash};
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::probe::{HopStatus, LinkState, ProgramVersion};
use talaria_wire::reason::{AbortReason, Farewell, Pause, Refusal};

use super::VectorFile;
use super::bytes::{Hex, draw, seeded};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    message: Control,
    frame: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    body: Hex,
    decodes: bool,
}

impl VectorFile for Vectors {
    const FILE: &'static str = "control.json";

    fn generate() -> Self {
        let good = messages().into_iter().map(Good::of).collect();
        let bad = bad();
        assert!(bad.iter().all(|bad| !bad.decodes));
        Self { good, bad }
    }

    fn recompute(&self) -> Self {
        Self {
            good: self.good.iter().map(|good| Good::of(good.message.clone())).collect(),
            bad: self.bad.iter().map(|bad| Bad::of(&bad.name, &bad.body.0)).collect(),
        }
    }
}

impl Good {
    fn of(message: Control) -> Self {
        let frame = message.to_frame();
        assert_eq!(Control::decode(&frame[HEADER_LEN..]), Ok(message.clone()));
        Self { message, frame: Hex(frame) }
    }
}

impl Bad {
    fn of(name: &str, body: &[u8]) -> Self {
        let decodes = Control::decode(body).is_ok();
        Self { name: name.to_owned(), body: body.into(), decodes }
    }
}

fn messages() -> Vec<Control> {
    let mut rng = seeded(60);
    let (network, version) = (NetworkId(draw(&mut rng)), VersionHash(draw(&mut rng)));
    let protocol = PROTOCOL_VERSION;
    let refusals = [
        Refusal::Version,
        Refusal::Network,
        Refusal::Outdated,
        Refusal::Behind,
        Refusal::Forked,
        Refusal::Certificate,
        Refusal::Unchecked,
        Refusal::Disabled,
        Refusal::Full,
        Refusal::ShuttingDown,
    ];
    let aborts = [
        AbortReason::AlreadyRun,
        AbortReason::NotRecorded,
        AbortReason::Busy,
        AbortReason::BadBatch,
        AbortReason::Unreachable,
        AbortReason::TooSlow,
        AbortReason::WrongCount,
        AbortReason::ShuttingDown,
    ];
    let farewells = [
        Farewell::ShuttingDown,
        Farewell::Idle,
        Farewell::Protocol,
        Farewell::Replaced,
        Farewell::Disabled,
        Farewell::Superseded,
    ];
    let mut all = vec![
        Control::Hello { protocol, network, sequence: 1, version },
        Control::Hello { protocol: 300, network, sequence: 1000, version },
        Control::Welcome { protocol },
    ];
    all.extend(refusals.map(|reason| Control::Refused { reason }));
    // Rounds around every width that MessagePack has for an integer.
    let rounds = [0, 127, 128, 255, 256, 65_535, 65_536, 900_000_060];
    let aborts = rounds.into_iter().zip(aborts);
    all.extend(aborts.map(|(round, reason)| Control::Abort { round, reason }));
    let (round, reason) = (1 << 40, AbortReason::TooSlow);
    all.push(Control::Abort { round, reason });
    all.extend([Pause::Unreachable, Pause::NoKeys].map(|reason| Control::Paused { reason }));
    all.extend(farewells.map(|reason| Control::Goodbye { reason }));
    all.extend(probes(version));
    all
}

/// Probes, and a report for every state of a link.
fn probes(version: VersionHash) -> Vec<Control> {
    let states = [
        LinkState::Last,
        LinkState::Up,
        LinkState::Starting,
        LinkState::NoAddress,
        LinkState::NobodyListens,
        LinkState::Unreachable,
        LinkState::TimedOut,
        LinkState::Silent,
        LinkState::AnotherKey,
        LinkState::KeyRefused,
        LinkState::NoLink,
        LinkState::Version,
        LinkState::Network,
        LinkState::Outdated,
        LinkState::Behind,
        LinkState::Forked,
        LinkState::Full,
        LinkState::ShuttingDown,
        LinkState::Broken,
        LinkState::Malformed,
    ];
    let report = |(hop, link): (u8, LinkState)| {
        let program = if hop == 0 { "~".repeat(31) } else { format!("0.1.{hop}") };
        let program = ProgramVersion::try_from(program).expect("short and visible");
        let round = 900_000_060 + u64::from(hop);
        let round_trip_us = 17_u32.pow(u32::from(hop) % 8) - 1;
        let sequence = 1 + u64::from(hop);
        let id = 1 << (3 * hop);
        Control::Report(HopStatus {
            id,
            hop,
            round_trip_us,
            round,
            sequence,
            version,
            program,
            link,
        })
    };
    let ids = [0, 1 << 32, u64::MAX];
    let probes = ids.map(|id| Control::Probe { id });
    probes.into_iter().chain((0..).zip(states).map(report)).collect()
}

fn bad() -> Vec<Bad> {
    let cases: [(&str, &[u8]); 15] = [
        ("no bytes", b""),
        ("a byte after the message", b"\x81\xa7Welcome\x81\xa8protocol\x01\x00"),
        ("a byte too few", b"\x81\xa7Welcome\x81\xa8protocol"),
        ("a message that does not exist", b"\x81\xa7Farewel\x81\xa8protocol\x01"),
        ("an unknown field", b"\x81\xa7Welcome\x82\xa8protocol\x01\xa1x\x00"),
        ("a field twice", b"\x81\xa7Welcome\x82\xa8protocol\x01\xa8protocol\x01"),
        ("a reason that does not exist", b"\x81\xa7Refused\x81\xa6reason\xa3Why"),
        ("a number for a name", b"\x81\x01\x81\xa8protocol\x01"),
        ("an array for a map", b"\x81\xa7Welcome\x91\x01"),
        ("an integer wider than it need be", b"\x81\xa7Welcome\x81\xa8protocol\xcd\x00\x01"),
        ("a map head wider than it need be", b"\xde\x00\x01\xa7Welcome\x81\xa8protocol\x01"),
        ("a version of more than 16 bits", b"\x81\xa7Welcome\x81\xa8protocol\xce\x00\x01\x00\x00"),
        ("fields out of order", b"\x81\xa5Abort\x82\xa6reason\xa4Busy\xa5round\x01"),
        ("a probe without a number", b"\x81\xa5Probe\x81\xa2id\xa0"),
        ("a report with nothing in it", b"\x81\xa6Report\x80"),
    ];
    let bad_reports = bad_reports();
    let cases = cases.iter().map(|(name, body)| (*name, body.to_vec())).chain(bad_reports);
    cases.map(|(name, body)| Bad::of(name, &body)).collect()
}

/// A report with one field that it may not have.
fn bad_reports() -> Vec<(&'static str, Vec<u8>)> {
    let report = probes(VersionHash([7; 32])).pop().expect("there are some").to_frame();
    let cases: [(&str, &[u8], &[u8]); 5] = [
        ("a state of a link that does not exist", b"\xa9Malformed", b"\xa9malformed"),
        ("a program without a version", b"\xa60.1.19", b"\xa0"),
        ("a program with a space in its version", b"\xa60.1.19", b"\xa60.1 19"),
        (
            "a program with 32 characters in its version",
            b"\xa60.1.19",
            &[&b"\xd9\x20"[..], &[b'1'; 32]].concat(),
        ),
        ("a hop of more than 8 bits", b"\xa3hop\x13", b"\xa3hop\xcd\x01\x13"),
    ];
    let replaced = |from: &[u8], to: &[u8]| {
        let body = &report[HEADER_LEN..];
        let at = body.windows(from.len()).position(|part| part == from).expect("it is there");
        [&body[..at], to, &body[at + from.len()..]].concat()
    };
    cases.iter().map(|(name, from, to)| (*name, replaced(from, to))).collect()
}
