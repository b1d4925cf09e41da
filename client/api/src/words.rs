//! What people are told: the one set of words, whatever they look at.
//!
//! What to do about it depends on the face, which has commands or buttons for it and adds that.

use crate::budget::Causes;
use crate::event::{Event, Presence, Stage, Trust};

/// Digits that are read in one breath.
const GROUP_DIGITS: usize = 5;

/// Signs of somebody who drops or changes onions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interference {
    /// Two onions of one's own did not meet.
    IdlePairUnmet,
    /// A reply was not sealed by the whole chain.
    BadReply,
    /// A message is not the partner's.
    NotAuthentic,
}

/// For whom rounds were lost, as far as a client can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// For this client alone.
    Alone,
    /// For everybody.
    Everybody,
    /// Nobody has said.
    Unknown,
}

/// What to tell a person about something that went wrong, or needs them.
#[must_use]
pub fn describe(event: &Event) -> Option<String> {
    match event {
        Event::Contact { name, trust: Trust::Changed, safety_number, compared_before, .. } => {
            let before =
                if *compared_before { ", and you had compared the one before" } else { "" };
            Some(format!(
                "{name} has another key than before{before}. Either {name} has replaced it, or \
                 somebody is putting a key of their own between you. Nothing is sent until you \
                 accept it. The safety number would be {}",
                groups(safety_number)
            ))
        }
        Event::Error(trouble) => Some(trouble.message.clone()),
        Event::Budget { message, .. } | Event::MayBeLost { message, .. } => Some(message.clone()),
        Event::SentAgain { ids, .. } => Some(format!("{} lines are sent again", ids.len())),
        _ => None,
    }
}

/// The digits of a safety number as they are read.
#[must_use]
pub fn groups(digits: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    let groups: Vec<String> = digits.chunks(GROUP_DIGITS).map(|g| g.iter().collect()).collect();
    groups.join(" ")
}

/// Onions were lost or altered, for the so many-th time in a run.
#[must_use]
pub fn describe_interference(round: u64, kind: Interference, times: u64) -> String {
    let what = match kind {
        Interference::IdlePairUnmet => {
            "two onions of yours that were to meet each other did not: somebody may be removing \
             onions, to see who talks"
        }
        Interference::BadReply => "a reply was altered on its way",
        Interference::NotAuthentic => "a message was altered, or is not from the partner",
    };
    let often = match times {
        1 => "for the first time".to_owned(),
        times => format!("{times} times"),
    };
    format!("round {round}: {what} ({often} in this run)")
}

/// A round lies so far ahead of the local clock, or behind it if that is negative.
#[must_use]
pub fn describe_clock(round: u64, ahead_ms: i64) -> String {
    let seconds = ahead_ms.unsigned_abs() / 1000;
    let way = if ahead_ms < 0 { "behind" } else { "ahead of" };
    format!(
        "round {round} is {seconds} s {way} this clock and is left out: check the date and time of \
         this computer"
    )
}

/// The server opens no rounds, for this reason.
#[must_use]
pub fn describe_pause(reason: &str) -> String {
    format!(
        "no rounds for now: {reason}. Nothing is sent or received until there is one; what you \
         write is kept"
    )
}

/// So many rounds in a row were lost, all for the same people.
#[must_use]
pub fn describe_lost(lost: Lost, rounds: u64) -> String {
    let (what, so) = match lost {
        Lost::Alone => (
            "did not take what you sent in time, the entry says, and may have gone on for others",
            "your connection is slow, or somebody holds it up, perhaps to see who goes silent: try \
             another one",
        ),
        Lost::Everybody => (
            "failed for everybody, the entry says",
            "if that is true, nothing is wrong on your side, and the operators have to look at it",
        ),
        Lost::Unknown => {
            ("brought no answer", "whether they failed for everybody or for you alone is not known")
        }
    };
    format!(
        "the last {rounds} rounds {what}: {so}. What you write is kept. Rounds of a conversation are \
         charged to its budget all the same, since nobody can check what became of them"
    )
}

/// Nothing is said until more of the budget is written down with the identity service.
#[must_use]
pub fn describe_unrecorded(partner: &str) -> String {
    format!(
        "nothing is said to {partner} for now: the identity service has to write down first that more of \
         your budget may be used, so that another home of yours knows of it, and it could not be \
         reached. What you write is kept, and goes on its way as soon as the service is there"
    )
}

/// Partner and home do not agree on what was said.
#[must_use]
pub fn describe_out_of_step() -> String {
    "the partner and this home do not agree on what was said: one of the two works with an old \
     copy of its files, and lines may be missing"
        .to_owned()
}

/// So many texts, and perhaps all before, may be lost.
#[must_use]
pub fn describe_may_be_lost(texts: usize, older: bool) -> String {
    let these = match (texts, older) {
        (0, _) => "what you said before".to_owned(),
        (1, false) => "one of your lines".to_owned(),
        (texts, false) => format!("{texts} of your lines"),
        (texts, true) => format!("your last {texts} lines, and those before,"),
    };
    let again = if texts > 0 { ": what is remembered of them can be sent again" } else { "" };
    format!("{these} may not be with the partner any more{again}")
}

/// The partner's new key was accepted.
#[must_use]
pub fn describe_key_accepted(partner: &str) -> String {
    format!("the new key of {partner} is accepted")
}

/// What it means for a person that so much of the budget is gone.
#[must_use]
pub fn describe_budget(stage: Stage, charged: u64, budget: u64, causes: &Causes) -> String {
    let why = causes.describe().map_or_else(String::new, |why| format!(" ({why})"));
    let used =
        format!("{charged} of your {budget} charged rounds of this conversation are used{why}");
    let rest = match stage {
        Stage::Half => {
            "half of your half of what the noise of this network covers up. Rounds are charged when onions were \
             lost, or when you waited in vain: stay connected, and talk when the partner is there"
        }
        Stage::Spent => {
            "the noise of this network may cover up no more, since the partner has as many, so nothing is sent to the partner from \
             now on. From outside it looks the same. What you write is kept"
        }
        Stage::Beyond => {
            "the noise of this network covers up no more, and you go on: whoever removes onions can \
             learn that you two talk"
        }
    };
    format!("{used}: {rest}")
}

/// What to say of a directory that nobody has signed anew for a while.
#[must_use]
pub fn describe_stale_directory(age_s: u64) -> String {
    format!(
        "the newest directory that has come here was signed {} minutes ago, and the identity service \
         signs one every minute: somebody may be keeping news of keys from you, or the clock of this \
         machine is wrong. Nobody is met for the first time on a directory of more than an hour",
        age_s / 60
    )
}

/// What the partner does, after their name.
#[must_use]
pub fn describe_presence(presence: Presence) -> &'static str {
    match presence {
        Presence::Present => "is present",
        Presence::Absent => "is absent",
        Presence::Ended => "has ended",
        Presence::Left => "has left",
    }
}

/// What to say of lines that the partner is not known to have.
#[must_use]
pub fn describe_unacknowledged(count: usize) -> String {
    match count {
        0 => "everything you said is acknowledged".to_owned(),
        1 => "1 line is unacknowledged: it is kept, and will be sent next time".to_owned(),
        n => format!("{n} lines are unacknowledged: they are kept, and will be sent next time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_key_is_said_with_its_number_in_groups() {
        let contact = |trust, compared_before| Event::Contact {
            name: "bob".to_owned(),
            trust,
            safety_number: "0123456789".to_owned(),
            compared_before,
            conversation: "bob".to_owned(),
        };
        let said = describe(&contact(Trust::Changed, true)).unwrap();
        assert!(said.contains("had compared") && said.ends_with("would be 01234 56789"), "{said}");
        assert!(!describe(&contact(Trust::Changed, false)).unwrap().contains("had compared"));
        assert_eq!(describe(&contact(Trust::New, false)), None);
    }

    #[test]
    fn times_clocks_and_budgets_are_said_in_words() {
        let unmet = describe_interference(9, Interference::IdlePairUnmet, 7);
        assert!(unmet.starts_with("round 9: two onions") && unmet.contains("7 times in this run"));
        assert!(describe_clock(9, -61_000).contains("61 s behind"));
        assert!(describe_clock(9, 61_999).contains("61 s ahead of"));
        let causes = Causes { unanswered: 9, ..Causes::default() };
        let spent = describe_budget(Stage::Spent, 9, 9, &causes);
        assert!(
            spent.contains("are used (in this run 9 without any answer): the noise"),
            "{spent}"
        );
        assert!(spent.ends_with("What you write is kept"));
    }

    #[test]
    fn what_the_entry_says_is_told_as_what_it_says() {
        for lost in [Lost::Alone, Lost::Everybody] {
            assert!(describe_lost(lost, 5).contains("the entry says"));
        }
        assert!(describe_lost(Lost::Unknown, 5).contains("is not known"));
    }

    #[test]
    fn no_face_is_named() {
        let causes = Causes::default();
        let all =
            [Stage::Half, Stage::Spent, Stage::Beyond].map(|s| describe_budget(s, 1, 2, &causes));
        assert!(all.iter().all(|said| !said.contains("talaria ") && !said.contains("--")));
    }
}
