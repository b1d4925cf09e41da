//! What people see while they wait: lines on standard error.

use std::time::{Duration, Instant};

use talaria_wire::Round;

use super::ledger::Judged;

/// How often a line comes while clients register or connect.
const EVERY: Duration = Duration::from_secs(1);

/// Lines while clients register or connect.
#[derive(Debug)]
pub(super) struct Waiting {
    doing: &'static str,
    done: &'static str,
    began: Instant,
    last: Instant,
    clients: usize,
}

impl Waiting {
    pub(super) fn new(doing: &'static str, done: &'static str, clients: usize) -> Self {
        let began = Instant::now();
        Self { doing, done, began, last: began, clients }
    }

    /// So many are under way or done now.
    pub(super) fn at(&mut self, started: usize) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            eprintln!("{}: {started} of {}", self.doing, self.clients);
        }
    }

    /// So many are done in the end. Gives how many that were per second.
    pub(super) fn done(self, count: usize) -> f64 {
        let took = self.began.elapsed().as_secs_f64();
        let rate = count as f64 / took.max(1e-6);
        eprintln!("{}: {count} of {} in {took:.1} s, {rate:.0}/s", self.done, self.clients);
        rate
    }
}

/// One round is over: of those that count the `number`th, if it is one of them.
pub(super) fn round(number: Option<usize>, of: u32, round: Round, judged: &Judged) {
    let name = number.map_or_else(|| "warm-up".to_owned(), |number| format!("{number}/{of}"));
    let Judged { sent, delivered, late, failed, missed, unanswered, wrong, .. } = *judged;
    let mut line = format!("round {name} ({round}): sent {sent}, delivered {delivered}");
    let bad = [
        ("late", late),
        ("failed", failed),
        ("missed", missed),
        ("unanswered", unanswered),
        ("wrong", wrong),
    ];
    for (what, count) in bad.into_iter().filter(|(_, count)| *count > 0) {
        line.push_str(&format!(", {what} {count}"));
    }
    let (collect, whole) = (judged.collect / 1000, judged.whole / 1000);
    eprintln!("{line}; all sent after {collect} ms, all back after {whole} ms");
}

/// Something that people should know.
pub(super) fn note(text: &str) {
    eprintln!("{text}");
}
