//! The tables say what the state says.

use super::*;
use crate::database::bring_up_to_date;
use rusqlite::Connection;
use talaria_client::conversation::budget::Price;
use talaria_client::conversation::state::KEPT;
use talaria_wire::peer_message::{StreamDigest, StreamId};

/// Steps that could follow each other; the numbers are filled in when they are taken.
#[derive(Clone, Debug)]
enum Step {
    Begin,
    End,
    Say(usize),
    Acknowledge(u32),
    BeginStream(u8),
    OtherStory(usize),
    Again,
    PartnerStream(u8),
    Digest(u8),
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
        any::<u8>().prop_map(Step::BeginStream),
        (0usize..5).prop_map(Step::OtherStory),
        Just(Step::Again),
        any::<u8>().prop_map(Step::PartnerStream),
        any::<u8>().prop_map(Step::Digest),
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

fn stream(id: u8) -> StreamId {
    StreamId::new(u32::from(id) + 1).unwrap()
}

fn digest(of: u8) -> StreamDigest {
    StreamDigest([of; 8])
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
            said(Said::Text(SaidText { id, text: text(*len), sent_ms: u64::MAX }))
        }
        Step::Acknowledge(more) => {
            let below = (state.acked + more).min(state.next_seq);
            let whole = state.outgoing.iter().take_while(|o| o.end_seq() <= below).count();
            let ends = (0..whole).map(|at| digest(u8::try_from(at).unwrap())).collect();
            // Nothing is acknowledged in no stream.
            match state.own.id {
                Some(_) => C::Acknowledged { below, digest: digest(9), ends },
                None => C::Finished,
            }
        }
        Step::BeginStream(id) => {
            let (stream, base) = (stream(*id), state.own.base());
            C::StreamBegan { stream, base, outgoing: state.outgoing_anew() }
        }
        Step::OtherStory(certain) => C::OtherStory { certain: *certain },
        Step::Again => C::SentAgain { outgoing: state.doubtful_anew() },
        Step::PartnerStream(id) => {
            C::PartnerStream { stream: stream(*id), base: state.partner.base(state.received) }
        }
        Step::Digest(of) => C::Digested(digest(*of)),
        Step::PartnerBegan => C::PartnerBegan { seq },
        Step::PartnerEnded => C::PartnerEnded { seq: Some(seq) },
        Step::HeardOut => C::PartnerEnded { seq: None },
        Step::Fragment(first) => {
            let have = state.partial.as_ref().map_or(0, |partial| partial.have);
            let index = if *first { 0 } else { have };
            let bytes = FragmentBytes(vec![index.to_be_bytes()[1]; 320]);
            C::Fragment { seq, id: MessageId(5), index, count: u16::MAX, sent_ms: 1 << 63, bytes }
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
        Step::Charge(rounds) => {
            let price =
                Price { rounds: *rounds, epsilon_millionths: 1, delta_billionths: u32::MAX };
            C::Charged { rounds: *rounds, at: (*rounds % 4 > 0).then_some(price) }
        }
        Step::WarnOfBudget => C::BudgetWarned,
        Step::Restart(start) => C::Restarted { start: *start, outgoing: state.outgoing_anew() },
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

#[test]
fn as_many_milestones_are_kept_as_may_come_again() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "bob").0.contact();
    home.remember(&bob).unwrap();
    let mut state = ConversationState::default();
    let steps = [Step::BeginStream(1)].into_iter();
    let texts = (0..u32::from(KEPT) + 3).flat_map(|_| [Step::Say(1), Step::Acknowledge(1)]);
    for step in steps.chain(texts).chain([Step::OtherStory(2), Step::Again]) {
        let change = change(&step, &state);
        state.apply(&change);
        home.commit(&[Change::Conversation(bob.key, change)]).unwrap();
    }
    assert!(state.own.cut && state.own.milestones.len() == 2);
    assert_eq!(state.outgoing.len(), usize::from(KEPT) - 2);
    assert_eq!(home.conversation(&bob.key).unwrap(), state);
}

/// The text of every table and index, without the room between the words.
fn schema(connection: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut tables = connection.prepare(sql).unwrap();
    let names = tables.query_map([], |r| r.get::<_, String>(0)).unwrap();
    let names: Vec<_> = names.map(Result::unwrap).collect();
    let mut all = Vec::new();
    for name in names {
        let sql = format!("SELECT * FROM pragma_table_info('{name}')");
        let mut columns = connection.prepare(&sql).unwrap();
        let column = |r: &rusqlite::Row<'_>| {
            let (name, kind): (String, String) = (r.get(1)?, r.get(2)?);
            let (needed, default): (bool, Option<String>) = (r.get(3)?, r.get(4)?);
            Ok(format!("{name} {kind} {needed} {default:?}"))
        };
        let columns = columns.query_map([], column).unwrap();
        all.extend(columns.map(|column| format!("{name}: {}", column.unwrap())));
    }
    all
}

#[test]
fn tables_of_the_last_format_are_brought_up_to_this_one_and_keep_everything() {
    let mut old = Connection::open_in_memory().unwrap();
    old.execute_batch(include_str!("../migrations/3.sql")).unwrap();
    old.pragma_update(None, "user_version", 3).unwrap();
    old.execute_batch(
        "INSERT INTO contact (key, name, since, next_seq, acked, received) VALUES (x'02', 'bob', 5, 7, 6, 4);
         INSERT INTO outgoing VALUES (1, 6, 7, 1, 3, 'said', 9);",
    )
    .unwrap();
    bring_up_to_date(&mut old, 3).unwrap();
    let mut new = Connection::open_in_memory().unwrap();
    bring_up_to_date(&mut new, 0).unwrap();
    assert_eq!(schema(&old), schema(&new));
    let read = |r: &rusqlite::Row<'_>| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?));
    let sql = "SELECT next_seq, acked, received, text FROM contact, outgoing";
    let row: (u32, u32, u32, String) = old.query_row(sql, [], read).unwrap();
    assert_eq!(row, (7, 6, 4, "said".to_owned()));
}
