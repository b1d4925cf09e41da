//! The command `status`: what the noise of the network is worth, and what is used of it.

use std::path::Path;

use serde::Serialize;
use talaria_client::Budget;
use talaria_store::Home;
use talaria_wire::network_file::{NoiseGoal, Terms};

use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::secret::Source;
use crate::unlocked::Session;

/// Factors above this are not worth their digits: nothing is left of the protection.
const GREATEST_FACTOR: f64 = 1000.0;

#[derive(Serialize)]
struct Status {
    network: String,
    noise_onions: u32,
    epsilon: Option<f64>,
    delta: Option<f64>,
    charged_rounds: Option<u64>,
    meaning: String,
    idle_pairs_unmet: u64,
    contacts: Vec<Used>,
}

/// What a conversation has used of its budget.
#[derive(Serialize)]
struct Used {
    name: String,
    charged: u64,
    budget: Option<u64>,
    /// From 0 on; above 1 if it went on beyond the budget.
    share: Option<f64>,
    state: &'static str,
}

/// Shows the budget of every conversation.
pub(crate) fn status(dir: &Path, source: &Source, json: bool) -> Result<(), CliError> {
    let mut session = Session::look(dir, source)?;
    let status = Status::of(&mut session.home)?;
    if json {
        return print_json(&status);
    }
    print(&format!("network {}: {}", status.network, status.meaning))?;
    for used in &status.contacts {
        print(&used.line())?;
    }
    match status.idle_pairs_unmet {
        0 => Ok(()),
        times => print(&format!(
            "onions of yours that were to meet each other did not, {times} times in the newest \
             chat: somebody may be removing onions"
        )),
    }
}

impl Status {
    fn of(home: &mut Home) -> Result<Self, CliError> {
        let known = home.known_network()?;
        let Terms { name, noise, .. } = known.terms();
        let budget = Budget::of(noise);
        let goal = match budget {
            Budget::Goal(goal) => Some(goal),
            Budget::NoNoise | Budget::NoGoal => None,
        };
        let mut contacts = Vec::new();
        for (contact, _) in home.contacts()? {
            let charged = home.charged(&contact.key)?;
            contacts.push(Used::new(contact.name.to_string(), charged, budget.rounds()));
        }
        Ok(Self {
            network: name.clone(),
            noise_onions: noise.onions,
            epsilon: goal.map(epsilon),
            delta: goal.map(delta),
            charged_rounds: budget.rounds(),
            meaning: meaning(budget),
            idle_pairs_unmet: home.idle_pairs_unmet()?,
            contacts,
        })
    }
}

impl Used {
    #[expect(clippy::cast_precision_loss, reason = "a share is for looking at")]
    fn new(name: String, charged: u64, budget: Option<u64>) -> Self {
        let state = match budget {
            None => "no_budget",
            Some(rounds) if charged >= rounds => "spent",
            Some(rounds) if charged >= rounds.div_ceil(2) => "half",
            Some(_) => "ok",
        };
        let share = budget.map(|rounds| charged as f64 / rounds as f64);
        Self { name, charged, budget, share, state }
    }

    fn line(&self) -> String {
        let Self { name, charged, .. } = self;
        let Some((rounds, share)) = self.budget.zip(self.share) else {
            return format!("{name}\t{charged} charged rounds, no budget");
        };
        let used = format!("{name}\t{charged} of {rounds} charged rounds ({:.1} %)", share * 100.0);
        match self.state {
            "spent" => format!("{used}: used up, see `talaria chat --help` for --beyond-budget"),
            "half" => format!("{used}: more than half is used"),
            _ => used,
        }
    }
}

fn epsilon(goal: NoiseGoal) -> f64 {
    f64::from(goal.epsilon_millionths) / 1e6
}

fn delta(goal: NoiseGoal) -> f64 {
    f64::from(goal.delta_billionths) / 1e9
}

/// The goal in words for people who have not read `mixnet/PRIVACY.md`.
fn meaning(budget: Budget) -> String {
    match budget {
        Budget::NoNoise => "this network's hops add no noise: a removed onion tells. Whoever \
             removes onions and sees the last hop may learn who talks, in a single round; there is \
             no budget to keep"
            .to_owned(),
        Budget::NoGoal => "this network's hops add noise, but its network file does not say for \
             how many charged rounds: no budget is kept"
            .to_owned(),
        Budget::Goal(goal) => {
            let rounds = goal.charged_rounds;
            let factor = match epsilon(goal).exp() {
                factor if factor > GREATEST_FACTOR => {
                    format!("more than {GREATEST_FACTOR} times, so this protects nobody,")
                }
                factor => format!("at most {factor:.2} times"),
            };
            format!(
                "in {rounds} charged rounds of a conversation, whoever removes onions and sees \
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
            let goal =
                NoiseGoal { epsilon_millionths, delta_billionths: 100_000, charged_rounds: 9 };
            meaning(Budget::Goal(goal))
        };
        let said = goal(693_147);
        assert!(
            said.contains("at most 2.00 times") && said.contains("probability 0.0001"),
            "{said}"
        );
        assert!(goal(u32::MAX).contains("protects nobody"));
        assert!(meaning(Budget::NoNoise).contains("a removed onion tells"));
    }

    #[test]
    fn shares_say_how_far_it_has_come() {
        let state = |charged, budget| Used::new("Bob".to_owned(), charged, budget).state;
        assert_eq!([state(0, Some(5)), state(2, Some(5)), state(3, Some(5))], ["ok", "ok", "half"]);
        assert_eq!([state(5, Some(5)), state(7, None)], ["spent", "no_budget"]);
        let beyond = Used::new("Bob".to_owned(), 6, Some(4));
        assert!(beyond.line().contains("6 of 4 charged rounds (150.0 %): used up"));
    }
}
