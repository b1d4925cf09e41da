//! What people see while they wait: lines on standard error.

use std::time::{Duration, Instant};

use talaria_wire::Round;

use super::ledger::Judged;
use super::spread::Spread;

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

/// One round is over, of those that count the `number`th.
pub(super) fn round(number: u32, of: u32, round: Round, judged: &mut Judged) {
    let Judged { sent, delivered, late, failed, missed, unanswered, wrong, .. } = *judged;
    let spread = Spread::of(&mut judged.latencies).unwrap_or_default();
    let bad = late + failed + missed + unanswered + wrong;
    let bad = if bad == 0 {
        String::new()
    } else {
        format!(
            ", late {late}, failed {failed}, missed {missed}, unanswered {unanswered}, wrong {wrong}"
        )
    };
    eprintln!(
        "round {number}/{of} ({round}): sent {sent}, delivered {delivered}{bad}; all sent after \
         {} ms, all back after {} ms; half within {:.1} ms",
        judged.collect / 1000,
        judged.whole / 1000,
        spread.p50
    );
}

/// Something that people should know.
pub(super) fn note(text: &str) {
    eprintln!("{text}");
}
