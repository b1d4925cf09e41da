//! `wire/PROTOCOL.md` and the code agree on every size and every key-derivation label.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use talaria_client::conversation::state::TEXT_MAX;
use talaria_client::session::keywheel::{EPOCH_ROUNDS, ERA_EPOCHS};
use talaria_opaque::PASSWORD_MAX;
use talaria_wire::crypto::identity_key::{IDENTITY_PUBLIC_LEN, SIGNATURE_LEN};
use talaria_wire::crypto::kdf::Label;
use talaria_wire::epoch::EPOCHS_AHEAD;
use talaria_wire::frame::{
    ANNOUNCEMENT_LEN, BATCH_HEAD_LEN, CHUNK_LEN, CONTROL_MAX, HEADER_LEN, REPLIES_HEAD_LEN,
    SUBMISSION_HEAD_LEN,
};
use talaria_wire::frame::{EPOCH_KEYS_HEAD_LEN, SIGNED_KEY_LEN};
use talaria_wire::identity::directory::{
    AHEAD_MAX, ENTRY_MAX, FIRST_CONTACT_S, HEAD_LEN, PAGE_MAX, STALE_S, TOLERANCE_S,
};
use talaria_wire::identity::ledger::{LEDGER_LEN, LEDGER_PLACES};
use talaria_wire::identity::name::{NAME_MAX_CHARS, NAME_MIN_CHARS};
use talaria_wire::identity::proof::EXPORTER_LEN;
use talaria_wire::identity::request::{
    CSR_MAX, IDENTITY_VERSION, LENGTH_LEN, MESSAGE_MAX, TOKEN_MAX, WAIT_MAX_MS,
};
use talaria_wire::identity::wrapping::{EXPORT_KEY_LEN, WRAPPING_LEN};
use talaria_wire::network_file::{
    ADDRESS_MAX, LABEL_MAX, MAX_ALPHA_TENTHS, MAX_DIALING_EVERY, MAX_NOISE_ONIONS, MAX_ONION_EPOCH,
    MAX_SIGNATURES, MIN_ALPHA_TENTHS, MIN_ONION_EPOCH, NETWORK_FILE_MAX, NETWORK_FILE_VERSION,
    NETWORK_SIGNATURE_LABEL, PUBLIC_PART_LABEL,
};
use talaria_wire::params::{
    DEAD_DROP_LEN, EXCHANGE_REQUEST_LEN, LAYER_LEN, MAX_HOPS, MAX_LANES, MAX_PERIOD_MS,
    MIN_PERIOD_MS, ONIONS_PER_LANE, PEER_MESSAGE_LEN, PROTOCOL_VERSION, TAG_LEN,
};
use talaria_wire::peer_message::{BODY_LEN, MAC_LABEL, PLAINTEXT_LEN, SIGNATURE_LABEL, SIGNED_LEN};
use talaria_wire::probe::PROGRAM_MAX;
use talaria_wire::{Hops, RoundShape};

macro_rules! named {
    ($($name:ident),* $(,)?) => {
        BTreeMap::from([$((stringify!($name).to_owned(), wide($name))),*])
    };
}

fn wide(value: impl TryInto<u64>) -> u64 {
    value.try_into().ok().expect("no constant is negative")
}

fn constants() -> BTreeMap<String, u64> {
    named!(
        PROTOCOL_VERSION,
        DEAD_DROP_LEN,
        PEER_MESSAGE_LEN,
        EXCHANGE_REQUEST_LEN,
        LAYER_LEN,
        TAG_LEN,
        ONIONS_PER_LANE,
        MAX_HOPS,
        MAX_LANES,
        MIN_PERIOD_MS,
        MAX_PERIOD_MS,
        IDENTITY_PUBLIC_LEN,
        SIGNATURE_LEN,
        PLAINTEXT_LEN,
        SIGNED_LEN,
        BODY_LEN,
        HEADER_LEN,
        CONTROL_MAX,
        CHUNK_LEN,
        ANNOUNCEMENT_LEN,
        SUBMISSION_HEAD_LEN,
        REPLIES_HEAD_LEN,
        BATCH_HEAD_LEN,
        NETWORK_FILE_VERSION,
        NETWORK_FILE_MAX,
        LABEL_MAX,
        ADDRESS_MAX,
        MAX_SIGNATURES,
        MAX_NOISE_ONIONS,
        MIN_ALPHA_TENTHS,
        MAX_ALPHA_TENTHS,
        MAX_DIALING_EVERY,
        MIN_ONION_EPOCH,
        MAX_ONION_EPOCH,
        SIGNED_KEY_LEN,
        EPOCH_KEYS_HEAD_LEN,
        EPOCHS_AHEAD,
        PROGRAM_MAX,
        EPOCH_ROUNDS,
        ERA_EPOCHS,
        NAME_MAX_CHARS,
        TEXT_MAX,
        NAME_MIN_CHARS,
        PASSWORD_MAX,
        EXPORT_KEY_LEN,
        WRAPPING_LEN,
        EXPORTER_LEN,
        HEAD_LEN,
        ENTRY_MAX,
        TOLERANCE_S,
        STALE_S,
        FIRST_CONTACT_S,
        AHEAD_MAX,
        PAGE_MAX,
        IDENTITY_VERSION,
        MESSAGE_MAX,
        LENGTH_LEN,
        CSR_MAX,
        TOKEN_MAX,
        WAIT_MAX_MS,
        LEDGER_PLACES,
        LEDGER_LEN,
    )
}

#[test]
fn the_table_of_sizes_is_what_the_code_says() {
    let table = rows("constant");
    let written: BTreeMap<_, u64> =
        table.iter().map(|row| (unquoted(&row[0]), row[1].parse().unwrap())).collect();
    assert_eq!(written.len(), table.len(), "a constant stands there twice");
    assert_eq!(written, constants());
}

#[test]
fn the_table_of_sizes_has_every_constant_of_wire() {
    let written: Vec<_> = rows("constant").iter().map(|row| unquoted(&row[0])).collect();
    let mut found = 0;
    for file in sources(&root().join("wire/src")) {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            if let Some(name) = declared(line) {
                assert!(
                    written.iter().any(|written| written == name),
                    "{name} is not in the table"
                );
                found += 1;
            }
        }
    }
    assert!(found > 20, "only {found} constants were found");
}

/// The name in a line that declares a public integer.
fn declared(line: &str) -> Option<&str> {
    let (name, rest) = line.trim().strip_prefix("pub const ")?.split_once(": ")?;
    ["usize =", "u8 =", "u16 =", "u32 =", "u64 ="]
        .iter()
        .any(|t| rest.starts_with(t))
        .then_some(name)
}

#[test]
fn the_table_of_shapes_is_what_the_code_says() {
    let shape = RoundShape::new(Hops::new(3).unwrap(), 1).unwrap();
    let onions: Vec<_> = (0..=3).map(|h| shape.onion_len_at(talaria_wire::HopIndex(h))).collect();
    let replies: Vec<_> = (0..=3).map(|h| shape.reply_len_at(talaria_wire::HopIndex(h))).collect();
    let expected = [
        format!("{}, {}, {}; {} at the exchange", onions[0], onions[1], onions[2], onions[3]),
        format!("{}, {}, {}; {} at the exchange", replies[0], replies[1], replies[2], replies[3]),
        shape.onions().to_string(),
        talaria_wire::frame::submission_len(shape).to_string(),
        talaria_wire::frame::replies_len(shape).to_string(),
    ];
    let written: Vec<_> = rows("what").into_iter().map(|row| row[2].clone()).collect();
    assert_eq!(written, expected);
}

#[test]
fn the_table_of_labels_is_what_the_code_says() {
    let written: Vec<_> =
        rows("label").iter().map(|row| (unquoted(&row[0]), unquoted(&row[1]))).collect();
    let expected: Vec<_> =
        Label::ALL.iter().map(|label| (format!("{label:?}"), label.context().to_owned())).collect();
    assert_eq!(written, expected);
}

#[test]
fn the_labels_under_tag_and_signature_are_what_the_code_says() {
    for label in [MAC_LABEL, SIGNATURE_LABEL, NETWORK_SIGNATURE_LABEL, PUBLIC_PART_LABEL] {
        let label = std::str::from_utf8(label).unwrap();
        let row = format!("| 0 | {} | ASCII `{label}` |", label.len());
        assert!(page().contains(&row), "{row}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    std::fs::read_to_string(root().join("wire/PROTOCOL.md")).expect("the page")
}

/// The cells of the one table whose first column is called `first_column`.
fn rows(first_column: &str) -> Vec<Vec<String>> {
    let page = page();
    let mut lines =
        page.lines().skip_while(|line| !line.starts_with(&format!("| {first_column} |")));
    let (_head, _rule) = (lines.next().expect("the table"), lines.next().expect("its rule"));
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn unquoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
