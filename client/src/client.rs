//! The client as a state machine: frames and time go in, actions come out.
//!
//! Every round that is announced gets exactly one submission of fixed size, whether there is
//! something to say or not. It is sealed before the round opens, and leaves at a moment that
//! [`Departures`](crate::departures::Departures) know without this machine. No round is answered
//! twice, ever: its number is committed before the answer leaves.

mod action;
mod away;
mod person;
mod round;
mod sealing;
mod talk;

pub use action::{Action, Change, CloseReason, Counters, ProtocolError};

use std::collections::VecDeque;
use std::num::NonZeroU64;

use rand::CryptoRng;
use talaria_wire::control::{Control, NotWelcome};
use talaria_wire::epoch::{BadEpochKeys, ChainKeys, EpochKeys};
use talaria_wire::frame::{Announcement, Kind, Replies};
use talaria_wire::identity::directory::Head;
use talaria_wire::network_file::{Network, NetworkVersion};
use talaria_wire::reason::Pause;
use talaria_wire::{HopIndex, Round, RoundShape, UnixMillis};

use crate::conversation::budget::{Budget, Limit};
use crate::identity::Identity;
use crate::loss::Streak;
use crate::notice::Notice;
use away::RoundAway;
use sealing::Sealing;
use talk::Talk;

/// How long the greeting may take.
pub const GREETING_MS: u64 = 10_000;
/// A server that says nothing for this long, or for four rounds if that is longer, is gone.
const SILENCE_MS: u64 = 15_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Down,
    Greeting,
    Up,
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
    clock_noticed: bool,
    /// The entry has said that no round opens.
    paused: bool,
    streak: Streak,
    sealing: Sealing,
    away: VecDeque<RoundAway>,
    talk: Option<Talk>,
    limit: Limit,
    /// The newest head of the directory that is known here.
    head: Option<Head>,
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
            clock_noticed: false,
            paused: false,
            streak: Streak::default(),
            sealing: Sealing::new(),
            away: VecDeque::new(),
            talk: None,
            limit: Limit { price: Budget::of(&network.noise).price(), ..Limit::default() },
            head: None,
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
        let price = Budget::of(&network.noise).price();
        // What is recorded is recorded at the price before.
        let is_recorded = price == self.limit.price;
        let recorded = self.limit.recorded.map(|rounds| if is_recorded { rounds } else { 0 });
        self.set_limit(Limit { price, recorded, ..self.limit });
    }

    /// So many rounds of the conversation are in the account's [record](talaria_wire::identity::ledger),
    /// charged or reserved: its lane idles before more would be charged.
    pub fn record(&mut self, rounds: u64) {
        self.set_limit(Limit { recorded: Some(rounds), ..self.limit });
    }

    /// Whether the lane idles until more is recorded.
    #[must_use]
    pub fn awaits_record(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.conversation.awaits_record())
    }

    /// Whether conversations go on when their privacy budget is used up. Without this their lane
    /// idles then, which looks the same from outside, and what is said is kept.
    pub fn go_beyond_budget(&mut self, beyond: bool) {
        self.set_limit(Limit { beyond, ..self.limit });
    }

    /// The newest head of the directory that is known here: the partner is told it.
    pub fn know_head(&mut self, head: Option<Head>) {
        self.head = head;
        if let Some(talk) = &mut self.talk {
            talk.conversation.know_head(head);
        }
    }

    /// Heads that the partner knows, as far as they are news. Nobody has looked at their signatures.
    /// Look at them when the directory is looked at, and not sooner: what is done at other moments
    /// may say that somebody talks.
    pub fn take_heads(&mut self) -> Vec<Head> {
        self.talk.as_mut().map_or_else(Vec::new, |talk| talk.conversation.take_heads())
    }

    fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
        if let Some(talk) = &mut self.talk {
            talk.conversation.set_limit(limit);
            self.flush();
        }
    }

    /// The connection stands. Gives the greeting, a whole frame, to be written before anything else.
    #[must_use]
    pub fn handle_connected(&mut self, now: UnixMillis) -> Vec<u8> {
        self.connection = Connection::Greeting;
        (self.clock_noticed, self.paused) = (false, false);
        self.begin_sealing();
        self.deadline = Some(now.plus(GREETING_MS));
        Control::hello(&self.network).to_frame()
    }

    /// The connection is gone, and with it every round that has not come back.
    pub fn handle_disconnected(&mut self, now: UnixMillis) {
        self.connection = Connection::Down;
        self.deadline = None;
        self.drop_ready();
        while let Some(away) = self.away.pop_front() {
            self.lose(&away, now);
        }
        self.flush();
    }

    /// A frame has come, in bytes that left the socket at `now`.
    ///
    /// Of frames that wait at the same time, replies are to be handed in last: they take the most
    /// work, and the rest may be needed sooner.
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
                let present = Round::at(now, self.period_ms);
                match self.keys.take(EpochKeys::decode(body)?, present) {
                    Ok(_) => self.handle_keys(now, rng),
                    // A clock that is wrong is noticed with the next announcement.
                    Err(BadEpochKeys::OtherTime) => {}
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
            (Control::Paused { reason }, Connection::Up) => self.handle_pause(reason),
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

    /// The round that was to open does not.
    fn handle_pause(&mut self, reason: Pause) {
        if !std::mem::replace(&mut self.paused, true) {
            self.notify(Notice::Paused { reason });
        }
    }

    fn welcomed(&mut self) {
        self.connection = Connection::Up;
        let talk = self.talk.as_ref();
        let unacknowledged = talk.map_or(0, |t| t.conversation.state().unacknowledged());
        self.notify(Notice::Ready { unacknowledged });
    }

    /// The moment of [`Client::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: UnixMillis, rng: &mut impl CryptoRng) {
        if let Some((round, _)) = self.next_sealing().filter(|(_, seal_at)| *seal_at <= now) {
            self.seal_talk(now, round, rng);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.actions.push_back(Action::Close(CloseReason::Silent));
        }
    }

    /// When [`Client::handle_timeout`] is to be called, unless something happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.deadline.into_iter().chain(self.next_sealing().map(|(_, seal_at)| seal_at)).min()
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        self.note_durable(action.as_ref());
        action
    }

    /// The identity that the client was made with.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The newest round that has been answered, or may have been by an earlier run.
    #[must_use]
    pub fn last_round(&self) -> Option<Round> {
        self.last_round
    }

    /// What the client has seen of losses and interference.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    fn is_up(&self) -> bool {
        self.connection == Connection::Up
    }

    fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    /// Changes join a commit that is still to be executed: earlier is always safe, and one commit costs
    /// as much as a hundred.
    fn commit(&mut self, mut changes: Vec<Change>) {
        let waiting = self.actions.iter_mut().find_map(|action| match action {
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
