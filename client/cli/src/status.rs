//! The command `status`: what the noise of the network is worth, and what is used of it.

use std::path::Path;

use talaria_api::budget::{Used, UsedState};
use talaria_daemon::told;

use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::secret::Source;
use crate::unlocked::Session;

/// Shows the budget of every conversation.
pub(crate) fn status(dir: &Path, source: &Source, json: bool) -> Result<(), CliError> {
    let mut session = Session::look(dir, source)?;
    let status = told::status(&mut session.home)?;
    if json {
        return print_json(&status);
    }
    print(&format!("network {}: {}", status.network, status.meaning))?;
    for used in &status.contacts {
        print(&line(used))?;
    }
    match status.idle_pairs_unmet {
        0 => Ok(()),
        times => print(&format!(
            "onions of yours that were to meet each other did not, {times} times in the newest \
             chat: somebody may be removing onions"
        )),
    }
}

fn line(used: &Used) -> String {
    let line = format!("{}\t{}", used.name, used.describe());
    match used.state {
        UsedState::Spent => format!("{line}, see `talaria chat --help` for --beyond-budget"),
        _ => line,
    }
}
