//! What the person in front of a client asks of it: to open a conversation, to say something, to
//! end.

use talaria_wire::UnixMillis;
use talaria_wire::peer_message::MessageId;

use super::Client;
use super::talk::Talk;
use crate::contact::Contact;
use crate::conversation::state::ConversationState;
use crate::conversation::{Conversation, SayError};
use crate::session::Session;

impl Client {
    /// Opens the conversation with `contact` on lane 0, in place of any other.
    ///
    /// `state` is what was committed of it, or the default. Texts that arrived and were not shown
    /// are notified first.
    pub fn open(&mut self, contact: Contact, state: ConversationState) {
        let session = Session::new(&self.identity, &contact, self.network.network);
        let (id, start) = (session.id(), session.start());
        let mut conversation = Conversation::new(contact.name, id, start, state, self.limit);
        conversation.know_head(self.head);
        let talk = Talk { session, conversation, partner: contact.key };
        self.forget_talks();
        self.talk = Some(talk);
        self.flush();
    }

    /// Goes on with the open conversation in the session that `contact` and the client's own
    /// identity have now: one of the two has a new home or a new key. If the session is the one
    /// that it has, nothing happens.
    ///
    /// Without an open conversation with this contact's name nothing happens either.
    pub fn renew_session(&mut self, contact: &Contact) {
        let session = Session::new(&self.identity, contact, self.network.network);
        let is_news = |talk: &Talk| {
            let conversation = &talk.conversation;
            !conversation.is_finished()
                && session.id() != talk.session.id()
                && conversation.partner() == &contact.name
        };
        if !self.talk.as_ref().is_some_and(is_news) {
            return;
        }
        self.forget_talks();
        let Some(talk) = &mut self.talk else { return };
        talk.conversation.restart(session.id(), session.start());
        talk.partner = contact.key;
        talk.session = session;
        self.flush();
    }

    /// What has been sealed belongs to no conversation any more.
    fn forget_talks(&mut self) {
        self.void_talks(true);
        for away in &mut self.away {
            away.forget_conversation();
        }
    }

    /// Says something to the partner: committed first, then sent until it is delivered.
    ///
    /// # Errors
    /// [`SayError`]; nothing is sent then.
    pub fn say(&mut self, text: &str, now: UnixMillis) -> Result<MessageId, SayError> {
        let talk = self.talk.as_mut().filter(|talk| !talk.conversation.is_finished());
        let talk = talk.ok_or(SayError::NotOpen)?;
        let id = talk.conversation.say(text, now)?;
        self.flush();
        Ok(id)
    }

    /// Sends again what the partner may not have any more, see
    /// [`Notice::MayBeLost`](crate::Notice::MayBeLost).
    ///
    /// # Errors
    /// [`SayError::NotOpen`].
    pub fn again(&mut self) -> Result<(), SayError> {
        let talk = self.talk.as_mut().filter(|talk| !talk.conversation.is_finished());
        talk.ok_or(SayError::NotOpen)?.conversation.again();
        self.flush();
        Ok(())
    }

    /// This side has nothing more to say. [`Notice::Finished`](crate::Notice::Finished) comes when
    /// all of it has arrived and the partner has nothing more to say either.
    pub fn end(&mut self) {
        self.end_talk(false);
    }

    /// This side has nothing more to say and does not wait for the partner:
    /// [`Notice::Finished`](crate::Notice::Finished) comes as soon as everything has arrived.
    pub fn leave(&mut self) {
        self.end_talk(true);
    }

    fn end_talk(&mut self, leaving: bool) {
        if let Some(talk) = &mut self.talk
            && !talk.conversation.is_finished()
        {
            talk.conversation.end(leaving);
            self.flush();
        }
    }

    /// Every text up to the one with this `number` ([`Notice::Message`](crate::Notice::Message)) has been shown.
    pub fn shown(&mut self, number: u32) {
        if let Some(talk) = &mut self.talk {
            talk.conversation.shown(number);
            self.flush();
        }
    }

    /// What is known of the conversation that is open, or was the last to be.
    #[must_use]
    pub fn conversation(&self) -> Option<&ConversationState> {
        self.talk.as_ref().map(|talk| talk.conversation.state())
    }

    /// Whether the lane idles although a conversation is open: from outside it looks the same, and
    /// what is said is kept, what has been sealed and has not left included.
    pub fn hold_back(&mut self, held: bool) {
        if held {
            self.void_talks(false);
        }
        if let Some(talk) = &mut self.talk {
            talk.conversation.hold_back(held);
        }
    }
}
