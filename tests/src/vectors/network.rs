//! `network-id.json`: network files, what is hashed of them, who may follow upon whom, and public
//! parts; and files that are refused.

use serde::{Deserialize, Serialize};
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, NetworkFile, Noise, NoiseGoal, PublicPart, Role, Terms,
    Validity, VerifyError,
};

use super::VectorFile;
use super::bytes::{Hex, seeded};

/// Something like a self-signed certificate; nothing but its bytes matters here.
const CA: [u8; 14] = [0x30, 12, 0x30, 2, 5, 0, 0x30, 2, 5, 0, 3, 2, 0, 0];
const FROM: UnixMillis = UnixMillis(1_800_000_000_000);
const UNTIL: UnixMillis = UnixMillis(1_807_776_000_000);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    good: Vec<Good>,
    bad: Vec<Bad>,
    verified: Vec<Verified>,
    public_parts: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    name: String,
    file: String,
    hashed: Hex,
    version: Hex,
    network: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    file: String,
    parses: bool,
}

/// A file, the version that is known (if one is), the time in seconds, and what comes of it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verified {
    name: String,
    file: String,
    known: Option<String>,
    now: u64,
    outcome: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    name: String,
    file: String,
    parses: bool,
}

impl VectorFile for Vectors {
    const FILE: &'static str = "network-id.json";

    fn generate() -> Self {
        let cast = Cast::new();
        let first = cast.first();
        let mut one_hop = first.clone();
        one_hop.hops.truncate(1);
        let mut noisy = first.clone();
        noisy.noise = Noise { onions: 1846, alpha_tenths: 26, goal: Some(GOAL) };
        let good = [
            ("one hop", cast.sign(one_hop, &[])),
            ("three hops, signed by all", cast.sign(first.clone(), &[0, 1, 2, 3])),
            ("with noise and a goal", cast.sign(noisy, &[0])),
            ("the next version: another hop", cast.sign(cast.second(), &[0, 1, 2, 3, 4])),
        ];
        let good: Vec<_> =
            good.into_iter().map(|(name, file)| Good::of(name, &file.to_toml())).collect();
        assert!(good[1].network == good[3].network && good[1].version != good[3].version);
        let bad = bad(&cast.sign(first, &[0]).to_toml());
        assert!(bad.iter().all(|bad| !bad.parses));
        Self { good, bad, verified: cast.verified(), public_parts: cast.parts() }
    }

    fn recompute(&self) -> Self {
        let verified =
            |it: &Verified| Verified::of(&it.name, &it.file, it.known.as_deref(), it.now);
        Self {
            good: self.good.iter().map(|good| Good::of(&good.name, &good.file)).collect(),
            bad: self.bad.iter().map(|bad| Bad::of(&bad.name, &bad.file)).collect(),
            verified: self.verified.iter().map(verified).collect(),
            public_parts: self.public_parts.iter().map(|p| Part::of(&p.name, &p.file)).collect(),
        }
    }
}

impl Good {
    fn of(name: &str, file: &str) -> Self {
        let read = NetworkFile::parse(file).expect("a good file");
        let version = read.version();
        Self {
            name: name.to_owned(),
            file: file.to_owned(),
            hashed: Hex(read.terms().to_bytes()),
            version: version.hash.0.into(),
            network: version.network.0.into(),
        }
    }
}

impl Bad {
    fn of(name: &str, file: &str) -> Self {
        let parses = NetworkFile::parse(file).is_ok();
        Self { name: name.to_owned(), file: file.to_owned(), parses }
    }
}

impl Part {
    fn of(name: &str, file: &str) -> Self {
        let parses = PublicPart::parse(file).is_ok();
        Self { name: name.to_owned(), file: file.to_owned(), parses }
    }
}

impl Verified {
    fn of(name: &str, file: &str, known: Option<&str>, now: u64) -> Self {
        let parse = |text| NetworkFile::parse(text).expect("a good file");
        let before = known.map(|text| parse(text).into_known().expect("all have signed"));
        let outcome = match parse(file).verify(UnixMillis(now * 1000), before.as_ref()) {
            Ok(_) => "valid",
            Err(VerifyError::MissingSignature(_)) => "missing signature",
            Err(VerifyError::WrongSignature(_)) => "wrong signature",
            Err(VerifyError::Expired(_)) => "expired",
            Err(VerifyError::NotYetValid(_)) => "not yet valid",
            Err(VerifyError::RolledBack { .. }) => "rolled back",
            Err(VerifyError::Forked(_)) => "forked",
            Err(VerifyError::NotSignedBefore { .. }) => "not signed before",
            Err(VerifyError::OtherPrevious(_)) => "other previous",
            Err(VerifyError::OtherNetwork(_)) => "other network",
            Err(VerifyError::OtherPeriod) => "other period",
        };
        Self {
            name: name.to_owned(),
            file: file.to_owned(),
            known: known.map(str::to_owned),
            now,
            outcome: outcome.to_owned(),
        }
    }
}

const GOAL: NoiseGoal =
    NoiseGoal { epsilon_millionths: 693_147, delta_billionths: 100_000, charged_rounds: 1000 };

/// Five servers: the entry, three hops, and the hop that takes the place of the second. And the key
/// of the directory.
struct Cast {
    own: Vec<IdentitySecret>,
    head: IdentitySecret,
}

impl Cast {
    fn new() -> Self {
        let mut rng = seeded(30);
        let own = (0..5).map(|_| IdentitySecret::generate(&mut rng)).collect();
        Self { own, head: IdentitySecret::generate(&mut rng) }
    }

    fn entry(&self) -> EntryInfo {
        EntryInfo {
            operator: "Eve".to_owned(),
            address: "127.0.0.1:7400".to_owned(),
            identity: *self.own[0].public(),
            ca: CA.to_vec().into(),
        }
    }

    fn identity(&self) -> IdentityInfo {
        IdentityInfo { address: "127.0.0.1:7500".to_owned(), key: *self.head.public() }
    }

    fn hop(&self, i: usize) -> HopInfo {
        HopInfo {
            operator: format!("Operator {i}"),
            address: format!("hop-{i}.example:740{i}"),
            identity: *self.own[i].public(),
        }
    }

    fn first(&self) -> Terms {
        let hops = (1..=3).map(|i| self.hop(i)).collect();
        let validity = Validity { from: FROM, until: UNTIL };
        Terms::first("Test net", validity, self.entry(), self.identity(), hops)
    }

    fn second(&self) -> Terms {
        let known = self.sign(self.first(), &[0, 1, 2, 3]).into_known().expect("all have signed");
        let mut terms = known.next_terms();
        terms.hops[1] = self.hop(4);
        terms
    }

    fn sign(&self, terms: Terms, signers: &[usize]) -> NetworkFile {
        let mut file = NetworkFile::new(terms).expect("within all limits");
        for i in signers {
            file.sign(&self.own[*i]);
        }
        file
    }

    fn verified(&self) -> Vec<Verified> {
        let all: &[usize] = &[0, 1, 2, 3, 4];
        let (from, until) = (FROM.0 / 1000, UNTIL.0 / 1000);
        let text = |terms: Terms, signers: &[usize]| self.sign(terms, signers).to_toml();
        let first = text(self.first(), all);
        let second = text(self.second(), all);
        let mut fork = self.second();
        fork.lanes = 2;
        let fork = self.sign(fork, all).into_known().expect("all have signed");
        let after_fork = text(fork.next_terms(), all);
        let fork = fork.file().to_toml();
        let second_known = self.sign(self.second(), all).into_known().expect("all have signed");
        let third = |signers| text(second_known.next_terms(), signers);
        let mut faster = second_known.next_terms();
        faster.period_ms = 1000.try_into().expect("1000 is not zero");
        let mut other = self.first();
        other.name = "Other net".to_owned();
        let moved = first.replace("127.0.0.1:7400", "127.0.0.1:7401");
        let (none, one, two) = (None, Some(first.as_str()), Some(second.as_str()));
        let without_second = &[0, 1, 3, 4];
        vec![
            Verified::of("signed by all and a stranger", &first, none, from),
            Verified::of("in its last second", &first, none, until - 1),
            Verified::of("too late", &first, none, until),
            Verified::of("too early", &first, none, from - 1),
            Verified::of("without the entry", &text(self.first(), &[1, 2, 3]), none, from),
            Verified::of("without a hop", &text(self.first(), &[0, 1, 3]), none, from),
            Verified::of("changed after signing", &moved, none, from),
            Verified::of("the same again", &first, one, from),
            Verified::of("the next version", &second, one, from),
            Verified::of(
                "the next version without the hop that leaves",
                &text(self.second(), without_second),
                one,
                from,
            ),
            Verified::of("one version left out", &third(all), one, from),
            Verified::of("left out, and not signed by all", &third(without_second), one, from),
            Verified::of("the third after the second", &third(without_second), two, from),
            Verified::of("an older version", &first, two, from),
            Verified::of("another second version", &fork, two, from),
            Verified::of("a third after another second", &after_fork, two, from),
            Verified::of("another network", &text(other, all), two, from),
            Verified::of("another length of a round", &text(faster, all), two, from),
        ]
    }

    fn parts(&self) -> Vec<Part> {
        let sign = |role, i: usize| PublicPart::sign(role, &self.own[i]).expect("one's own part");
        let entry = sign(Role::Entry(self.entry(), self.identity()), 0).to_toml();
        let hop = sign(Role::Hop(self.hop(1)), 1).to_toml();
        vec![
            Part::of("an entry", &entry),
            Part::of("a hop", &hop),
            Part::of("an entry, moved", &entry.replace(":7400", ":7401")),
            Part::of("an identity service, moved", &entry.replace(":7500", ":7501")),
            Part::of(
                "an entry without an identity service",
                entry.split("[identity]").next().expect("there is a first part"),
            ),
            Part::of("a hop with another name", &hop.replace("Operator 1", "Operator 2")),
            Part::of("a hop with an unknown field", &hop.replace("[hop]", "[hop]\ncolour = 3")),
            Part::of("a hop that says it is an entry", &hop.replace("[hop]", "[entry]")),
        ]
    }
}

fn bad(good: &str) -> Vec<Bad> {
    let changes = [
        ("an old format", "version = 3", "version = 2"),
        ("a format of later", "version = 3", "version = 4"),
        ("a period that is too short", "period_ms = 2000", "period_ms = 49"),
        ("a period that is too long", "period_ms = 2000", "period_ms = 3600001"),
        ("no lane", "lanes = 1", "lanes = 0"),
        ("too many lanes", "lanes = 1", "lanes = 17"),
        ("an unknown field", "lanes = 1", "lanes = 1\ncolour = 3"),
        ("a field that is missing", "lanes = 1\n", ""),
        ("no version number", "sequence = 1", "sequence = 0"),
        ("a second version without a past", "sequence = 1", "sequence = 2"),
        ("a time without seconds", "2027-01-15T08:00:00Z", "2027-01-15T08:00Z"),
        ("a time with a fraction", "2027-01-15T08:00:00Z", "2027-01-15T08:00:00.0Z"),
        ("a time elsewhere", "2027-01-15T08:00:00Z", "2027-01-15T08:00:00+01:00"),
        ("a time that ends before it begins", "2027-01-15T08:00:00Z", "2028-01-15T08:00:00Z"),
        ("no dialing", "every = 10", "every = 0"),
        ("too short an epoch", "epoch_rounds = 64", "epoch_rounds = 1"),
        ("too long an epoch", "epoch_rounds = 64", "epoch_rounds = 65537"),
        ("odd noise", "onions = 0", "onions = 3"),
        ("too much noise", "onions = 0", "onions = 4000002"),
        ("too small an alpha", "alpha_tenths = 20", "alpha_tenths = 19"),
        ("an alpha that is no integer", "alpha_tenths = 20", "alpha_tenths = 2.0"),
        ("a name with an invisible character", "Test net", "Test\\u200bnet"),
        ("a name with a space at its end", "Test net", "Test net "),
        ("an operator without a name", "operator = \"Eve\"", "operator = \"\""),
        ("an address without a port", "127.0.0.1:7400", "127.0.0.1"),
        ("an address without a host", "127.0.0.1:7400", ":7400"),
        ("an address with a space", "127.0.0.1:7400", "127.0.0.1 :7400"),
        ("a port with a sign", "127.0.0.1:7400", "127.0.0.1:+7400"),
        ("a port that is too large", "127.0.0.1:7400", "127.0.0.1:65536"),
        ("a certificate that is none", "BEGIN", "START"),
        ("a key that is too long", "identity = \"", "identity = \"00"),
        ("a key that is not hexadecimal", "identity = \"02", "identity = \"zz"),
        ("a hop with an onion key that lasts", "[[hop]]\n", "[[hop]]\nonion_key = \"11\"\n"),
        ("a key in SEC1's compact form", "identity = \"0", "identity = \"05\" #"),
        ("no identity service", "[identity]", "[other]"),
        ("an identity service without an address", "address = \"127.0.0.1:7500\"\n", ""),
        ("an identity service without a port", "127.0.0.1:7500", "127.0.0.1"),
        ("a directory key that is too long", "\nkey = \"0", "\nkey = \"000"),
        (
            "an identity service with an operator",
            "[identity]\n",
            "[identity]\noperator = \"Eve\"\n",
        ),
        ("a signature that is too long", "signature = \"", "signature = \"00"),
    ];
    let mut bad: Vec<_> = changes
        .iter()
        .map(|(name, from, to)| {
            let file = good.replacen(from, to, 1);
            assert_ne!(file, good, "{name}");
            Bad::of(name, &file)
        })
        .collect();
    let part = |name: &str| {
        let at = good.find(name).expect("it is there");
        let rest = good.get(at..).expect("it begins with ASCII");
        rest.get(..rest.get(2..).and_then(|r| r.find("\n[[")).map_or(rest.len(), |end| end + 3))
            .expect("it ends with ASCII")
    };
    let (hop, signature) = (part("[[hop]]"), part("[[signature]]"));
    let before_hops = good.split("[[hop]]").next().expect("there is a first part");
    bad.push(Bad::of("no hop", before_hops));
    bad.push(Bad::of("a hop that stands twice", &good.replacen(hop, &hop.repeat(2), 1)));
    let key = |table: &str, name: &str| {
        let (_, rest) = good.split_once(table)?;
        let (_, rest) = rest.split_once(&format!("\n{name} = \""))?;
        rest.get(..66)
    };
    let directory = key("[identity]", "key").expect("it has a key");
    let entry = key("[entry]", "identity").expect("it has a key");
    bad.push(Bad::of("the entry's key as that of the directory", &good.replace(directory, entry)));
    bad.push(Bad::of("two signatures of one key", &[good, "\n", signature].concat()));
    bad
}
