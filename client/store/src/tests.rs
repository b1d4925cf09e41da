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
use talaria_client::conversation::state::{self, FragmentBytes, Outgoing, Received, Said, Text};
use talaria_client::{Change, ConversationState, Identity};
use talaria_fixtures::identity;
use talaria_fixtures::service::Service;
use talaria_wire::identity::ExportKey;
use talaria_wire::identity::directory::Cause;
use talaria_wire::network_file::{Known, NetworkFileError};
use talaria_wire::{Round, UnixMillis};

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
        since_s: SINCE_S,
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

#[test]
fn an_account_survives_and_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let made = home.identity().unwrap();
    let network = home.network(NOW).unwrap();
    assert_eq!(made.created, Round::at(NOW, network.period_ms));
    drop(home);
    let path = dir.path().join("home");
    let again = Home::open(&path, &key()).unwrap();
    assert_eq!(again.certificate().unwrap().as_ref(), [1, 2, 3]);
    let identity_again = again.identity().unwrap();
    drop(again);
    let again = identity_again;
    assert!(again.secret == made.secret && again.name == made.name);
    let file = dir.path().join("network.toml");
    let refused = try_make_home(&path, &file, &identity(2, "mallory").0);
    assert!(matches!(refused, Err(HomeError::AccountExists(_))));
    assert!(Home::open(&path, &key()).unwrap().identity().unwrap().secret == made.secret);
}

#[test]
fn a_home_opens_with_its_key_only() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("home");
    let unlocked = make_home(&dir).file().unlock(&export()).unwrap();
    assert!(Home::open(&path, &unlocked).is_ok());
    let other = HomeKey::generate(&mut ChaCha20Rng::seed_from_u64(6));
    assert!(matches!(Home::open(&path, &other), Err(HomeError::Database(_))));
    assert!(Home::open(&path, &key()).is_ok());
}

#[test]
fn nothing_in_the_files_can_be_read() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "robert").0.contact();
    home.remember(&bob).unwrap();
    let said = Said::Text { id: MessageId(0), text: Text::new("a secret").unwrap(), sent_ms: 1 };
    let queued = state::Change::Queued(Outgoing { first_seq: 0, what: said });
    home.commit(&[Change::Conversation(bob.key, queued)]).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    home.shown_mark(&bob.key, &mut rng).unwrap().0.done(7).unwrap();
    let secret = identity(1, "alice").0.secret.to_bytes();
    let hex = data_encoding::HEXLOWER.encode(&*secret);
    let pragma = key().pragma();
    let hidden: [&[u8]; 7] = [
        &*secret,
        hex.as_bytes(),
        b"robert",
        b"a secret",
        &bob.key.to_bytes()[1..],
        b"CREATE TABLE",
        &pragma.as_bytes()[2..66],
    ];
    // Also while it is open, when the newest changes are in a file of their own.
    for closed in [false, true] {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir.path().join("home")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            names.push(path.file_name().unwrap().to_owned());
            for (at, hidden) in hidden.iter().enumerate() {
                let found = bytes.windows(hidden.len()).any(|window| window == *hidden);
                assert!(!found, "{at} in {} (closed: {closed})", path.display());
            }
        }
        let known = ["account.toml", "lock", "network.lock", "network.toml", "shown", "talaria.db"];
        let plain = names.iter().filter(|name| !name.to_string_lossy().contains(".db-"));
        let mut plain: Vec<_> = plain.map(|name| name.to_str().unwrap()).collect();
        plain.sort_unstable();
        assert!(plain.iter().all(|name| known.contains(name)), "{plain:?}");
        if !closed {
            home = Home::look_into(&dir.path().join("home"), &key()).unwrap();
        }
    }
    drop(home);
}

#[test]
fn what_an_interrupted_registration_leaves_behind_is_in_nobodys_way() {
    let dir = TempDir::new().unwrap();
    drop(make_home(&dir));
    let path = dir.path().join("home");
    let file = dir.path().join("network.toml");
    // The account file is written last: killed before, whatever else is there belongs to nobody.
    for left in [&["talaria.db", "network.toml"][..], &["talaria.db"], &[]] {
        std::fs::remove_file(path.join("account.toml")).unwrap();
        for name in ["talaria.db", "network.toml"] {
            if !left.contains(&name) {
                std::fs::remove_file(path.join(name)).unwrap();
            }
        }
        std::fs::write(path.join("account.9.new"), "form").unwrap();
        assert!(matches!(Home::open(&path, &key()), Err(HomeError::NoAccount(_))));
        let carol = identity(4, "carol").0;
        let home = try_make_home(&path, &file, &carol).unwrap();
        assert_eq!(home.identity().unwrap().name, carol.name);
    }
}

#[test]
fn a_home_that_was_removed_is_gone_and_can_be_made_again() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let path = dir.path().join("home");
    assert!(matches!(Home::remove(&path), Err(HomeError::InUse(_))));
    drop(home);
    Home::remove(&path).unwrap();
    Home::remove(&path).unwrap();
    assert!(matches!(Home::open(&path, &key()), Err(HomeError::NoAccount(_))));
    assert!(!path.join("talaria.db").exists() && path.join("network.toml").exists());
    let file = dir.path().join("network.toml");
    assert!(try_make_home(&path, &file, &identity(1, "alice").0).is_ok());
}

#[test]
fn a_password_can_change_at_any_moment_without_locking_anybody_out() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let path = dir.path().join("home");
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let new = ExportKey::from_bytes([7; 64]);
    let [of_old, of_new] = [export(), new].map(|export| (key().wrap(&export, &mut rng), export));
    let opens = |export: &ExportKey| AccountFile::read(&path).unwrap().unlock(export).is_ok();
    home.set_wrapped(vec![of_old.0, of_new.0.clone()]).unwrap();
    assert!(opens(&of_old.1) && opens(&of_new.1));
    home.set_wrapped(vec![of_new.0]).unwrap();
    assert!(!opens(&of_old.1) && opens(&of_new.1));
    // The network file may change at the same time.
    let second = put(&dir, "second.toml", &next(&first(2000), 9999));
    update_network(&path, &second, NOW).unwrap();
    assert!(opens(&of_new.1));
    home.set_wrapped(AccountFile::read(&path).unwrap().wrapped).unwrap();
    assert_eq!(home.file().network_file, Some(second));
}

#[test]
fn a_home_is_for_one_process_but_can_be_looked_into() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let path = dir.path().join("home");
    assert!(matches!(Home::open(&path, &key()), Err(HomeError::InUse(_))));
    let name = Home::look_into(&path, &key()).unwrap().identity().unwrap().name;
    assert_eq!(name.as_str(), "alice");
    drop(home);
    assert!(Home::open(&path, &key()).is_ok());
    let empty = Home::open(&dir.path().join("empty"), &key());
    assert!(matches!(empty, Err(HomeError::NoAccount(_))));
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_a_home() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    home.remember(&identity(2, "bob").0.contact()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = dir.path().join("home");
    assert_eq!(mode(&path), 0o700);
    for entry in std::fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

fn address(home: &Home) -> String {
    home.network(NOW).unwrap().entry.address.clone()
}

#[test]
fn later_versions_are_taken_from_the_original_and_kept() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let second = next(&first(2000), 9999);
    put(&dir, "network.toml", &second);
    assert_eq!(address(&home), "127.0.0.1:9999");
    assert_eq!(home.known_network().unwrap(), second);
    // What is older, unsigned, or of another network is as if it were not there.
    put(&dir, "network.toml", &first(2000));
    assert_eq!(address(&home), "127.0.0.1:9999");
    let unsigned = NetworkFile::new(next(&second, 1).terms().clone()).unwrap();
    std::fs::write(dir.path().join("network.toml"), unsigned.to_toml()).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");
    put(&dir, "network.toml", &first(3000));
    assert_eq!(address(&home), "127.0.0.1:9999");
    std::fs::remove_file(dir.path().join("network.toml")).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");
}

#[test]
fn a_new_version_keeps_contacts_and_rounds_and_another_network_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    home.commit(&[Change::LastRound(Round(7))]).unwrap();
    let bob = identity(2, "bob").0.contact();
    home.remember(&bob).unwrap();
    let second = put(&dir, "second.toml", &next(&first(2000), 9999));
    // Another process may bring the new version while this one runs, and without a password.
    let path = dir.path().join("home");
    update_network(&path, &second, NOW).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");
    assert_eq!(home.last_round().unwrap(), Some(Round(7)));
    assert_eq!(home.contacts().unwrap(), [(bob, Trust::Unverified)]);

    let other = put(&dir, "other.toml", &first(3000));
    let refused = update_network(&path, &other, NOW);
    assert!(matches!(refused, Err(HomeError::Elsewhere { name, .. }) if name == "test"));
    std::fs::copy(&other, path.join("network.toml")).unwrap();
    assert!(matches!(home.known_network(), Err(HomeError::OtherNetwork)));
}

#[test]
fn what_does_not_follow_is_refused_and_nothing_changes() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let path = dir.path().join("home");
    let second = next(&first(2000), 2);
    update_network(&path, &put(&dir, "second.toml", &second), NOW).unwrap();
    let refused = |name: &str, version: &Known, now| {
        let error = update_network(&path, &put(&dir, name, version), now).unwrap_err();
        assert_eq!(home.known_network().unwrap(), second);
        match error {
            HomeError::Network { source: NetworkFileError::NotValid(error), .. } => error,
            error => panic!("{error}"),
        }
    };
    let old = refused("old.toml", &first(2000), NOW);
    assert_eq!(old, VerifyError::RolledBack { sequence: 1, known: 2 });
    let fork = next(&first(2000), 3);
    assert_eq!(refused("fork.toml", &fork, NOW), VerifyError::Forked(2));
    let third = next(&second, 3);
    assert_eq!(refused("third.toml", &third, UNTIL), VerifyError::Expired(UNTIL));
    let early = UnixMillis(0);
    let mut later = next(&second, 3).terms().clone();
    later.validity.from = UnixMillis(1000);
    let later = refused("later.toml", &sign(later), early);
    assert_eq!(later, VerifyError::NotYetValid(UnixMillis(1000)));
}

#[test]
fn an_expired_network_is_not_used_but_the_next_version_is() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let said = home.network(UNTIL).unwrap_err().to_string();
    assert!(said.contains("has expired") && said.contains("ask the operator"), "{said}");
    assert!(home.known_network().is_ok());
    let mut terms = first(2000).next_terms();
    terms.validity.until = UnixMillis(UNTIL.0 * 2);
    let renewed = put(&dir, "renewed.toml", &sign(terms));
    assert!(update_network(&dir.path().join("home"), &renewed, UNTIL).is_ok());
    assert!(home.network(UNTIL).is_ok());
}

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
    home.append_directory(&entries, &head)
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
    assert!(matches!(home.meet(&bob.name), Err(HomeError::UnknownName(_))));
    assert!(!take(&mut home, &service).unwrap());
    assert!(matches!(home.meet(&alice.name), Err(HomeError::Oneself(_))));
    let met = home.meet(&bob.name).unwrap();
    assert_eq!((met.contact.key, met.trust), (*bob.secret.public(), Trust::New));
    assert_eq!(met.contact.created, Round(SINCE_S * 1000 / 2000));
    home.mark_verified(&met.contact).unwrap();
    assert_eq!(home.meet(&bob.name).unwrap().trust, Trust::Verified);

    // A new home of his begins a new session, and changes nothing else.
    service.now_s += 100;
    service.enter(&bob.name, Cause::NewHome, &bob.secret, None);
    take(&mut home, &service).unwrap();
    let met = home.meet(&bob.name).unwrap();
    assert_eq!((met.contact.created.0, met.trust), (SINCE_S / 2 + 50, Trust::Verified));
    home.remember(&met.contact).unwrap();

    let new = identity(3, "bob").0.secret;
    service.enter(&bob.name, Cause::Rotated, &new, Some(&bob.secret));
    take(&mut home, &service).unwrap();
    let met = home.meet(&bob.name).unwrap();
    let from = *bob.secret.public();
    assert_eq!(met.trust, Trust::Changed { from, verified: true });
    assert_eq!(home.contacts().unwrap()[0].1, Trust::Changed { from, verified: true });
    assert!(matches!(home.remember(&met.contact), Err(HomeError::KeyChanged(_))));
    assert!(matches!(home.mark_verified(&met.contact), Err(HomeError::KeyChanged(_))));
    home.accept(&met.contact).unwrap();
    // The mark is lost with the change.
    assert_eq!(home.meet(&bob.name).unwrap().trust, Trust::Unverified);

    service.enter(&bob.name, Cause::Deleted, &new, None);
    take(&mut home, &service).unwrap();
    assert!(matches!(home.meet(&bob.name), Err(HomeError::Gone(_))));
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
    let refused = take(&mut home, &forked).unwrap_err();
    assert!(refused.to_string().contains("two stories"), "{refused}");
    forked.entries.clear();
    assert!(matches!(take(&mut home, &forked), Err(HomeError::Directory(_))));
    drop(home);
    let mut home = Home::open(&dir.path().join("home"), &key()).unwrap();
    assert_eq!(home.directory().unwrap().entries(), 1);
    assert_eq!(home.own_user().unwrap().unwrap().key, *alice.secret.public());
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
}

#[test]
fn a_key_that_was_prepared_takes_the_place_of_the_old_one() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let new = identity(8, "alice").0.secret;
    assert!(!home.has_prepared(&new).unwrap());
    home.prepare_key(&new).unwrap();
    assert!(home.has_prepared(&new).unwrap() && home.identity().unwrap().secret != new);
    home.set_key(&new, &vec![7].into(), SINCE_S + 9).unwrap();
    assert!(!home.has_prepared(&new).unwrap());
    let credentials = home.credentials().unwrap();
    assert!(credentials.secret == new && credentials.certificate.as_ref() == [7]);
    assert_eq!(home.since_s().unwrap(), SINCE_S + 9);
}

#[test]
fn what_contacts_do_not_have_is_named() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    for (seed, name) in [(2, "bob"), (3, "carol")] {
        home.remember(&identity(seed, name).0.contact()).unwrap();
    }
    let bob = identity(2, "bob").0.contact();
    let said = Said::Text { id: MessageId(0), text: Text::new("x").unwrap(), sent_ms: 1 };
    let queued = state::Change::Queued(Outgoing { first_seq: 0, what: said });
    home.commit(&[Change::Conversation(bob.key, queued)]).unwrap();
    assert_eq!(home.undelivered().unwrap(), [(bob.name, 1)]);
}

#[test]
fn what_a_kill_has_left_half_shown_is_told_once() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "bob").0.contact();
    home.remember(&bob).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let text = |number: u32| {
        let (text, round) = (Text::new("x").unwrap(), Round(1));
        Received { seq: number, number, id: MessageId(number), text, sent_ms: 1, round }
    };
    let arrived = |number| Change::Conversation(bob.key, state::Change::Text(text(number)));
    home.commit(&[arrived(0), arrived(1)]).unwrap();
    let (mark, interrupted) = home.shown_mark(&bob.key, &mut rng).unwrap();
    assert_eq!(interrupted, None);
    mark.begin(0).unwrap();
    let (mark, interrupted) = home.shown_mark(&bob.key, &mut rng).unwrap();
    assert_eq!(interrupted, Some(text(0)));
    mark.done(1).unwrap();
    assert_eq!(home.shown_mark(&bob.key, &mut rng).unwrap().1, None);
    assert!(home.conversation(&bob.key).unwrap().unshown.is_empty());
}

#[test]
fn newer_formats_are_refused() {
    let dir = TempDir::new().unwrap();
    drop(make_home(&dir));
    let path = dir.path().join("home");
    let database = rusqlite::Connection::open(path.join(DATABASE_FILE)).unwrap();
    database.pragma_update(None, "key", key().pragma().as_str()).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Home::open(&path, &key()), Err(HomeError::NewerFormat(99))));
}

/// Steps that could follow each other; the numbers are filled in when they are taken.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    End,
    Say(usize),
    Acknowledge(u32),
    PartnerBegan,
    PartnerEnded,
    HeardOut,
    Fragment(bool),
    Text(usize),
    Skip,
    Show(u32),
    Finish,
    Charge(u64),
    WarnOfBudget,
    Restart(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Begin),
        Just(Step::End),
        (0usize..900).prop_map(Step::Say),
        (1u32..4).prop_map(Step::Acknowledge),
        Just(Step::PartnerBegan),
        Just(Step::PartnerEnded),
        Just(Step::HeardOut),
        any::<bool>().prop_map(Step::Fragment),
        (0usize..50).prop_map(Step::Text),
        Just(Step::Skip),
        (0u32..3).prop_map(Step::Show),
        Just(Step::Finish),
        any::<u64>().prop_map(Step::Charge),
        Just(Step::WarnOfBudget),
        any::<u64>().prop_map(Step::Restart),
    ]
}

fn change(step: &Step, state: &ConversationState) -> state::Change {
    use state::Change as C;
    let seq = state.received;
    let said = |what| C::Queued(Outgoing { first_seq: state.next_seq, what });
    let text = |len| Text::new("é".repeat(len)).unwrap();
    match step {
        Step::Begin => said(Said::Begin),
        Step::End => said(Said::End),
        Step::Say(len) => {
            let id = MessageId(state.next_message);
            said(Said::Text { id, text: text(*len), sent_ms: u64::MAX })
        }
        Step::Acknowledge(more) => {
            C::Acknowledged { below: (state.acked + more).min(state.next_seq) }
        }
        Step::PartnerBegan => C::PartnerBegan { seq },
        Step::PartnerEnded => C::PartnerEnded { seq: Some(seq) },
        Step::HeardOut => C::PartnerEnded { seq: None },
        Step::Fragment(first) => {
            let have = state.partial.as_ref().map_or(0, |partial| partial.have);
            let index = if *first { 0 } else { have };
            let bytes = FragmentBytes(vec![index.to_be_bytes()[1]; 336]);
            C::Fragment { seq, id: MessageId(5), index, count: u16::MAX, bytes }
        }
        Step::Text(len) => {
            let round = Round(u64::MAX - 1);
            let id = MessageId(u32::MAX);
            let number = state.texts;
            C::Text(Received { seq, number, id, text: text(*len), sent_ms: 1 << 63, round })
        }
        Step::Skip => C::Skipped { seq },
        Step::Show(more) => {
            let first = state.unshown.front().map_or(0, |text| text.number);
            C::Shown { through: first + more }
        }
        Step::Finish => C::Finished,
        Step::Charge(rounds) => C::Charged { rounds: *rounds },
        Step::WarnOfBudget => C::BudgetWarned,
        Step::Restart(start) => {
            C::Restarted { start: Round(*start), outgoing: state.outgoing_anew() }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_tables_say_what_the_state_says(
        commits in prop::collection::vec(prop::collection::vec(step(), 1..8), 1..12),
    ) {
        let dir = TempDir::new().unwrap();
        let mut home = make_home(&dir);
        let bob = identity(2, "bob").0.contact();
        home.remember(&bob).unwrap();
        let carol = identity(3, "carol").0.contact();
        home.remember(&carol).unwrap();
        let mut state = ConversationState::default();
        for (number, commit) in (0..).zip(&commits) {
            let mut changes = vec![Change::LastRound(Round(number))];
            for step in commit {
                let change = change(step, &state);
                state.apply(&change);
                changes.push(Change::Conversation(bob.key, change));
            }
            home.commit(&changes).unwrap();
            prop_assert_eq!(&home.conversation(&bob.key).unwrap(), &state);
            prop_assert_eq!(home.last_round().unwrap(), Some(Round(number)));
        }
        drop(home);
        let home = Home::open(&dir.path().join("home"), &key()).unwrap();
        prop_assert_eq!(&home.conversation(&bob.key).unwrap(), &state);
        prop_assert_eq!(home.conversation(&carol.key).unwrap(), ConversationState::default());
    }
}
