//! Joins one running client with its faces: requests of any face go to the client, and what it
//! tells goes to all of them.
//!
//! Faces never hold up the rounds, nor each other: what waits for one is bounded, and the run does
//! not know how many there are. What has been shown is marked here, on a face's request.

mod faces;
pub(crate) mod marks;
mod queue;
mod requests;

pub use requests::{Requests, TooMuch};

use std::sync::Arc;

use rand::CryptoRng;
use talaria_api::{Event, Request};
use talaria_client::Contact;
use talaria_store::{Home, HomeError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::driver::run;
use crate::run::{Input, Ports, RunError, Summary, WhenSpent};
use crate::told;
use faces::{Faces, pass_on};
use marks::Marks;
use queue::Queue;

/// Requests that wait for the client; more hold back whoever asks.
const REQUESTS_WAITING: usize = 1024;

/// A running client, and whatever is needed to join faces to it.
pub struct Hub {
    faces: Arc<Faces>,
    input: mpsc::Sender<Input>,
    shown: mpsc::UnboundedSender<u32>,
    marks: Arc<Marks>,
    stop: Option<oneshot::Sender<()>>,
    run: JoinHandle<Result<Summary, RunError>>,
}

impl Hub {
    /// Begins to talk with `contact`, and joins the first face. What was being shown when an earlier
    /// run was killed it is told first. To be called in a runtime.
    ///
    /// # Errors
    /// [`HomeError`] if the home cannot be used.
    pub fn start(
        mut home: Home,
        contact: Contact,
        when_spent: WhenSpent,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Face), HomeError> {
        let (mark, interrupted) = home.shown_mark(&contact.key, rng)?;
        let conversation = contact.name.to_string();
        let (input, input_end) = mpsc::channel(REQUESTS_WAITING);
        let (shown, shown_end) = mpsc::unbounded_channel();
        let (output, events) = mpsc::unbounded_channel();
        let (stop, stop_end) = oneshot::channel();
        let ports = Ports { input: input_end, shown: shown_end, output, stop: stop_end };
        let faces = Arc::new(Faces::new(conversation));
        let (marks, stop) = (Arc::new(Marks::new(mark)), Some(stop));
        let run = tokio::spawn(run(home, contact, when_spent, ports));
        let hub = Self { faces: faces.clone(), input, shown, marks, stop, run };
        let face = hub.join_face();
        if let Some(received) = interrupted {
            face.queue.push(told::repeated(&received, &faces.conversation));
        }
        tokio::spawn(pass_on(events, faces));
        Ok((hub, face))
    }

    /// Joins another face, which is told what happens from now on.
    #[must_use]
    pub fn join_face(&self) -> Face {
        let (id, queue) = self.faces.join();
        let requests = Requests {
            face: id,
            faces: self.faces.clone(),
            queue: queue.clone(),
            input: self.input.clone(),
        };
        let (shown, marks) = (self.shown.clone(), self.marks.clone());
        Face { queue, requests, shown, marks, showing: None }
    }

    /// Asks the client to end.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It has ended already if nobody listens.
            let _ = stop.send(());
        }
    }

    /// Waits for the client to end, after all faces have gone.
    ///
    /// # Errors
    /// [`RunError`] if it could not go on.
    ///
    /// # Panics
    /// If the run has.
    pub async fn ended(self) -> Result<Summary, RunError> {
        let Self { run, stop, input, shown, .. } = self;
        drop((input, shown));
        let summary = run.await;
        drop(stop);
        match summary {
            Ok(summary) => summary,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// A face's end: what happens comes out, and requests go in. Dropping it takes the face away.
pub struct Face {
    queue: Arc<Queue>,
    requests: Requests,
    shown: mpsc::UnboundedSender<u32>,
    marks: Arc<Marks>,
    /// The message that was told, and of which `Shown` was not asked yet.
    showing: Option<u32>,
}

impl Face {
    /// What happens next; `None` after the last event. After a message nothing comes before
    /// [`Request::Shown`] is asked of it: of what is told, no more than one message may be lost in a
    /// kill. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        if self.showing.is_some() {
            return std::future::pending().await;
        }
        let event = self.queue.pop().await?;
        if let Event::Message { number, .. } = event {
            self.marks.begin(number);
            self.showing = Some(number);
        }
        Some(event)
    }

    /// Asks for something, without waiting.
    ///
    /// # Errors
    /// [`TooMuch`] if too many requests wait.
    pub fn ask(&mut self, request: Request) -> Result<(), TooMuch> {
        match request {
            Request::Shown { conversation, number } if self.requests.is_open(&conversation) => {
                self.note_shown(number);
                Ok(())
            }
            request => self.requests.try_ask(request),
        }
    }

    fn note_shown(&mut self, number: u32) {
        // Only what this face was told can have been shown by it.
        if self.showing == Some(number) {
            self.showing = None;
            self.marks.done(number);
            // The client has ended if nobody listens; its next run takes up the mark.
            let _ = self.shown.send(number);
        }
    }

    /// A way to ask from elsewhere, of everything but `Shown`.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.requests.clone()
    }
}

impl Drop for Face {
    fn drop(&mut self) {
        self.requests.faces.leave(self.requests.face);
    }
}
