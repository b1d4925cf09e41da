//! What faces ask for, on its way to the run.

use std::sync::Arc;

use talaria_api::{Request, Token};
use tokio::sync::mpsc;

use super::faces::Faces;
use super::queue::Queue;
use crate::run::{Asked, Input};
use crate::told;

/// There is no place for another request: ask again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMuch;

/// Asks in the name of a face, which is told the answers.
#[derive(Clone)]
pub struct Requests {
    pub(super) face: u64,
    pub(super) faces: Arc<Faces>,
    pub(super) queue: Arc<Queue>,
    pub(super) input: mpsc::Sender<Input>,
}

impl Requests {
    /// Asks, without waiting.
    ///
    /// # Errors
    /// [`TooMuch`] if too many requests wait.
    pub fn try_ask(&self, request: Request) -> Result<(), TooMuch> {
        let Some(input) = self.input_of(request) else { return Ok(()) };
        // Where the run has ended nobody needs to be told.
        match self.input.try_send(input) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(TooMuch),
            _ => Ok(()),
        }
    }

    /// Asks, and waits for a place. Whether the run still listens.
    pub async fn ask(&self, request: Request) -> bool {
        match self.input_of(request) {
            Some(input) => self.input.send(input).await.is_ok(),
            None => true,
        }
    }

    /// The same outside of a runtime.
    pub fn blocking_ask(&self, request: Request) -> bool {
        self.input_of(request).is_none_or(|input| self.input.blocking_send(input).is_ok())
    }

    /// What it is for the run; a face that asks for what there is not is told so.
    fn input_of(&self, request: Request) -> Option<Input> {
        if !self.is_open(request.conversation()) {
            self.refuse(&request, "no such conversation is open");
            return None;
        }
        let asked = |token: Token| Asked { face: self.face, token };
        Some(match request {
            Request::Say { token, text, .. } => Input::Say(text.0, asked(token)),
            Request::End { .. } => Input::End,
            Request::Leave { .. } => Input::Leave,
            Request::AcceptKey { token, .. } => Input::AcceptKey(asked(token)),
            Request::Again { token, .. } => Input::Again(asked(token)),
            Request::Shown { .. } => {
                self.refuse(&request, "only the face that was told can have shown it");
                return None;
            }
        })
    }

    pub(super) fn is_open(&self, conversation: &str) -> bool {
        self.faces.conversation == conversation
    }

    fn refuse(&self, request: &Request, why: &str) {
        let (conversation, token) = (request.conversation(), request.token());
        self.queue.push(told::refusal(why.to_owned(), conversation, token));
    }
}
