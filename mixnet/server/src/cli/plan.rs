//! `talariad plan`: from a privacy goal to the noise and its price, and back.

mod cost;
mod text;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use talaria_privacy::vuvuzela::least_noise_by_the_bound;
use talaria_privacy::{Accounted, BadGoal, Fit, Goal, greatest_rounds, least_noise};
use talaria_wire::params::MAX_HOPS;
use talaria_wire::{Hops, RoundShape};

use super::failure::Failure;
use cost::{Cost, Speed};

/// An advantage that is worse than a good guess about the weather.
const HARDLY_PROTECTS: f64 = 0.5;

#[derive(Args)]
#[command(
    after_help = "A round is charged if Alice and her partner lost two of their four onions \
    between them, so that the number of pairs can give them away; rounds in which nothing was \
    lost cost nothing. mixnet/PRIVACY.md has the derivation.\n\n\
    Examples:\n  talariad plan --charged-rounds 1000\n  \
    talariad plan --epsilon ln3 --delta 1e-6 --charged-rounds 250000 --hops 4\n  \
    talariad plan --noise-onions 1846"
)]
pub(super) struct PlanArgs {
    /// Views may be e^ε times as likely under one story as under another: 0.7, or ln2.
    #[arg(long, value_name = "ε", default_value = "ln2", value_parser = parse_epsilon)]
    epsilon: f64,
    /// The probability of a view that says more than ε allows.
    #[arg(long, value_name = "δ", default_value_t = 1e-4, value_parser = parse_delta)]
    delta: f64,
    /// The charged rounds that the goal has to hold for.
    #[arg(long, value_name = "K", required_unless_present = "noise_onions")]
    charged_rounds: Option<u32>,
    /// Instead: how many charged rounds this many noise onions a hop and round are good for.
    #[arg(long, value_name = "T", conflicts_with = "charged_rounds")]
    noise_onions: Option<u32>,
    /// Length of a round, such as 2s or 250ms.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = super::period::parse_period)]
    period: Duration,
    /// Hops in the chain; each but the last adds noise.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_HOPS)))]
    hops: u8,
    /// Do not measure this machine, and leave out the CPU time.
    #[arg(long)]
    no_measurement: bool,
}

/// A number, or the logarithm of one: 0.7, ln2, ln(2).
fn parse_epsilon(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let value = match text.strip_prefix("ln") {
        Some(of) => of.trim_matches(['(', ')', ' ']).parse::<f64>().map(f64::ln),
        None => text.parse(),
    };
    let value = value.map_err(|_| BadGoal::Epsilon.to_string())?;
    Goal::new(value, 0.5).map(|_| value).map_err(|error| error.to_string())
}

fn parse_delta(text: &str) -> Result<f64, String> {
    let value = text.trim().parse().map_err(|_| BadGoal::Delta.to_string())?;
    Goal::new(0.0, value).map(|_| value).map_err(|error| error.to_string())
}

/// The answer.
#[derive(Debug)]
struct Plan {
    goal: Goal,
    period: Duration,
    hops: u8,
    charged_rounds: u32,
    /// None: more than can be accounted for.
    fit: Option<Fit>,
    spent: Accounted,
    /// On average, of each server and round.
    vuvuzela_noise_onions: u64,
    cost: Option<Cost>,
    warnings: Vec<String>,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn vuvuzela(goal: Goal, rounds: u32) -> u64 {
    least_noise_by_the_bound(goal, rounds).noise_onions().ceil() as u64
}

/// Finds and prints.
pub(super) fn plan(args: &PlanArgs, as_json: bool) -> Result<(), Failure> {
    let plan = Plan::find(args)?;
    let text = if as_json { format!("{}\n", plan.json()) } else { plan.text() };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

impl Plan {
    fn find(args: &PlanArgs) -> Result<Self, Failure> {
        let goal = Goal::new(args.epsilon, args.delta)?;
        let fit = match (args.noise_onions, args.charged_rounds) {
            (Some(noise_onions), _) => Some(greatest_rounds(goal, noise_onions)),
            (None, Some(rounds)) => least_noise(goal, rounds),
            (None, None) => return Err("give --charged-rounds or --noise-onions".into()),
        };
        let charged_rounds =
            fit.map_or(args.charged_rounds.unwrap_or_default(), |fit| fit.charged_rounds);
        let spent = fit.map_or(Accounted::nothing_hidden(charged_rounds), |fit| {
            // Noise that is not even good for one round is told by what one round costs.
            Fit {
                charged_rounds: charged_rounds.max(u32::from(args.noise_onions.is_some())),
                ..fit
            }
            .accounted(goal)
        });
        let hops = Hops::new(args.hops).expect("the command line allows no longer chains");
        let shape = RoundShape::new(hops, 1).expect("one lane is allowed");
        let speed = if args.no_measurement { None } else { Some(Speed::measure()?) };
        let cost = fit.map(|fit| Cost::new(shape, fit.noise_onions, args.period, speed));
        let mut plan = Self {
            goal,
            period: args.period,
            hops: args.hops,
            charged_rounds,
            fit,
            spent,
            vuvuzela_noise_onions: vuvuzela(goal, charged_rounds),
            cost,
            warnings: Vec::new(),
        };
        plan.warnings = plan.warnings(args);
        Ok(plan)
    }

    /// What a person has to be told before they rely on it.
    fn warnings(&self, args: &PlanArgs) -> Vec<String> {
        let all = [
            self.warn_of_goal(),
            self.warn_of_delta(),
            self.warn_of_noise(args),
            self.warn_of_hops(),
            self.warn_of_rounding(args),
        ];
        all.into_iter().flatten().collect()
    }

    fn warn_of_goal(&self) -> Option<String> {
        let allowed = self.goal.advantage();
        (allowed >= HARDLY_PROTECTS).then(|| {
            format!(
                "This goal protects nobody: it allows an attacker's best guess to be right in \
                 {:.1} % of all cases. Choose a smaller epsilon or delta.",
                50.0 * (1.0 + allowed)
            )
        })
    }

    fn warn_of_delta(&self) -> Option<String> {
        let delta = self.goal.delta();
        (delta >= 0.01).then(|| {
            format!(
                "With this delta, {:.0} % of all views may give everything away.",
                100.0 * delta
            )
        })
    }

    /// What the noise does not do; at most one of these is true.
    fn warn_of_noise(&self, args: &PlanArgs) -> Option<String> {
        let warning = match self.fit.map(|fit| fit.noise_onions) {
            None => {
                "No amount of noise that a hop can add reaches this goal: ask for fewer charged \
                 rounds, or a greater epsilon or delta."
            }
            Some(0) if self.spent.charged_rounds > 0 => {
                "Without noise nobody is protected: the first charged round tells."
            }
            _ if self.charged_rounds > 0 => return None,
            _ if args.noise_onions.is_none() => {
                "Without a charged round there is nothing to hide, and no noise: whoever removes \
                 onions in one round and sees the last hop learns who talks."
            }
            Some(_) => {
                "This noise does not reach the goal for a single charged round: it protects nobody \
                 as well as you ask."
            }
        };
        Some(warning.to_owned())
    }

    fn warn_of_hops(&self) -> Option<String> {
        let warning = "A chain of one hop has no hop that adds noise, and its operator sees \
                       everything: nobody is protected from it.";
        (self.hops == 1).then(|| warning.to_owned())
    }

    fn warn_of_rounding(&self, args: &PlanArgs) -> Option<String> {
        let noise = self.fit.map(|fit| fit.noise_onions);
        args.noise_onions.is_some_and(|asked| Some(asked) != noise).then(|| {
            format!(
                "Noise onions are an even number of at most 4194304; this is for {}.",
                noise.unwrap_or_default()
            )
        })
    }

    fn json(&self) -> Value {
        let mut object = json!({
            "epsilon": self.goal.epsilon(),
            "delta": self.goal.delta(),
            "charged_rounds": self.charged_rounds,
            "noise_onions": self.fit.map(|fit| fit.noise_onions),
            "alpha": self.fit.map(|fit| fit.alpha),
            "attacker_advantage": self.spent.advantage,
            "accounted_rounds": self.spent.charged_rounds,
            "accounted_epsilon": self.spent.epsilon,
            "accounted_delta": self.spent.delta,
            "advantage_allowed": self.goal.advantage(),
            "vuvuzela_noise_onions": self.vuvuzela_noise_onions,
            "period_ms": u64::try_from(self.period.as_millis()).unwrap_or(u64::MAX),
            "hops": self.hops,
            "warnings": self.warnings,
        });
        if let Some(cost) = &self.cost {
            object["links"] = json!(cost.links);
            object["core_share"] = json!(cost.core_share);
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: PlanArgs,
    }

    fn plan(line: &str) -> Plan {
        let words = ["plan", "--no-measurement"].into_iter().chain(line.split_whitespace());
        Plan::find(&Line::try_parse_from(words).unwrap().args).unwrap()
    }

    #[test]
    fn numbers_and_logarithms() {
        let near = |text, value: f64| (parse_epsilon(text).unwrap() - value).abs() < 1e-15;
        assert!(near("0.5", 0.5) && near("ln2", 2f64.ln()) && near("ln(3)", 3f64.ln()));
        for bad in ["", "ln", "lnx", "-1", "ln0.5", "inf", "nan", "two"] {
            assert!(parse_epsilon(bad).is_err(), "{bad}");
        }
        assert!(parse_delta("1e-4").is_ok() && parse_delta("1").is_ok());
        assert!(["0", "2", "-1", "x"].iter().all(|bad| parse_delta(bad).is_err()));
    }

    #[test]
    fn one_way_or_the_other() {
        assert!(Line::try_parse_from(["plan"]).is_err());
        let both = ["plan", "--charged-rounds", "5", "--noise-onions", "8"];
        assert!(Line::try_parse_from(both).is_err());
    }

    #[test]
    fn an_object_for_scripts() {
        let object = plan("--charged-rounds 1000").json();
        assert_eq!(object["noise_onions"], 1846);
        assert_eq!(object["charged_rounds"], 1000);
        assert!((object["attacker_advantage"].as_f64().unwrap() - 0.0877).abs() < 1e-3);
        assert_eq!(object["warnings"], json!([]));
        let back = plan("--noise-onions 1846").json();
        assert!((1000..1010).contains(&back["charged_rounds"].as_u64().unwrap()), "{back}");
        // Hop 1 to hop 2 carries one hop's noise, hop 2 to hop 3 that of two.
        assert_eq!(object["links"][0]["out_bytes_per_second"], 1846 * 624 / 2);
        assert_eq!(object["links"][1]["back_bytes_per_second"], 2 * 1846 * 528 / 2);
    }

    #[test]
    fn settings_that_protect_nobody_are_named() {
        for line in [
            "--charged-rounds 100 --epsilon 5",
            "--charged-rounds 100 --delta 0.9",
            "--charged-rounds 0",
            "--charged-rounds 100 --hops 1",
            "--charged-rounds 4000000000",
            "--noise-onions 0",
            "--noise-onions 2",
            "--noise-onions 629",
        ] {
            let plan = plan(line);
            assert!(!plan.warnings.is_empty(), "{line}");
            let text = plan.text();
            assert!(plan.warnings.iter().all(|warning| text.contains(warning)), "{line}: {text}");
        }
    }
}
