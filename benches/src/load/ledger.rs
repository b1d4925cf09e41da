//! The ledger of one round: what became of every submission, and the judge of the replies.

use std::time::Instant;

use super::script::{Meets, Script};
use super::spread::micros;

/// What has become of one client in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The announcement has not come to this client yet.
    Unasked,
    /// Its submission has not left yet.
    Asked,
    /// Its submission has left.
    Sent,
    /// The replies have come.
    Delivered,
    /// The server says that the submission was late.
    Late,
    /// The server says that the round was lost.
    Failed,
    /// The round was announced, and the next one too before the submission had left.
    Missed,
    /// The connection broke after the submission had left.
    Unanswered,
    /// The connection broke before.
    Gone,
}

impl Fate {
    fn is_final(self) -> bool {
        !matches!(self, Self::Unasked | Self::Asked | Self::Sent)
    }

    /// Whether the onions were in the round, if that can be known.
    fn took_part(self) -> Option<bool> {
        match self {
            Self::Delivered => Some(true),
            Self::Late | Self::Missed | Self::Gone | Self::Unasked | Self::Asked => Some(false),
            Self::Sent | Self::Unanswered | Self::Failed => None,
        }
    }
}

/// What a reply held when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The message of whom the onion was to meet.
    Expected,
    /// The empty reply: it met nobody.
    Empty,
    /// Another message.
    Other,
    /// It did not open.
    Unopened,
}

/// Whether `seen` is right, given the fate of the partner (`None` if the onion meets another one
/// of the same submission).
fn is_right(seen: Seen, partner: Option<Fate>) -> bool {
    match partner.map_or(Some(true), Fate::took_part) {
        Some(true) => seen == Seen::Expected,
        Some(false) => seen == Seen::Empty,
        None => matches!(seen, Seen::Expected | Seen::Empty),
    }
}

/// One round under way.
#[derive(Debug)]
pub(super) struct Ledger {
    fates: Vec<Fate>,
    /// Of every onion; what stands there counts only if its client has its replies.
    seen: Vec<Seen>,
    open: usize,
    announced: usize,
    latencies: Vec<u32>,
    began: Instant,
    last_sent: Instant,
    last_back: Instant,
}

/// A round that has been judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) announced: usize,
    pub(super) sent: usize,
    pub(super) delivered: usize,
    pub(super) late: usize,
    pub(super) failed: usize,
    pub(super) missed: usize,
    pub(super) unanswered: usize,
    /// Onions whose reply was not what it had to be.
    pub(super) wrong: usize,
    /// From writing each submission to having its replies, in microseconds.
    pub(super) latencies: Vec<u32>,
    /// From the first announcement to the last submission, in microseconds.
    pub(super) collect: u32,
    /// From the first announcement to the last replies, in microseconds.
    pub(super) whole: u32,
}

impl Ledger {
    /// A round whose first announcement came at `now`. Clients that are not `alive` have gone.
    pub(super) fn new(alive: &[bool], onions_per_client: usize, now: Instant) -> Self {
        let fate = |alive: &bool| if *alive { Fate::Unasked } else { Fate::Gone };
        Self {
            fates: alive.iter().map(fate).collect(),
            seen: vec![Seen::Unopened; alive.len() * onions_per_client],
            open: alive.iter().filter(|alive| **alive).count(),
            announced: 0,
            latencies: Vec::with_capacity(alive.len()),
            began: now,
            last_sent: now,
            last_back: now,
        }
    }

    /// Whether every client has its answer.
    pub(super) fn is_settled(&self) -> bool {
        self.open == 0
    }

    /// The announcement has come to `client`; `false` if it had come before.
    pub(super) fn announce(&mut self, client: usize) -> bool {
        let new = self.fates[client] == Fate::Unasked;
        if new {
            self.announced += 1;
            self.fates[client] = Fate::Asked;
        }
        new
    }

    /// The submission of `client` leaves.
    pub(super) fn send(&mut self, client: usize, now: Instant) {
        self.fates[client] = Fate::Sent;
        self.last_sent = now;
    }

    /// The replies to what `client` sent at `sent` have come; `seen` is of its onions in order.
    pub(super) fn deliver(
        &mut self,
        client: usize,
        sent: Instant,
        now: Instant,
        seen: impl IntoIterator<Item = Seen>,
    ) {
        let onions = self.seen.len() / self.fates.len();
        let slots = self.seen[client * onions..].iter_mut().take(onions);
        slots.zip(seen).for_each(|(slot, seen)| *slot = seen);
        self.latencies.push(micros(now - sent));
        self.last_back = now;
        self.end(client, Fate::Delivered);
    }

    /// `client` gets no replies, for this reason.
    pub(super) fn end(&mut self, client: usize, fate: Fate) {
        if !self.fates[client].is_final() {
            self.open -= 1;
            self.fates[client] = fate;
        }
    }

    /// The connection of `client` broke.
    pub(super) fn lose(&mut self, client: usize) {
        let sent = self.fates[client] == Fate::Sent;
        self.end(client, if sent { Fate::Unanswered } else { Fate::Gone });
    }

    /// Judges the round. Who still waits for an answer has none.
    pub(super) fn judge(self, script: &Script) -> Judged {
        let count = |fates: &[Fate]| self.fates.iter().filter(|fate| fates.contains(fate)).count();
        let unanswered = count(&[Fate::Sent, Fate::Unanswered]);
        let (delivered, late, failed) =
            (count(&[Fate::Delivered]), count(&[Fate::Late]), count(&[Fate::Failed]));
        Judged {
            announced: self.announced,
            sent: delivered + late + failed + unanswered,
            delivered,
            late,
            failed,
            // A client that was never asked, though it was there, has missed the round as well.
            missed: count(&[Fate::Missed, Fate::Asked, Fate::Unasked]),
            unanswered,
            wrong: self.count_wrong(script),
            collect: micros(self.last_sent - self.began),
            whole: micros(self.last_back - self.began),
            latencies: self.latencies,
        }
    }

    fn count_wrong(&self, script: &Script) -> usize {
        let onions = self.seen.len() / self.fates.len();
        let replies = self.seen.iter().enumerate();
        let wrong = replies.filter(|(i, seen)| {
            let (client, slot) = (i / onions, i % onions);
            let partner = match script.meets(client, slot) {
                Meets::Own => None,
                Meets::Partner(partner) => Some(self.fates[partner]),
            };
            self.fates[client] == Fate::Delivered && !is_right(**seen, partner)
        });
        wrong.count()
    }
}

#[cfg(test)]
mod tests;
