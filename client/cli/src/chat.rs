//! The command `chat`: finds the partner, and joins a running client to a front.

pub(crate) mod front;
mod lines;
mod plain;
pub(crate) mod signals;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use talaria_client::{Contact, Trust};
use talaria_daemon::{now, told};
use talaria_store::{Home, HomeError};

use crate::args::Chat;
use crate::error::CliError;
use crate::events;
use crate::people;
use crate::screen;
use crate::secret::Source;
use crate::unlocked::Session;
use front::Front;

/// Talks to somebody until both have ended.
pub(crate) fn chat(
    dir: &Path,
    args: &Chat,
    source: &Source,
    json: bool,
) -> Result<ExitCode, CliError> {
    let session = Session::alone(dir, source)?;
    let Session { runtime, unlocked, mut home, .. } = session;
    // Its connection is not needed any more: that one was logged in says when a chat began.
    drop(unlocked);
    let contact = partner(&mut home, args, json)?;
    let on_terminal = !json && io::stdin().is_terminal() && io::stdout().is_terminal();
    let code = runtime.block_on(async {
        let front = Front::start(home, contact, args)?;
        if on_terminal { screen::show(front).await } else { plain::show(front, json).await }
    });
    // A thread may still wait for standard input, and will for ever.
    runtime.shutdown_background();
    code.map(ExitCode::from)
}

fn partner(home: &mut Home, args: &Chat, json: bool) -> Result<Contact, CliError> {
    let met = home.meet(&args.name, now())?;
    if let Trust::Changed { .. } = met.trust {
        return Err(HomeError::KeyChanged(args.name.clone()).into());
    }
    let number = people::safety_number(home, &met.contact)?;
    if json {
        let event = told::contact(&args.name, met.trust, &number);
        events::print_in(None, &event).map_err(CliError::Output)?;
    } else {
        people::greet(&met, &number)?;
    }
    home.remember(&met.contact)?;
    Ok(met.contact)
}
