//! Contacts, and the copy of the directory.

use super::*;
use talaria_wire::identity::directory::TwoHeads;

/// A directory of the network of [`first`], whose service has the key that stands there.
fn service() -> Service {
    let mut service = Service::new(1);
    service.network = first(2000).version().network;
    service.head_key = identity(HEAD_SEED, "xxx").0.secret;
    service.now_s = SINCE_S;
    service
}

fn take(home: &mut Home, service: &Service) -> Result<bool, HomeError> {
    let (entries, head) = service.page(home.directory().unwrap().entries());
    home.append_directory(&entries, &head, NOW)
}

#[test]
fn contacts_are_who_the_directory_says_and_changed_keys_wait_until_they_are_accepted() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let mut service = service();
    let [alice, bob] = [identity(1, "alice").0, identity(2, "bob").0];
    for who in [&alice, &bob] {
        service.enter(&who.name, Cause::Registered, &who.secret, None);
    }
    assert!(matches!(home.meet(&bob.name, NOW), Err(HomeError::UnknownName(_))));
    assert!(!take(&mut home, &service).unwrap());
    assert!(matches!(home.meet(&alice.name, NOW), Err(HomeError::Oneself(_))));
    let met = home.meet(&bob.name, NOW).unwrap();
    assert_eq!((met.contact.key, met.trust), (*bob.secret.public(), Trust::New));
    assert_eq!(met.contact.since, 1);
    home.mark_verified(&met.contact).unwrap();
    assert_eq!(home.meet(&bob.name, NOW).unwrap().trust, Trust::Verified);

    // A new home of his begins a new session, however soon, and changes nothing else.
    service.enter(&bob.name, Cause::NewHome, &bob.secret, None);
    take(&mut home, &service).unwrap();
    let met = home.meet(&bob.name, NOW).unwrap();
    assert_eq!((met.contact.since, met.trust), (2, Trust::Verified));
    home.remember(&met.contact).unwrap();

    let new = identity(3, "bob").0.secret;
    service.enter(&bob.name, Cause::Rotated, &new, Some(&bob.secret));
    take(&mut home, &service).unwrap();
    let met = home.meet(&bob.name, NOW).unwrap();
    let from = *bob.secret.public();
    assert_eq!(met.trust, Trust::Changed { from, verified: true });
    assert_eq!(home.contacts().unwrap()[0].1, Trust::Changed { from, verified: true });
    assert!(matches!(home.remember(&met.contact), Err(HomeError::KeyChanged(_))));
    assert!(matches!(home.mark_verified(&met.contact), Err(HomeError::KeyChanged(_))));
    home.accept(&met.contact).unwrap();
    // The mark is lost with the change.
    assert_eq!(home.meet(&bob.name, NOW).unwrap().trust, Trust::Unverified);

    service.enter(&bob.name, Cause::Deleted, &new, None);
    take(&mut home, &service).unwrap();
    assert!(matches!(home.meet(&bob.name, NOW), Err(HomeError::Gone(_))));
}

#[test]
fn one_key_belongs_to_one_contact() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "bob").0.contact();
    home.remember(&bob).unwrap();
    home.remember(&bob).unwrap();
    let double = identity(2, "robert").0.contact();
    assert!(matches!(home.remember(&double), Err(HomeError::SharedKey(..))));
    home.remember(&identity(3, "robert").0.contact()).unwrap();
    assert!(matches!(home.accept(&double), Err(HomeError::SharedKey(..))));
}

#[test]
fn a_directory_that_tells_another_story_is_not_taken() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let mut service = service();
    let alice = identity(1, "alice").0;
    service.enter(&alice.name, Cause::Registered, &alice.secret, None);
    take(&mut home, &service).unwrap();
    assert!(home.require_current().is_ok());
    let mut forked = self::service();
    let mallory = identity(4, "alice").0;
    forked.enter(&mallory.name, Cause::Registered, &mallory.secret, None);
    assert_eq!(home.contradiction().unwrap(), None);
    let refused = take(&mut home, &forked).unwrap_err();
    assert!(refused.to_string().contains("contradict each other"), "{refused}");
    let proof = TwoHeads { known: service.head_of(1), other: forked.head_of(1) };
    forked.entries.clear();
    assert!(matches!(take(&mut home, &forked), Err(HomeError::Directory(_))));
    drop(home);
    let mut home = Home::open(&dir.path().join("home"), &key()).unwrap();
    // Both heads, which the service has signed, and the first two for good.
    assert_eq!(home.contradiction().unwrap(), Some(proof));
    assert_eq!(home.directory().unwrap().entries(), 1);
    assert_eq!(home.own_user().unwrap().unwrap().key, *alice.secret.public());
}

#[test]
fn a_forged_tail_under_a_longer_genuine_head_is_not_taken() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let mut service = service();
    let [alice, bob, mallory] =
        [(1, "alice"), (2, "bob"), (4, "bob")].map(|(s, n)| identity(s, n).0);
    service.enter(&alice.name, Cause::Registered, &alice.secret, None);
    take(&mut home, &service).unwrap();
    let mut forger = self::service();
    forger.entries.clone_from(&service.entries);
    forger.enter(&mallory.name, Cause::Registered, &mallory.secret, None);
    service.enter(&bob.name, Cause::Registered, &bob.secret, None);
    service.enter(&bob.name, Cause::Renewed, &bob.secret, None);
    let (tail, head) = (&forger.entries[1..], service.head_of(3));
    assert!(matches!(home.append_directory(tail, &head, NOW), Err(HomeError::Directory(_))));
    assert!(matches!(home.meet(&bob.name, NOW), Err(HomeError::UnknownName(_))));
    drop(home);
    let mut home = Home::open(&dir.path().join("home"), &key()).unwrap();
    assert_eq!(home.directory().unwrap().entries(), 1);
    take(&mut home, &service).unwrap();
    assert_eq!(home.meet(&bob.name, NOW).unwrap().contact.key, *bob.secret.public());
}

#[test]
fn nobody_is_met_for_the_first_time_on_an_old_directory() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let mut service = service();
    let [alice, bob, carol] =
        [(1, "alice"), (2, "bob"), (3, "carol")].map(|(s, n)| identity(s, n).0);
    for who in [&alice, &bob, &carol] {
        service.enter(&who.name, Cause::Registered, &who.secret, None);
    }
    take(&mut home, &service).unwrap();
    let later = |seconds| UnixMillis((SINCE_S + seconds) * 1000);
    let met = home.meet(&bob.name, later(3600)).unwrap();
    home.remember(&met.contact).unwrap();
    assert!(home.require_fresh(600, later(600)).is_ok());
    assert!(home.require_fresh(600, later(601)).is_err());
    let refused = home.meet(&carol.name, later(3601)).unwrap_err().to_string();
    assert!(refused.contains("60 minutes old") && refused.contains("clock"), "{refused}");
    // Whom one knows one goes on with.
    assert!(home.meet(&bob.name, later(90_000)).is_ok());
    service.now_s += 90_000;
    let (_, head) = service.page(3);
    home.append_directory(&[], &head, later(90_000)).unwrap();
    drop(home);
    let mut home = Home::open(&dir.path().join("home"), &key()).unwrap();
    assert!(home.meet(&carol.name, later(90_000)).is_ok());
}

#[test]
fn what_a_partner_knows_has_to_come_and_a_contradiction_is_kept() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let mut service = service();
    let [alice, bob] = [(1, "alice"), (2, "bob")].map(|(s, n)| identity(s, n).0);
    service.enter(&alice.name, Cause::Registered, &alice.secret, None);
    take(&mut home, &service).unwrap();
    service.enter(&bob.name, Cause::Registered, &bob.secret, None);
    let theirs = service.head_of(2);
    let mut unsigned = theirs;
    unsigned.entries = 9;
    assert!(home.hear_head(&unsigned, NOW).is_err());
    home.hear_head(&theirs, NOW).unwrap();
    drop(home);
    // It is still known when this home is told another story.
    let mut home = Home::open(&dir.path().join("home"), &key()).unwrap();
    let mut forked = self::service();
    forked.entries.push(service.entries[0].clone());
    let mallory = identity(4, "bob").0;
    forked.enter(&mallory.name, Cause::Registered, &mallory.secret, None);
    assert!(take(&mut home, &forked).is_err());
    let proof = TwoHeads { known: theirs, other: forked.head_of(2) };
    assert_eq!(home.contradiction().unwrap(), Some(proof));
    take(&mut home, &service).unwrap();
    assert_eq!(home.directory().unwrap().ahead().count(), 0);
}

#[test]
fn a_home_knows_when_another_one_has_taken_its_place() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let mut service = service();
    let alice = identity(1, "alice").0;
    assert!(matches!(home.require_current(), Err(HomeError::NotInDirectory)));
    service.enter(&alice.name, Cause::Registered, &alice.secret, None);
    service.now_s += 10;
    service.enter(&alice.name, Cause::Renewed, &alice.secret, None);
    take(&mut home, &service).unwrap();
    assert!(home.require_current().is_ok());
    service.enter(&alice.name, Cause::NewHome, &alice.secret, None);
    take(&mut home, &service).unwrap();
    assert!(matches!(home.require_current(), Err(HomeError::Superseded(_))));
    // An entry that nobody else sees hides nothing.
    home.set_key(&alice.secret, &vec![7].into(), 9).unwrap();
    assert!(matches!(home.require_current(), Err(HomeError::NotInDirectory)));
}

#[test]
fn a_key_that_was_prepared_takes_the_place_of_the_old_one() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let new = identity(8, "alice").0.secret;
    assert!(!home.has_prepared(&new).unwrap());
    home.prepare_key(&new).unwrap();
    assert!(home.has_prepared(&new).unwrap() && home.identity().unwrap().secret != new);
    home.set_key(&new, &vec![7].into(), 9).unwrap();
    assert!(!home.has_prepared(&new).unwrap());
    let credentials = home.credentials().unwrap();
    assert!(credentials.secret == new && credentials.certificate.as_ref() == [7]);
    assert_eq!(home.since().unwrap(), 9);
}
