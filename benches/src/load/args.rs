//! The command line of `talaria-load`.

use std::path::PathBuf;

use clap::Parser;

const AFTER: &str = "\
Example:
  talariad up --data DIR --listen 127.0.0.1:0 --json > server.log & PID=$!
  talaria-load --network DIR/network.toml --clients 2000 --rounds 20 --pid $PID
  talaria-load --feed 10000,100000,1000000 --plot hops.svg

Every client is a user, registered at the identity service of the network before the run begins;
that has to be open to everybody (not by token), and from elsewhere than loopback its limits for one
address apply.

Progress goes to standard error, the report to standard output. Each talking client is paired with
another one of this run, an idle client's onions meet each other, and every reply is opened and
compared. The first round is a warm-up and does not count, except for wrong replies: a server does
not wait for clients that were silent while others connected. Onions are sealed ahead of their
round; where that takes longer than a round, clients wait for them and come late, and the report
says so.

With --feed there are no clients: it starts three hops, each a process of its own, in a temporary
folder and on loopback ports, and plays their entry with so many onions a round. It reports what a
round costs each hop, and looks into one reply in a thousand. A million onions need about 8 GB.

Exit codes: 0 every reply was right and on time, 1 something was missing, late, failed or wrong,
2 a wrong command line, 130 Ctrl-C and nothing wrong so far.";

/// Plays many clients against a running Talaria server, and checks every reply
#[derive(Clone, Debug, Parser)]
#[command(name = "talaria-load", version, after_help = AFTER, max_term_width = 100)]
pub struct Args {
    /// The network file of the server
    #[arg(long, value_name = "FILE", required_unless_present = "feed")]
    pub network: Option<PathBuf>,
    /// Clients to play
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub clients: u32,
    /// Rounds in which every client takes part, or that are fed for each number of onions
    /// [default: 50, or 5 with --feed]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// The server's process, to report its CPU time and memory (on Linux); memory for each
    /// connection is right only if the server has just started
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// Keep the users there that are registered for the run, and use them again in the next; they
    /// belong to the network, and their certificates are valid for 90 days
    #[arg(long, value_name = "FOLDER")]
    pub users: Option<PathBuf>,
    /// Clients that talk with each other, in percent; the others idle
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub talking: u8,
    /// Threads that seal onions [default: one for each core]
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Handshakes at once; a server allows 512
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub handshakes: u16,
    /// What the clients say follows from this number [default: a random one]; two runs at once
    /// with the same seed disturb each other's dead drops, which shows that the judge can fail
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Feed three hop processes with so many onions a round instead, one number after the other
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', conflicts_with_all = ["network", "clients", "pid", "users", "talking", "handshakes", "seed"])]
    #[arg(value_parser = clap::value_parser!(u32).range(2..=10_000_000))]
    pub feed: Vec<u32>,
    /// With --feed: noise onions that the first two hops add to each round
    #[arg(long, value_name = "T", default_value_t = 0, requires = "feed", value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub noise_onions: u32,
    /// With --feed: the server's program [default: beside this one]
    #[arg(long, value_name = "FILE", requires = "feed")]
    pub talariad: Option<PathBuf>,
    /// With --feed: draw what was measured into this file, as SVG
    #[arg(long, value_name = "FILE", requires = "feed")]
    pub plot: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Rounds in which every client takes part.
    pub(super) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(50)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
