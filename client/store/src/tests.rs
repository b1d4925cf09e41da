//! Homes: what survives, what is refused, and that the tables say what the state says.

use std::num::NonZeroU64;

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, NetworkFile, Terms, Validity, VerifyError,
};
use talaria_wire::peer_message::MessageId;
use tempfile::TempDir;

use crate::files::DATABASE_FILE;
use crate::*;
use std::path::{Path, PathBuf};
use talaria_client::contact::Trust;
use talaria_client::conversation::state::{
    self, FragmentBytes, Outgoing, Received, Said, SaidText, Text,
};
use talaria_client::{Change, ConversationState, Identity};
use talaria_fixtures::identity;
use talaria_fixtures::service::Service;
use talaria_wire::identity::ExportKey;
use talaria_wire::identity::directory::Cause;
use talaria_wire::network_file::{Known, NetworkFileError};
use talaria_wire::{Round, UnixMillis};

mod homes;
mod ledger;
mod networks;
mod people;
mod tables;
mod talks;

const NOW: UnixMillis = UnixMillis(1_000_000_000);
/// Whose key signs the heads of the directory.
const HEAD_SEED: u64 = 10;
const UNTIL: UnixMillis = UnixMillis(2_000_000_000);

/// A first version of a network with one hop, signed by its hop and its entry.
fn first(period_ms: u64) -> Known {
    let [entry, hop, key] = [8, 9, HEAD_SEED].map(|seed| *identity(seed, "xxx").0.secret.public());
    let address = "127.0.0.1:7400".to_owned();
    let entry = EntryInfo {
        operator: "Eve".to_owned(),
        address: address.clone(),
        identity: entry,
        ca: vec![1, 2, 3, 4].into(),
    };
    let hop = HopInfo { operator: "Harry".to_owned(), address, identity: hop };
    let validity = Validity { from: UnixMillis(0), until: UNTIL };
    let service = IdentityInfo { address: "127.0.0.1:1".to_owned(), key };
    let mut terms = Terms::first("test", validity, entry, service, vec![hop]);
    terms.period_ms = NonZeroU64::new(period_ms).unwrap();
    sign(terms)
}

/// The version after `known`, with the entry at another port.
fn next(known: &Known, port: u16) -> Known {
    let mut terms = known.next_terms();
    terms.entry.address = format!("127.0.0.1:{port}");
    sign(terms)
}

fn sign(terms: Terms) -> Known {
    let mut file = NetworkFile::new(terms).unwrap();
    for seed in [8, 9] {
        file.sign(&identity(seed, "xxx").0.secret);
    }
    file.into_known().unwrap()
}

fn put(dir: &TempDir, name: &str, version: &Known) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, version.file().to_toml()).unwrap();
    path
}

const SINCE_S: u64 = NOW.0 / 1000;

fn key() -> HomeKey {
    HomeKey::generate(&mut ChaCha20Rng::seed_from_u64(5))
}

fn export() -> ExportKey {
    ExportKey::from_bytes([6; 64])
}

fn try_make_home(dir: &Path, network_file: &Path, who: &Identity) -> Result<Home, HomeError> {
    let network = read_network(network_file, NOW, None)?;
    let (key, mut rng) = (key(), ChaCha20Rng::seed_from_u64(99));
    let new = NewHome {
        name: who.name.clone(),
        secret: &who.secret,
        certificate: vec![1, 2, 3].into(),
        since: 0,
        earlier: false,
        network: &network,
        network_file: Some(network_file),
        wrapped_key: key.wrap(&export(), &mut rng),
        key: &key,
    };
    Home::create(dir, new)
}

fn make_home(dir: &TempDir) -> Home {
    let file = put(dir, "network.toml", &first(2000));
    try_make_home(&dir.path().join("home"), &file, &identity(1, "alice").0).unwrap()
}
