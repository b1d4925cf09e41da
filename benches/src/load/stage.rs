//! What all clients share: the rounds under way, who is connected, and the sums so far.
//!
//! Everything here happens on one thread; nothing is borrowed across an await.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use talaria_wire::Round;
use talaria_wire::epoch::EpochKeys;
use tokio::sync::Notify;

use super::cast::Cast;
use super::connection::ConnectionError;
use super::ledger::{Fate, Judged, Ledger, Seen};
use super::prepare::{Awaited, RoundBatch, Workshop};
use super::progress;
use super::script::Script;

/// Rounds whose onions are sealed before they are announced.
const AHEAD: u64 = 2;
/// Rounds before those that count. A server does not wait for clients that have been silent for
/// a whole round, as all have while others connected; so their first round may close early.
const WARM_UP: u32 = 1;

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

/// The rounds that count.
#[derive(Default)]
struct Rounds {
    /// The last round that was announced to anybody, whether it counts or not.
    last: Option<Round>,
    /// Clients take part from this one on.
    first: Option<Round>,
    /// Rounds to take part in, and those that have begun; with the warm-up.
    wanted: u32,
    begun: u32,
    /// The last round of the warm-up.
    warm: Option<Round>,
    /// Round numbers that were never announced, between others that were.
    skipped: u64,
    prepared: BTreeMap<Round, RoundBatch>,
    under_way: BTreeMap<Round, (Ledger, RoundBatch)>,
    judged: Vec<Judged>,
    warm_up: Judged,
}

/// How it all went.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) judged: Vec<Judged>,
    /// What the rounds before those that count had.
    pub(super) warm_up: Judged,
    /// How many rounds that count there should have been.
    pub(super) wanted: u32,
    /// Round numbers that were never announced, between others that were.
    pub(super) skipped: u64,
    /// How often a client had to wait for its onions.
    pub(super) unprepared: usize,
}

impl Stage {
    pub(super) fn new(script: Arc<Script>, workshop: Workshop) -> Self {
        let cast = Cast::new(script.clients());
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
        self.cast.borrow_mut().join(client);
    }

    /// A client could not connect.
    pub(super) fn refuse(&self, error: &ConnectionError) {
        self.cast.borrow_mut().refuse(error);
    }

    /// The connection of `client` broke.
    pub(super) fn lose(&self, client: usize, error: &ConnectionError) {
        self.cast.borrow_mut().lose(client, error);
        let mut rounds = self.rounds.borrow_mut();
        rounds.under_way.values_mut().for_each(|(ledger, _)| ledger.lose(client));
        self.judge_settled(rounds);
        self.changed.notify_one();
    }

    /// Lets the clients take part from `first` on, until `wanted` rounds have counted, and begins
    /// to seal their onions.
    pub(super) fn start(&self, first: Round, wanted: u32) {
        let mut rounds = self.rounds.borrow_mut();
        (rounds.first, rounds.wanted) = (Some(first), wanted.saturating_add(WARM_UP));
        self.prepare(&mut rounds, first);
    }

    /// The clients take part in no further round.
    pub(super) fn stop(&self) {
        let mut rounds = self.rounds.borrow_mut();
        rounds.wanted = rounds.begun;
    }

    /// `round` was announced to `client`: where its onions for it are, if it is to take part.
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

    /// The server has announced keys.
    pub(super) fn learn(&self, keys: EpochKeys) -> Result<(), ConnectionError> {
        Ok(self.workshop.learn(keys)?)
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

    /// The last round that was announced.
    pub(super) fn last_announced(&self) -> Option<Round> {
        self.rounds.borrow().last
    }

    /// How many rounds have begun that count.
    pub(super) fn begun(&self) -> u32 {
        self.rounds.borrow().begun.saturating_sub(WARM_UP)
    }

    /// Whether all rounds have begun and are over.
    pub(super) fn is_over(&self) -> bool {
        let rounds = self.rounds.borrow();
        rounds.begun >= rounds.wanted && rounds.under_way.is_empty()
    }

    /// Who is there.
    pub(super) fn cast(&self) -> Ref<'_, Cast> {
        self.cast.borrow()
    }

    /// Judges what is still under way as it stands, and gives all results.
    pub(super) fn results(&self) -> Results {
        let mut rounds = self.rounds.borrow_mut();
        for (round, (ledger, _)) in std::mem::take(&mut rounds.under_way) {
            rounds.keep(round, ledger.judge(&self.script));
        }
        Results {
            judged: std::mem::take(&mut rounds.judged),
            warm_up: std::mem::take(&mut rounds.warm_up),
            wanted: rounds.wanted.saturating_sub(WARM_UP),
            skipped: rounds.skipped,
            unprepared: self.unprepared.get(),
        }
    }

    /// A round begins that nobody has heard of before.
    fn open(&self, rounds: &mut Rounds, round: Round) {
        let counts = rounds.first.is_some_and(|first| first <= round);
        if !counts || rounds.begun >= rounds.wanted {
            return;
        }
        if rounds.begun > WARM_UP
            && let Some(last) = rounds.last
        {
            rounds.skipped += round.0 - last.0 - 1;
        }
        rounds.begun += 1;
        if rounds.begun <= WARM_UP {
            rounds.warm = Some(round);
        }
        let batch = rounds.prepared.remove(&round).unwrap_or_else(|| self.workshop.begin(round));
        let onions = self.script.shape().onions();
        let ledger = Ledger::new(self.cast.borrow().alive(), onions, Instant::now());
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
        let settled = rounds.under_way.extract_if(.., |_, (ledger, _)| ledger.is_settled());
        for (round, (ledger, _)) in settled.collect::<Vec<_>>() {
            let judged = ledger.judge(&self.script);
            let number = (rounds.warm < Some(round)).then_some(rounds.judged.len() + 1);
            progress::round(number, rounds.wanted - WARM_UP, round, &judged);
            rounds.keep(round, judged);
            self.changed.notify_one();
        }
    }
}

impl Rounds {
    /// A round is over.
    fn keep(&mut self, round: Round, judged: Judged) {
        if self.warm < Some(round) {
            self.judged.push(judged);
        } else {
            self.warm_up = judged;
        }
    }
}
