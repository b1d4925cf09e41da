//! Members against a plain list of what the directory said.

use super::*;
use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::crypto::identity_key::SIGNATURE_LEN;
use talaria_wire::identity::directory::EntryHash;
use talaria_wire::identity::proof::Rotation;

const NETWORK: NetworkId = NetworkId([7; 32]);
const NOW: UnixMillis = UnixMillis(0);

/// An identity service that writes whatever is possible.
struct Service {
    head_key: IdentitySecret,
    rng: ChaCha20Rng,
    entries: Vec<Entry>,
    hash: EntryHash,
    users: Vec<Option<Model>>,
}

/// What holds of a user.
struct Model {
    id: UserId,
    key: IdentitySecret,
    key_since: u64,
    certificate: [u8; 32],
    active: bool,
    deleted: bool,
}

impl Service {
    fn new(users: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let head_key = IdentitySecret::generate(&mut rng);
        let users = (0..users).map(|_| None).collect();
        let hash = EntryHash::start(&NETWORK);
        Self { head_key, rng, entries: Vec::new(), hash, users }
    }

    fn members(&self) -> Members {
        Members::new(NETWORK, *self.head_key.public())
    }

    /// Writes an entry if it can follow, and gives whether it could.
    fn write(&mut self, who: usize, cause: Cause) -> bool {
        let index = self.entries.len() as u64;
        let possible = match (&self.users[who], cause) {
            (None, cause) => cause == Cause::Registered,
            (Some(_), Cause::Registered) => false,
            (Some(user), Cause::Enabled) => !user.active && !user.deleted,
            (Some(user), Cause::Deleted) => !user.deleted,
            (Some(user), _) => user.active,
        };
        if !possible {
            return false;
        }
        let name = UserName::new(&format!("user{}", "abcdefgh".get(who..=who).unwrap())).unwrap();
        let mut signature = [0; SIGNATURE_LEN];
        let user = self.users[who].get_or_insert_with(|| Model {
            id: UserId(index),
            key: IdentitySecret::generate(&mut self.rng),
            key_since: index,
            certificate: [0; 32],
            active: true,
            deleted: false,
        });
        if cause == Cause::Rotated {
            let new = IdentitySecret::generate(&mut self.rng);
            let (network, old, since) = (&NETWORK, &user.key, user.key_since);
            let rotation =
                Rotation { network, name: &name, since, old: old.public(), new: new.public() };
            signature = rotation.sign(old);
            (user.key, user.key_since) = (new, index);
        }
        match cause {
            Cause::Disabled => user.active = false,
            Cause::Enabled => user.active = true,
            Cause::Deleted => (user.active, user.deleted) = (false, true),
            _ => user.certificate = [u8::try_from(index).unwrap() + 1; 32],
        }
        let (key, certificate_hash) = (*user.key.public(), user.certificate);
        let entry = Entry { index, time_s: index, cause, name, key, certificate_hash, signature };
        self.hash = self.hash.then(&entry);
        self.entries.push(entry);
        true
    }

    fn head(&self) -> Head {
        let entries = self.entries.len() as u64;
        Head::sign(&NETWORK, entries, self.hash, entries, &self.head_key)
    }

    /// Whatever has been written since `members` were there.
    fn catch_up(&self, members: &mut Members) -> Vec<Leaving> {
        let since = usize::try_from(members.directory().entries()).unwrap();
        members.take(&self.entries[since..], &self.head(), NOW).unwrap()
    }
}

#[test]
fn certificates_come_and_go_with_their_entries() {
    let mut service = Service::new(2);
    let mut members = service.members();
    let steps = [
        (Cause::Registered, None, Ok(UserId(0))),
        (Cause::Renewed, Some(Farewell::Superseded), Ok(UserId(0))),
        (Cause::Disabled, Some(Farewell::Disabled), Err(Refusal::Disabled)),
        (Cause::Enabled, None, Ok(UserId(0))),
        (Cause::Rotated, Some(Farewell::Superseded), Ok(UserId(0))),
        (Cause::NewHome, Some(Farewell::Superseded), Ok(UserId(0))),
        (Cause::Deleted, Some(Farewell::Disabled), Err(Refusal::Disabled)),
    ];
    for (cause, reason, admitted) in steps {
        let before = service.users[0].as_ref().map(|user| user.certificate);
        assert!(service.write(0, cause));
        let leaving = service.catch_up(&mut members);
        let expected = reason.map(|reason| Leaving { user: UserId(0), reason });
        assert_eq!(leaving, Vec::from_iter(expected), "{cause:?}");
        let now = service.users[0].as_ref().unwrap().certificate;
        assert_eq!(members.admit(&now), admitted, "{cause:?}");
        if let Some(before) = before.filter(|before| *before != now) {
            assert_eq!(members.admit(&before), Err(Refusal::Certificate), "{cause:?}");
        }
    }
    assert_eq!(members.admit(&[0; 32]), Err(Refusal::Certificate));
}

#[test]
fn one_page_may_say_several_things_of_a_user() {
    let mut service = Service::new(1);
    let mut members = service.members();
    for cause in [Cause::Registered, Cause::Renewed, Cause::Disabled] {
        service.write(0, cause);
    }
    let reason = Farewell::Disabled;
    assert_eq!(service.catch_up(&mut members), [Leaving { user: UserId(0), reason }]);
}

#[test]
fn a_page_that_does_not_follow_changes_nothing() {
    let mut service = Service::new(2);
    let mut members = service.members();
    service.write(0, Cause::Registered);
    service.catch_up(&mut members);
    service.write(0, Cause::Disabled);
    service.write(1, Cause::Registered);
    let head = service.head();
    assert!(members.take(&service.entries[2..], &head, NOW).is_err());
    let forged = Head { entries: 2, ..head };
    assert_eq!(members.take(&service.entries[1..2], &forged, NOW), Err(BadPage::Unsigned));
    assert_eq!(members.admit(&service.entries[0].certificate_hash), Ok(UserId(0)));
    assert_eq!(service.catch_up(&mut members).len(), 1);
}

/// Who speaks in the service's place has no signature for what it makes up, and so keeps a genuine
/// head that is longer.
#[test]
fn nobody_comes_in_or_goes_by_a_forged_tail_under_a_longer_genuine_head() {
    let mut service = Service::new(2);
    let mut members = service.members();
    service.write(0, Cause::Registered);
    service.catch_up(&mut members);
    service.write(1, Cause::Registered);
    service.write(1, Cause::Renewed);
    let mut stranger = service.entries[1].clone();
    stranger.certificate_hash = [99; 32];
    let mut expelled = service.entries[0].clone();
    (expelled.index, expelled.cause) = (1, Cause::Disabled);
    for forged in [stranger, expelled] {
        let taken = members.take(&[forged], &service.head(), NOW);
        assert_eq!(taken, Err(BadPage::Uncovered { head: 3, page: 2 }));
        assert_eq!(members.admit(&[99; 32]), Err(Refusal::Certificate));
        assert_eq!(members.admit(&service.entries[0].certificate_hash), Ok(UserId(0)));
    }
    service.catch_up(&mut members);
    assert_eq!(members.directory().entries(), 3);
}

fn any_cause() -> impl Strategy<Value = Cause> {
    prop::sample::select(vec![
        Cause::Registered,
        Cause::Registered,
        Cause::Renewed,
        Cause::NewHome,
        Cause::Rotated,
        Cause::Disabled,
        Cause::Enabled,
        Cause::Enabled,
        Cause::Deleted,
    ])
}

proptest! {
    /// In whatever pages it comes and from wherever it is restored, exactly the newest
    /// certificates of active users are let in, and whoever changed is told to leave.
    #[test]
    fn exactly_the_newest_certificates_of_active_users_are_let_in(
        steps in prop::collection::vec((0usize..4, any_cause(), any::<bool>()), 1..40),
        restored in 0usize..40,
    ) {
        let mut service = Service::new(4);
        let mut members = service.members();
        let mut pages: Vec<(usize, Vec<Leaving>)> = Vec::new();
        for (who, cause, ends_page) in steps {
            service.write(who, cause);
            if ends_page {
                let since = usize::try_from(members.directory().entries()).unwrap();
                pages.push((since, service.catch_up(&mut members)));
            }
        }
        let since = usize::try_from(members.directory().entries()).unwrap();
        pages.push((since, service.catch_up(&mut members)));

        let mut again = service.members();
        let (kept, rest) = service.entries.split_at(restored.min(service.entries.len()));
        again.restore(kept).unwrap();
        again.take(rest, &service.head(), NOW).unwrap();
        for members in [&members, &again] {
            for index in 0..=255u8 {
                let user = service.users.iter().flatten().find(|user| user.certificate == [index; 32]);
                let expected = match user {
                    Some(user) if user.active => Ok(user.id),
                    Some(_) => Err(Refusal::Disabled),
                    None => Err(Refusal::Certificate),
                };
                prop_assert_eq!(members.admit(&[index; 32]), expected);
            }
        }
        for (at, (since, leaving)) in pages.iter().enumerate() {
            let until = pages.get(at + 1).map_or(service.entries.len(), |(next, _)| *next);
            let page = &service.entries[*since..until];
            for user in service.users.iter().flatten() {
                let name = &service.entries[usize::try_from(user.id.0).unwrap()].name;
                let last = page.iter().rfind(|entry| {
                    entry.name == *name && !matches!(entry.cause, Cause::Registered | Cause::Enabled)
                });
                let told = leaving.iter().find(|it| it.user == user.id).map(|it| it.reason);
                prop_assert_eq!(told, last.and_then(|entry| farewell(entry.cause)));
            }
        }
    }
}
