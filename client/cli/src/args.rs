//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use talaria_wire::identity::UserName;

use crate::error::CliError;
use crate::secret::Source;

/// Talks to others without telling anybody with whom, or when.
#[derive(Debug, Parser)]
#[command(name = "talaria", version, about, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where the account lives [default: ~/.talaria]
    #[arg(long, global = true, value_name = "DIR", env = "TALARIA_HOME")]
    pub(crate) home: Option<PathBuf>,

    /// Print one JSON object a line instead of text (see docs/events.md)
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Read the password from this file instead of asking for it
    #[arg(long, global = true, value_name = "FILE", env = "TALARIA_PASSWORD_FILE")]
    password_file: Option<PathBuf>,

    /// Read the password from this open file descriptor instead of asking for it
    #[arg(long, global = true, value_name = "N", conflicts_with = "password_file")]
    password_fd: Option<u32>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// Where the password comes from.
    pub(crate) fn password(&self) -> Source {
        Source { file: self.password_file.clone(), descriptor: self.password_fd }
    }
}

const EXAMPLES: &str = "\
Examples:
  talaria register alice --network network.toml   make an account
  talaria chat bob                                talk to whoever is called bob
  talaria verify bob                              compare keys: nobody is between you
  talaria login alice --network network.toml      bring the account to another machine
  seq 200 | talaria chat bob --timeout 10m        send lines, print what comes back

What the home remembers is encrypted, and only the password opens it: it is asked for once in
every run, without echo, or read from where --password-file or --password-fd says.

Exit codes: 0 all is well, 1 an error, 2 a wrong command line, 3 a timeout, 130 Ctrl-C.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a name, and make its account
    #[command(after_help = REGISTER_HELP)]
    Register(Register),
    /// Bring an account here with its password: its homes elsewhere are told, and end
    Login {
        /// The name
        #[arg(value_parser = name)]
        name: UserName,
        /// The network file, from the operator of the network
        #[arg(long, value_name = "FILE")]
        network: Option<PathBuf>,
    },
    /// Remove the account from this machine; it stays at the service
    ///
    /// Texts that are not delivered are lost, and named before. With --yes and neither
    /// --password-file nor --password-fd nobody looks.
    Logout {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Change the password
    Password(NewPassword),
    /// Show the account of this home
    Whoami,
    /// Do something with the key
    #[command(subcommand)]
    Key(Key),
    /// Show the safety number with somebody, and say that it was compared
    Verify {
        /// Who
        #[arg(value_parser = name)]
        name: UserName,
        /// The number was compared, and is the same
        #[arg(long)]
        mark: bool,
        /// Go on with the key that they have now instead of the one that was known
        #[arg(long, conflicts_with = "mark")]
        accept: bool,
    },
    /// Talk to somebody
    #[command(after_help = CHAT_HELP)]
    Chat(Chat),
    /// List everybody you have talked to
    Contacts,
    /// Show which version of the network is known, or take a new version of its file
    ///
    /// A new version has to be signed by all operators, those of the known version included. A
    /// `talaria chat` that runs goes on with it from its next connection on.
    Network {
        /// The new network file
        file: Option<PathBuf>,
    },
    /// Show how much of the privacy budget each conversation has used
    ///
    /// A round is charged when it did not bring the whole message of the partner back: somebody may
    /// have removed onions to see whether you talk. The goal of the network holds for so many
    /// charged rounds of a conversation. Each side may spend half of them, since neither knows what
    /// the other has counted; then `talaria chat` stops talking in it.
    Status,
    /// Print the version
    Version,
}

const CHAT_HELP: &str = "\
On a terminal, type and press Enter; Ctrl-D or /quit ends. Otherwise every line of standard
input is a message, and the program ends when all of them have arrived and the partner has
nothing more to say either. What is not acknowledged is kept and sent next time.

Examples:
  talaria chat bob
  talaria chat bob --leave < letter.txt
  talaria --json chat bob --timeout 90s < /dev/null";

const REGISTER_HELP: &str = "\
The name is 3 to 32 letters and digits, with `-`, `_` and `.` between them. Upper and lower case are
the same. The password is asked for twice; nobody can reset it.

Examples:
  talaria register alice --network network.toml
  talaria register alice --network network.toml --token 7K2Q-… --password-file secret.txt";

/// How to register.
#[derive(Debug, clap::Args)]
pub(crate) struct Register {
    /// The name by which others find you
    #[arg(value_parser = name)]
    pub(crate) name: UserName,
    /// The network file, from the operator of the network
    #[arg(long, value_name = "FILE")]
    pub(crate) network: Option<PathBuf>,
    /// The token, if the operator has given you one
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// Take a weak password
    #[arg(long)]
    pub(crate) force: bool,
}

/// How to change the password.
#[derive(Debug, clap::Args)]
pub(crate) struct NewPassword {
    /// Read the new password from this file instead of asking for it
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// Read the new password from this open file descriptor instead of asking for it
    #[arg(long, value_name = "N", conflicts_with = "new_password_file")]
    new_password_fd: Option<u32>,
    /// Take a weak password
    #[arg(long)]
    pub(crate) force: bool,
}

impl NewPassword {
    /// Where the new password comes from.
    pub(crate) fn source(&self) -> Source {
        Source { file: self.new_password_file.clone(), descriptor: self.new_password_fd }
    }
}

/// What to do with the key.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Key {
    /// Replace it: contacts are told, and have to accept the new one
    Rotate,
}

/// How to talk.
#[derive(Debug, clap::Args)]
pub(crate) struct Chat {
    /// What they are called in the directory
    #[arg(value_parser = name)]
    pub(crate) name: UserName,
    /// Send again what the partner may not have any more, since one of the two homes is an old copy
    #[arg(long)]
    pub(crate) again: bool,
    /// End as soon as your lines are acknowledged, without waiting for the partner's
    #[arg(long)]
    pub(crate) leave: bool,
    /// Give up after this time, such as 90s, 10m or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Go on when the privacy budget of this conversation is used up (see `talaria status`)
    #[arg(long)]
    pub(crate) beyond_budget: bool,
}

/// The home when none is named.
pub(crate) fn default_home() -> Result<PathBuf, CliError> {
    std::env::home_dir()
        .filter(|dir| !dir.as_os_str().is_empty())
        .map(|dir| dir.join(".talaria"))
        .ok_or(CliError::NoHome)
}

fn name(text: &str) -> Result<UserName, String> {
    UserName::new(text).map_err(|error| error.to_string())
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

    /// What a command says with `--help`, and what those below it say.
    fn help(command: &mut clap::Command, all: &mut String) {
        all.push_str(&format!("### {}\n\n{}\n", command.clone(), command.render_long_help()));
        for below in command.get_subcommands_mut().filter(|below| below.get_name() != "help") {
            help(below, all);
        }
    }

    #[test]
    fn the_help_of_every_verb_is_what_was_looked_at() {
        let mut command = Args::command().term_width(100).mut_args(|arg| arg.hide_env_values(true));
        command.build();
        let mut all = String::new();
        help(&mut command, &mut all);
        insta::assert_snapshot!(all);
    }

    #[test]
    fn global_options_may_follow_the_command() {
        let args = Args::parse_from(["talaria", "chat", "bob", "--json", "--home", "x"]);
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
