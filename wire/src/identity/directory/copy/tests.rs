//! Copies of directories that grow, fork, shrink and lie.

use super::*;
use crate::crypto::IdentitySecret;
use crate::crypto::identity_key::SIGNATURE_LEN;
use crate::identity::directory::{AHEAD_MAX, HEAD_LEN};
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;

const NETWORK: NetworkId = NetworkId([7; 32]);
/// When heads are signed and read.
const NOW_S: u64 = 5000;

struct Service {
    rng: ChaCha20Rng,
    key: IdentitySecret,
    users: BTreeMap<UserName, (IdentitySecret, u64)>,
    entries: Vec<Entry>,
    hash: EntryHash,
}

impl Service {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let key = IdentitySecret::generate(&mut rng);
        let (users, entries) = (BTreeMap::new(), Vec::new());
        Self { rng, key, users, entries, hash: EntryHash::start(&NETWORK) }
    }

    fn copy(&self) -> Copy {
        Copy::new(NETWORK, *self.key.public())
    }

    fn write(&mut self, cause: Cause, name: &str) -> &mut Self {
        let name = UserName::new(name).unwrap();
        let index = self.entries.len() as u64;
        let last = self.entries.iter().rfind(|entry| entry.name == name).cloned();
        let mut signature = [0; SIGNATURE_LEN];
        if cause == Cause::Registered {
            let key = IdentitySecret::generate(&mut self.rng);
            self.users.insert(name.clone(), (key, index));
        } else if cause == Cause::Rotated {
            let new = IdentitySecret::generate(&mut self.rng);
            let (old, since) = self.users.insert(name.clone(), (new, index)).unwrap();
            let new = self.users[&name].0.public();
            let (network, since, name) = (&NETWORK, since, &name);
            signature = Rotation { network, name, since, old: old.public(), new }.sign(&old);
        }
        let keeps = matches!(cause, Cause::Disabled | Cause::Enabled | Cause::Deleted);
        let certificate_hash = match last {
            Some(last) if keeps => last.certificate_hash,
            _ => [u8::try_from(index).unwrap() + 1; 32],
        };
        let key = *self.users[&name].0.public();
        let time_s = 1000 + index;
        let entry = Entry { index, time_s, cause, name, key, certificate_hash, signature };
        self.hash = self.hash.then(&entry);
        self.entries.push(entry);
        self
    }

    fn head(&self) -> Head {
        self.head_of(self.entries.len())
    }

    /// The head of the first entries.
    fn head_of(&self, entries: usize) -> Head {
        let start = EntryHash::start(&NETWORK);
        let hash = self.entries[..entries].iter().fold(start, |hash, entry| hash.then(entry));
        self.sign(entries as u64, hash, NOW_S)
    }

    fn sign(&self, entries: u64, hash: EntryHash, time_s: u64) -> Head {
        Head::sign(&NETWORK, entries, hash, time_s, &self.key)
    }

    /// A copy of the first entries, as it comes from the service.
    fn copied(&self, entries: usize) -> Copy {
        let mut copy = self.copy();
        copy.append(&self.entries[..entries], &self.head_of(entries), NOW_S).unwrap();
        copy
    }
}

fn story() -> Service {
    let mut service = Service::new(1);
    service
        .write(Cause::Registered, "alice")
        .write(Cause::Registered, "bob")
        .write(Cause::Renewed, "alice")
        .write(Cause::Rotated, "bob")
        .write(Cause::NewHome, "alice")
        .write(Cause::Disabled, "bob")
        .write(Cause::Enabled, "bob")
        .write(Cause::Rotated, "bob")
        .write(Cause::Deleted, "alice");
    service
}

#[test]
fn a_copy_follows_the_story_of_every_name() {
    let service = story();
    let mut copy = service.copy();
    let [alice, bob] = ["alice", "bob"].map(|name| UserName::new(name).unwrap());
    for entry in &service.entries {
        let head = service.head_of(usize::try_from(entry.index).unwrap() + 1);
        copy.append(std::slice::from_ref(entry), &head, NOW_S).unwrap();
        assert_eq!(copy.head(), Some(&head));
        let user = copy.user(&entry.name).unwrap();
        let found = copy.user_of_certificate(&entry.certificate_hash).map(|(name, _)| name);
        assert_eq!(found, user.active.then_some(&entry.name));
    }
    assert_eq!((copy.entries(), copy.hash()), (9, service.hash));
    let user = copy.user(&bob).unwrap();
    assert_eq!((user.key_since, user.session_since, user.active), (7, 7, true));
    assert_eq!(user.key, *service.users[&bob].0.public());
    let user = copy.user(&alice).unwrap();
    assert_eq!((user.key_since, user.session_since, user.active), (0, 4, false));
    // A certificate that another took the place of is nobody's.
    assert!(copy.user_of_certificate(&service.entries[0].certificate_hash).is_none());
    let mut restored = service.copy();
    restored.restore(&service.entries).unwrap();
    assert_eq!(restored.users, copy.users);
}

/// What a copy is made of.
fn all(copy: &Copy) -> (u64, EntryHash, Option<Head>, BTreeMap<UserName, User>) {
    (copy.entries(), copy.hash(), copy.head().copied(), copy.users.clone())
}

#[test]
fn what_does_not_follow_is_not_taken() {
    let service = story();
    let head = service.head();
    let mut copy = service.copied(4);
    let before = all(&copy);
    let mut refused = |entries: &[Entry], head: &Head| {
        let error = copy.append(entries, head, NOW_S).unwrap_err();
        assert_eq!(all(&copy), before);
        error
    };
    let rest = &service.entries[4..];
    assert_eq!(refused(&rest[1..], &head), BadPage::Gap { expected: 4, found: 5 });
    let mut unsigned = head;
    unsigned.time_s += 1;
    assert_eq!(refused(rest, &unsigned), BadPage::Unsigned);
    let older = service.head_of(3);
    assert_eq!(refused(&[], &older), BadPage::Behind { head: 3, known: 4 });
    assert_eq!(refused(&rest[..1], &before.2.unwrap()), BadPage::Behind { head: 4, known: 4 });
    let mut other = rest.to_vec();
    other[4].certificate_hash[0] ^= 1;
    assert_eq!(refused(&other, &head), BadPage::Contradiction(8));
    other[4] = rest[4].clone();
    other[3].signature[5] ^= 1;
    assert_eq!(refused(&other, &head), BadPage::ForgedRotation(7));
    other[3] = rest[3].clone();
    other[1].time_s = 1;
    assert_eq!(refused(&other, &head), BadPage::Contradiction(5));
    other[1].time_s = rest[1].time_s;
    other[0].time_s += 1;
    assert_eq!(refused(&other, &head), BadPage::Forked);
    assert_eq!(copy.append(rest, &head, NOW_S), Ok(()));
}

#[test]
fn a_forged_tail_under_a_longer_genuine_head_is_no_part_of_the_copy() {
    let service = story();
    let mut copy = service.copied(4);
    let before = all(&copy);
    let mut forged = service.entries[4].clone();
    forged.certificate_hash = [66; 32];
    let uncovered = BadPage::Uncovered { head: 9, page: 5 };
    for tail in [&forged, &service.entries[4]] {
        let taken = copy.append(std::slice::from_ref(tail), &service.head(), NOW_S);
        assert_eq!(taken, Err(uncovered.clone()));
        assert_eq!(all(&copy), before);
    }
    assert_eq!(copy.append(&service.entries[4..], &service.head(), NOW_S), Ok(()));
}

#[test]
fn two_heads_that_no_one_directory_has_are_the_proof() {
    let service = story();
    let mut copy = service.copied(4);
    let known = *copy.head().unwrap();
    let elsewhere = service.head().hash;
    let proof = |other: Head| BadPage::TwoStories(Box::new(TwoHeads { known, other }));
    // As long as the copy, a part of it, and a shorter one that was signed much later.
    let later = NOW_S + TOLERANCE_S;
    let lies = [
        service.sign(4, elsewhere, NOW_S),
        service.sign(2, elsewhere, 1),
        service.sign(3, service.head_of(3).hash, later + 1),
    ];
    for lie in lies {
        let error = copy.append(&[], &lie, later).unwrap_err();
        assert_eq!(error, proof(lie));
        assert_eq!(error, copy.hear(&lie, later).unwrap_err());
        let bytes = error.proof().unwrap().to_bytes();
        let read = TwoHeads::from_bytes(&bytes, &NETWORK, service.key.public());
        assert_eq!(read.as_ref(), error.proof());
        assert_eq!(TwoHeads::from_bytes(&bytes[1..], &NETWORK, service.key.public()), None);
        assert!(TwoHeads::from_bytes(&bytes, &NetworkId([8; 32]), service.key.public()).is_none());
    }
    // A clock that was set back a little proves nothing.
    let back = service.sign(3, service.head_of(3).hash, later);
    assert_eq!(copy.append(&[], &back, later), Err(BadPage::Behind { head: 3, known: 4 }));
    assert_eq!(copy.hear(&back, later), Ok(false));
    assert_eq!(copy.entries(), 4);
}

#[test]
fn a_copy_has_to_come_to_the_heads_that_others_know() {
    let service = story();
    let mut copy = service.copied(4);
    let theirs = service.head_of(7);
    assert_eq!(copy.hear(&theirs, NOW_S), Ok(true));
    assert_eq!(copy.hear(&theirs, NOW_S), Ok(false));
    assert_eq!(copy.ahead().collect::<Vec<_>>(), [&theirs]);
    // The service has another seventh entry for this copy.
    let mut other = service.entries[4..].to_vec();
    other[2].time_s += 1;
    other.iter_mut().skip(3).for_each(|entry| entry.time_s += 1);
    let hash = other.iter().fold(copy.hash(), |hash, entry| hash.then(entry));
    let lie = service.sign(9, hash, NOW_S);
    let proof = TwoHeads { known: lie, other: theirs };
    let error = copy.append(&other, &lie, NOW_S).unwrap_err();
    assert_eq!(error, BadPage::TwoStories(Box::new(proof)));
    assert_eq!(copy.entries(), 4);
    // Or it keeps the copy where it is.
    let stale = service.sign(4, copy.hash(), NOW_S + TOLERANCE_S + 1);
    let error = copy.append(&[], &stale, NOW_S + TOLERANCE_S).unwrap_err();
    assert_eq!(error.proof(), Some(&TwoHeads { known: theirs, other: stale }));
    copy.append(&service.entries[4..], &service.head(), NOW_S).unwrap();
    assert_eq!(copy.ahead().count(), 0);
    // Nobody can make it keep more than a few.
    for entries in 100..200 {
        copy.hear(&service.sign(entries, hash, NOW_S), NOW_S).unwrap();
    }
    assert_eq!(copy.ahead().count(), AHEAD_MAX);
}

#[test]
fn what_is_dated_in_the_future_is_not_taken() {
    let service = story();
    let head = service.head();
    let mut copy = service.copied(4);
    let rest = &service.entries[4..];
    let early = head.time_s - TOLERANCE_S;
    let future = BadPage::Future { ahead_s: TOLERANCE_S + 1 };
    assert_eq!(copy.append(rest, &head, early - 1).unwrap_err(), future);
    assert_eq!(copy.hear(&head, early - 1).unwrap_err(), future);
    let old = service.sign(9, head.hash, 0);
    let mut copy = service.copy();
    copy.restore(&service.entries[..4]).unwrap();
    let entries = rest.last().unwrap().time_s - TOLERANCE_S;
    assert!(matches!(copy.append(rest, &old, entries - 1), Err(BadPage::Future { .. })));
    assert_eq!(copy.append(rest, &old, entries), Ok(()));
}

#[test]
fn heads_are_restored_where_they_belong() {
    let service = story();
    let mut copy = service.copy();
    copy.restore(&service.entries[..4]).unwrap();
    let other = service.sign(4, service.head().hash, NOW_S);
    assert_eq!(copy.restore_head(&other), Err(BadPage::Forked));
    assert!(copy.restore_head(&service.head_of(3)).is_err());
    let mut unsigned = service.head_of(4);
    unsigned.signature[9] ^= 1;
    assert_eq!(copy.restore_head(&unsigned), Err(BadPage::Unsigned));
    copy.restore_head(&service.head_of(4)).unwrap();
    copy.restore_head(&service.head_of(6)).unwrap();
    assert_eq!(copy.head(), Some(&service.head_of(4)));
    assert_eq!(copy.ahead().count(), 1);
    for entries in 0..=4 {
        assert_eq!(copy.hash_at(entries as u64), Some(service.head_of(entries).hash));
    }
    assert_eq!(copy.hash_at(5), None);
}

#[test]
fn a_rotation_cannot_be_used_again() {
    let mut service = Service::new(2);
    service.write(Cause::Registered, "alice").write(Cause::Rotated, "alice");
    let mut again = service.entries[1].clone();
    again.index = 2;
    // The service would put the first key back, and then the old signature again.
    let mut back = service.entries[0].clone();
    (back.index, back.cause) = (2, Cause::Rotated);
    let mut copy = service.copy();
    copy.restore(&service.entries).unwrap();
    assert_eq!(copy.restore(&[again]), Err(BadPage::Contradiction(2)));
    assert_eq!(copy.restore(&[back]), Err(BadPage::ForgedRotation(2)));
}

proptest! {
    #[test]
    fn entries_and_heads_survive_their_encoding(
        at in 0usize..9, cut in 0usize..100, with: u8, place: usize,
    ) {
        let service = story();
        let entry = &service.entries[at];
        let mut bytes = entry.to_bytes();
        prop_assert_eq!(Entry::from_bytes(&bytes), Ok(entry.clone()));
        prop_assert!(Entry::from_bytes(&bytes[..cut.min(bytes.len() - 1)]).is_err());
        let place = place % bytes.len();
        bytes[place] = with;
        if let Ok(other) = Entry::from_bytes(&bytes) {
            prop_assert_eq!(other.to_bytes(), bytes);
        }
        let head = service.head().to_bytes();
        prop_assert_eq!(head.len(), HEAD_LEN);
        prop_assert_eq!(Head::from_bytes(&head), Ok(service.head()));
        prop_assert!(Head::from_bytes(&head[1..]).is_err());
        prop_assert!(Head::from_bytes(&[&head[..], &[0]].concat()).is_err());
    }

    #[test]
    fn any_order_of_causes_is_an_error_or_a_story(
        causes in prop::collection::vec((0u8..7, 0u8..2), 1..20),
    ) {
        let mut service = Service::new(3);
        service.write(Cause::Registered, "anna").write(Cause::Registered, "bert");
        for (cause, who) in causes {
            let cause = Cause::from_byte(cause).unwrap();
            if cause == Cause::Registered {
                continue;
            }
            service.write(cause, ["anna", "bert"][usize::from(who)]);
        }
        let mut copy = service.copy();
        let taken = copy.append(&service.entries, &service.head(), NOW_S);
        prop_assert_eq!(taken.is_ok(), copy.entries() == service.entries.len() as u64);
        prop_assert!(taken.is_ok() || copy.entries() == 0);
        let active = copy.users().filter(|(_, user)| user.active).count();
        let known = service.entries.iter().filter(|entry| {
            copy.user_of_certificate(&entry.certificate_hash).is_some()
        });
        let mut hashes: Vec<_> = known.map(|entry| entry.certificate_hash).collect();
        hashes.dedup();
        prop_assert!(hashes.len() >= active);
    }
}
