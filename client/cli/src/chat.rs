//! The command `chat`: finds the partner, and joins a running client to a front.

mod lines;
mod plain;
mod signals;

pub(crate) use signals::Signals;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use talaria_client::Contact;
use talaria_client::Trust;
use talaria_client::conversation::state::Received;
use talaria_daemon::{self as net, Event, Input, Ports, RunError, Summary, WhenSpent};
use talaria_store::{Home, HomeError, ShownMark};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::args::Chat;
use crate::error::CliError;
use crate::events;
use crate::people;
use crate::screen;
use crate::secret::Source;
use crate::unlocked::{Session, generator};

/// Inputs that wait for the client; more hold back whoever writes them.
const INPUTS_WAITING: usize = 1024;

/// The front's ends of the [`Ports`] of a running client.
pub(crate) struct Front {
    pub(crate) partner: String,
    pub(crate) leave: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) input: mpsc::Sender<Input>,
    shown: mpsc::UnboundedSender<u32>,
    mark: ShownMark,
    /// What was being shown when an earlier run was killed.
    pub(crate) interrupted: Option<Received>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<Result<Summary, RunError>>,
}

impl Front {
    fn start(mut home: Home, contact: Contact, args: &Chat) -> Result<Self, CliError> {
        let (mark, interrupted) = home.shown_mark(&contact.key, &mut generator()?)?;
        let partner = contact.name.to_string();
        let (input, input_end) = mpsc::channel(INPUTS_WAITING);
        let (shown, shown_end) = mpsc::unbounded_channel();
        let (output, events) = mpsc::unbounded_channel();
        let (stop, stop_end) = oneshot::channel();
        let when_spent = if args.beyond_budget { WhenSpent::GoOn } else { WhenSpent::Stop };
        let ports = Ports { input: input_end, shown: shown_end, output, stop: stop_end };
        let run = tokio::spawn(net::run(home, contact, when_spent, ports));
        let (leave, timeout) = (args.leave, args.timeout);
        let stop = Some(stop);
        Ok(Self { partner, leave, timeout, input, shown, mark, interrupted, events, stop, run })
    }

    /// Shows the text with this `number`, so that even a kill leaves a trace of how far it came.
    pub(crate) fn show<E>(
        &self,
        number: u32,
        show: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        // Without marks, a kill right now would let the text be shown again, and nothing worse.
        let _ = self.mark.begin(number);
        show()?;
        let _ = self.mark.done(number);
        // The client has ended if nobody listens; its next run takes up the mark.
        let _ = self.shown.send(number);
        Ok(())
    }

    /// Asks the client to end.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It has ended already if nobody listens.
            let _ = stop.send(());
        }
    }

    /// Waits for the client to end, after its last event has been shown.
    pub(crate) async fn join(self) -> Result<Summary, CliError> {
        let Self { run, stop, shown, input, events, .. } = self;
        drop((shown, input, events));
        let summary = run.await;
        drop(stop);
        match summary {
            Ok(summary) => Ok(summary?),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

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
    let met = home.meet(&args.name)?;
    if let Trust::Changed { .. } = met.trust {
        return Err(HomeError::KeyChanged(args.name.clone()).into());
    }
    let number = people::safety_number(home, &met.contact)?;
    if json {
        let trust = people::trust_name(met.trust);
        let event = events::Event::contact(&args.name, trust, &number);
        events::print_in(None, &event).map_err(CliError::Output)?;
    } else {
        people::greet(&met, &number)?;
    }
    home.remember(&met.contact)?;
    Ok(met.contact)
}

/// What to say of lines that the partner is not known to have.
pub(crate) fn unacknowledged(count: usize) -> String {
    match count {
        0 => "everything you said is acknowledged".to_owned(),
        1 => "1 line is unacknowledged: it is kept, and will be sent next time".to_owned(),
        n => format!("{n} lines are unacknowledged: they are kept, and will be sent next time"),
    }
}
