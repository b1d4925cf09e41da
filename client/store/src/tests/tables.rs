//! The tables say what the state says.

use super::*;

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
