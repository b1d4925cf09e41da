//! Where the fuzzers start: good inputs of every target, cut short and changed.

use serde_bytes::ByteBuf;
use talaria_identity::backup::BackupWriter;
use talaria_identity::store::{Credential, Row, TokenRow, User as StoredUser, UserStatus};
use talaria_wire::control::Control;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::frame::{Announcement, HEADER_LEN, Outcome, Replies, Submission};
use talaria_wire::identity::directory::{Cause, Entry, EntryHash};
use talaria_wire::identity::request::LENGTH_LEN;
use talaria_wire::identity::{Refusal as Refused, Request, Response};
use talaria_wire::link::BatchHead;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, NetworkFile, NetworkId, NetworkVersion, PublicPart, Role,
    Terms, Validity, VersionHash,
};
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::probe::{HopStatus, LinkState};
use talaria_wire::reason::{AbortReason, Refusal};
use talaria_wire::{Round, UnixMillis};

use super::fixtures::{Fixtures, shape};

const CONFIG: &str = r#"network = "network.toml"

[entry]
listen = "127.0.0.1:7400"
identity = "entry.key"
tls_certificate = "entry.pem"
tls_key = "entry-tls.key"
state = "entry-state"

[identity]
listen = "127.0.0.1:7401"
database = "users.db"
authority = "ca.pem"
authority_key = "ca.key"
tls_certificate = "tls.pem"
tls_key = "tls.key"
head_key = "head.key"
opaque_key = "opaque.key"
control = "control.sock"
registrations = "token"

[identity.limits]
idle_s = 60

[[hop]]
place = 1
listen = "[::1]:7402"
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
    // All zeros is the good one.
    add("onion", vec![vec![0; shape().onion_len()], Fixtures::shared().onion.clone()]);
    add("reply", vec![vec![0; shape().reply_len()]]);
    add("peer_message", vec![vec![0; 512]]);
    add("peer_content", contents());
    add("identity_request", identity_messages());
    let (entry, two_heads) = (entry().to_bytes(), Fixtures::shared().two_heads());
    // All zeros are the good heads.
    add(
        "directory",
        vec![entry, two_heads[..two_heads.len() / 2].to_vec(), vec![0; two_heads.len()]],
    );
    let ledger = &Fixtures::shared().ledger;
    // All zeros is the good one.
    add("ledger", vec![vec![0; ledger.len()], ledger.clone()]);
    let csr = &Fixtures::shared().csr;
    add("csr", vec![vec![0; csr.len()], csr.clone()]);
    add("backup", vec![backup()]);
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
    let head = IdentitySecret::from_bytes(&[9; 32]).expect("a scalar in its range");
    let identity = IdentityInfo { address: address.clone(), key: *head.public() };
    let hop = HopInfo { operator, address, identity: *hop_own.public() };
    let parts = [
        PublicPart::sign(Role::Entry(entry.clone(), identity.clone()), own),
        PublicPart::sign(Role::Hop(hop.clone()), hop_own),
    ];
    let parts = parts.map(|part| part.expect("a good part").to_toml());
    let validity = Validity { from: UnixMillis(0), until: UnixMillis(2_000_000_000_000) };
    let terms = Terms::first("net", validity, entry, identity, vec![hop]);
    let mut first = NetworkFile::new(terms).expect("within all limits");
    first.sign(own);
    first.sign(hop_own);
    let known = first.clone().into_known().expect("both have signed");
    let next = NetworkFile::new(known.next_terms()).expect("within all limits");
    let files = [first.to_toml(), next.to_toml()];
    files.into_iter().chain(parts).map(String::into_bytes).collect()
}

/// Requests to the identity service, and answers.
fn identity_messages() -> Vec<Vec<u8>> {
    let bytes = |n: usize| ByteBuf::from(vec![7; n]);
    let name = || "alice".to_owned();
    let (token, request) = (Some("token".to_owned()), bytes(32));
    let requests = [
        Request::RegisterStart { name: name(), request, token },
        Request::RegisterFinish { upload: bytes(192), csr: bytes(200), wrapped_key: bytes(80) },
        Request::LoginStart { name: name(), request: bytes(96) },
        Request::LoginFinish { proof: bytes(64) },
        Request::RotateKey { csr: bytes(200), signature: bytes(64), wrapped_key: bytes(80) },
        Request::Delete {},
        Request::Renew { name: name(), csr: bytes(200), signature: bytes(64) },
        Request::Directory { since: 70_000, wait_ms: 30_000 },
        Request::Follow { since: 7, wait_ms: 9, time_ms: 1 << 40, signature: bytes(64) },
        Request::Ledger { name: name(), after: 3, record: bytes(300), signature: bytes(64) },
    ];
    let responses = [
        Response::LoggedIn { wrapped_key: bytes(80), certificate: bytes(300), key_since: 3 },
        Response::Page { entries: vec![bytes(152)], head: bytes(112) },
        Response::Refused { reason: Refused::TooManyTries { wait_s: 60 } },
        Response::Refused { reason: Refused::Clock },
        Response::Ledger { number: 4, record: bytes(300) },
    ];
    let requests = requests.iter().map(Request::to_message);
    let responses = responses.iter().map(Response::to_message);
    requests.chain(responses).map(|message| message[LENGTH_LEN..].to_vec()).collect()
}

/// Somebody registers.
fn entry() -> Entry {
    let fixtures = Fixtures::shared();
    let (key, certificate_hash) = (*fixtures.sender.public(), [3; 32]);
    let (name, signature) = (fixtures.user.clone(), [0; 64]);
    Entry { index: 0, time_s: 9, cause: Cause::Registered, name, key, certificate_hash, signature }
}

/// A backup with one user who has registered, without its header.
fn backup() -> Vec<u8> {
    let (fixtures, owner) = (Fixtures::shared(), Fixtures::shared().owner());
    let (key, entry) = (*fixtures.sender.public(), entry());
    let hash = EntryHash::start(&owner.network).then(&entry).0;
    let rows = [
        Row::Entry { index: 0, time_s: 9, entry: entry.to_bytes(), hash },
        Row::User(StoredUser {
            name: fixtures.user.as_str().to_owned(),
            record: vec![1; 192],
            wrapped_key: vec![2; 80],
            key: key.to_bytes(),
            certificate: vec![4; 20],
            status: UserStatus::Active,
            key_since: 0,
            newest: 0,
            registered_s: 9,
            skeleton: fixtures.user.skeleton(),
            ledger_number: 1,
            ledger: fixtures.ledger.clone(),
            credential: Credential::default(),
        }),
        Row::Token(TokenRow { hash: [5; 32], made_s: 1, expires_s: 2, used_s: None }),
    ];
    let (mut writer, _) = BackupWriter::new(&owner);
    let mut lines: Vec<_> = rows.iter().map(|row| writer.row(row)).collect();
    lines.push(writer.finish());
    lines.join("\n").into_bytes()
}

fn contents() -> Vec<Vec<u8>> {
    let mut text = vec![0; 400];
    // Data, five bytes, seq 9, one fragment.
    (text[0], text[3], text[7], text[23]) = (1, 5, 9, 1);
    text[64..69].copy_from_slice(b"hello");
    let mut end = vec![0; 400];
    // End, done, seq 10.
    (end[0], end[1], end[7]) = (3, 1, 10);
    let mut head = vec![7; 176];
    // A head of the directory, in a message without a place in the stream.
    head[..64].fill(0);
    (head[0], head[3]) = (4, 112);
    head.resize(400, 0);
    vec![text, end, head]
}
