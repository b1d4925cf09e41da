//! One round at a hop: peeled as it arrives, sent on in its turn, and sealed as it returns.
//!
//! The heavy steps run on a thread pool. Steps that wait for a link while they work, peeling and
//! sealing, are fed from a thread of their own, so that neither the pool nor an async thread waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use talaria_wire::Batch;
use talaria_wire::link::BatchHead;
use talaria_wire::onion::PeelContext;
use talaria_wire::reason::AbortReason;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tracing::error;

use super::super::report::{HopReport, Report};
use super::answers::{Answer, Answers, Unanswered};
use super::arrival::Piece;
use super::shell::{Begun, Shell, system_seeded};
use talaria_mixnet::hop::keys::RoundKeys;
use talaria_mixnet::link::BackWord;
use talaria_mixnet::round::{Away, Mixed, Round, Unmixed};

/// Replies that are sealed before the first of them are written.
const SEALED_AT_ONCE: usize = 2048;
/// Parts of that size which may wait to be written.
const SEALED_AHEAD: usize = 2;

/// Decides whether to take a round on, and records it if so. A refusal waits for nothing.
pub(super) async fn begin(
    shell: &Arc<Shell>,
    head: BatchHead,
) -> Result<(RoundKeys, Begun), AbortReason> {
    let (unrecorded, begun) = shell.reserve(head)?;
    let here = shell.clone();
    // The record goes to the disk: not on an async thread.
    let recording = spawn_blocking(move || here.record(unrecorded));
    // If that fails the round is over with `begun`.
    let keys = recording.await.unwrap_or(Err(AbortReason::NotRecorded))?;
    Ok((keys, begun))
}

/// What there is to report of a round before anything was done.
pub(super) fn report(shell: &Shell, head: BatchHead) -> HopReport {
    HopReport::new(head.round, shell.config.place, head.slots as usize)
}

/// One round, from the head of its batch to the last of its replies.
pub(super) async fn run_round(
    shell: Arc<Shell>,
    head: BatchHead,
    begun: (RoundKeys, Begun),
    pieces: mpsc::Receiver<Piece>,
    (answers, unanswered): (Answers, Unanswered),
) {
    let mut report = report(&shell, head);
    match out_and_back(&shell, head, begun, pieces, &mut report).await {
        Ok(unmixed) => {
            let (parts, sealed) = mpsc::channel(SEALED_AHEAD);
            let slot_len = shell.config.shape.reply_len_at(shell.config.place);
            let head = BatchHead::new(head.round, head.slots as usize, slot_len);
            let sealing = spawn_blocking(move || seal(&shell, unmixed, report, &parts));
            let _ = answers.send((Answer::Replies(head, sealed), unanswered)).await;
            // If it panicked the parts have ended early, and the link ends with them.
            let _ = sealing.await;
        }
        Err(reason) => give_up(&shell, report, reason, (answers, unanswered)).await,
    }
}

/// Reports a round that does not come back, and tells the server before; waits until its link has
/// room for that.
pub(super) async fn give_up(
    shell: &Shell,
    mut report: HopReport,
    reason: AbortReason,
    (answers, unanswered): (Answers, Unanswered),
) {
    report.failed = Some(reason);
    let abort = BackWord::Abort(report.round, reason);
    let _ = shell.reports.send(Report::Hop(report));
    let _ = answers.send((Answer::Word(abort), unanswered)).await;
}

async fn out_and_back(
    shell: &Arc<Shell>,
    head: BatchHead,
    (keys, begun): (RoundKeys, Begun),
    pieces: mpsc::Receiver<Piece>,
    report: &mut HopReport,
) -> Result<Round<Unmixed>, AbortReason> {
    let here = shell.clone();
    let peeling = spawn_blocking(move || peel_and_mix(&here, head, &keys, pieces));
    match peeling.await.unwrap_or(Err(AbortReason::Busy)) {
        Ok((mixed, timed)) => {
            (report.peel, report.mix, report.dropped) = timed;
            report.noise = if head.slots == 0 { 0 } else { shell.noise.onions() as usize };
            if shell.config.last {
                exchange_on_pool(shell, mixed, report).await;
            } else {
                shell.tell(|node, now| node.mixed(now, mixed));
            }
        }
        Err(reason) => shell.tell(|node, now| node.end(now, head.round, Err(reason))),
    }
    begun.over().await
}

async fn exchange_on_pool(shell: &Arc<Shell>, mixed: Round<Mixed>, report: &mut HopReport) {
    let round = mixed.number();
    let (requests, away) = mixed.forward();
    let (sender, result) = oneshot::channel();
    shell.pool.spawn(move || {
        let _ = sender.send(exchange(requests, away));
    });
    let unmixed = match result.await {
        Ok((unmixed, time)) => {
            (report.exchange, report.exchanged_at) = (time, Some(Instant::now()));
            unmixed
        }
        Err(_) => Err(AbortReason::Busy),
    };
    shell.tell(|node, now| node.end(now, round, unmixed));
}

/// Peeling time, mixing time and how many onions were dropped.
type Timed = (Duration, Duration, usize);

fn peel_and_mix(
    shell: &Shell,
    head: BatchHead,
    keys: &RoundKeys,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<(Round<Mixed>, Timed), AbortReason> {
    let start = Instant::now();
    let arriving = Round::arriving(head.round, head.slot_len.into(), head.slots as usize);
    let context = PeelContext::new(&keys.secret, &keys.behind, head.round, shell.config.place);
    let mut rng = system_seeded();
    let noise = shell.noise.take(head.round, head.slots as usize, &keys.behind, &mut rng);
    let pieces = std::iter::from_fn(|| pieces.blocking_recv());
    let peeled = (arriving.peel(Some(&shell.pool), pieces, &context, noise, &mut rng))
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
fn seal(
    shell: &Shell,
    unmixed: Round<Unmixed>,
    mut report: HopReport,
    parts: &mpsc::Sender<Batch>,
) {
    let start = Instant::now();
    report.noise_altered = unmixed.altered_noise();
    if report.noise_altered > 0 {
        let HopReport { hop, round, noise, noise_altered: altered, .. } = &report;
        error!(%hop, %round, altered, noise, "a later hop has dropped or altered onions");
    }
    let mut sealing = unmixed.into_sealing(&mut system_seeded());
    while sealing.left() > SEALED_AT_ONCE {
        // If the link is gone, so is the round; the report still says what became of it here.
        let _ = parts.blocking_send(sealing.next_part(Some(&shell.pool), SEALED_AT_ONCE));
    }
    let last = sealing.next_part(Some(&shell.pool), SEALED_AT_ONCE);
    report.seal = start.elapsed();
    let _ = shell.reports.send(Report::Hop(report));
    if !last.is_empty() {
        let _ = parts.blocking_send(last);
    }
}
