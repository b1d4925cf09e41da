//! The terminal client `talaria`.

mod args;
mod chat;
mod commands;
mod error;
mod events;
mod screen;
mod status;
mod tame;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use error::CliError;

fn main() -> ExitCode {
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

fn execute(args: Args) -> Result<ExitCode, CliError> {
    let Args { home, json, command } = args;
    let home = home.map_or_else(args::default_home, Ok)?;
    match command {
        Command::Init { network, name } => commands::init(&home, &network, name, json)?,
        Command::Card => commands::card(&home, json)?,
        Command::Contacts => commands::contacts(&home, json)?,
        Command::Network { file, switch } => {
            commands::network(&home, file.as_deref(), switch, json)?;
        }
        Command::Status => status::status(&home, json)?,
        Command::Version => commands::version(json)?,
        Command::Chat(chat) => return chat::chat(&home, &chat, json),
    }
    Ok(ExitCode::SUCCESS)
}

/// Quiet unless `TALARIA_LOG` asks; to standard error, which holds nothing that matters.
fn start_log() {
    let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("TALARIA_LOG") else {
        return;
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}
