//! The terminal client `talaria`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: what touches the world is here"
)]

mod account;
mod advice;
mod args;
mod chat;
mod commands;
mod error;
mod events;
mod people;
mod screen;
mod secret;
mod status;
mod unlocked;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command, Key};
use error::CliError;
use people::Verdict;

fn main() -> ExitCode {
    hide_memory();
    let args = Args::parse();
    start_log();
    let json = args.json;
    match execute(args) {
        Ok(code) => code,
        Err(error) => {
            error.report(json);
            ExitCode::from(error::FAILED)
        }
    }
}

/// What is in this process's memory is for nobody else: other processes of the same user cannot look
/// into it, and no core dump has it (prctl(2), `PR_SET_DUMPABLE`).
#[cfg(target_os = "linux")]
fn hide_memory() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // It fails for values that there are not, and for nothing else.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

#[cfg(not(target_os = "linux"))]
fn hide_memory() {}

fn execute(args: Args) -> Result<ExitCode, CliError> {
    let password = args.password();
    let Args { home, json, command, .. } = args;
    let home = home.map_or_else(args::default_home, Ok)?;
    match command {
        Command::Register(args) => account::register(&home, &args, &password, json)?,
        Command::Login { name, network } => {
            account::login(&home, &name, network.as_deref(), &password, json)?;
        }
        Command::Logout { yes } => account::logout(&home, yes, &password, json)?,
        Command::Password(new) => {
            account::password(&home, &password, &new.source(), new.force, json)?;
        }
        Command::Whoami => account::whoami(&home, &password, json)?,
        Command::Key(Key::Rotate) => account::rotate(&home, &password, json)?,
        Command::Verify { name, mark, accept } => {
            let verdict = match (mark, accept) {
                (true, _) => Verdict::Mark,
                (_, true) => Verdict::Accept,
                _ => Verdict::Show,
            };
            people::verify(&home, &name, verdict, &password, json)?;
        }
        Command::Contacts => people::contacts(&home, &password, json)?,
        Command::Network { file } => commands::network(&home, file.as_deref(), json)?,
        Command::Status => status::status(&home, &password, json)?,
        Command::Version => commands::version(json)?,
        Command::Chat(chat) => return chat::chat(&home, &chat, &password, json),
    }
    Ok(ExitCode::SUCCESS)
}

/// Quiet unless `TALARIA_LOG` asks; to standard error, which holds nothing that matters.
fn start_log() {
    let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("TALARIA_LOG") else {
        return;
    };
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    log.with_ansi(colours).log_internal_errors(false).init();
}
