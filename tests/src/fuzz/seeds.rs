//! Where the fuzzers start: good inputs of every target, cut short and changed.

use talaria_client::contact::{Card, Contact, Name};
use talaria_wire::control::{AbortReason, Control, Refusal};
use talaria_wire::frame::{Announcement, HEADER_LEN, Outcome, Replies, Submission};
use talaria_wire::link::BatchHead;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, NetworkFile, NetworkId, NetworkVersion, PublicPart, Role, Terms, Validity,
    VersionHash,
};
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::probe::{HopStatus, LinkState};
use talaria_wire::{Round, UnixMillis};

use super::fixtures::{Fixtures, shape};

const CONFIG: &str = r#"network = "network.toml"

[entry]
listen = "127.0.0.1:7400"
identity = "entry.key"
tls_certificate = "entry.pem"
tls_key = "entry-tls.key"
state = "entry-state"

[[hop]]
place = 1
listen = "[::1]:7401"
identity = "hop-1.key"
rounds = "hop-1"

[limits]
max_clients = 100
max_onions = 1000
threads = 2
"#;

/// The corpus: for each input the target, a name and the bytes.
#[must_use]
pub fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    let controls = controls();
    let bodies = controls.iter().map(|frame| frame[HEADER_LEN..].to_vec());
    let mut seeds = vec![];
    let mut add = |target: &'static str, inputs: Vec<Vec<u8>>| {
        for (i, good) in inputs.into_iter().enumerate() {
            for (how, input) in [("good", good.clone()), ("cut", cut(&good)), ("bad", bent(&good))]
            {
                seeds.push((target, format!("{how}-{i}"), input));
            }
        }
    };
    add("frame", frames(&controls));
    add("control", bodies.collect());
    add("link", links());
    add("network_file", networks());
    add("config", vec![CONFIG.into()]);
    add("card", cards());
    // All zeros is the good one.
    add("onion", vec![vec![0; shape().onion_len()], Fixtures::shared().onion.clone()]);
    add("reply", vec![vec![0; shape().reply_len()]]);
    add("peer_message", vec![vec![0; 512]]);
    add("peer_content", contents());
    seeds
}

fn cut(good: &[u8]) -> Vec<u8> {
    good[..good.len() * 2 / 3].to_vec()
}

fn bent(good: &[u8]) -> Vec<u8> {
    let mut bent = good.to_vec();
    let middle = bent.len() / 2;
    if let Some(byte) = bent.get_mut(middle) {
        *byte ^= 0x41;
    }
    bent
}

fn controls() -> Vec<Vec<u8>> {
    let protocol = PROTOCOL_VERSION;
    let (network, hash) = (NetworkId([0x9a; 32]), VersionHash([0x9b; 32]));
    let messages = [
        Control::hello(&NetworkVersion { network, sequence: 300, hash }),
        Control::Welcome { protocol },
        Control::Refused { reason: Refusal::Network },
        Control::Abort { round: 900_000_070, reason: AbortReason::WrongCount },
        Control::Probe { id: 900_000_071 },
        Control::Report(HopStatus {
            id: 900_000_071,
            hop: 1,
            round_trip_us: 70_000,
            round: 900_000_070,
            sequence: 300,
            version: hash,
            program: "0.1.0".to_owned().try_into().expect("short and visible"),
            link: LinkState::TimedOut,
        }),
    ];
    messages.map(|message| message.to_frame()).to_vec()
}

fn frames(controls: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let round = Round(900_000_070);
    let onions = vec![7; shape().onions() * shape().onion_len()];
    let (mut replies, outcome) = (vec![], Outcome::Failed);
    Replies::put_without(round, outcome, shape(), &mut replies);
    let sides: [(u8, Vec<u8>); 5] = [
        (0, Submission { round, onions: &onions }.to_frame()),
        (1, Announcement { round, opens_in_ms: 0, closes_in_ms: 1999 }.to_frame()),
        (1, replies),
        (2, BatchHead { round, slots: 3, slot_len: 672 }.to_frame()),
        (2, controls[3].clone()),
    ];
    sides.into_iter().map(|(side, frame)| [vec![side], frame].concat()).collect()
}

fn links() -> Vec<Vec<u8>> {
    let empty_then_whole = [[0, 0, 8], [0, 4, 8], [1, 20, 0], [1, 12, 1]];
    let interrupted = [[0, 4, 8], [1, 20, 0], [0, 4, 8]];
    vec![empty_then_whole.concat(), interrupted.concat()]
}

/// A network file that all have signed, the next version without a signature, and public parts.
fn networks() -> Vec<Vec<u8>> {
    let fixtures = Fixtures::shared();
    let (own, hop_own) = (&fixtures.sender, &fixtures.recipient);
    let address = "127.0.0.1:7400".to_owned();
    let operator = "Eve".to_owned();
    let entry = EntryInfo {
        operator: operator.clone(),
        address: address.clone(),
        identity: *own.public(),
        ca: vec![1, 2, 3, 4].into(),
    };
    let hop = HopInfo { operator, address, identity: *hop_own.public() };
    let parts = [
        PublicPart::sign(Role::Entry(entry.clone()), own),
        PublicPart::sign(Role::Hop(hop.clone()), hop_own),
    ];
    let parts = parts.map(|part| part.expect("a good part").to_toml());
    let validity = Validity { from: UnixMillis(0), until: UnixMillis(2_000_000_000_000) };
    let terms = Terms::first("net", validity, entry, vec![hop]);
    let mut first = NetworkFile::new(terms).expect("within all limits");
    first.sign(own);
    first.sign(hop_own);
    let known = first.clone().into_known().expect("both have signed");
    let next = NetworkFile::new(known.next_terms()).expect("within all limits");
    let files = [first.to_toml(), next.to_toml()];
    files.into_iter().chain(parts).map(String::into_bytes).collect()
}

fn cards() -> Vec<Vec<u8>> {
    let key = *Fixtures::shared().sender.public();
    ["Al", "Zoë K."]
        .map(|name| {
            let name = Name::new(name).expect("a good name");
            let contact = Contact { key, name, created: Round(900_000_070) };
            Card::new(contact, NetworkId([5; 32])).to_string().into_bytes()
        })
        .to_vec()
}

fn contents() -> Vec<Vec<u8>> {
    let mut text = vec![0; 400];
    // Data, five bytes, seq 9, one fragment.
    (text[0], text[3], text[7], text[23]) = (1, 5, 9, 1);
    text[64..69].copy_from_slice(b"hello");
    let mut end = vec![0; 400];
    // End, done, seq 10.
    (end[0], end[1], end[7]) = (3, 1, 10);
    vec![text, end]
}
