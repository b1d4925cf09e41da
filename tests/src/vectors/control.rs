//! `control.json`: control frames, and bodies that are refused.

use serde::{Deserialize, Serialize};
use talaria_wire::control::{AbortReason, Control, Farewell, Refusal};
use talaria_wire::frame::HEADER_LEN;
use talaria_wire::network_file::{NetworkId, VersionHash};
use talaria_wire::params::PROTOCOL_VERSION;

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
    let farewells = [Farewell::ShuttingDown, Farewell::Idle, Farewell::Protocol];
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
    all.extend(farewells.map(|reason| Control::Goodbye { reason }));
    all
}

fn bad() -> Vec<Bad> {
    let cases: [(&str, &[u8]); 13] = [
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
    ];
    cases.iter().map(|(name, body)| Bad::of(name, body)).collect()
}
