//! The report as people read it.

use std::fmt;

use super::Report;
use crate::load::probe::{Ours, Servers};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "{name:<28} {value}");
        let connected = format!("{} of {}, {} talking", self.connected, self.clients, self.talking);
        line("clients", connected)?;
        if let Some(error) = &self.first_error {
            line("refused / lost", format!("{} / {}: {error}", self.refused, self.lost))?;
        }
        let Self { rounds, period_ms, hops, lanes, .. } = self;
        line("rounds", format!("{rounds} of {period_ms} ms; {hops} hops, {lanes} lanes"))?;
        line("  missing / left out", format!("{} / {}", self.rounds_missing, self.rounds_skipped))?;
        line("announced / submitted", format!("{} / {}", self.announced, self.submissions))?;
        line("delivered", self.delivered.to_string())?;
        line("late / failed", format!("{} / {}", self.late, self.failed))?;
        line("missed / unanswered", format!("{} / {}", self.missed, self.unanswered))?;
        line("wrong replies", self.wrong.to_string())?;
        for (name, spread) in [
            ("submission to reply *", self.latency_ms),
            ("round: all submitted *", self.collect_ms),
            ("round: all have replies *", self.round_ms),
        ] {
            line(name, spread.map_or_else(|| "none".to_owned(), |spread| spread.to_string()))?;
        }
        line("handshakes", format!("{:.0}/s", self.handshakes_per_second))?;
        let Self { seal_us_per_onion, sealing_threads, waited_for_onions, .. } = self;
        line(
            "sealing",
            format!(
                "{seal_us_per_onion:.1} µs an onion, {sealing_threads} threads; \
                 {waited_for_onions} submissions had to wait"
            ),
        )?;
        if let Some(server) = &self.cost.server {
            write_server(f, server)?;
        }
        if let Some(Ours { user_us_per_client_and_round, system_us_per_client_and_round }) =
            &self.cost.generator
        {
            writeln!(
                f,
                "{:<28} {user_us_per_client_and_round:.1} + {system_us_per_client_and_round:.1} µs",
                "generator's CPU **"
            )?;
        }
        writeln!(f, "* minimum / 50 % / 90 % / 99 % / maximum")?;
        writeln!(f, "** user + system for each client and round")
    }
}

fn write_server(f: &mut fmt::Formatter<'_>, server: &Servers) -> fmt::Result {
    let number = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |v| format!("{v:.1}"));
    let mut line = |name: &str, value: String| writeln!(f, "{name:<28} {value}");
    let user = number(server.user_us_per_client_and_round);
    let system = number(server.system_us_per_client_and_round);
    line("server's CPU **", format!("{user} + {system} µs"))?;
    line("  a handshake", format!("{} µs", number(server.us_per_handshake)))?;
    let kib = |bytes: Option<f64>| number(bytes.map(|bytes| bytes / 1024.0));
    let (idle, end) = (server.bytes_per_idle_connection, server.bytes_per_connection_at_end);
    line("server's memory", format!("{} KiB an idle connection", kib(idle)))?;
    line("  after the rounds", format!("{} KiB a connection", kib(end)))?;
    let peak = server.memory_at_end.map(|memory| memory.peak_bytes as f64 / 1024.0 / 1024.0);
    line("  at its peak", format!("{} MiB in all", number(peak)))
}
