//! The command line of `talaria-load`.

use std::path::PathBuf;

use clap::Parser;

const AFTER: &str = "\
Example:
  talariad up --data DIR --listen 127.0.0.1:0 --json > server.log & PID=$!
  talaria-load --network DIR/network.toml --clients 2000 --rounds 20 --pid $PID

Every client is a user, registered at the identity service of the network before the run begins;
that has to be open to everybody (not by token), and from elsewhere than loopback its limits for one
address apply.

Progress goes to standard error, the report to standard output. Each talking client is paired with
another one of this run, an idle client's onions meet each other, and every reply is opened and
compared. The first round is a warm-up and does not count, except for wrong replies: a server does
not wait for clients that were silent while others connected. Onions are sealed ahead of their
round; where that takes longer than a round, clients wait for them and come late, and the report
says so.

Exit codes: 0 every reply was right and on time, 1 something was missing, late, failed or wrong,
2 a wrong command line, 130 Ctrl-C and nothing wrong so far.";

/// Plays many clients against a running Talaria server, and checks every reply
#[derive(Clone, Debug, Parser)]
#[command(name = "talaria-load", version, after_help = AFTER, max_term_width = 100)]
pub struct Args {
    /// The network file of the server
    #[arg(long, value_name = "FILE")]
    pub network: PathBuf,
    /// Clients to play
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub clients: u32,
    /// Rounds in which every client takes part
    #[arg(long, value_name = "R", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
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
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
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
