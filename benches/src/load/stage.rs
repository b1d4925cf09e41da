//! What all clients share: the rounds under way, who is connected, and the sums so far.
//!
//! Everything here happens on one thread; nothing is borrowed across an await.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use talaria_wire::Round;
use tokio::sync::Notify;

use super::connection::ConnectionError;
use super::ledger::{Fate, Judged, Ledger, Seen};
use super::prepare::{Awaited, RoundBatch, Workshop};
use super::progress;
use super::script::Script;

/// Rounds whose onions are sealed before they are announced.
const AHEAD: u64 = 2;

/// The stage.
pub(super) struct Stage {
    script: Arc<Script>,
    workshop: Workshop,
    cast: RefCell<Cast>,
    rounds: RefCell<Rounds>,
    unprepared: Cell<usize>,
    /// Something has changed that whoever conducts may wait for.
    pub(super) changed: Notify,
}

/// Who is there.
#[derive(Debug, Default)]
pub(super) struct Cast {
    alive: Vec<bool>,
    /// Clients that could not connect.
    pub(super) refused: usize,
    /// Clients whose connection broke.
    pub(super) lost: usize,
    /// Why the first of them did.
    pub(super) first_error: Option<String>,
}

impl Cast {
    /// Clients that are connected now.
    pub(super) fn connected(&self) -> usize {
        self.alive.iter().filter(|alive| **alive).count()
    }
}

/// The rounds that count.
#[derive(Default)]
struct Rounds {
    /// The last round that was announced to anybody, whether it counts or not.
    last: Option<Round>,
    /// Rounds count from this one on.
    first: Option<Round>,
    wanted: u32,
    begun: u32,
    /// Round numbers that were never announced, between others that were.
    skipped: u64,
    prepared: BTreeMap<Round, RoundBatch>,
    under_way: BTreeMap<Round, (Ledger, RoundBatch)>,
    judged: Vec<Judged>,
}

impl Stage {
    pub(super) fn new(script: Arc<Script>, workshop: Workshop) -> Self {
        let cast = Cast { alive: vec![false; script.clients()], ..Cast::default() };
        Self {
            script,
            workshop,
            cast: RefCell::new(cast),
            rounds: RefCell::default(),
            unprepared: Cell::new(0),
            changed: Notify::new(),
        }
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    pub(super) fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// `client` is connected.
    pub(super) fn join(&self, client: usize) {
        self.cast.borrow_mut().alive[client] = true;
    }

    /// A client could not connect.
    pub(super) fn refuse(&self, error: &ConnectionError) {
        let mut cast = self.cast.borrow_mut();
        cast.refused += 1;
        cast.first_error.get_or_insert_with(|| error.to_string());
    }

    /// The connection of `client` broke.
    pub(super) fn lose(&self, client: usize, error: &ConnectionError) {
        let mut cast = self.cast.borrow_mut();
        cast.alive[client] = false;
        cast.lost += 1;
        cast.first_error.get_or_insert_with(|| error.to_string());
        drop(cast);
        let mut rounds = self.rounds.borrow_mut();
        rounds.under_way.values_mut().for_each(|(ledger, _)| ledger.lose(client));
        self.judge_settled(rounds);
        self.changed.notify_one();
    }

    /// Lets rounds count from `first` on, and seals the onions for it and some more.
    pub(super) fn start(&self, first: Round, wanted: u32) {
        let mut rounds = self.rounds.borrow_mut();
        (rounds.first, rounds.wanted) = (Some(first), wanted);
        self.prepare(&mut rounds, first);
    }

    /// No further round counts.
    pub(super) fn stop(&self) {
        let mut rounds = self.rounds.borrow_mut();
        rounds.wanted = rounds.begun;
    }

    /// `round` was announced to `client`: where its onions for it are, if the round counts.
    pub(super) fn announced(&self, client: usize, round: Round) -> Option<Awaited> {
        let mut rounds = self.rounds.borrow_mut();
        if rounds.last < Some(round) {
            self.open(&mut rounds, round);
            rounds.last = Some(round);
            self.changed.notify_one();
        }
        let (ledger, batch) = rounds.under_way.get_mut(&round)?;
        ledger.announce(client).then(|| batch.chunk_of(client))
    }

    /// A client has to wait for its onions.
    pub(super) fn unprepared(&self) {
        self.unprepared.set(self.unprepared.get() + 1);
    }

    /// The submission of `client` leaves.
    pub(super) fn sent(&self, client: usize, round: Round, now: Instant) {
        if let Some((ledger, _)) = self.rounds.borrow_mut().under_way.get_mut(&round) {
            ledger.send(client, now);
        }
    }

    /// The replies of `client` have come and been opened.
    pub(super) fn delivered(
        &self,
        client: usize,
        round: Round,
        sent: Instant,
        now: Instant,
        seen: Vec<Seen>,
    ) {
        let mut rounds = self.rounds.borrow_mut();
        if let Some((ledger, _)) = rounds.under_way.get_mut(&round) {
            ledger.deliver(client, sent, now, seen);
        }
        self.judge_settled(rounds);
    }

    /// `client` gets no replies in `round`.
    pub(super) fn end(&self, client: usize, round: Round, fate: Fate) {
        let mut rounds = self.rounds.borrow_mut();
        if let Some((ledger, _)) = rounds.under_way.get_mut(&round) {
            ledger.end(client, fate);
        }
        self.judge_settled(rounds);
    }

    /// The last round that was announced, and how many have begun that count.
    pub(super) fn last_announced(&self) -> (Option<Round>, u32) {
        let rounds = self.rounds.borrow();
        (rounds.last, rounds.begun)
    }

    /// Whether all rounds that count have begun, and whether all that have begun are over.
    pub(super) fn is_over(&self) -> (bool, bool) {
        let rounds = self.rounds.borrow();
        (rounds.begun >= rounds.wanted, rounds.under_way.is_empty())
    }

    pub(super) fn cast(&self) -> std::cell::Ref<'_, Cast> {
        self.cast.borrow()
    }

    /// Judges what is still under way as it stands, and gives all results: the rounds, the
    /// numbers that were skipped, and how often a client had to wait for its onions.
    pub(super) fn results(&self) -> (Vec<Judged>, u64, usize) {
        let mut rounds = self.rounds.borrow_mut();
        let left = std::mem::take(&mut rounds.under_way);
        let left = left.into_values().map(|(ledger, _)| ledger.judge(&self.script));
        rounds.judged.extend(left);
        (std::mem::take(&mut rounds.judged), rounds.skipped, self.unprepared.get())
    }

    /// A round begins that nobody has heard of before.
    fn open(&self, rounds: &mut Rounds, round: Round) {
        let counts = rounds.first.is_some_and(|first| first <= round);
        if !counts || rounds.begun >= rounds.wanted {
            return;
        }
        if rounds.begun > 0
            && let Some(last) = rounds.last
        {
            rounds.skipped += round.0 - last.0 - 1;
        }
        rounds.begun += 1;
        let batch = rounds.prepared.remove(&round).unwrap_or_else(|| self.workshop.begin(round));
        let onions = self.script.shape().onions();
        let ledger = Ledger::new(&self.cast.borrow().alive, onions, Instant::now());
        rounds.under_way.insert(round, (ledger, batch));
        rounds.prepared.retain(|prepared, _| *prepared > round);
        self.prepare(rounds, round.next());
    }

    /// Begins with the onions of `from` and the rounds after it, as far as they will be needed.
    fn prepare(&self, rounds: &mut Rounds, from: Round) {
        let left = u64::from(rounds.wanted.saturating_sub(rounds.begun));
        for round in (from.0..).take(usize::try_from(left.min(AHEAD)).unwrap_or_default()) {
            let round = Round(round);
            rounds.prepared.entry(round).or_insert_with(|| self.workshop.begin(round));
        }
    }

    fn judge_settled(&self, mut rounds: RefMut<'_, Rounds>) {
        let rounds = &mut *rounds;
        let settled = rounds.under_way.extract_if(.., |_, (ledger, _)| ledger.is_settled());
        for (round, (ledger, _)) in settled {
            let judged = ledger.judge(&self.script);
            rounds.judged.push(judged);
            if let Some(judged) = rounds.judged.last_mut() {
                progress::round(rounds.begun, rounds.wanted, round, judged);
            }
            self.changed.notify_one();
        }
    }
}
