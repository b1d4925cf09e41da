//! Homes: what survives, what is refused, and that the tables say what the state says.

use std::num::NonZeroU64;

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use talaria_wire::peer_message::MessageId;
use tempfile::TempDir;

use super::*;
use crate::conversation::state::{self, FragmentBytes, Outgoing, Received, Said, Text};
use crate::identity::tests::identity;

const NOW: UnixMillis = UnixMillis(1_000_000_000);

/// A network file, and its period in milliseconds.
fn network_file(dir: &TempDir, name: &str, port: u16, period_ms: u64) -> PathBuf {
    let [entry, hop] =
        [8, 9].map(|seed| HEXLOWER.encode(&identity(seed, "x").0.secret.public().to_bytes()));
    let text = format!(
        "version = 1\nperiod_ms = {period_ms}\nlanes = 1\n\
         [entry]\naddress = \"127.0.0.1:{port}\"\nidentity = \"{entry}\"\n\
         ca = \"\"\"-----BEGIN CERTIFICATE-----\nAQIDBA==\n-----END CERTIFICATE-----\n\"\"\"\n\
         [[hop]]\naddress = \"127.0.0.1:2\"\nidentity = \"{hop}\"\nonion_key = \"{}\"\n",
        "11".repeat(32)
    );
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn make_home(dir: &TempDir) -> Home {
    let file = network_file(dir, "network.toml", 7400, 2000);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let name = Name::new("Alice").unwrap();
    Home::create(&dir.path().join("home"), &file, name, NOW, &mut rng).unwrap()
}

#[test]
fn an_identity_survives_and_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let made = home.identity().unwrap();
    let network = home.network().unwrap();
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

#[test]
fn addresses_follow_the_original_file_and_networks_do_not() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let address = |home: &Home| home.network().unwrap().entry.address;
    network_file(&dir, "network.toml", 9999, 2000);
    assert_eq!(address(&home), "127.0.0.1:9999");
    network_file(&dir, "network.toml", 8888, 3000);
    assert_eq!(address(&home), "127.0.0.1:9999");
    std::fs::remove_file(dir.path().join("network.toml")).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");

    home.commit(&[Change::LastRound(Round(7))]).unwrap();
    home.remember(&identity(2, "Bob").0.contact()).unwrap();
    let same = network_file(&dir, "same.toml", 1, 2000);
    assert!(!home.replace_network(&same, NOW).unwrap());
    assert_eq!(home.last_round().unwrap(), Some(Round(7)));
    let other = network_file(&dir, "other.toml", 1, 3000);
    assert!(home.replace_network(&other, NOW).unwrap());
    assert_eq!(home.last_round().unwrap(), None);
    let three_seconds = NonZeroU64::new(3000).unwrap();
    assert_eq!(home.identity().unwrap().created, Round::at(NOW, three_seconds));
    assert!(matches!(home.contact("Bob"), Err(HomeError::ContactElsewhere(_))));
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
