//! The client as a state machine: frames and time go in, actions come out.
//!
//! Every round that is announced gets exactly one submission of fixed size, whether there is
//! something to say or not. No round is answered twice, ever: its number is committed before the
//! answer leaves.

mod round;

use std::collections::VecDeque;
use std::num::NonZeroU64;

use rand::CryptoRng;
use talaria_wire::codec::DecodeError;
use talaria_wire::control::{BadControl, Control, Farewell, NotWelcome, Refusal};
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::epoch::{BadEpochKeys, ChainKeys, EpochKeys};
use talaria_wire::frame::{Announcement, Kind, Replies};
use talaria_wire::network_file::{Network, NetworkVersion};
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::peer_message::MessageId;
use talaria_wire::{HopIndex, Round, RoundShape, UnixMillis};
use thiserror::Error;

use crate::contact::Contact;
use crate::conversation::budget::{Budget, Limit};
use crate::conversation::state::{self, ConversationState};
use crate::conversation::{Conversation, SayError};
use crate::identity::Identity;
use crate::notice::Notice;
use crate::session::Session;
use round::RoundAway;

/// An announcement further from the local clock than this is not answered.
pub const CLOCK_TOLERANCE_MS: u64 = 10 * 60 * 1000;
/// How long the greeting may take.
pub const GREETING_MS: u64 = 10_000;
/// Rounds whose replies are waited for; beyond that the oldest count as failed.
pub const MAX_ROUNDS_AWAY: usize = 64;
/// A round whose replies have not come after this long, or after five rounds if that is longer,
/// is lost.
const OVERDUE_MS: u64 = 15_000;
/// A server that says nothing for this long, or for four rounds if that is longer, is gone.
const SILENCE_MS: u64 = 15_000;

/// One thing to do. Actions are to be executed one by one, in their order.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Make these changes durable, all or none, before going on. If that fails, stop for good.
    Commit(Vec<Change>),
    /// Write these bytes, one whole frame, to the connection. Without one, drop them.
    Send(Vec<u8>),
    /// Tell the person in front of the client.
    Notify(Notice),
    /// Close the connection, then call [`Client::handle_disconnected`].
    Close(CloseReason),
}

/// What has to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This round, and so every earlier one, has been answered.
    LastRound(Round),
    /// So many idle pairs have not met since the client was made.
    IdlePairsUnmet(u64),
    /// A step of the conversation with this partner.
    Conversation(IdentityPublic, state::Change),
}

/// Why the client wants the connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// Nothing came for too long.
    #[error("the server is silent")]
    Silent,
    /// The greeting was refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The server is about to close the connection.
    #[error("{0}")]
    Goodbye(Farewell),
}

/// The server has broken the protocol: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A body that is not what its header says.
    #[error("the server sent a malformed frame: {0}")]
    Malformed(#[from] DecodeError),
    /// A control frame that is none.
    #[error("the server sent a malformed frame: {0}")]
    Control(#[from] BadControl),
    /// A frame that does not belong where it came.
    #[error("the server sent a frame that does not belong there")]
    Unexpected,
    /// Onion keys that are not those of the chain, here and now.
    #[error("the server sent keys that cannot be used: {0}")]
    Keys(#[from] BadEpochKeys),
    /// A welcome in another version of the protocol.
    #[error("the server speaks version {0} of the protocol, this program {PROTOCOL_VERSION}")]
    Version(u16),
    /// Replies to a round that was never answered.
    #[error("the server sent replies to round {0}, which was not submitted")]
    NeverSubmitted(Round),
}

/// What a client has seen of losses and interference since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Submissions sent.
    pub submitted: u64,
    /// Rounds that came back with replies.
    pub delivered: u64,
    /// Rounds that were answered too late.
    pub late: u64,
    /// Rounds that were lost: at the server, or with the connection.
    pub failed: u64,
    /// Idle lanes whose two onions did not meet.
    pub idle_pairs_unmet: u64,
    /// Replies that were not sealed by the whole chain for their onion.
    pub bad_replies: u64,
    /// Messages in a dead drop of a conversation that are not from the partner.
    pub not_authentic: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Down,
    Greeting,
    Up,
}

/// The one open conversation.
struct Talk {
    session: Session,
    conversation: Conversation,
    partner: IdentityPublic,
}

/// A client of one network.
pub struct Client {
    network: NetworkVersion,
    period_ms: NonZeroU64,
    shape: RoundShape,
    /// The onion keys of the chain, as far as they have been announced.
    keys: ChainKeys,
    identity: Identity,
    last_round: Option<Round>,
    connection: Connection,
    /// When the silence of the server has lasted too long.
    deadline: Option<UnixMillis>,
    /// A round that will open, and when.
    upcoming: Option<(Round, UnixMillis)>,
    clock_noticed: bool,
    away: VecDeque<RoundAway>,
    talk: Option<Talk>,
    limit: Limit,
    actions: VecDeque<Action>,
    counters: Counters,
}

impl Client {
    /// A client that has answered no round after `last_round`.
    #[must_use]
    pub fn new(network: &Network, identity: Identity, last_round: Option<Round>) -> Self {
        Self {
            network: network.version(),
            period_ms: network.period_ms,
            shape: network.shape(),
            keys: ChainKeys::new(network, HopIndex(0)),
            identity,
            last_round,
            connection: Connection::Down,
            deadline: None,
            upcoming: None,
            clock_noticed: false,
            away: VecDeque::new(),
            talk: None,
            limit: Limit { rounds: Budget::of(&network.noise).rounds(), beyond: false },
            actions: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Goes on with another version of the same network: other hops, or other sizes. The
    /// conversation stays as it is, since it binds the network and not the version.
    ///
    /// # Panics
    /// If it is another network, or there is a connection: call it between
    /// [`Client::handle_disconnected`] and [`Client::handle_connected`].
    pub fn adopt(&mut self, network: &Network) {
        assert_eq!(network.id(), self.network.network, "sessions belong to one network");
        assert_eq!(self.connection, Connection::Down, "a connection has one version");
        self.network = network.version();
        self.shape = network.shape();
        self.keys = ChainKeys::new(network, HopIndex(0));
        let rounds = Budget::of(&network.noise).rounds();
        self.set_limit(Limit { rounds, ..self.limit });
    }

    /// Whether conversations go on when their privacy budget is used up. Without this their lane
    /// idles then, which looks the same from outside, and what is said is kept.
    pub fn go_beyond_budget(&mut self, beyond: bool) {
        self.set_limit(Limit { beyond, ..self.limit });
    }

    /// Whether the lane idles although a conversation is open: from outside it looks the same, and
    /// what is said is kept.
    pub fn hold_back(&mut self, held: bool) {
        if let Some(talk) = &mut self.talk {
            talk.conversation.hold_back(held);
        }
    }

    fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
        if let Some(talk) = &mut self.talk {
            talk.conversation.set_limit(limit);
            self.flush();
        }
    }

    /// Opens the conversation with `contact` on lane 0, in place of any other.
    ///
    /// `state` is what was committed of it, or the default. Texts that arrived and were not shown
    /// are notified first.
    pub fn open(&mut self, contact: Contact, state: ConversationState) {
        let session = Session::new(&self.identity, &contact, self.network.network);
        let (id, start) = (session.id(), session.start());
        let conversation = Conversation::new(contact.name, id, start, state, self.limit);
        let talk = Talk { session, conversation, partner: contact.key };
        for away in &mut self.away {
            away.forget_conversation();
        }
        self.talk = Some(talk);
        self.flush();
    }

    /// Goes on with the open conversation in the session that `contact` and the client's own
    /// identity have now: one of the two has a new home or a new key. If the session is the one
    /// that it has, nothing happens.
    ///
    /// Without an open conversation with this contact's name nothing happens either.
    pub fn renew_session(&mut self, contact: &Contact) {
        let Some(talk) = self.talk.as_mut().filter(|talk| !talk.conversation.is_finished()) else {
            return;
        };
        let session = Session::new(&self.identity, contact, self.network.network);
        if session.id() == talk.session.id() || talk.conversation.partner() != &contact.name {
            return;
        }
        for away in &mut self.away {
            away.forget_conversation();
        }
        talk.conversation.restart(session.id(), session.start());
        talk.partner = contact.key;
        talk.session = session;
        self.flush();
    }

    /// The connection stands: greets the entry.
    pub fn handle_connected(&mut self, now: UnixMillis) {
        self.connection = Connection::Greeting;
        self.clock_noticed = false;
        self.deadline = Some(now.plus(GREETING_MS));
        self.actions.push_back(Action::Send(Control::hello(&self.network).to_frame()));
    }

    /// The connection is gone, and with it every round that has not come back.
    pub fn handle_disconnected(&mut self, now: UnixMillis) {
        self.connection = Connection::Down;
        (self.deadline, self.upcoming) = (None, None);
        while let Some(away) = self.away.pop_front() {
            self.lose(&away, now);
        }
        self.flush();
    }

    /// A frame has come.
    ///
    /// # Errors
    /// [`ProtocolError`]: close the connection and call [`Client::handle_disconnected`].
    pub fn handle_frame(
        &mut self,
        now: UnixMillis,
        kind: Kind,
        body: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(), ProtocolError> {
        match (kind, self.connection) {
            (_, Connection::Down) => return Err(ProtocolError::Unexpected),
            (Kind::Control, _) => self.handle_control(Control::decode(body)?)?,
            (Kind::Announcement, Connection::Up) => {
                self.handle_announcement(now, Announcement::decode(body)?, rng);
            }
            (Kind::EpochKeys, Connection::Up) => {
                let now = Round::at(now, self.period_ms);
                match self.keys.take(EpochKeys::decode(body)?, now) {
                    // A clock that is wrong is noticed with the next announcement.
                    Ok(_) | Err(BadEpochKeys::OtherTime) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            (Kind::Replies, Connection::Up) => {
                self.handle_replies(now, &Replies::decode(body, self.shape)?)?;
            }
            _ => return Err(ProtocolError::Unexpected),
        }
        if self.connection == Connection::Up {
            let silence = SILENCE_MS.max(self.period_ms.get().saturating_mul(4));
            self.deadline = Some(now.plus(silence));
        }
        self.flush();
        Ok(())
    }

    fn handle_control(&mut self, control: Control) -> Result<(), ProtocolError> {
        match (control, self.connection) {
            (Control::Goodbye { reason }, _) => {
                self.actions.push_back(Action::Close(CloseReason::Goodbye(reason)));
            }
            (answer, Connection::Greeting) => match answer.check_answer() {
                Ok(()) => self.welcomed(),
                Err(NotWelcome::Refused(reason)) => {
                    self.actions.push_back(Action::Close(CloseReason::Refused(reason)));
                }
                Err(NotWelcome::Version(theirs)) => return Err(ProtocolError::Version(theirs)),
                Err(NotWelcome::Unexpected(_)) => return Err(ProtocolError::Unexpected),
            },
            _ => return Err(ProtocolError::Unexpected),
        }
        Ok(())
    }

    fn welcomed(&mut self) {
        self.connection = Connection::Up;
        let talk = self.talk.as_ref();
        let unacknowledged = talk.map_or(0, |t| t.conversation.state().unacknowledged());
        self.notify(Notice::Ready { unacknowledged });
    }

    /// The moment of [`Client::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: UnixMillis, rng: &mut impl CryptoRng) {
        if let Some((round, _)) = self.upcoming.take_if(|(_, opens_at)| *opens_at <= now) {
            self.answer(now, round, rng);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.actions.push_back(Action::Close(CloseReason::Silent));
        }
    }

    /// When [`Client::handle_timeout`] is to be called, unless something happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.deadline.into_iter().chain(self.upcoming.map(|(_, opens_at)| opens_at)).min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Says something to the partner: committed first, then sent until it is delivered.
    ///
    /// # Errors
    /// [`SayError`]; nothing is sent then.
    pub fn say(&mut self, text: &str, now: UnixMillis) -> Result<MessageId, SayError> {
        let open = |talk: &&mut Talk| !talk.conversation.is_finished();
        let talk = self.talk.as_mut().filter(open).ok_or(SayError::NotOpen)?;
        let id = talk.conversation.say(text, now)?;
        self.flush();
        Ok(id)
    }

    /// This side has nothing more to say. [`Notice::Finished`] comes when all of it has arrived
    /// and the partner has nothing more to say either.
    pub fn end(&mut self) {
        self.end_talk(false);
    }

    /// This side has nothing more to say and does not wait for the partner: [`Notice::Finished`]
    /// comes as soon as everything has arrived.
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

    /// Every text up to the one with this `number` ([`Notice::Message`]) has been shown.
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

    /// The identity that the client was made with.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The newest round that has been answered.
    #[must_use]
    pub fn last_round(&self) -> Option<Round> {
        self.last_round
    }

    /// What the client has seen of losses and interference.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    /// Changes join a commit that is still to be executed, unless something has to leave between
    /// the two: earlier is always safe, and one commit costs as much as a hundred.
    fn commit(&mut self, mut changes: Vec<Change>) {
        let leaves = |action: &Action| matches!(action, Action::Send(_) | Action::Close(_));
        let after = self.actions.iter().rposition(leaves).map_or(0, |at| at + 1);
        let waiting = self.actions.range_mut(after..).find_map(|action| match action {
            Action::Commit(changes) => Some(changes),
            _ => None,
        });
        match waiting {
            _ if changes.is_empty() => {}
            Some(waiting) => waiting.append(&mut changes),
            None => self.actions.push_back(Action::Commit(changes)),
        }
    }

    /// Passes on what the conversation has decided, changes first.
    fn flush(&mut self) {
        let Some(talk) = &mut self.talk else {
            return;
        };
        let partner = talk.partner;
        let changes = talk.conversation.take_changes();
        let notices = talk.conversation.take_notices();
        let changes = changes.into_iter().map(|change| Change::Conversation(partner, change));
        self.commit(changes.collect());
        self.actions.extend(notices.into_iter().map(Action::Notify));
    }
}

#[cfg(test)]
mod tests;
