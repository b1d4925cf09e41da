//! What can go wrong, how it is said, and with which exit code the program ends.

use std::io;

use talaria_api::{Code, Event, Trouble};
use talaria_daemon::{RunError, ServiceError};
use talaria_store::HomeError;
use thiserror::Error;

use crate::secret::PasswordError;
use crate::{advice, events};

/// An error.
pub(crate) const FAILED: u8 = 1;
/// A timeout.
pub(crate) const TIMED_OUT: u8 = 3;
/// Ctrl-C: 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;
/// SIGTERM likewise.
pub(crate) const TERMINATED: u8 = 143;

/// Why the program ends with an error.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    #[error("there is no home directory: choose one with --home")]
    NoHome,
    #[error("{}", advice::home(.0))]
    Home(#[from] HomeError),
    #[error("{}", advice::service(.0))]
    Service(ServiceError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error("nothing was done: answer `y`, or add --yes")]
    NotConfirmed,
    #[error("the safety number makes no QR code")]
    NoQrCode,
    #[error(transparent)]
    Run(RunError),
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[source] io::Error),
    #[error("the system gives no random numbers")]
    NoRandomness,
    #[error("the program cannot start its tasks: {0}")]
    Runtime(#[source] io::Error),
}

impl CliError {
    /// Says it: for people on standard error, and as an event for programs.
    pub(crate) fn report(&self, json: bool) {
        let message = brief(&self.to_string());
        eprintln!("error: {message}");
        if json {
            let fatal = Trouble { fatal: true, ..Trouble::new(Code::Fatal, message) };
            let event = Event::Error(fatal);
            // Nobody is left to tell if this fails too.
            let _ = events::print(&event);
        }
    }
}

impl From<ServiceError> for CliError {
    /// What the home says is said in its own words.
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Home(error) => Self::Home(error),
            error => Self::Service(error),
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Home(error) => Self::Home(error),
            error => Self::Run(error),
        }
    }
}

/// Errors of the TOML parser draw pictures: where and what is enough.
fn brief(message: &str) -> String {
    let lines: Vec<_> = message.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.as_slice() {
        [first, .., last] => format!("{first}\n{last}"),
        _ => message.to_owned(),
    }
}
