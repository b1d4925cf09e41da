//! `talariad bench`: an operator's look at what this machine can do.

pub(super) mod capacity;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use capacity::{Capacity, Plan, measure};
use clap::{Args, ValueEnum};
use serde_json::json;
use x25519_batch::Backend;

use super::failure::Failure;

/// Onions that a client sends a round.
const ONIONS: f64 = 2.0;

#[derive(Args)]
pub(super) struct BenchArgs {
    /// Messages in the batch.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = messages)]
    messages: usize,
    /// Threads that work on it [default: all cores].
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Seconds to measure, not counting the preparation.
    #[arg(long, value_name = "S", default_value_t = 5)]
    seconds: u64,
    /// What computes X25519 [default: the fastest that the processor has].
    #[arg(long, value_enum)]
    backend: Option<Choice>,
    /// The length of a round for which clients are counted.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = super::period::parse_period)]
    period: Duration,
    /// The length of the chain for which clients are counted, if all hops run on this machine.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=16))]
    hops: u8,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    /// Eight at a time: needs AVX-512 IFMA.
    Avx512,
    /// Four at a time: needs AVX2 and FMA.
    Avx2,
    /// One at a time, on every processor.
    Portable,
}

fn messages(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=10_000_000) => Ok(n),
        _ => Err("expected a number from 1 to 10000000".to_owned()),
    }
}

/// Measures and prints.
pub(super) fn bench(args: &BenchArgs, as_json: bool) -> Result<(), Failure> {
    let backend = match args.backend {
        None => Backend::detect(),
        Some(Choice::Portable) => Backend::portable(),
        Some(Choice::Avx512) => {
            Backend::avx512().ok_or("this processor has no AVX-512 IFMA: use --backend avx2")?
        }
        Some(Choice::Avx2) => {
            Backend::avx2().ok_or("this processor has no AVX2 and FMA: use --backend portable")?
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let plan = Plan {
        messages: args.messages,
        threads: args.threads.map_or(cores, usize::from),
        time: Duration::from_secs(args.seconds),
        backend,
    };
    let live = io::stderr().is_terminal();
    let capacity = measure(&plan, |step| {
        if live {
            eprint!("\r\x1b[K{step} …");
        }
    })?;
    if live {
        eprint!("\r\x1b[K");
    }
    let clients = |hops: u8| clients(capacity.hop_messages_per_second, args.period, hops);
    if as_json {
        let mut object = json!(capacity);
        object["period_ms"] = json!(u64::try_from(args.period.as_millis())?);
        object["hops"] = json!(args.hops);
        object["clients_one_hop"] = json!(clients(1));
        object["clients_all_hops"] = json!(clients(args.hops));
        return Ok(writeln!(io::stdout(), "{object}")?);
    }
    Ok(io::stdout().write_all(text(&capacity, args, clients).as_bytes())?)
}

/// How many clients send two onions a round, if this machine runs so many of the hops.
#[expect(clippy::cast_possible_truncation, reason = "no machine comes near 2^64 clients")]
fn clients(messages_per_second: f64, period: Duration, hops: u8) -> u64 {
    (messages_per_second * period.as_secs_f64() / ONIONS / f64::from(hops)) as u64
}

fn text(capacity: &Capacity, args: &BenchArgs, clients: impl Fn(u8) -> u64) -> String {
    let Capacity { backend, messages, threads, passes, .. } = capacity;
    let stages = capacity.stages_ns_per_message;
    let hop = capacity.hop_messages_per_second;
    let (dalek, aws_lc) =
        (capacity.x25519_dalek_ops_per_second, capacity.aws_lc_x25519_ops_per_second);
    let period = humantime::format_duration(args.period);
    let hops = args.hops;
    format!(
        "A whole hop, out and back: {messages} messages, {threads} threads, backend {backend}, \
         median of {passes}\n\n\
         \x20 {hop:>12.0} messages a second   {:.2} µs each\n\
         \x20     peel {:>7.0} ns   mix {:>5.0} ns   seal {:>5.0} ns\n\
         \x20     memory {:.2} times the batch's {:.1} MB\n\n\
         Single X25519 on one thread, in the same run:\n\
         \x20 {dalek:>12.0} a second   x25519-dalek; the hop does {:.1} times as many\n\
         \x20 {aws_lc:>12.0} a second   aws-lc-rs; the hop does {:.1} times as many\n\n\
         At one round every {period}, for hops alone (connections cost more, see README):\n\
         \x20 {:>12.0} clients, if this machine runs one hop\n\
         \x20 {:>12.0} clients, if it runs all {hops} hops\n",
        1e6 / hop,
        stages.peel,
        stages.mix,
        stages.seal,
        capacity.peak_bytes as f64 / capacity.batch_bytes as f64,
        capacity.batch_bytes as f64 / 1e6,
        hop / dalek,
        hop / aws_lc,
        clients(1),
        clients(hops),
    )
}
