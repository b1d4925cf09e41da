//! `talariad user`, `token`, `clock`, `backup` and `restore`: what an operator does to the running identity
//! service, through its control socket.

mod backup;
mod connection;
mod service;
mod text;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use talaria_identity::control::{Command, Reply};

use super::display::{line, object};
use super::failure::Failure;
use connection::Connection;
use service::ServiceArgs;

pub(super) use backup::{BackupArgs, RestoreArgs, back_up, restore};

/// A verb and its service.
#[derive(Args)]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Show every name, whether it is enabled, and since when.
    List {
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show one user.
    Show(Named),
    /// Lock a user out: at once, also where the user is connected.
    Disable(Named),
    /// Let a user in again.
    Enable(Named),
}

#[derive(Args)]
struct Named {
    /// The name, in any form.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    service: ServiceArgs,
}

/// A verb and its service.
#[derive(Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make one-time tokens and print them: they are shown this once.
    ///
    /// They count where the configuration has `registrations = "token"`.
    New {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 1)]
        count: u32,
        /// For how long they are valid, such as 7d or 12h.
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = humantime::parse_duration)]
        expires: Duration,
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Show what tokens there are, without the tokens themselves.
    List {
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// Make a token void.
    Revoke {
        /// The token, or the beginning of its id in `token list`.
        #[arg(value_name = "TOKEN")]
        token: String,
        #[command(flatten)]
        service: ServiceArgs,
    },
}

/// The clock of a service.
#[derive(Args)]
pub(super) struct ClockArgs {
    /// Say that the clock of this machine is right as it is now: the service goes on writing.
    ///
    /// Look first: names that are dated wrongly stay in the directory for ever, and nobody takes
    /// entries from the future.
    #[arg(long)]
    accept_clock: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// `talariad clock …`.
pub(super) fn clock(args: &ClockArgs, as_json: bool) -> Result<(), Failure> {
    show(args.service.connect()?, &Command::Clock { accept: args.accept_clock }, as_json)
}

/// `talariad user …`.
pub(super) fn user(args: UserArgs, as_json: bool) -> Result<(), Failure> {
    let (command, service) = match args.command {
        UserCommand::List { service } => (Command::ListUsers {}, service),
        UserCommand::Show(Named { name, service }) => (Command::ShowUser { name }, service),
        UserCommand::Disable(Named { name, service }) => (Command::DisableUser { name }, service),
        UserCommand::Enable(Named { name, service }) => (Command::EnableUser { name }, service),
    };
    show(service.connect()?, &command, as_json)
}

/// `talariad token …`.
pub(super) fn token(args: TokenArgs, as_json: bool) -> Result<(), Failure> {
    let (command, service) = match args.command {
        TokenCommand::New { count, expires, service } => {
            (Command::NewTokens { count, valid_s: expires.as_secs() }, service)
        }
        TokenCommand::List { service } => (Command::ListTokens {}, service),
        TokenCommand::Revoke { token, service } => (Command::RevokeToken { token }, service),
    };
    show(service.connect()?, &command, as_json)
}

/// Sends a command and prints what comes back.
fn show(mut service: Connection, command: &Command, as_json: bool) -> Result<(), Failure> {
    service.send(command)?;
    loop {
        let reply = service.receive()?;
        if matches!(reply, Reply::Done {}) {
            break;
        }
        if as_json { print_json(&reply) } else { line(&text::of(&reply)) }
    }
    if let Command::RevokeToken { .. } = command {
        if as_json { object("revoked", json!({})) } else { line("The token is void.") }
    }
    Ok(())
}

fn print_json(reply: &Reply) {
    match reply {
        Reply::User(user) => object("user", json!(user)),
        Reply::NewToken { token, expires_s } => {
            object("new_token", json!({ "token": token, "expires_s": expires_s }));
        }
        Reply::Token(token) => object("token", json!(token)),
        Reply::Clock { now_ms, doubt } => {
            object("clock", json!({ "now_ms": now_ms, "doubt": doubt }));
        }
        other => object("reply", json!(other)),
    }
}
