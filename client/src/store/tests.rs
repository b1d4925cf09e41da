//! Homes: what survives, what is refused, and that the tables say what the state says.

use std::num::NonZeroU64;

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::network_file::{EntryInfo, HopInfo, NetworkFile, Terms, Validity, VerifyError};
use talaria_wire::peer_message::MessageId;
use tempfile::TempDir;

use super::*;
use crate::conversation::state::{self, FragmentBytes, Outgoing, Received, Said, Text};
use crate::identity::tests::identity;

const NOW: UnixMillis = UnixMillis(1_000_000_000);
const UNTIL: UnixMillis = UnixMillis(2_000_000_000);

/// A first version of a network with one hop, signed by its hop and its entry.
fn first(period_ms: u64) -> Known {
    let [entry, hop] = [8, 9].map(|seed| *identity(seed, "x").0.secret.public());
    let address = "127.0.0.1:7400".to_owned();
    let entry = EntryInfo {
        operator: "Eve".to_owned(),
        address: address.clone(),
        identity: entry,
        ca: vec![1, 2, 3, 4].into(),
    };
    let hop = HopInfo { operator: "Harry".to_owned(), address, identity: hop };
    let validity = Validity { from: UnixMillis(0), until: UNTIL };
    let mut terms = Terms::first("test", validity, entry, vec![hop]);
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
        file.sign(&identity(seed, "x").0.secret);
    }
    file.into_known().unwrap()
}

fn put(dir: &TempDir, name: &str, version: &Known) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, version.file().to_toml()).unwrap();
    path
}

fn make_home(dir: &TempDir) -> Home {
    let file = put(dir, "network.toml", &first(2000));
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let name = Name::new("Alice").unwrap();
    Home::create(&dir.path().join("home"), &file, name, NOW, &mut rng).unwrap()
}

#[test]
fn an_identity_survives_and_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let made = home.identity().unwrap();
    let network = home.network(NOW).unwrap();
    assert_eq!(made.created, Round::at(NOW, network.period_ms));
    drop(home);
    let path = dir.path().join("home");
    let again = Home::open(&path).unwrap().identity().unwrap();
    assert!(again.secret == made.secret && again.name == made.name);
    let name = Name::new("Mallory").unwrap();
    let file = dir.path().join("network.toml");
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let refused = Home::create(&path, &file, name, NOW, &mut rng);
    assert!(matches!(refused, Err(HomeError::IdentityExists(_))));
    assert!(Home::open(&path).unwrap().identity().unwrap().secret == made.secret);
}

#[test]
fn a_home_is_for_one_process_but_can_be_looked_into() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let path = dir.path().join("home");
    assert!(matches!(Home::open(&path), Err(HomeError::InUse(_))));
    assert_eq!(Home::look_into(&path).unwrap().identity().unwrap().name.as_str(), "Alice");
    drop(home);
    assert!(Home::open(&path).is_ok());
    let empty = Home::open(&dir.path().join("empty"));
    assert!(matches!(empty, Err(HomeError::NoIdentity(_))));
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_a_home() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    home.remember(&identity(2, "Bob").0.contact()).unwrap();
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
fn a_new_version_keeps_card_contacts_and_rounds_and_a_new_network_does_not() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    home.commit(&[Change::LastRound(Round(7))]).unwrap();
    home.remember(&identity(2, "Bob").0.contact()).unwrap();
    let card = |home: &Home| home.identity().unwrap().card(home.network_id().unwrap()).to_string();
    let before = card(&home);
    let second = put(&dir, "second.toml", &next(&first(2000), 9999));
    // Another process may bring the new version while this one runs.
    let path = dir.path().join("home");
    Home::look_into(&path).unwrap().update_network(&second, NOW).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");
    assert_eq!((home.last_round().unwrap(), card(&home)), (Some(Round(7)), before));
    assert!(home.contact("Bob").is_ok());

    let other = put(&dir, "other.toml", &first(3000));
    let refused = home.update_network(&other, NOW);
    assert!(matches!(refused, Err(HomeError::Elsewhere { name, .. }) if name == "test"));
    assert_eq!(home.switch_network(&other, NOW).unwrap().period_ms.get(), 3000);
    assert_eq!(home.last_round().unwrap(), None);
    let three_seconds = NonZeroU64::new(3000).unwrap();
    assert_eq!(home.identity().unwrap().created, Round::at(NOW, three_seconds));
    assert!(matches!(home.contact("Bob"), Err(HomeError::ContactElsewhere(_))));
}

#[test]
fn what_does_not_follow_is_refused_and_nothing_changes() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let second = next(&first(2000), 2);
    home.update_network(&put(&dir, "second.toml", &second), NOW).unwrap();
    let mut refused = |name: &str, version: &Known, now| {
        let error = home.update_network(&put(&dir, name, version), now).unwrap_err();
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
    let mut home = make_home(&dir);
    let said = home.network(UNTIL).unwrap_err().to_string();
    assert!(said.contains("has expired") && said.contains("ask the operator"), "{said}");
    assert!(home.known_network().is_ok() && home.network_id().is_ok());
    let mut terms = first(2000).next_terms();
    terms.validity.until = UnixMillis(UNTIL.0 * 2);
    let renewed = put(&dir, "renewed.toml", &sign(terms));
    assert!(home.update_network(&renewed, UNTIL).is_ok());
    assert!(home.network(UNTIL).is_ok());
}

#[test]
fn names_belong_to_one_contact() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "Bob").0.contact();
    home.remember(&bob).unwrap();
    home.remember(&bob).unwrap();
    assert_eq!(home.contact(" Bob ").unwrap(), bob);
    let impostor = identity(3, "Bob").0.contact();
    assert!(matches!(home.remember(&impostor), Err(HomeError::NameTaken(_))));
    assert!(matches!(home.contact("Carol"), Err(HomeError::UnknownContact(_))));
    assert_eq!(home.contacts().unwrap(), [bob]);
}

#[test]
fn newer_formats_are_refused() {
    let dir = TempDir::new().unwrap();
    drop(make_home(&dir));
    let path = dir.path().join("home");
    let database = rusqlite::Connection::open(path.join(DATABASE_FILE)).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Home::open(&path), Err(HomeError::NewerFormat(99))));
}

#[test]
fn homes_of_the_first_format_are_brought_up_to_date_and_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "Bob").0.contact();
    home.remember(&bob).unwrap();
    let said = Said::Text { id: MessageId(0), text: Text::new("kept").unwrap(), sent_ms: 1 };
    let queued = state::Change::Queued(Outgoing { first_seq: 0, what: said });
    home.commit(&[Change::LastRound(Round(7)), Change::Conversation(bob.key, queued)]).unwrap();
    let before = home.conversation(&bob.key).unwrap();
    drop(home);
    let path = dir.path().join("home");
    let database = rusqlite::Connection::open(path.join(DATABASE_FILE)).unwrap();
    let back = "ALTER TABLE contact DROP COLUMN charged;
                ALTER TABLE contact DROP COLUMN budget_warned;
                ALTER TABLE local DROP COLUMN idle_pairs_unmet;
                PRAGMA user_version = 1;";
    database.execute_batch(back).unwrap();
    drop(database);

    let mut home = Home::open(&path).unwrap();
    assert_eq!(home.conversation(&bob.key).unwrap(), before);
    assert_eq!((before.charged, home.last_round().unwrap()), (0, Some(Round(7))));
    let charged = state::Change::Charged { rounds: 5 };
    let unmet = Change::IdlePairsUnmet(3);
    home.commit(&[Change::Conversation(bob.key, charged), unmet]).unwrap();
    drop(home);
    let home = Home::open(&path).unwrap();
    assert_eq!((home.charged(&bob.key).unwrap(), home.idle_pairs_unmet().unwrap()), (5, 3));
    assert_eq!(home.conversation(&bob.key).unwrap().charged, 5);
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
            C::Text(Received { seq, id, text: text(*len), sent_ms: 1 << 63, round })
        }
        Step::Skip => C::Skipped { seq },
        Step::Show(more) => {
            let first = state.unshown.front().map_or(0, |text| text.seq);
            C::Shown { through: first + more }
        }
        Step::Finish => C::Finished,
        Step::Charge(rounds) => C::Charged { rounds: *rounds },
        Step::WarnOfBudget => C::BudgetWarned,
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
        let bob = identity(2, "Bob").0.contact();
        home.remember(&bob).unwrap();
        let carol = identity(3, "Carol").0.contact();
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
        let home = Home::open(&dir.path().join("home")).unwrap();
        prop_assert_eq!(&home.conversation(&bob.key).unwrap(), &state);
        prop_assert_eq!(home.conversation(&carol.key).unwrap(), ConversationState::default());
    }
}
