//! `network-id.json`: network files, what is hashed of them, and files that are refused.

use chacha20::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use talaria_wire::crypto::kdf::{Label, derive};
use talaria_wire::crypto::{IdentitySecret, OnionSecret};
use talaria_wire::network_file::{NETWORK_FILE_VERSION, Network};

use super::VectorFile;
use super::bytes::{Hex, draw, seeded};

/// A self-signed certificate; nothing but its bytes matters here.
const CA: &str = "-----BEGIN CERTIFICATE-----\n\
    MAwwAgUAMAIFAAMCAAA=\n\
    -----END CERTIFICATE-----\n";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    name: String,
    file: String,
    hashed: Hex,
    id: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    file: String,
    parses: bool,
}

impl VectorFile for Vectors {
    const FILE: &'static str = "network-id.json";

    fn generate() -> Self {
        let mut rng = seeded(30);
        let three = file(3, &mut rng);
        let moved = three.replace("127.0.0.1", "talaria.example");
        let slower = three.replace("period_ms = 2000", "period_ms = 2001");
        let good = vec![
            Good::of("one hop", &file(1, &mut rng)),
            Good::of("three hops", &three),
            Good::of("three hops, moved: the same id", &moved),
            Good::of("three hops, slower: another id", &slower),
        ];
        assert!(good[1].id == good[2].id && good[1].id != good[3].id);
        let bad = bad(&three);
        assert!(bad.iter().all(|bad| !bad.parses));
        Self { good, bad }
    }

    fn recompute(&self) -> Self {
        Self {
            good: self.good.iter().map(|good| Good::of(&good.name, &good.file)).collect(),
            bad: self.bad.iter().map(|bad| Bad::of(&bad.name, &bad.file)).collect(),
        }
    }
}

impl Good {
    fn of(name: &str, file: &str) -> Self {
        let network = Network::parse(file).expect("a good file");
        let mut hashed = vec![NETWORK_FILE_VERSION];
        hashed.extend_from_slice(&network.period_ms.get().to_be_bytes());
        hashed.extend_from_slice(&[network.shape().lanes(), network.shape().hops().get()]);
        hashed.extend_from_slice(&network.entry.identity.to_bytes());
        hashed.extend_from_slice(blake3_of(&network.entry.ca).as_slice());
        for hop in network.hops() {
            hashed.extend_from_slice(&hop.identity.to_bytes());
            hashed.extend_from_slice(&hop.onion_key.0);
        }
        let id: [u8; 32] = derive(Label::NetworkId, &[&hashed]);
        assert_eq!(network.id().0, id, "{name}");
        Self { name: name.to_owned(), file: file.to_owned(), hashed: Hex(hashed), id: id.into() }
    }
}

impl Bad {
    fn of(name: &str, file: &str) -> Self {
        let parses = Network::parse(file).is_ok();
        Self { name: name.to_owned(), file: file.to_owned(), parses }
    }
}

fn blake3_of(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn file(hops: u16, rng: &mut ChaCha20Rng) -> String {
    let mut identity = || hex::encode(IdentitySecret::generate(rng).public().to_bytes());
    let mut text = format!(
        "version = 1\nperiod_ms = 2000\nlanes = 1\n\n\
         [entry]\naddress = \"127.0.0.1:7400\"\nidentity = \"{}\"\nca = \"\"\"\n{CA}\"\"\"\n",
        identity()
    );
    let identities: Vec<_> = (0..hops).map(|_| identity()).collect();
    for (port, identity) in (7401..).zip(identities) {
        let onion_key = hex::encode(OnionSecret::from_bytes(&draw(rng)).public().0);
        text += &format!(
            "\n[[hop]]\naddress = \"127.0.0.1:{port}\"\nidentity = \"{identity}\"\n\
             onion_key = \"{onion_key}\"\n"
        );
    }
    text
}

fn bad(good: &str) -> Vec<Bad> {
    let changes = [
        ("another version", "version = 1", "version = 2"),
        ("a period that is too short", "period_ms = 2000", "period_ms = 49"),
        ("a period that is too long", "period_ms = 2000", "period_ms = 3600001"),
        ("no lane", "lanes = 1", "lanes = 0"),
        ("too many lanes", "lanes = 1", "lanes = 17"),
        ("an unknown field", "lanes = 1", "lanes = 1\ncolour = 3"),
        ("a field that is missing", "lanes = 1\n", ""),
        ("an address without a port", "127.0.0.1:7401", "127.0.0.1"),
        ("an address without a host", "127.0.0.1:7401", ":7401"),
        ("a port with a sign", "127.0.0.1:7401", "127.0.0.1:+7401"),
        ("a port that is too large", "127.0.0.1:7401", "127.0.0.1:65536"),
        ("a certificate that is none", "BEGIN", "START"),
        ("a key that is too long", "onion_key = \"", "onion_key = \"00"),
        ("a key that is not hexadecimal", "onion_key = \"", "onion_key = \"zz"),
        ("a key in SEC1's compact form", "identity = \"02", "identity = \"05"),
    ];
    let mut bad: Vec<_> = changes
        .iter()
        .map(|(name, from, to)| {
            let file = good.replacen(from, to, 1);
            assert_ne!(file, good, "{name}");
            Bad::of(name, &file)
        })
        .collect();
    let hop = good.find("\n[[hop]]").map_or("", |at| good.get(at..).unwrap_or_default());
    bad.push(Bad::of("no hop", &good.replace(hop, "")));
    bad.push(Bad::of("seventeen hops", &[good.replace(hop, ""), hop.repeat(17)].concat()));
    bad
}
