//! The report: one object for programs, and in `table` a table for people.

mod table;

use std::time::Duration;

use serde::Serialize;
use talaria_wire::RoundShape;

use super::args::Args;
use super::ledger::Judged;
use super::probe::Cost;
use super::spread::Spread;
use super::stage::{Results, Stage};

/// What stood fixed before the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) period: Duration,
    pub(super) talking: usize,
    pub(super) shape: RoundShape,
}

/// Everything that a run has shown. Counts are of clients' rounds if nothing else is said.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Clients asked for.
    pub clients: u32,
    /// Clients that connected.
    pub connected: usize,
    /// Clients that could not connect.
    pub refused: usize,
    /// Clients whose connection broke later.
    pub lost: usize,
    /// Why the first of these was refused or lost.
    pub first_error: Option<String>,
    /// Clients that talked with another one.
    pub talking: usize,
    /// Hops in the chain.
    pub hops: u8,
    /// Lanes of a client.
    pub lanes: u8,
    /// Length of a round.
    pub period_ms: u64,
    /// What the clients said follows from this.
    pub seed: u64,
    /// Rounds that were announced.
    pub rounds: usize,
    /// Rounds that should have been, and were not announced before the server went quiet.
    pub rounds_missing: usize,
    /// Round numbers that the server left out.
    pub rounds_skipped: u64,
    /// Announcements that came.
    pub announced: usize,
    /// Submissions that left.
    pub submissions: usize,
    /// Submissions whose replies came.
    pub delivered: usize,
    /// Submissions that the server found late.
    pub late: usize,
    /// Submissions whose round the server lost.
    pub failed: usize,
    /// Rounds in which a connected client sent nothing.
    pub missed: usize,
    /// Submissions that got no answer at all.
    pub unanswered: usize,
    /// Onions whose reply was not what it had to be.
    pub wrong: usize,
    /// Submissions that had to wait for their onions to be sealed.
    pub waited_for_onions: usize,
    /// From writing a submission to having its replies.
    pub latency_ms: Option<Spread>,
    /// Of each round, from its first announcement to the last submission.
    pub collect_ms: Option<Spread>,
    /// Of each round, from its first announcement to the last replies.
    pub round_ms: Option<Spread>,
    /// Connections made in a second, greeting included.
    pub handshakes_per_second: f64,
    /// Time of one thread to seal an onion.
    pub seal_us_per_onion: f64,
    /// Threads that sealed.
    pub sealing_threads: usize,
    /// Whether Ctrl-C ended the run.
    pub interrupted: bool,
    /// CPU time and memory.
    pub cost: Cost,
}

impl Report {
    pub(super) fn new(args: &Args, setting: &Setting, stage: &Stage) -> Self {
        let cast = stage.cast();
        let report = Self {
            clients: args.clients,
            connected: cast.connected() + cast.lost,
            refused: cast.refused,
            lost: cast.lost,
            first_error: cast.first_error.clone(),
            talking: setting.talking,
            hops: setting.shape.hops().get(),
            lanes: setting.shape.lanes(),
            period_ms: u64::try_from(setting.period.as_millis()).unwrap_or(u64::MAX),
            seed: setting.seed,
            seal_us_per_onion: stage.workshop().per_onion().as_nanos() as f64 / 1000.0,
            sealing_threads: stage.workshop().threads(),
            ..Self::default()
        };
        report.with_rounds(&stage.results())
    }

    fn with_rounds(mut self, results: &Results) -> Self {
        self.rounds = results.judged.len();
        self.rounds_missing = (results.wanted as usize).saturating_sub(self.rounds);
        self.rounds_skipped = results.skipped;
        self.waited_for_onions = results.unprepared;
        // What is wrong is wrong, even where being late is not.
        self.wrong = results.warm_up.wrong;
        self.unanswered = results.warm_up.unanswered;
        let mut latencies = Vec::new();
        for round in &results.judged {
            self.add(round);
            latencies.extend_from_slice(&round.latencies);
        }
        self.latency_ms = Spread::of(&mut latencies);
        let of_rounds = |time: fn(&Judged) -> u32| {
            Spread::of(&mut results.judged.iter().map(time).collect::<Vec<_>>())
        };
        self.collect_ms = of_rounds(|round| round.collect);
        self.round_ms = of_rounds(|round| round.whole);
        self
    }

    fn add(&mut self, round: &Judged) {
        self.announced += round.announced;
        self.submissions += round.sent;
        self.delivered += round.delivered;
        self.late += round.late;
        self.failed += round.failed;
        self.missed += round.missed;
        self.unanswered += round.unanswered;
        self.wrong += round.wrong;
    }

    /// Whether every reply was right and on time, and nobody and nothing was missing.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let bad = self.late + self.failed + self.missed + self.unanswered + self.wrong;
        let missing = self.refused + self.lost + self.rounds_missing;
        bad + missing == 0 && self.rounds_skipped == 0
    }

    /// What the program ends with: 0, 1 if something was wrong, 130 after Ctrl-C if nothing was.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.is_good(), self.interrupted) {
            (true, false) => 0,
            (true, true) => 130,
            (false, _) => 1,
        }
    }

    /// One JSON object.
    ///
    /// # Panics
    /// Never: a report has only numbers and strings.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a report has only numbers and strings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(judged: Vec<Judged>) -> Results {
        Results { judged, warm_up: Judged::default(), wanted: 2, skipped: 0, unprepared: 0 }
    }

    fn good() -> Judged {
        Judged {
            announced: 3,
            sent: 3,
            delivered: 3,
            latencies: vec![1000, 2000, 3000],
            collect: 5000,
            whole: 9000,
            ..Judged::default()
        }
    }

    #[test]
    fn rounds_add_up() {
        let report = Report::default().with_rounds(&results(vec![good(), good()]));
        assert_eq!((report.rounds, report.announced, report.delivered), (2, 6, 6));
        assert_eq!(report.latency_ms.map(|spread| (spread.min, spread.max)), Some((1.0, 3.0)));
        assert_eq!(report.round_ms.map(|spread| spread.p50), Some(9.0));
        assert_eq!(report.exit_code(), 0);
        assert_eq!(Report { interrupted: true, ..report }.exit_code(), 130);
    }

    #[test]
    fn whatever_is_wrong_shows_in_the_exit_code() {
        let bad: [fn(&mut Judged); 5] = [
            |round| round.late = 1,
            |round| round.failed = 1,
            |round| round.missed = 1,
            |round| round.unanswered = 1,
            |round| round.wrong = 1,
        ];
        for bad in bad {
            let mut round = good();
            bad(&mut round);
            let report = Report::default().with_rounds(&results(vec![round, good()]));
            assert_eq!(report.exit_code(), 1);
        }
        assert_eq!(Report::default().with_rounds(&results(vec![good()])).exit_code(), 1);
        let skipped = Results { skipped: 1, ..results(vec![good(), good()]) };
        assert_eq!(Report::default().with_rounds(&skipped).exit_code(), 1);
        let warm_up = Judged { wrong: 1, late: 5, ..Judged::default() };
        let report =
            Report::default().with_rounds(&Results { warm_up, ..results(vec![good(), good()]) });
        assert_eq!((report.wrong, report.late, report.exit_code()), (1, 0, 1));
        for report in [
            Report { lost: 1, ..Report::default() },
            Report { refused: 1, interrupted: true, ..Report::default() },
        ] {
            assert_eq!(report.exit_code(), 1);
        }
    }

    #[test]
    fn a_report_is_readable_for_both_even_when_it_is_empty() {
        let value: serde_json::Value = serde_json::from_str(&Report::default().to_json()).unwrap();
        assert_eq!(value["wrong"], 0);
        assert!(value["latency_ms"].is_null());
        assert!(Report::default().to_string().contains("wrong replies"));
    }
}
