//! `card.json`: contact cards, good and bad.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use talaria_client::contact::{CARD_PREFIX, Card, CardError, Contact, Name};
use talaria_wire::Round;
use talaria_wire::crypto::kdf::{Label, derive};
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::network_file::NetworkId;

use super::VectorFile;
use super::bytes::{Hex, draw, seeded};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    name: String,
    identity: Hex,
    created: u64,
    network: Hex,
    bytes: Hex,
    card: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    what: String,
    card: String,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fault {
    Prefix,
    Character,
    Incomplete,
    Checksum,
    Version,
    Key,
    Name,
    None,
}

impl VectorFile for Vectors {
    const FILE: &'static str = "card.json";

    fn generate() -> Self {
        let mut rng = seeded(40);
        let good: Vec<_> = ["A", "Zoë K.", &"夜".repeat(32)]
            .iter()
            .map(|name| {
                let identity = IdentitySecret::generate(&mut rng);
                let identity = identity.public().to_bytes().into();
                Good::of(name, &identity, 900_000_040, &draw::<32>(&mut rng).into())
            })
            .collect();
        let bad = bad(&good[1]);
        assert!(bad.iter().all(|bad| bad.fault != Fault::None));
        Self { good, bad }
    }

    fn recompute(&self) -> Self {
        let good = self.good.iter();
        Self {
            good: good
                .map(|good| Good::of(&good.name, &good.identity, good.created, &good.network))
                .collect(),
            bad: self.bad.iter().map(|bad| Bad::of(&bad.what, bad.card.clone())).collect(),
        }
    }
}

impl Good {
    fn of(name: &str, identity: &Hex, created: u64, network: &Hex) -> Self {
        let contact = Contact {
            key: IdentityPublic::from_bytes(&identity.array()).expect("a P-256 point"),
            name: Name::new(name).expect("a good name"),
            created: Round(created),
        };
        let card = Card::new(contact, NetworkId(network.array()));
        let line = card.to_string();
        assert_eq!(line.parse(), Ok(card));
        Self {
            name: name.to_owned(),
            identity: identity.clone(),
            created,
            network: network.clone(),
            bytes: bytes_of(&line).into(),
            card: line,
        }
    }
}

impl Bad {
    fn of(what: &str, card: String) -> Self {
        let fault = match card.parse::<Card>() {
            Ok(_) => Fault::None,
            Err(CardError::NotACard) => Fault::Prefix,
            Err(CardError::BadCharacter) => Fault::Character,
            Err(CardError::Incomplete) => Fault::Incomplete,
            Err(CardError::Checksum) => Fault::Checksum,
            Err(CardError::Version(_)) => Fault::Version,
            Err(CardError::BadKey) => Fault::Key,
            Err(CardError::BadName(_)) => Fault::Name,
            Err(error) => panic!("parsing does not check against a network: {error}"),
        };
        Self { what: what.to_owned(), card, fault }
    }
}

fn bytes_of(card: &str) -> Vec<u8> {
    let encoded = card.strip_prefix(CARD_PREFIX).expect("a card");
    BASE64URL_NOPAD.decode(encoded.as_bytes()).expect("a good card")
}

fn bad(good: &Good) -> Vec<Bad> {
    let line = &good.card;
    let cut = |n: usize| line.get(..line.len() - n).expect("a card is ASCII").to_owned();
    let mut bad = vec![
        Bad::of("another prefix", line.replacen("talaria1:", "talaria2:", 1)),
        Bad::of("padding", format!("{line}=")),
        Bad::of("a character of the other base64 alphabet", format!("{}+", cut(1))),
        Bad::of("nothing after the prefix", CARD_PREFIX.to_owned()),
        Bad::of("the last character is missing", cut(1)),
        Bad::of("the last four characters are missing", cut(4)),
        Bad::of("two characters changed places", swapped(line)),
        Bad::of("far too long", format!("{line}{}", "A".repeat(512))),
    ];
    let rewritten = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut covered = good.bytes.0.clone();
        covered.truncate(covered.len() - 4);
        change(&mut covered);
        let sum: [u8; 4] = derive(Label::CardChecksum, &[&covered]);
        covered.extend_from_slice(&sum);
        Bad::of(what, format!("{CARD_PREFIX}{}", BASE64URL_NOPAD.encode(&covered)))
    };
    bad.extend([
        rewritten("another version", &|card| card[0] = 2),
        rewritten("a key that is no point", &|card| card[1..34].fill(0xff)),
        rewritten("a key in SEC1's compact form", &|card| card[1] = 5),
        rewritten("a name that is shorter than it says", &|card| card[50] += 1),
        rewritten("a byte after the name", &|card| card.push(b'x')),
        rewritten("no name", &|card| with_name(card, b"")),
        rewritten("a name that is not UTF-8", &|card| with_name(card, b"\xff")),
        rewritten("a name with white space around it", &|card| with_name(card, b" Zo")),
        rewritten("a name of 33 characters", &|card| with_name(card, &[b'x'; 33])),
        rewritten("a name with an escape character", &|card| with_name(card, b"a\x1b[2J")),
        rewritten("a name that turns text around", &|card| {
            with_name(card, "a\u{202e}b".as_bytes());
        }),
    ]);
    bad
}

fn with_name(card: &mut Vec<u8>, name: &[u8]) {
    card.truncate(50);
    card.push(u8::try_from(name.len()).expect("a short name"));
    card.extend_from_slice(name);
}

fn swapped(line: &str) -> String {
    let mut bytes = line.as_bytes().to_vec();
    let at = (20..).find(|at| bytes[*at] != bytes[at + 1]).expect("two that differ");
    bytes.swap(at, at + 1);
    String::from_utf8(bytes).expect("still ASCII")
}
