//! The newest heads of the directory, told from one partner to the other: whoever is told another
//! story than others finds out.
//!
//! A head takes the place of a message that would say nothing, so nobody else sees it.

use talaria_wire::identity::directory::{AHEAD_MAX, Head};
use talaria_wire::peer_message::Content;

/// What is told, and what was heard.
#[derive(Debug, Default)]
pub(super) struct Gossip {
    own: Option<Head>,
    /// Heads of the partner, each once, until somebody takes them to be looked at.
    heard: Vec<Head>,
    /// The last of them.
    last: Option<Head>,
}

impl Gossip {
    /// This side knows this head, and tells it from now on.
    pub(super) fn know(&mut self, head: Option<Head>) {
        self.own = head;
    }

    /// What to say where there is nothing to say.
    pub(super) fn idle(&self) -> Content {
        self.own.as_ref().map_or_else(Content::idle, Content::of_head)
    }

    /// The partner has said something: perhaps a head.
    pub(super) fn hear(&mut self, content: &Content) {
        let Some(head) = content.head() else { return };
        let known = self.last == Some(head) || self.own == Some(head);
        if !known && self.heard.len() < AHEAD_MAX {
            self.last = Some(head);
            self.heard.push(head);
        }
    }

    /// What the partner has told since this was asked last. Nobody has looked at the signatures.
    pub(super) fn take(&mut self) -> Vec<Head> {
        std::mem::take(&mut self.heard)
    }
}
