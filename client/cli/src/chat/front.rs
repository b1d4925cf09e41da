//! What every front of a chat has: a face at the running client, and how it is to end.

use std::time::Duration;

use talaria_api::{Event, Request, Token};
use talaria_client::Contact;
use talaria_daemon::hub::{Face, Hub, Requests, TooMuch};
use talaria_daemon::{Summary, WhenSpent};
use talaria_store::Home;

use crate::args::Chat;
use crate::error::CliError;
use crate::unlocked::generator;

/// No line of input has this number.
const AGAIN: u64 = u64::MAX;

/// A face at a running client.
pub(crate) struct Front {
    pub(crate) partner: String,
    pub(crate) leave: bool,
    pub(crate) timeout: Option<Duration>,
    again: bool,
    hub: Hub,
    face: Face,
}

impl Front {
    /// Begins to talk. To be called in a runtime.
    pub(crate) fn start(home: Home, contact: Contact, args: &Chat) -> Result<Self, CliError> {
        let partner = contact.name.to_string();
        let when_spent = if args.beyond_budget { WhenSpent::GoOn } else { WhenSpent::Stop };
        let (hub, face) = Hub::start(home, contact, when_spent, &mut generator()?)?;
        Ok(Self { partner, leave: args.leave, timeout: args.timeout, again: args.again, hub, face })
    }

    /// What happens next; `None` after the last event. After a message nothing comes before it is
    /// [shown](Self::shown).
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.face.next().await
    }

    /// The message with this number has been shown, so that even a kill leaves a trace of how far
    /// it came.
    pub(crate) fn shown(&mut self, number: u32) {
        let conversation = self.partner.clone();
        // For this there is always a place.
        let _ = self.face.ask(Request::Shown { conversation, number });
    }

    /// Asks for something, without waiting.
    pub(crate) fn ask(&mut self, request: Request) -> Result<(), TooMuch> {
        self.face.ask(request)
    }

    /// Asks for what was wished for at the start: that what may be lost is sent again.
    pub(crate) fn send_again(&mut self) {
        let (token, conversation) = (Token(AGAIN), self.partner.clone());
        if self.again {
            // Nothing waits before it.
            let _ = self.ask(Request::Again { token, conversation });
        }
    }

    /// A way to ask from elsewhere.
    pub(crate) fn requests(&self) -> Requests {
        self.face.requests()
    }

    /// Asks the client to end.
    pub(crate) fn stop(&mut self) {
        self.hub.stop();
    }

    /// Waits for the client to end, after its last event has been shown.
    pub(crate) async fn join(self) -> Result<Summary, CliError> {
        drop(self.face);
        Ok(self.hub.ended().await?)
    }
}
