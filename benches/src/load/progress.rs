//! What people see while they wait: lines on standard error.

use std::time::{Duration, Instant};

use talaria_wire::Round;

use super::ledger::Judged;

/// How often a line comes while clients connect.
const EVERY: Duration = Duration::from_secs(1);

/// Lines while clients connect.
#[derive(Debug)]
pub(super) struct Connecting {
    began: Instant,
    last: Instant,
    clients: usize,
}

impl Connecting {
    pub(super) fn new(clients: usize) -> Self {
        let began = Instant::now();
        Self { began, last: began, clients }
    }

    /// So many are under way or connected now.
    pub(super) fn at(&mut self, started: usize) {
        if self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            eprintln!("connecting: {started} of {}", self.clients);
        }
    }

    /// So many are connected in the end. Gives the handshakes per second.
    pub(super) fn done(self, connected: usize) -> f64 {
        let took = self.began.elapsed().as_secs_f64();
        let rate = connected as f64 / took.max(1e-6);
        eprintln!("connected: {connected} of {} in {took:.1} s, {rate:.0}/s", self.clients);
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
