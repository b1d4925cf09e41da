//! The plan for people.

use std::fmt::Write;
use std::time::Duration;

use super::Plan;
use super::cost::Cost;

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;
const YEAR: f64 = 365.25 * DAY;

impl Plan {
    /// The whole answer.
    pub(super) fn text(&self) -> String {
        let plan = self;
        let mut text = String::new();
        for warning in &plan.warnings {
            let _ = writeln!(text, "WARNING: {warning}");
        }
        if !plan.warnings.is_empty() {
            text.push('\n');
        }
        let (epsilon, delta) = (plan.goal.epsilon(), plan.goal.delta());
        let rounds = grouped(plan.charged_rounds.into());
        let _ = writeln!(text, "Goal     epsilon {epsilon:.4}, delta {delta:e}");
        let _ = writeln!(text, "Lasts    {rounds} charged rounds");
        let Some(fit) = plan.fit else {
            return text;
        };
        let noise = grouped(fit.noise_onions.into());
        let _ = writeln!(
            text,
            "Noise    {noise} onions a round from each hop but the last, alpha {:.1}",
            fit.alpha
        );
        meaning(&mut text, plan);
        if let Some(cost) = &plan.cost {
            price(&mut text, plan, cost);
        }
        duration(&mut text, plan);
        let vuvuzela = plan.vuvuzela_noise_onions;
        if plan.charged_rounds > 0 && fit.noise_onions > 0 {
            let _ = writeln!(
                text,
                "\nVuvuzela's mechanism and bound take {} onions a round for as many rounds,\n\
                 {:.0} times as many, and charge every round.",
                grouped(vuvuzela),
                vuvuzela as f64 / f64::from(fit.noise_onions)
            );
        }
        text
    }
}

fn meaning(text: &mut String, plan: &Plan) {
    let advantage = plan.spent.advantage;
    let _ = writeln!(
        text,
        "\nWhat it means, if every other hop works for the attacker, after {}:\n\
         \x20 advantage {:.2} %: so much more often does the best test between two stories (Alice\n\
         \x20 talks to Bob; she does not) say yes when it is true than when it is not. Of two\n\
         \x20 stories that seemed equally likely, the best guess is right in {:.2} % of all cases\n\
         \x20 instead of 50 %. The epsilon and delta alone would allow {:.2} %.",
        count(plan.spent.charged_rounds, "charged round"),
        100.0 * advantage,
        50.0 * (1.0 + advantage),
        50.0 * (1.0 + plan.goal.advantage()),
    );
}

fn price(text: &mut String, plan: &Plan, cost: &Cost) {
    let period = humantime::format_duration(plan.period);
    let _ = writeln!(text, "\nWhat the noise costs, at one round every {period}:");
    for link in &cost.links {
        let _ = writeln!(
            text,
            "  hop {:>2} to {:<2} {:>12} onions, {} out and {} back",
            link.from,
            link.from + 1,
            grouped(link.onions),
            bytes(link.out_bytes_per_second),
            bytes(link.back_bytes_per_second),
        );
    }
    for (place, share) in cost.core_share.iter().flatten().enumerate() {
        let _ = writeln!(
            text,
            "  hop {:>2} {:>8.2} % of one core of this machine",
            place + 1,
            100.0 * share
        );
    }
}

fn duration(text: &mut String, plan: &Plan) {
    let rounds = f64::from(plan.charged_rounds);
    let _ = writeln!(text, "\nHow long that is, if onions of the two are removed");
    for (often, seconds) in
        [("in every round", plan.period.as_secs_f64()), ("once an hour", HOUR), ("once a day", DAY)]
    {
        let _ = writeln!(
            text,
            "  {often:<16} {}",
            time(rounds * seconds.max(plan.period.as_secs_f64()))
        );
    }
    text.push_str("Rounds in which nothing is removed cost nothing.\n");
}

fn count(n: u32, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", grouped(n.into()))
}

/// 1,234,567.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn bytes(per_second: u64) -> String {
    match per_second as f64 {
        many if many >= 1e6 => format!("{:.1} MB/s", many / 1e6),
        some => format!("{:.1} kB/s", some / 1e3),
    }
}

fn time(seconds: f64) -> String {
    let units = [(YEAR, "years"), (DAY, "days"), (HOUR, "hours"), (60.0, "minutes")];
    let fits = units.into_iter().find(|(unit, _)| seconds >= 2.0 * unit);
    let (unit, name) = fits.unwrap_or((1.0, "seconds"));
    format!("{} {name}", Duration::from_secs_f64((seconds / unit).round()).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [0, 999, 1_000, 27_896, 1_234_567].map(grouped).join(" "),
            "0 999 1,000 27,896 1,234,567"
        );
        assert_eq!(
            [2.0, 2_000.0, 36e5, 86_400_000.0].map(time).join(", "),
            "2 seconds, 33 minutes, 42 days, 3 years"
        );
        assert_eq!([1_500, 2_500_000].map(bytes).join(", "), "1.5 kB/s, 2.5 MB/s");
    }
}
