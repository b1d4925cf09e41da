//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use talaria_client::contact::Name;

use crate::error::CliError;

/// Talks to others without telling anybody with whom, or when.
#[derive(Debug, Parser)]
#[command(name = "talaria", version, about, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where the identity lives [default: ~/.talaria]
    #[arg(long, global = true, value_name = "DIR", env = "TALARIA_HOME")]
    pub(crate) home: Option<PathBuf>,

    /// Print one JSON object a line instead of text (see docs/events.md)
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  talaria init --network network.toml --name Alice   make an identity
  talaria card                                       print your contact card
  talaria chat talaria1:AQK…                         talk to whoever gave you this card
  talaria chat Bob                                   talk to somebody you know
  seq 200 | talaria chat Bob --timeout 10m           send lines, print what comes back

Exit codes: 0 all is well, 1 an error, 2 a wrong command line, 3 a timeout, 130 Ctrl-C.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an identity for a network
    Init {
        /// The network file, from the operator of the network
        #[arg(long, value_name = "FILE")]
        network: PathBuf,
        /// The name that others see first [default: your user name]
        #[arg(long, value_parser = name)]
        name: Option<Name>,
    },
    /// Print your contact card: one line, to be given to others
    Card,
    /// Talk to somebody
    #[command(after_help = CHAT_HELP)]
    Chat(Chat),
    /// List everybody you know
    Contacts,
    /// Show which version of the network is known, or take a new version of its file
    ///
    /// A new version has to be signed by all operators, those of the known version included. A
    /// `talaria chat` that runs goes on with it from its next connection on.
    Network {
        /// The new network file
        file: Option<PathBuf>,
        /// Leave the network for the one in FILE: your card changes
        #[arg(long, requires = "file")]
        switch: bool,
    },
    /// Show how much of the privacy budget each conversation has used
    ///
    /// A round is charged when it did not bring the whole message of the partner back: somebody may
    /// have removed onions to see whether you talk. The goal of the network holds for so many
    /// charged rounds of a conversation, and then `talaria chat` stops talking in it.
    Status,
    /// Print the version
    Version,
}

const CHAT_HELP: &str = "\
On a terminal, type and press Enter; Ctrl-D or /quit ends. Otherwise every line of standard
input is a message, and the program ends when all of them have arrived and the partner has
nothing more to say either. What is not acknowledged is kept and sent next time.

Examples:
  talaria chat talaria1:AQK…
  talaria chat Bob --leave < letter.txt
  talaria --json chat Bob --timeout 90s < /dev/null";

/// How to talk.
#[derive(Debug, clap::Args)]
pub(crate) struct Chat {
    /// A contact card, or the name of somebody whose card was used before
    #[arg(value_name = "CARD|NAME")]
    pub(crate) with: String,
    /// End as soon as your lines are acknowledged, without waiting for the partner's
    #[arg(long)]
    pub(crate) leave: bool,
    /// Give up after this time, such as 90s, 10m or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Go on when the privacy budget of this conversation is used up (see `talaria status`)
    #[arg(long)]
    pub(crate) beyond_budget: bool,
    /// Call the owner of the card by this name
    #[arg(long = "as", value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<Name>,
}

/// The home when none is named.
pub(crate) fn default_home() -> Result<PathBuf, CliError> {
    std::env::home_dir()
        .filter(|dir| !dir.as_os_str().is_empty())
        .map(|dir| dir.join(".talaria"))
        .ok_or(CliError::NoHome)
}

fn name(text: &str) -> Result<Name, String> {
    Name::new(text).map_err(|error| error.to_string())
}

/// A bare number is seconds, as with `timeout` and `sleep`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |_| "a duration looks like 90s, 10m or 1h30m".to_owned();
    let seconds = text.parse().map(Duration::from_secs);
    seconds.or_else(|_| humantime::parse_duration(text).map_err(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let args = Args::parse_from(["talaria", "chat", "Bob", "--json", "--home", "x"]);
        assert!(args.json && args.home == Some(PathBuf::from("x")));
    }

    #[test]
    fn durations() {
        let ms = |text| duration(text).map(|d| d.as_millis()).ok();
        assert_eq!((ms("500ms"), ms("90s"), ms("90")), (Some(500), Some(90_000), Some(90_000)));
        assert_eq!((ms("10m"), ms("1h30m")), (Some(600_000), Some(5_400_000)));
        for wrong in ["", "x", "1y2", "-3s"] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }
}
