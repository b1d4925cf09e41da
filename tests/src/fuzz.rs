//! Fuzz targets for every parser: what must hold for any bytes at all.
//!
//! The bodies are here as plain functions, so that `tests/fuzz` (cargo-fuzz, nightly) and the
//! replay of its corpus (`tests/tests/fuzz_corpus.rs`, stable) run the same code. None may panic,
//! and what parses must be encoded again to the same bytes.
//!
//! Bytes that have to fit a key would never be found by chance. Where that matters the input is
//! laid over a good message with XOR: all zeros is the good one, everything else is a change.

mod fixtures;
mod seeds;

use std::path::Path;

use rand::SeedableRng;
use talaria_identity::backup::{BackupReader, BackupWriter};
use talaria_identity::certificate::Csr;
use talaria_identity::store::Row;
use talaria_server::config::Config;
use talaria_wire::control::Control;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::frame::{Accepts, Announcement, HEADER_LEN, Header, Kind, Replies, Submission};
use talaria_wire::identity::directory::TwoHeads;
use talaria_wire::identity::ledger::Ledger;
use talaria_wire::identity::request::LENGTH_LEN;
use talaria_wire::identity::{Entry, Head, Request, Response};
use talaria_wire::link::{Assembly, BatchHead, Inlet};
use talaria_wire::network_file::{NetworkFile, PublicPart};
use talaria_wire::onion::{self, PeelContext};
use talaria_wire::params::PEER_MESSAGE_LEN;
use talaria_wire::peer_message::{self, SIGNED_LEN};
use talaria_wire::{HopIndex, Round};

use fixtures::{Fixtures, shape};
pub use seeds::seeds;

/// A target: its name in `tests/fuzz/fuzz_targets` and `tests/fuzz/corpus`, and its body.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What to do with an input.
    pub run: fn(&[u8]),
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 14] = [
        Self { name: "frame", run: frame },
        Self { name: "control", run: control },
        Self { name: "link", run: link },
        Self { name: "network_file", run: network_file },
        Self { name: "config", run: config },
        Self { name: "onion", run: onion },
        Self { name: "reply", run: reply },
        Self { name: "peer_message", run: peer_message },
        Self { name: "peer_content", run: peer_content },
        Self { name: "identity_request", run: identity_request },
        Self { name: "directory", run: directory },
        Self { name: "ledger", run: ledger },
        Self { name: "csr", run: csr },
        Self { name: "backup", run: backup },
    ];
}

/// A side (u8), then a frame.
pub fn frame(data: &[u8]) {
    let Some((side, frame)) = data.split_first() else { return };
    let accepts = match side % 3 {
        0 => Accepts::FromClient(shape()),
        1 => Accepts::FromEntry(shape()),
        _ => Accepts::OnLink,
    };
    let Some((head, body)) = frame.split_first_chunk::<HEADER_LEN>() else { return };
    if let Ok(header) = Header::parse(*head, accepts)
        && header.len == body.len()
        && let Some(again) = encoded_again(header.kind, body)
    {
        assert_eq!(again, frame);
    }
}

fn encoded_again(kind: Kind, body: &[u8]) -> Option<Vec<u8>> {
    match kind {
        Kind::Control => Control::decode(body).ok().map(|it| it.to_frame()),
        Kind::EpochKeys => EpochKeys::decode(body).ok().map(|it| it.to_frame()),
        Kind::Announcement => Announcement::decode(body).ok().map(|it| it.to_frame()),
        Kind::Submission => Submission::decode(body, shape()).ok().map(|it| it.to_frame()),
        Kind::BatchHead => BatchHead::decode(body).ok().map(|it| it.to_frame()),
        Kind::Replies => {
            let mut out = vec![];
            Replies::decode(body, shape()).ok()?.put_frame(&mut out);
            Some(out)
        }
        Kind::Chunk => None,
    }
}

/// The body of a control frame.
pub fn control(data: &[u8]) {
    if let Ok(message) = Control::decode(data) {
        assert_eq!(&message.to_frame()[HEADER_LEN..], data);
    }
}

/// Heads (an even byte, then a count and a length) and chunks (an odd byte, then a length).
pub fn link(data: &[u8]) {
    const SLOT_LEN: u16 = 8;
    const MAX_SLOTS: u32 = 64;
    let mut assembly = Assembly::new(Inlet::new(SLOT_LEN.into(), MAX_SLOTS as usize));
    let mut expected: Option<(u32, usize)> = None;
    for event in data.chunks_exact(3) {
        let [op, a, b] = [event[0], event[1], event[2]];
        let outcome = if op % 2 == 0 {
            let (slots, slot_len) = (u32::from(a), u16::from(b));
            let fits = expected.is_none() && slots <= MAX_SLOTS && slot_len == SLOT_LEN;
            let outcome = assembly.head(BatchHead { round: Round(1), slots, slot_len });
            assert_eq!(outcome.is_ok(), fits);
            expected = if fits { Some((slots, 0)) } else { expected };
            outcome
        } else {
            let piece = vec![b; usize::from(a)];
            let outcome = assembly.chunk(&piece);
            let total = |slots: u32| slots as usize * usize::from(SLOT_LEN);
            let fits = expected.is_some_and(|(slots, have)| have + piece.len() <= total(slots));
            assert_eq!(outcome.is_ok(), fits);
            if fits && let Some((_, have)) = &mut expected {
                *have += piece.len();
            }
            outcome
        };
        match outcome {
            Ok(Some((_, batch))) => {
                assert_eq!(expected.take().map(|(slots, _)| slots as usize), Some(batch.len()));
            }
            Ok(None) => {}
            // A link ends with its first mistake.
            Err(_) => return,
        }
    }
}

/// A network file, or the public part of a server.
pub fn network_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(part) = PublicPart::parse(text) {
        assert_eq!(PublicPart::parse(&part.to_toml()).expect("it was a good file"), part);
    }
    let Ok(file) = NetworkFile::parse(text) else { return };
    let again = NetworkFile::parse(&file.to_toml()).expect("it was a good file");
    assert_eq!(again, file);
    assert_eq!(again.version(), file.version());
    let from = file.terms().validity.from;
    if let Ok(network) = file.verify(from, None) {
        let known = network.known();
        assert_eq!(known.check_successor(known), Ok(()));
        // The greatest number has no next one.
        if let Ok(next) = NetworkFile::new(known.next_terms()) {
            assert_eq!(next.check_follows(known), Ok(()));
            assert!(next.into_known().is_err());
        }
    }
}

/// The configuration file of `talariad run`.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let parsed = Config::parse(text, Path::new("/etc/talaria"));
    assert_eq!(parsed.is_ok(), Config::parse(text, Path::new("")).is_ok());
    if let Ok(config) = parsed {
        assert!(config.network.is_absolute());
    }
}

/// Changes to an onion, and what is left of the input as an onion of any length.
pub fn onion(data: &[u8]) {
    let fixtures = Fixtures::shared();
    let (mut slot, changed) = laid_over(&fixtures.onion, data);
    let behind: Vec<_> = fixtures.hops[1..].iter().map(|hop| *hop.public()).collect();
    let context = PeelContext::new(&fixtures.hops[0], &behind, Round(5), HopIndex(0));
    let (_, sound) = onion::peel(&mut slot, &context);
    assert_eq!(sound, !changed);
    if data.len() >= 48 {
        let _ = onion::peel(&mut data.to_vec(), &context);
    }
}

/// Changes to a reply, and the input as a reply of any length.
pub fn reply(data: &[u8]) {
    let fixtures = Fixtures::shared();
    let (mut reply, changed) = laid_over(&fixtures.reply, data);
    let opened = fixtures.opener.open(&mut reply);
    assert_eq!(opened.is_ok(), !changed);
    assert!(fixtures.opener.open(&mut data.to_vec()).is_err());
}

/// Changes to a peer message.
pub fn peer_message(data: &[u8]) {
    let fixtures = Fixtures::shared();
    let (message, changed) = laid_over(&fixtures.message, data);
    let message: [u8; PEER_MESSAGE_LEN] = message.try_into().expect("the length stays");
    assert_eq!(fixtures.open(&message).is_ok(), !changed);
}

/// The content of a peer message, signed and sealed as it is: hostile partners can do that.
pub fn peer_content(data: &[u8]) {
    let fixtures = Fixtures::shared();
    let (content, _) = laid_over(&[0; SIGNED_LEN], data);
    let content: [u8; SIGNED_LEN] = content.try_into().expect("the length stays");
    let (sender, recipient) = (&fixtures.sender, fixtures.recipient.public());
    let signature = fixtures.sealer.sign(&content, sender, recipient);
    let message = fixtures.sealer.seal(&[0; 16], &content, &signature);
    if let Ok(opened) = fixtures.open(&message) {
        let keys = fixtures.sealer.message_keys();
        let mut rng = chacha20::ChaCha20Rng::seed_from_u64(0);
        let place = &fixtures.sealer.place;
        let again = peer_message::seal(&opened, &keys, place, sender, recipient, &mut rng);
        let again = fixtures.sealer.decrypt(&again);
        assert_eq!(again[..SIGNED_LEN], content);
    }
}

/// The body of a request to the identity service.
pub fn identity_request(data: &[u8]) {
    if let Ok(request) = Request::decode(data) {
        assert_eq!(&request.to_message()[LENGTH_LEN..], data);
    }
    if let Ok(response) = Response::decode(data) {
        assert_eq!(&response.to_message()[LENGTH_LEN..], data);
    }
}

/// An entry of the directory, a head, and two heads that are a proof.
pub fn directory(data: &[u8]) {
    if let Ok(entry) = Entry::from_bytes(data) {
        assert_eq!(entry.to_bytes(), data);
    }
    if let Ok(head) = Head::from_bytes(data) {
        assert_eq!(head.to_bytes(), data);
    }
    let (fixtures, owner) = (Fixtures::shared(), Fixtures::shared().owner());
    let (heads, changed) = laid_over(&fixtures.two_heads(), data);
    let read = TwoHeads::from_bytes(&heads, &owner.network, &owner.head_key);
    assert_eq!(read.is_some_and(|read| read.to_bytes()[..] == heads), !changed);
}

/// Changes to a record of a ledger, and the input as a record of any length.
pub fn ledger(data: &[u8]) {
    let fixtures = Fixtures::shared();
    let (record, changed) = laid_over(&fixtures.ledger, data);
    assert_eq!(Ledger::open(&record, &fixtures.sender).is_ok(), !changed);
    let opened = Ledger::open(data, &fixtures.sender);
    assert_eq!(opened.is_ok(), data == fixtures.ledger);
}

/// Changes to a certificate signing request, and the input as a request of its own.
pub fn csr(data: &[u8]) {
    let fixtures = Fixtures::shared();
    let (request, changed) = laid_over(&fixtures.csr, data);
    assert_eq!(Csr::parse(&request, &fixtures.user).is_ok(), !changed);
    let _ = Csr::parse(data, &fixtures.user);
}

/// The lines of a backup behind its header.
pub fn backup(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let owner = Fixtures::shared().owner();
    let (mut writer, header) = BackupWriter::new(&owner);
    let mut reader = BackupReader::new(&owner, &header).expect("its own header");
    for line in text.lines() {
        match reader.read(line) {
            Ok(Some(row)) => {
                let again = writer.row(&row);
                let parsed: Row = serde_json::from_str(&again).expect("it was written as a row");
                assert_eq!(parsed, row);
            }
            Ok(None) | Err(_) => return,
        }
    }
}

/// `good` with the bits of `change` flipped, and whether that changed it.
fn laid_over(good: &[u8], change: &[u8]) -> (Vec<u8>, bool) {
    let mut out = good.to_vec();
    for (byte, change) in out.iter_mut().zip(change) {
        *byte ^= change;
    }
    let changed = out != good;
    (out, changed)
}
