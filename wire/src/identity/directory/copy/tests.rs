//! Copies of directories that grow, fork, shrink and lie.

use super::*;
use crate::crypto::IdentitySecret;
use crate::crypto::identity_key::SIGNATURE_LEN;
use crate::identity::directory::HEAD_LEN;
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;

const NETWORK: NetworkId = NetworkId([7; 32]);

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
        Head::sign(&NETWORK, self.entries.len() as u64, self.hash, 5000, &self.key)
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
        copy.append(std::slice::from_ref(entry), &service.head()).unwrap();
        let user = copy.user(&entry.name).unwrap();
        let found = copy.user_of_certificate(&entry.certificate_hash).map(|(name, _)| name);
        assert_eq!(found, user.active.then_some(&entry.name));
    }
    assert_eq!((copy.entries(), copy.hash()), (9, service.hash));
    let user = copy.user(&bob).unwrap();
    assert_eq!((user.key_since, user.session_since_s, user.active), (7, 1007, true));
    assert_eq!(user.key, *service.users[&bob].0.public());
    let user = copy.user(&alice).unwrap();
    assert_eq!((user.key_since, user.session_since_s, user.active), (0, 1004, false));
    // A certificate that another took the place of is nobody's.
    assert!(copy.user_of_certificate(&service.entries[0].certificate_hash).is_none());
    let mut restored = service.copy();
    restored.restore(&service.entries).unwrap();
    assert_eq!(restored.users, copy.users);
}

#[test]
fn what_does_not_follow_is_not_taken() {
    let service = story();
    let head = service.head();
    let mut copy = service.copy();
    copy.append(&service.entries[..4], &head).unwrap();
    let before = (copy.entries(), copy.hash(), copy.users.clone());
    let mut refused = |entries: &[Entry], head: &Head| {
        let error = copy.append(entries, head).unwrap_err();
        assert_eq!((copy.entries(), copy.hash(), copy.users.clone()), before);
        error
    };
    let rest = &service.entries[4..];
    assert_eq!(refused(&rest[1..], &head), BadPage::Gap { expected: 4, found: 5 });
    let mut unsigned = head;
    unsigned.time_s += 1;
    assert_eq!(refused(rest, &unsigned), BadPage::Unsigned);
    let sign = |entries, hash| Head::sign(&NETWORK, entries, hash, 5000, &service.key);
    assert_eq!(refused(&[], &sign(3, head.hash)), BadPage::Behind { head: 3, known: 4 });
    assert_eq!(refused(&[], &sign(4, head.hash)), BadPage::Forked);
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
    assert_eq!(copy.append(rest, &head), Ok(()));
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
        let taken = copy.append(&service.entries, &service.head());
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
