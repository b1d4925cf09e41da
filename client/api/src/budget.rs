//! What the noise of a network is worth, and what conversations have used of it.

use serde::{Deserialize, Serialize};

/// Factors above this are not worth their digits: nothing is left of the protection.
const GREATEST_FACTOR: f64 = 1000.0;

/// What the noise of a network promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// There is no noise.
    NoNoise,
    /// There is noise, and nobody says for how much.
    NoGoal,
    /// There is noise for this.
    Goal(Goal),
}

/// For how many charged rounds the noise covers up how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// The exponent of the factor by which a guess may improve.
    pub epsilon_millionths: u32,
    /// The probability that it improves by more.
    pub delta_billionths: u32,
    /// For so many rounds of a conversation.
    pub charged_rounds: u64,
}

/// The budget of every conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// What the network is called.
    pub network: String,
    /// Of each hop and round.
    pub noise_onions: u32,
    /// Of the goal.
    pub epsilon: Option<f64>,
    /// Of the goal.
    pub delta: Option<f64>,
    /// Of the goal.
    pub charged_rounds: Option<u64>,
    /// The goal in words.
    pub meaning: String,
    /// Onions of one's own that were to meet and did not, in the newest run.
    pub idle_pairs_unmet: u64,
    /// The account had other homes, and what they have used is counted nowhere here.
    pub earlier_homes: bool,
    /// One for each conversation.
    pub contacts: Vec<Used>,
    /// What the identity service has signed.
    pub directory: Directory,
}

/// Why rounds of a conversation were charged in this run, as far as a client can know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Causes {
    /// They came back without both messages of the partner.
    pub unmet: u64,
    /// The entry says that this client's submission was not in them.
    pub late: u64,
    /// The entry says that they were lost for everybody.
    pub failed: u64,
    /// Nobody has said anything.
    pub unanswered: u64,
}

impl Causes {
    /// For a person; `None` if there are none.
    #[must_use]
    pub fn describe(&self) -> Option<String> {
        let all = [
            (self.unmet, "without both messages of the partner"),
            (self.late, "lost for you alone, as the entry says"),
            (self.failed, "lost for everybody, as the entry says"),
            (self.unanswered, "without any answer"),
        ];
        let some = all.iter().filter(|(rounds, _)| *rounds > 0);
        let said: Vec<_> = some.map(|(rounds, why)| format!("{rounds} {why}")).collect();
        (!said.is_empty()).then(|| format!("in this run {}", said.join(", ")))
    }
}

/// How far the copy of the directory has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// How many entries it has.
    pub entries: u64,
    /// How long ago the service has signed it, in seconds.
    pub age_s: Option<u64>,
    /// Two heads, in hexadecimal, that prove that the service has signed two stories.
    pub contradiction: Option<String>,
}

impl Status {
    /// For a network and what its conversations have used: of each the partner, the rounds that are
    /// charged, and those that this side may have.
    #[must_use]
    pub fn new(
        network: String,
        noise_onions: u32,
        protection: Protection,
        idle_pairs_unmet: u64,
        charged: impl IntoIterator<Item = (String, u64, Option<u64>)>,
    ) -> Self {
        let goal = match protection {
            Protection::Goal(goal) => Some(goal),
            Protection::NoNoise | Protection::NoGoal => None,
        };
        let charged_rounds = goal.map(|goal| goal.charged_rounds);
        let used = |(name, charged, each)| Used::new(name, charged, each);
        Self {
            network,
            noise_onions,
            epsilon: goal.map(epsilon),
            delta: goal.map(delta),
            charged_rounds,
            meaning: meaning(protection),
            idle_pairs_unmet,
            earlier_homes: false,
            contacts: charged.into_iter().map(used).collect(),
            directory: Directory::default(),
        }
    }
}

/// What a conversation has used of its budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// With whom.
    pub name: String,
    /// Rounds that were charged.
    pub charged: u64,
    /// Rounds that this side may spend: half of those that the goal holds for, since the partner
    /// counts for itself.
    pub budget: Option<u64>,
    /// From 0 on; above 1 if it went on beyond the budget.
    pub share: Option<f64>,
    /// How far that is.
    pub state: UsedState,
}

/// How far a conversation has come with its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsedState {
    /// There is none.
    NoBudget,
    /// Less than half.
    Ok,
    /// Half or more.
    Half,
    /// All.
    Spent,
}

impl Used {
    #[expect(clippy::cast_precision_loss, reason = "a share is for looking at")]
    fn new(name: String, charged: u64, budget: Option<u64>) -> Self {
        let state = match budget {
            None => UsedState::NoBudget,
            Some(rounds) if charged >= rounds => UsedState::Spent,
            Some(rounds) if charged >= rounds.div_ceil(2) => UsedState::Half,
            Some(_) => UsedState::Ok,
        };
        let share = budget.map(|rounds| match rounds {
            0 => 1.0,
            rounds => charged as f64 / rounds as f64,
        });
        Self { name, charged, budget, share, state }
    }

    /// For a person, after the name.
    #[must_use]
    pub fn describe(&self) -> String {
        let Some((rounds, share)) = self.budget.zip(self.share) else {
            return format!("{} charged rounds, no budget", self.charged);
        };
        let used = format!("{} of {rounds} charged rounds ({:.1} %)", self.charged, share * 100.0);
        match self.state {
            UsedState::Spent => format!("{used}: used up"),
            UsedState::Half => format!("{used}: more than half is used"),
            UsedState::NoBudget | UsedState::Ok => used,
        }
    }
}

fn epsilon(goal: Goal) -> f64 {
    f64::from(goal.epsilon_millionths) / 1e6
}

fn delta(goal: Goal) -> f64 {
    f64::from(goal.delta_billionths) / 1e9
}

/// The goal in words for people who have not read `mixnet/PRIVACY.md`.
fn meaning(protection: Protection) -> String {
    match protection {
        Protection::NoNoise => "this network's hops add no noise: a removed onion tells. Whoever \
             removes onions and sees the last hop may learn who talks, in a single round; there is \
             no budget to keep"
            .to_owned(),
        Protection::NoGoal => {
            "this network's hops add noise, but its network file does not say for \
             how many charged rounds: no budget is kept"
                .to_owned()
        }
        Protection::Goal(goal) => {
            let rounds = goal.charged_rounds;
            let factor = match epsilon(goal).exp() {
                factor if factor > GREATEST_FACTOR => {
                    format!("more than {GREATEST_FACTOR} times, so this protects nobody,")
                }
                factor => format!("at most {factor:.2} times"),
            };
            format!(
                "in {rounds} charged rounds of a conversation, of which each side may spend half, \
                 whoever removes onions and sees \
                 everything but one honest hop can make it {factor} as likely as before, or as \
                 unlikely, that the two talk; except with probability {}",
                delta(goal)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_said_in_words() {
        let goal = |epsilon_millionths| {
            let goal = Goal { epsilon_millionths, delta_billionths: 100_000, charged_rounds: 9 };
            meaning(Protection::Goal(goal))
        };
        let said = goal(693_147);
        assert!(
            said.contains("at most 2.00 times") && said.contains("probability 0.0001"),
            "{said}"
        );
        assert!(goal(u32::MAX).contains("protects nobody"));
        assert!(meaning(Protection::NoNoise).contains("a removed onion tells"));
    }

    #[test]
    fn causes_are_said_as_far_as_there_are_any() {
        assert_eq!(Causes::default().describe(), None);
        let causes = Causes { unmet: 3, failed: 2, ..Causes::default() };
        let said = "in this run 3 without both messages of the partner, 2 lost for everybody, as \
                    the entry says";
        assert_eq!(causes.describe().as_deref(), Some(said));
    }

    #[test]
    fn shares_say_how_far_it_has_come() {
        use UsedState::{Half, NoBudget, Ok, Spent};
        let state = |charged, budget| Used::new("Bob".to_owned(), charged, budget).state;
        assert_eq!([state(0, Some(5)), state(2, Some(5)), state(3, Some(5))], [Ok, Ok, Half]);
        assert_eq!([state(5, Some(5)), state(7, None)], [Spent, NoBudget]);
        let beyond = Used::new("Bob".to_owned(), 6, Some(4));
        assert_eq!(Used::new("Bob".to_owned(), 0, Some(0)).share, Some(1.0));
        assert_eq!(beyond.describe(), "6 of 4 charged rounds (150.0 %): used up");
    }
}
