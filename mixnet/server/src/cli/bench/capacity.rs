//! What this machine can do: a whole hop, out and back, beside single operations in the same run.
//!
//! It is the middle hop of three, with real onions of real sizes; replies come back as long as
//! they would from the next hop. Times are medians over several passes, and the two reference
//! operations are measured between the passes, so that a machine that is busy with other things
//! slows all of them alike and ratios hold.

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use chacha20::ChaCha20Rng;
use rand::Rng;
use rayon::prelude::*;
use serde::Serialize;
use talaria_wire::crypto::OnionSecret;
use talaria_wire::onion::{PeelContext, SealContext, seal_in_place};
use talaria_wire::{Batch, HopIndex, Hops, Round as RoundNumber, RoundShape};
use x25519_batch::Backend;
use x25519_dalek::{PublicKey, StaticSecret};

use talaria_mixnet::mix::noise::Noise;
use talaria_mixnet::round::Round;

const HOPS: u8 = 3;
const MIDDLE: HopIndex = HopIndex(1);
const ROUND: RoundNumber = RoundNumber(1);
/// Onions that are sealed by one task.
const SEAL_RUN: usize = 1024;
/// How long a reference operation is measured after each pass.
const REFERENCE: Duration = Duration::from_millis(25);
/// Passes at least, whatever the time.
const MIN_PASSES: usize = 3;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Messages in the batch.
    pub(crate) messages: usize,
    /// Threads that work on it.
    pub(crate) threads: usize,
    /// How long to go on, not counting the preparation.
    pub(crate) time: Duration,
    /// What computes X25519.
    pub(crate) backend: Backend,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Capacity {
    /// `avx512`, `avx2` or `portable`.
    pub(crate) backend: &'static str,
    /// Messages in the batch.
    pub(crate) messages: usize,
    /// Threads that worked on it.
    pub(crate) threads: usize,
    /// Passes that were measured.
    pub(crate) passes: usize,
    /// Messages that a hop passes on and back in a second.
    pub(crate) hop_messages_per_second: f64,
    /// Nanoseconds a message, by stage.
    pub(crate) stages_ns_per_message: Stages,
    /// Nanoseconds to seal one layer of an onion, as for noise. On several threads, wall time.
    pub(crate) onion_layer_ns: f64,
    /// Single X25519 of x25519-dalek, on one thread, in the same run.
    pub(crate) x25519_dalek_ops_per_second: f64,
    /// Single X25519 of aws-lc-rs with a key that is used again, on one thread, in the same run.
    pub(crate) aws_lc_x25519_ops_per_second: f64,
    /// Most memory that was in use at once for a batch that arrived and the work on it; 0 if the
    /// system does not tell.
    pub(crate) peak_bytes: u64,
    /// The batch itself, as it arrives.
    pub(crate) batch_bytes: u64,
}

/// Nanoseconds a message. On several threads, wall time, not the sum over threads.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Stages {
    /// Finding duplicates, agreeing, deriving keys and opening.
    pub(crate) peel: f64,
    /// Shuffling and moving.
    pub(crate) mix: f64,
    /// Moving replies back and sealing them.
    pub(crate) seal: f64,
}

impl Stages {
    fn total(self) -> f64 {
        self.peel + self.mix + self.seal
    }
}

/// Measures. `progress` is told about every step.
///
/// # Errors
/// If the threads cannot be started.
pub(crate) fn measure(
    plan: &Plan,
    progress: impl Fn(&str),
) -> Result<Capacity, rayon::ThreadPoolBuildError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(plan.threads).build()?;
    let secret = OnionSecret::generate(&mut rand::rng()).on(plan.backend);
    progress("making onions");
    let (batch, sealing) = timed(|| pool.install(|| onions(plan, &secret)));
    let batch_bytes = batch.as_bytes().len() as u64;
    // First of all, while there is no memory of earlier passes to be used again.
    progress("memory");
    let peak_bytes = peak_of(memory("VmRSS:"), || {
        let arrived = batch.clone();
        pool.install(|| pass(arrived, &secret));
    });
    let (mut stages, mut dalek, mut aws_lc) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    while stages.len() < MIN_PASSES || start.elapsed() < plan.time {
        progress(&format!("pass {}", stages.len() + 1));
        let arrived = batch.clone();
        stages.push(pool.install(|| pass(arrived, &secret)));
        dalek.push(rate(dalek_operation()));
        aws_lc.push(rate(aws_lc_operation()));
    }
    let total = median(stages.iter().map(|stages| stages.total()).collect());
    let stage = |of: fn(&Stages) -> f64| median(stages.iter().map(of).collect());
    Ok(Capacity {
        backend: plan.backend.name(),
        messages: plan.messages,
        threads: plan.threads,
        passes: stages.len(),
        hop_messages_per_second: 1e9 / total,
        stages_ns_per_message: Stages {
            peel: stage(|stages| stages.peel),
            mix: stage(|stages| stages.mix),
            seal: stage(|stages| stages.seal),
        },
        onion_layer_ns: sealing.as_secs_f64() * 1e9 / plan.messages as f64,
        x25519_dalek_ops_per_second: median(dalek),
        aws_lc_x25519_ops_per_second: median(aws_lc),
        peak_bytes,
        batch_bytes,
    })
}

/// Onions for the middle hop. What is inside is random: the hop cannot tell.
fn onions(plan: &Plan, secret: &OnionSecret) -> Batch {
    let slot_len = shape().onion_len_at(MIDDLE);
    let mut batch = Batch::zeroed(slot_len, plan.messages);
    let chain = [*secret.public()];
    let context = SealContext { chain: &chain, first: MIDDLE, round: ROUND, backend: plan.backend };
    batch.as_bytes_mut().par_chunks_mut(slot_len * SEAL_RUN).for_each(|slots| {
        let mut rng: ChaCha20Rng = rand::make_rng();
        rng.fill_bytes(slots);
        let _ = seal_in_place(&context, slot_len, &mut rng, slots);
    });
    batch
}

fn shape() -> RoundShape {
    let hops = Hops::new(HOPS).expect("a chain of three is short enough");
    RoundShape::new(hops, 1).expect("one lane is allowed")
}

/// Out and back, once.
fn pass(arrived: Batch, secret: &OnionSecret) -> Stages {
    let messages = arrived.len() as f64;
    let mut rng: ChaCha20Rng = rand::make_rng();
    let closed = Round::arrived(ROUND, arrived);
    let context = PeelContext::new(secret, &[], ROUND, MIDDLE);
    let (peeled, peel) = timed(|| closed.peel(&context, Noise::none(), &mut rng));
    assert_eq!(peeled.dropped(), 0, "every onion that was made is sound");
    let (mixed, mix) = timed(|| peeled.mix());
    let (onward, away) = mixed.forward();
    let count = onward.len();
    drop(onward);
    let mut replies = Batch::stale(shape().reply_len_at(HopIndex(MIDDLE.0 + 1)), count);
    // Received replies are in memory; fresh zeros are not yet, and would be in the first cache.
    replies.as_bytes_mut().fill(1);
    let unmixed = away.returned(replies).expect("as many replies as onions");
    let (_, seal) = timed(|| unmixed.seal(&mut rng).into_replies());
    let each = |time: Duration| time.as_secs_f64() * 1e9 / messages;
    Stages { peel: each(peel), mix: each(mix), seal: each(seal) }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

/// Operations a second.
fn rate(operation: impl Fn()) -> f64 {
    let start = Instant::now();
    let mut count = 0u32;
    while start.elapsed() < REFERENCE {
        (0..16).for_each(|_| operation());
        count += 16;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn dalek_operation() -> impl Fn() {
    let secret = StaticSecret::from([7; 32]);
    let point = PublicKey::from(&StaticSecret::from([9; 32]));
    move || {
        black_box(secret.diffie_hellman(black_box(&point)));
    }
}

fn aws_lc_operation() -> impl Fn() {
    let private = PrivateKey::from_private_key(&X25519, &[7; 32])
        .expect("every 32 bytes are an X25519 private key");
    let point = PublicKey::from(&StaticSecret::from([9; 32])).to_bytes();
    move || {
        let peer = UnparsedPublicKey::new(&X25519, black_box(point));
        let _ = black_box(agree(&private, peer, (), |shared| Ok(shared[0])));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A line of /proc/self/status, in bytes.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1024
}

/// The most memory in use during `work`, above `before`.
fn peak_of(before: u64, work: impl FnOnce()) -> u64 {
    // Linux starts to count anew (proc(5), clear_refs); without that there is nothing to tell.
    let counted = fs::write("/proc/self/clear_refs", "5").is_ok();
    work();
    if counted { memory("VmHWM:").saturating_sub(before) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_adds_up() {
        for backend in [Backend::detect(), Backend::portable()] {
            let time = Duration::ZERO;
            let plan = Plan { messages: 300, threads: 2, time, backend };
            let capacity = measure(&plan, |_| ()).unwrap();
            assert_eq!((capacity.messages, capacity.batch_bytes), (300, 300 * 624));
            assert_eq!(capacity.passes, MIN_PASSES);
            assert!(capacity.hop_messages_per_second > 0.0 && capacity.onion_layer_ns > 0.0);
            assert!(capacity.x25519_dalek_ops_per_second > 0.0);
        }
    }

    #[test]
    fn medians() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(vec![]).abs() < f64::EPSILON);
    }
}
