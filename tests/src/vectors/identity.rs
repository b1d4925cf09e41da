//! `identity.json`: names and their one form, wrapped keys, what users sign, and directories that
//! are taken or refused.

use serde::{Deserialize, Serialize};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::directory::{BadPage, TOLERANCE_S};
use talaria_wire::identity::proof::{EntryTime, Renewal, Rotation};
use talaria_wire::identity::wrapping::EXPORT_KEY_LEN;
use talaria_wire::identity::{
    Cause, Copy, Entry, EntryHash, ExportKey, Head, UserName, WrappedThing,
};
use talaria_wire::network_file::NetworkId;

use super::VectorFile;
use super::bytes::{Hex, Recorded, draw, seeded};
use super::ledger::Kept;

/// When pages are read, and heads are signed unless it is said otherwise.
const TIME_S: u64 = 1_900_000_000;
/// When the head was signed that the copy of four entries was taken with.
const KNOWN_S: u64 = TIME_S - 10;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    names: Vec<Name>,
    wrapped: Vec<Wrapped>,
    renewal: Renewed,
    entry_time: Timed,
    ledgers: Vec<Kept>,
    directory: Directory,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    written: String,
    /// None: nobody can have it.
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    export_key: Hex,
    thing: u8,
    salt: Hex,
    plain: Hex,
    wrapped: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewed {
    secret: Hex,
    network: Hex,
    exporter: Hex,
    csr: Hex,
    signature: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Timed {
    secret: Hex,
    network: Hex,
    exporter: Hex,
    time_ms: u64,
    signature: Hex,
}

/// Entries that are all taken, with the hash after each; the head of all; and pages that are
/// refused by who has taken the first four.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    network: Hex,
    service_secret: Hex,
    user_secrets: Vec<Hex>,
    entries: Vec<Hex>,
    hashes: Vec<Hex>,
    head: Hex,
    pages: Vec<Page>,
    bad_entries: Vec<Hex>,
    /// Entries whose names nobody could register by the tables of today.
    odd_entries: Vec<Hex>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    name: String,
    entries: Vec<Hex>,
    head: Hex,
    outcome: String,
}

impl VectorFile for Vectors {
    const FILE: &'static str = "identity.json";

    fn generate() -> Self {
        let mut rng = seeded(40);
        let names = NAMES.map(Name::of).into();
        let wrapped = [0, 1].map(|thing| {
            Wrapped::of(
                &draw::<EXPORT_KEY_LEN>(&mut rng),
                thing,
                &draw::<32>(&mut rng),
                &draw::<32>(&mut rng),
            )
        });
        let secret = IdentitySecret::generate(&mut rng);
        let renewal =
            Renewed::of(&secret, &draw(&mut rng), &draw(&mut rng), &draw::<200>(&mut rng));
        let entry_time = Timed::of(&secret, &draw(&mut rng), &draw(&mut rng), 1_800_000_000_123);
        let (wrapped, directory) = (wrapped.into(), Directory::generate());
        Self { names, wrapped, renewal, entry_time, ledgers: Kept::all(), directory }
    }

    fn recompute(&self) -> Self {
        let wrapped = |it: &Wrapped| {
            Wrapped::of(&it.export_key.array(), it.thing, &it.salt.array(), &it.plain.0)
        };
        let renewal = &self.renewal;
        let secret = secret(&renewal.secret);
        Self {
            names: self.names.iter().map(|it| Name::of(&it.written)).collect(),
            wrapped: self.wrapped.iter().map(wrapped).collect(),
            renewal: Renewed::of(
                &secret,
                &renewal.network.array(),
                &renewal.exporter.array(),
                &renewal.csr.0,
            ),
            entry_time: Timed::of(
                &self::secret(&self.entry_time.secret),
                &self.entry_time.network.array(),
                &self.entry_time.exporter.array(),
                self.entry_time.time_ms,
            ),
            ledgers: self.ledgers.iter().map(Kept::recompute).collect(),
            directory: self.directory.recompute(),
        }
    }
}

const NAMES: [&str; 28] = [
    "alice",
    "Alice",
    "  ALICE\t",
    "ａｌｉｃｅ",
    "Straße",
    "JOSÉ",
    "jose\u{301}",
    "ΣΊΣΥΦΟΣ",
    "ﬁnn",
    "Zoë.van-dyk_2",
    "Анна",
    "山田太郎",
    "山田taro",
    "an9",
    "abcdefghijklmnopqrstuvwxyz012345",
    "",
    "al",
    "abcdefghijklmnopqrstuvwxyz0123456",
    "al ice",
    "al\u{200b}ice",
    "al\u{202e}ice",
    "alice!",
    "alice😀",
    "-alice",
    "alice.",
    "al..ice",
    "\u{301}alice",
    "аlice",
];

impl Name {
    fn of(written: &str) -> Self {
        let name = UserName::new(written).ok().map(|name| name.as_str().to_owned());
        Self { written: written.to_owned(), name }
    }
}

impl Wrapped {
    fn of(export_key: &[u8; EXPORT_KEY_LEN], thing: u8, salt: &[u8; 32], plain: &[u8]) -> Self {
        let what = [WrappedThing::IdentityKey, WrappedThing::HomeKey][usize::from(thing)];
        let salt = Hex(salt.to_vec());
        let key = ExportKey::from_bytes(*export_key);
        let wrapped = key.wrap(what, plain, &mut Recorded::new([&salt]));
        assert_eq!(*key.unwrap(what, &wrapped).expect("its own key opens it"), plain);
        Self {
            export_key: export_key.into(),
            thing,
            salt,
            plain: plain.into(),
            wrapped: wrapped.into(),
        }
    }
}

impl Renewed {
    fn of(secret: &IdentitySecret, network: &[u8; 32], exporter: &[u8; 32], csr: &[u8]) -> Self {
        let signature = Renewal { network: &NetworkId(*network), exporter, csr }.sign(secret);
        Self {
            secret: secret.to_bytes().as_slice().into(),
            network: network.into(),
            exporter: exporter.into(),
            csr: csr.into(),
            signature: signature.into(),
        }
    }
}

impl Timed {
    fn of(secret: &IdentitySecret, network: &[u8; 32], exporter: &[u8; 32], time_ms: u64) -> Self {
        let signature = EntryTime { network: &NetworkId(*network), exporter, time_ms }.sign(secret);
        Self {
            secret: secret.to_bytes().as_slice().into(),
            network: network.into(),
            exporter: exporter.into(),
            time_ms,
            signature: signature.into(),
        }
    }
}

impl Directory {
    fn generate() -> Self {
        let mut rng = seeded(41);
        let network = NetworkId(draw(&mut rng));
        let service = IdentitySecret::generate(&mut rng);
        let users: Vec<_> = (0..4).map(|_| IdentitySecret::generate(&mut rng)).collect();
        let story = Story { network, users: &users };
        let entries = story.entries();
        let all = EntryHash::start(&network);
        let all = entries.iter().fold(all, |hash, entry| hash.then(entry));
        let count = entries.len() as u64;
        let head = Head::sign(&network, count, all, TIME_S, &service);
        let sign = |count, hash| Head::sign(&network, count, hash, TIME_S, &service);
        let after = |n: usize| {
            entries[..n].iter().fold(EntryHash::start(&network), |hash, entry| hash.then(entry))
        };
        let mut unsigned = head;
        unsigned.time_s += 1;
        let changed = |at: usize, change: &dyn Fn(&mut Entry)| {
            let mut entries = entries[4..].to_vec();
            change(&mut entries[at]);
            entries
        };
        let rest = &entries[4..];
        let future = Head::sign(&network, count, all, TIME_S + TOLERANCE_S + 1, &service);
        let late = Head::sign(&network, 3, after(3), TIME_S + TOLERANCE_S, &service);
        let pages = [
            ("the rest", rest.to_vec(), head),
            ("a part of the rest", rest[..2].to_vec(), head),
            ("nothing new", vec![], sign(4, after(4))),
            ("a gap", rest[1..].to_vec(), head),
            ("a head that is not signed", rest.to_vec(), unsigned),
            ("an older head", vec![], sign(3, after(3))),
            ("an older head that was signed later", vec![], late),
            ("a head from the future", rest.to_vec(), future),
            ("a fork without entries", vec![], sign(4, after(5))),
            ("a fork of an earlier part", vec![], sign(2, after(3))),
            ("a fork with entries", changed(0, &|entry| entry.time_s += 1), head),
            ("an entry of an earlier time", changed(1, &|entry| entry.time_s = 1), head),
            ("a rotation that nobody signed", changed(3, &|entry| entry.signature[9] ^= 1), head),
            ("a name registered again", changed(0, &|entry| entry.cause = Cause::Registered), head),
            (
                "a renewal of the same certificate",
                changed(0, &|entry| {
                    entry.certificate_hash = [3; 32];
                }),
                head,
            ),
            (
                "enabled without having been disabled",
                changed(1, &|entry| entry.cause = Cause::Enabled),
                head,
            ),
        ];
        let pages = pages.into_iter().map(|(name, entries, head)| Page {
            name: name.to_owned(),
            entries: entries.iter().map(|entry| entry.to_bytes().into()).collect(),
            head: head.to_bytes().into(),
            outcome: String::new(),
        });
        let good = entries[0].to_bytes();
        let named = |name: &str| {
            let length = u8::try_from(name.len()).expect("a short name");
            [&good[..146], &[length], name.as_bytes()].concat()
        };
        let altered = |at: usize, with: u8| {
            let mut bytes = good.clone();
            bytes[at] = with;
            bytes
        };
        let bad_entries = [
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            altered(16, 7),
            altered(17, 5),
            altered(90, 1),
            altered(147, b'A'),
            altered(147, 0xff),
            named("al\u{202e}ice"),
            named("al"),
        ];
        let odd_entries = ["аlice", "\u{378}\u{379}\u{37a}", "ａｌｉｃｅ"].map(named);
        Self {
            network: network.0.into(),
            service_secret: service.to_bytes().as_slice().into(),
            user_secrets: users.iter().map(|user| user.to_bytes().as_slice().into()).collect(),
            entries: entries.iter().map(|entry| entry.to_bytes().into()).collect(),
            hashes: vec![],
            head: head.to_bytes().into(),
            pages: pages.collect(),
            bad_entries: bad_entries.into_iter().map(Hex).collect(),
            odd_entries: odd_entries.map(Hex).into(),
        }
        .recompute()
    }

    /// The copy that pages are given to has four entries and a head of them of [`KNOWN_S`].
    fn recompute(&self) -> Self {
        let network = NetworkId(self.network.array());
        let service = secret(&self.service_secret);
        let users: Vec<_> = self.user_secrets.iter().map(secret).collect();
        let entries = parse(&self.entries);
        assert_eq!(entries, Story { network, users: &users }.entries());
        let mut copy = Copy::new(network, *service.public());
        let mut hashes = Vec::new();
        let mut after_four = copy.clone();
        for entry in &entries {
            copy.restore(std::slice::from_ref(entry)).expect("a possible story");
            hashes.push(Hex(copy.hash().0.to_vec()));
            if copy.entries() == 4 {
                after_four = copy.clone();
                let head = Head::sign(&network, 4, copy.hash(), KNOWN_S, &service);
                after_four.restore_head(&head).expect("a head of just this");
            }
        }
        let head = Head::sign(&network, copy.entries(), copy.hash(), TIME_S, &service);
        let page = |page: &Page| {
            let head = Head::from_bytes(&page.head.0).expect("a head");
            let taken = after_four.clone().append(&parse(&page.entries), &head, TIME_S);
            Page {
                name: page.name.clone(),
                entries: page.entries.clone(),
                head: page.head.clone(),
                outcome: outcome(&taken).to_owned(),
            }
        };
        assert!(self.bad_entries.iter().all(|bytes| Entry::from_bytes(&bytes.0).is_err()));
        for odd in parse(&self.odd_entries) {
            let name = odd.name.as_str();
            assert!(
                UserName::new(name).is_ok_and(|form| form.as_str() != name)
                    || UserName::new(name).is_err()
            );
        }
        Self {
            network: self.network.clone(),
            service_secret: self.service_secret.clone(),
            user_secrets: self.user_secrets.clone(),
            entries: self.entries.clone(),
            hashes,
            head: head.to_bytes().into(),
            pages: self.pages.iter().map(page).collect(),
            bad_entries: self.bad_entries.clone(),
            odd_entries: self.odd_entries.clone(),
        }
    }
}

/// Two names with a history. Users 0 and 2 are the keys of the first, 1 and 3 of the second.
struct Story<'a> {
    network: NetworkId,
    users: &'a [IdentitySecret],
}

impl Story<'_> {
    fn entries(&self) -> Vec<Entry> {
        use Cause::{Deleted, Disabled, Enabled, NewHome, Registered, Renewed, Rotated};
        let [alice, bob] = ["alice", "анна"].map(|name| UserName::new(name).expect("a good name"));
        let mut entries = vec![
            self.entry(0, Registered, &alice, 0, 1),
            self.entry(1, Registered, &bob, 1, 2),
            self.entry(2, Renewed, &alice, 0, 3),
            self.entry(3, Disabled, &bob, 1, 2),
            self.entry(4, NewHome, &alice, 0, 4),
            self.entry(5, Enabled, &bob, 1, 2),
            self.entry(6, Deleted, &alice, 0, 4),
            self.entry(7, Rotated, &bob, 3, 5),
        ];
        let (old, new) = (self.users[1].public(), self.users[3].public());
        let rotation = Rotation { network: &self.network, name: &bob, since: 1, old, new };
        entries[7].signature = rotation.sign(&self.users[1]);
        entries
    }

    fn entry(
        &self,
        index: u64,
        cause: Cause,
        name: &UserName,
        key: usize,
        certificate: u8,
    ) -> Entry {
        Entry {
            index,
            time_s: 1_800_000_000 + 100 * index,
            cause,
            name: name.clone(),
            key: *self.users[key].public(),
            certificate_hash: [certificate; 32],
            signature: [0; 64],
        }
    }
}

fn parse(entries: &[Hex]) -> Vec<Entry> {
    entries.iter().map(|bytes| Entry::from_bytes(&bytes.0).expect("an entry")).collect()
}

pub(super) fn secret(bytes: &Hex) -> IdentitySecret {
    IdentitySecret::from_bytes(&bytes.array()).expect("a key")
}

fn outcome(taken: &Result<(), BadPage>) -> &'static str {
    match taken {
        Ok(()) => "taken",
        Err(BadPage::Gap { .. }) => "gap",
        Err(BadPage::Behind { .. }) => "behind",
        Err(BadPage::Unsigned) => "unsigned",
        Err(BadPage::Uncovered { .. }) => "uncovered",
        Err(BadPage::TwoStories(_)) => "two stories",
        Err(BadPage::Future { .. }) => "future",
        Err(BadPage::Forked) => "forked",
        Err(BadPage::Contradiction(_)) => "contradiction",
        Err(BadPage::ForgedRotation(_)) => "forged rotation",
    }
}
