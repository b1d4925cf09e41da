//! One round at a hop: peeled as it arrives, sent on in its turn, and sealed as it returns.
//!
//! The heavy steps run on a thread pool. Steps that wait for a link while they work, peeling and
//! sealing, are fed from a thread of their own, so that neither the pool nor an async thread waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use talaria_wire::control::AbortReason;
use talaria_wire::link::BatchHead;
use talaria_wire::onion::PeelContext;
use talaria_wire::{Batch, Round as RoundNumber};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tracing::error;

use super::super::report::{HopReport, Report};
use super::arrival::Piece;
use super::{Answer, Answers, LinkMessage, Node, Unanswered, system_seeded};
use talaria_mixnet::hop::keys::RoundKeys;
use talaria_mixnet::round::{Away, Mixed, Round, Unmixed};

/// Replies that are sealed before the first of them are written.
const SEALED_AT_ONCE: usize = 2048;
/// Parts of that size which may wait to be written.
const SEALED_AHEAD: usize = 2;

/// A round that the hop has taken on, and its turn to leave for the next hop.
pub(super) struct Begun {
    keys: RoundKeys,
    turn: Turn,
}

/// Rounds leave in the order in which they came, however long the work on each takes.
struct Turn {
    /// Completes when the round before has left, or will not.
    before: Option<oneshot::Receiver<()>>,
    /// Tells the round behind by being dropped.
    _behind: oneshot::Sender<()>,
}

/// Decides whether to take a round on, and records it if so.
pub(super) async fn begin(node: &Arc<Node>, head: BatchHead) -> Result<Begun, AbortReason> {
    let here = node.clone();
    // The record goes to the disk: not on an async thread.
    let begun = spawn_blocking(move || {
        // Before the round is recorded: one far from the present has no keys, and must not keep
        // the rounds before it from running.
        let keys = here.keys().begin(head.round).ok_or(AbortReason::NoKeys)?;
        let mut book = here.book();
        book.hop.begin(head)?;
        let (behind, before) = oneshot::channel();
        let turn = Turn { before: book.last_turn.replace(before), _behind: behind };
        Ok(Begun { keys, turn })
    });
    begun.await.unwrap_or(Err(AbortReason::NotRecorded))
}

/// One round, from the head of its batch to the last of its replies.
pub(super) async fn run_round(
    unanswered: Unanswered,
    head: BatchHead,
    begun: Result<Begun, AbortReason>,
    pieces: mpsc::Receiver<Piece>,
    answers: Answers,
) {
    let node = unanswered.0.clone();
    let mut report = HopReport::new(head.round, node.place, head.slots as usize);
    let unmixed = match begun {
        Ok(begun) => {
            let unmixed = out_and_back(&node, head, begun, pieces, &mut report).await;
            node.forget(head.round);
            unmixed
        }
        Err(reason) => Err(reason),
    };
    match unmixed {
        Ok(unmixed) => {
            let (parts, sealed) = mpsc::channel(SEALED_AHEAD);
            let slot_len = node.shape.reply_len_at(node.place);
            let head = BatchHead::new(head.round, head.slots as usize, slot_len);
            let sealing = spawn_blocking(move || seal(&node, unmixed, report, &parts));
            let _ = answers.send((Answer::Replies(head, sealed), unanswered)).await;
            // If it panicked the parts have ended early, and the link ends with them.
            let _ = sealing.await;
        }
        Err(reason) => {
            report.failed = Some(reason);
            let _ = node.reports.send(Report::Hop(report));
            let abort = LinkMessage::Abort(head.round, reason);
            let _ = answers.send((Answer::Message(abort), unanswered)).await;
        }
    }
}

async fn out_and_back(
    node: &Arc<Node>,
    head: BatchHead,
    begun: Begun,
    pieces: mpsc::Receiver<Piece>,
    report: &mut HopReport,
) -> Result<Round<Unmixed>, AbortReason> {
    let Begun { keys, mut turn } = begun;
    let round = head.round;
    let here = node.clone();
    let peeling = spawn_blocking(move || peel_and_mix(&here, head, &keys, pieces));
    let (mixed, timed) = peeling.await.unwrap_or(Err(AbortReason::Busy))?;
    (report.peel, report.mix, report.dropped) = timed;
    report.noise = node.noise.onions() as usize;
    let (onions, away) = mixed.forward();
    let Some(onward) = &node.onward else {
        let (unmixed, time) = node.on_pool(move |_| exchange(onions, away)).await?;
        (report.exchange, report.exchanged_at) = (time, Some(Instant::now()));
        return unmixed;
    };
    if let Some(before) = turn.before.take() {
        // An error is the same news: the round before is out of the way.
        let _ = before.await;
    }
    let returned = node.depart(away)?;
    if let Err(reason) = onward.send(round, onions) {
        node.lost(round, reason);
    }
    drop(turn);
    node.prepare_noise(round.next());
    returned.await.unwrap_or(Err(AbortReason::Unreachable))
}

/// Peeling time, mixing time and how many onions were dropped.
type Timed = (Duration, Duration, usize);

fn peel_and_mix(
    node: &Node,
    head: BatchHead,
    keys: &RoundKeys,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<(Round<Mixed>, Timed), AbortReason> {
    let start = Instant::now();
    let arriving = Round::arriving(head.round, head.slot_len.into(), head.slots as usize);
    let context = PeelContext::new(&keys.secret, &keys.behind, head.round, node.place);
    let mut rng = system_seeded();
    let noise = node.noise.take(head.round, &keys.behind, &mut rng);
    let pieces = std::iter::from_fn(|| pieces.blocking_recv());
    let peeled = (arriving.peel(Some(&node.pool), pieces, &context, noise, &mut rng))
        .map_err(|_| AbortReason::BadBatch)?;
    let peeling = start.elapsed();
    let dropped = peeled.dropped();
    let mixed = peeled.mix();
    Ok((mixed, (peeling, start.elapsed() - peeling, dropped)))
}

fn exchange(requests: Batch, away: Round<Away>) -> (Result<Round<Unmixed>, AbortReason>, Duration) {
    let start = Instant::now();
    let unmixed = talaria_deaddrop::exchange(requests)
        .map_err(|_| AbortReason::BadBatch)
        .and_then(|(replies, _)| away.returned(replies).map_err(|_| AbortReason::WrongCount));
    (unmixed, start.elapsed())
}

/// Seals the replies part by part, and reports before the last one leaves: whoever has the
/// replies can rely on the report being there.
fn seal(node: &Node, unmixed: Round<Unmixed>, mut report: HopReport, parts: &mpsc::Sender<Batch>) {
    let start = Instant::now();
    report.noise_altered = unmixed.altered_noise();
    if report.noise_altered > 0 {
        let HopReport { hop, round, noise, noise_altered: altered, .. } = &report;
        error!(%hop, %round, altered, noise, "a later hop has dropped or altered onions");
    }
    let mut sealing = unmixed.into_sealing(&mut system_seeded());
    while sealing.left() > SEALED_AT_ONCE {
        // If the link is gone, so is the round; the report still says what became of it here.
        let _ = parts.blocking_send(sealing.next_part(Some(&node.pool), SEALED_AT_ONCE));
    }
    let last = sealing.next_part(Some(&node.pool), SEALED_AT_ONCE);
    report.seal = start.elapsed();
    let _ = node.reports.send(Report::Hop(report));
    if !last.is_empty() {
        let _ = parts.blocking_send(last);
    }
}

impl Node {
    /// The round leaves. Its end comes out of the receiver.
    fn depart(
        &self,
        away: Round<Away>,
    ) -> Result<oneshot::Receiver<Result<Round<Unmixed>, AbortReason>>, AbortReason> {
        let round = away.number();
        let (waiter, returned) = oneshot::channel();
        {
            let mut book = self.book();
            book.hop.depart(self.clock.now(), away)?;
            book.waiters.insert(round, waiter);
        }
        self.changed.notify_waiters();
        Ok(returned)
    }

    fn prepare_noise(self: &Arc<Self>, round: RoundNumber) {
        let here = self.clone();
        self.pool.spawn(move || {
            let behind = here.keys().behind_in(round).map(<[_]>::to_vec);
            if let Some(behind) = behind {
                here.noise.prepare(round, &behind, &mut system_seeded());
            }
        });
    }

    /// Runs `work` on the thread pool.
    async fn on_pool<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, AbortReason> {
        let (sender, result) = oneshot::channel();
        let node = self.clone();
        self.pool.spawn(move || {
            let _ = sender.send(work(&node));
        });
        result.await.map_err(|_| AbortReason::Busy)
    }
}
