//! What feeding a chain has shown: what a round costs each hop.

use std::fmt;
use std::thread::available_parallelism;
use std::time::Duration;

use serde::Serialize;
use talaria_wire::crypto::onion_key::detected_backend;

use super::chain::Reported;
use crate::load::{Cpu, Memory};

/// The length of a round for which processors are counted, in seconds.
pub(super) const PERIOD_S: f64 = 2.0;

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct FeedReport {
    /// What computes X25519 here: `avx512`, `avx2` or `portable`.
    pub backend: &'static str,
    /// Processors of this machine, which hops and feeder share.
    pub cores: usize,
    /// Noise onions that each hop but the last adds.
    pub noise_onions: u32,
    /// The length of a round for which processors are counted, in seconds.
    pub period_s: f64,
    /// One for each number of onions.
    pub sizes: Vec<Fed>,
}

/// One number of onions. Times are means over the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Fed {
    /// Onions that the entry sends in a round.
    pub onions: usize,
    /// Rounds that count.
    pub rounds: u32,
    /// What sealing an onion for three hops costs the feeder, in microseconds of wall time.
    pub seal_us_per_onion: f64,
    /// From the first byte to the first hop until the last reply is back.
    pub travel_ms: f64,
    /// The hops, first one first.
    pub hops: Vec<FedHop>,
}

/// One hop.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct FedHop {
    /// Peeling while the batch arrives, and mixing.
    pub peel_ms: f64,
    /// Exchanging, at the last hop.
    pub exchange_ms: f64,
    /// Sealing the replies while they leave.
    pub seal_ms: f64,
    /// CPU time of the process in a round, noise that it makes for the next one included.
    pub cpu_ms: f64,
    /// Processors that it needs if rounds follow each other every `period_s`.
    pub cores_needed: f64,
    /// The most memory that was resident.
    pub peak_bytes: u64,
}

impl FeedReport {
    pub(super) fn new(noise_onions: u32) -> Self {
        let cores = available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let backend = detected_backend().name();
        Self { backend, cores, noise_onions, period_s: PERIOD_S, sizes: Vec::new() }
    }

    /// One JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text become JSON")
    }
}

impl Fed {
    pub(super) fn new(onions: usize) -> Self {
        Self { onions, rounds: 0, seal_us_per_onion: 0.0, travel_ms: 0.0, hops: Vec::new() }
    }

    /// Adds a round; [`Fed::close`] makes means of the sums.
    pub(super) fn add(&mut self, sealing: Duration, travelling: Duration, reports: &[Reported]) {
        self.seal_us_per_onion += sealing.as_secs_f64() * 1e6 / self.onions as f64;
        self.travel_ms += travelling.as_secs_f64() * 1e3;
        self.hops.resize(reports.len(), FedHop::default());
        for (hop, reported) in self.hops.iter_mut().zip(reports) {
            hop.peel_ms += reported.peel_ms + reported.mix_ms;
            hop.exchange_ms += reported.exchange_ms;
            hop.seal_ms += reported.seal_ms;
        }
    }

    pub(super) fn close(&mut self, rounds: u32, spent: &[Cpu], memory: &[Memory]) {
        self.rounds = rounds;
        let each = f64::from(rounds);
        self.seal_us_per_onion /= each;
        self.travel_ms /= each;
        for (hop, (spent, memory)) in self.hops.iter_mut().zip(spent.iter().zip(memory)) {
            hop.peel_ms /= each;
            hop.exchange_ms /= each;
            hop.seal_ms /= each;
            hop.cpu_ms = (spent.user_us + spent.system_us) as f64 / 1e3 / each;
            hop.cores_needed = hop.cpu_ms / 1e3 / PERIOD_S;
            hop.peak_bytes = memory.peak_bytes;
        }
    }
}

impl fmt::Display for FeedReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, cores, noise_onions, period_s, .. } = self;
        writeln!(
            f,
            "Three hops on {cores} cores, backend {backend}, {noise_onions} noise onions a hop; \
             means over the rounds\n"
        )?;
        writeln!(
            f,
            "| onions | hop | peel and mix (ms) | exchange (ms) | seal (ms) | CPU (ms) | cores at \
             {period_s} s | peak memory (MB) | there and back (ms) |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for fed in &self.sizes {
            for (place, hop) in (1..).zip(&fed.hops) {
                let FedHop { peel_ms, exchange_ms, seal_ms, cpu_ms, cores_needed, peak_bytes } =
                    hop;
                let travel =
                    if place == 1 { format!("{:.0}", fed.travel_ms) } else { String::new() };
                writeln!(
                    f,
                    "| {} | {place} | {peel_ms:.0} | {exchange_ms:.0} | {seal_ms:.0} | {cpu_ms:.0} | \
                     {cores_needed:.2} | {:.0} | {travel} |",
                    fed.onions,
                    *peak_bytes as f64 / 1e6,
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_become_means() {
        let mut fed = Fed::new(1000);
        let reported = Reported { peel_ms: 10.0, mix_ms: 2.0, seal_ms: 3.0, ..Reported::default() };
        for _ in 0..4 {
            fed.add(Duration::from_millis(5), Duration::from_millis(40), &[reported]);
        }
        let spent = Cpu { user_us: 70_000, system_us: 10_000 };
        let memory = Memory { peak_bytes: 5, ..Memory::default() };
        fed.close(4, &[spent], &[memory]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(fed.seal_us_per_onion, 5.0);
        near(fed.travel_ms, 40.0);
        near(fed.hops[0].peel_ms, 12.0);
        near(fed.hops[0].cpu_ms, 20.0);
        near(fed.hops[0].cores_needed, 0.01);
        assert_eq!(fed.hops[0].peak_bytes, 5);
    }
}
