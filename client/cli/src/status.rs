//! The command `status`: what the noise of the network is worth, and what is used of it.

use std::path::Path;

use talaria_api::budget::{Directory, Used, UsedState};
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
    if status.earlier_homes && status.charged_rounds.is_some() {
        print(
            "this home was made by a login, and the identity service had no record of what the homes \
             before it have used of these budgets: more may be used up than is shown",
        )?;
    }
    let Directory { entries, age_s, contradiction } = &status.directory;
    match age_s {
        Some(age_s) => print(&format!("directory: {entries} entries, signed {age_s} s ago"))?,
        None => print("directory: none yet")?,
    }
    if let Some(heads) = contradiction {
        print(&format!(
            "WARNING: the identity service has signed two directories that contradict each other. \
             Tell the operators and your contacts; these two heads are the proof: {heads}"
        ))?;
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
