//! The entry without its sockets: who is connected, which round collects, who gets which reply.
//!
//! A round closes as soon as everybody who took part in one of the last ones has submitted, and at
//! least half of all who are connected; or when its period is over.
//!
//! Every connection is that of a user, and a user has one: the newer one takes the place of the
//! older.

pub mod admission;
pub mod gate;
pub mod members;
pub mod visit;

use std::collections::{BTreeMap, VecDeque};

use talaria_wire::frame::{Announcement, Submission};
use talaria_wire::reason::{AbortReason, Farewell, Pause, Refusal};
use talaria_wire::{Batch, Round as RoundNumber, RoundShape, UnixMillis};

use crate::schedule::{Ending, ScheduleConfig, Scheduler, Step};
use admission::{Admission, ClientId, NotAdmitted, Seat, Seats, UserId};

/// A client that lets so many rounds pass in a row is not waited for any more. One alone may be
/// the doing of somebody who holds everybody's traffic up for a moment, to close the next round
/// with a single client in it.
const GIVEN_UP: u8 = 3;

/// What the entry goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryConfig {
    /// Sizes of the network.
    pub shape: RoundShape,
    /// The round clock.
    pub schedule: ScheduleConfig,
    /// The most clients at once.
    pub max_clients: usize,
}

/// What is to be done now.
#[derive(Debug)]
pub enum Action {
    /// Tell every client that a round collects.
    Announce {
        /// The round.
        round: RoundNumber,
        /// When it closes at the latest.
        closes_at: UnixMillis,
    },
    /// Tell every client that no round opens.
    Pause(Pause),
    /// Send a batch to the first hop.
    Forward {
        /// The round.
        round: RoundNumber,
        /// Its onions.
        onions: Batch,
        /// How many clients submitted.
        clients: usize,
        /// How many were connected when it closed.
        connected: usize,
    },
    /// Tell the clients of a round how it ended.
    Deliver {
        /// The round.
        round: RoundNumber,
        /// Who was in it.
        seats: Seats,
        /// The replies in the order of the onions, or why there are none.
        replies: Result<Batch, AbortReason>,
        /// The round that they can be told of in the same breath.
        next: Option<Upcoming>,
    },
    /// Say goodbye to a client and close its connection. It has no place any more.
    Close {
        /// The client.
        client: ClientId,
        /// Why.
        reason: Farewell,
    },
    /// Every client has its last reply: the entry may stop.
    Drained,
}

/// A round that will open soon, unless the entry stops before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The round.
    pub round: RoundNumber,
    /// When it opens.
    pub opens_at: UnixMillis,
    /// When it closes at the latest.
    pub closes_at: UnixMillis,
}

/// Clocks are whole milliseconds and go at slightly different speeds; who comes this much later
/// is not too early.
const SLACK_MS: u64 = 5;
/// The clocks of clients are not trusted for longer than this.
const MOST_AHEAD_MS: u64 = 10_000;

impl Upcoming {
    /// What to tell clients at `now`; nothing if it opens right away, or in a long time: then it
    /// is announced when it opens.
    #[must_use]
    pub fn announcement(&self, now: UnixMillis) -> Option<Announcement> {
        let left = self.opens_at.since(now);
        let milliseconds = |value| u32::try_from(value).unwrap_or(u32::MAX);
        (1..=MOST_AHEAD_MS).contains(&left).then(|| Announcement {
            round: self.round,
            opens_in_ms: milliseconds(left + SLACK_MS),
            closes_in_ms: milliseconds(self.closes_at.since(now)),
        })
    }
}

/// The entry.
#[derive(Debug)]
pub struct Entry {
    config: EntryConfig,
    scheduler: Scheduler,
    /// Why no round can open now.
    pause: Option<Pause>,
    admission: Option<Admission>,
    /// Rounds that were sent off, and who waits for them.
    waiting: BTreeMap<RoundNumber, Seats>,
    clients: BTreeMap<ClientId, Client>,
    /// Over which connection each user is here.
    users: BTreeMap<UserId, ClientId>,
    /// Awaited clients that are not in the open round yet.
    missing: usize,
    next_client: u64,
    draining: bool,
    actions: VecDeque<Action>,
}

/// A connection that has a place.
#[derive(Debug)]
struct Client {
    user: UserId,
    presence: Presence,
}

/// Whether a round waits for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// Has let this many rounds pass since it last submitted.
    Here { silent: u8 },
    /// Came while this round was open: waited for from the next one on.
    New,
}

impl Presence {
    const AWAITED: Self = Self::Here { silent: 0 };

    fn is_awaited(self) -> bool {
        matches!(self, Self::Here { silent } if silent < GIVEN_UP)
    }
}

impl Entry {
    /// An entry without clients, whose link is not up yet.
    #[must_use]
    pub fn new(config: EntryConfig, now: UnixMillis) -> Self {
        Self {
            config,
            scheduler: Scheduler::new(config.schedule, now),
            pause: Some(Pause::Unreachable),
            admission: None,
            waiting: BTreeMap::new(),
            clients: BTreeMap::new(),
            users: BTreeMap::new(),
            missing: 0,
            next_client: 0,
            draining: false,
            actions: VecDeque::new(),
        }
    }

    /// A user has connected. If they were here already, it is the older connection that goes:
    /// the newer one shows where they are now.
    ///
    /// # Errors
    /// The [`Refusal`] to send if there is no place for it.
    pub fn connect(&mut self, now: UnixMillis, user: UserId) -> Result<ClientId, Refusal> {
        if self.draining {
            return Err(Refusal::ShuttingDown);
        }
        if self.clients.len() >= self.config.max_clients && !self.users.contains_key(&user) {
            return Err(Refusal::Full);
        }
        self.expel(now, user, Farewell::Replaced);
        let client = ClientId(self.next_client);
        self.next_client += 1;
        self.clients.insert(client, Client { user, presence: Presence::New });
        self.users.insert(user, client);
        Ok(client)
    }

    /// Closes a user's connection, if there is one. Onions that came over it stay in their round.
    pub fn expel(&mut self, now: UnixMillis, user: UserId, reason: Farewell) {
        if let Some(client) = self.users.get(&user).copied() {
            self.actions.push_back(Action::Close { client, reason });
            self.disconnect(now, client);
        }
    }

    /// A client has gone. Onions that it submitted stay in their round.
    pub fn disconnect(&mut self, now: UnixMillis, client: ClientId) {
        let Some(Client { user, presence }) = self.clients.remove(&client) else { return };
        self.users.remove(&user);
        if presence.is_awaited() && self.admission.as_ref().is_some_and(|open| !open.has(user)) {
            self.missing -= 1;
        }
        self.close_if_complete(now);
    }

    /// A client's submission.
    ///
    /// # Errors
    /// [`NotAdmitted`]: answer with a reply of [`Outcome::Late`](talaria_wire::frame::Outcome).
    pub fn submit(
        &mut self,
        now: UnixMillis,
        client: ClientId,
        submission: Submission<'_>,
    ) -> Result<Seat, NotAdmitted> {
        // Clients that were told in advance may be faster than whoever looks at the clock here.
        if self.admission.is_none() {
            self.handle_timeout(now);
        }
        let Some(Client { user, presence }) = self.clients.get_mut(&client) else {
            return Err(NotAdmitted::NotOpen);
        };
        let admission = self.admission.as_mut().ok_or(NotAdmitted::NotOpen);
        let admitted = match admission {
            Ok(admission) => admission.submit(*user, client, submission),
            Err(not_open) => Err(not_open),
        };
        let was_awaited = presence.is_awaited();
        match (*presence, admitted) {
            // It came too late to have been told of the round that is open.
            (Presence::New, Err(_)) => {}
            (_, Ok(_)) => {
                *presence = Presence::AWAITED;
                self.missing -= usize::from(was_awaited);
            }
            // Even a late one shows that the client is there.
            (_, Err(NotAdmitted::NotOpen)) => {
                *presence = Presence::AWAITED;
                let in_round = self.admission.as_ref().is_some_and(|open| open.has(*user));
                let open = self.admission.is_some();
                self.missing += usize::from(open && !was_awaited && !in_round);
            }
            (_, Err(NotAdmitted::Twice)) => {}
        }
        let seat = admitted?;
        self.close_if_complete(now);
        Ok(seat)
    }

    /// The first hop has returned a round.
    pub fn handle_returned(&mut self, round: RoundNumber, replies: Batch) {
        let Some(seats) = self.waiting.get(&round) else {
            return;
        };
        let expected = seats.len() * self.config.shape.onions();
        let replies = if replies.slot_len() != self.config.shape.reply_len() {
            Err(AbortReason::BadBatch)
        } else if replies.len() != expected {
            Err(AbortReason::WrongCount)
        } else {
            Ok(replies)
        };
        self.finish(round, replies);
    }

    /// A round is lost.
    pub fn handle_lost(&mut self, round: RoundNumber, reason: AbortReason) {
        self.finish(round, Err(reason));
    }

    /// The link to the first hop broke: every round that travels is lost.
    pub fn handle_link_lost(&mut self) {
        for round in self.waiting.keys().copied().collect::<Vec<_>>() {
            self.handle_lost(round, AbortReason::Unreachable);
        }
    }

    /// Whether rounds can open, or why not. One that is open already collects on.
    pub fn set_pause(&mut self, pause: Option<Pause>) {
        self.pause = pause;
        self.scheduler.set_ready(pause.is_none());
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        self.scheduler.handle_timeout(now);
        self.run_steps();
    }

    /// Closes the open round at once, opens no other, and takes no further client.
    pub fn drain(&mut self, now: UnixMillis) {
        self.draining = true;
        self.scheduler.drain(now);
        self.run_steps();
    }

    /// What to do next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether [`Entry::poll_action`] has something.
    #[must_use]
    pub fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Whether the entry is coming to its end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// When [`Entry::handle_timeout`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.scheduler.poll_timeout()
    }

    /// How many clients are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    fn run_steps(&mut self) {
        while let Some(step) = self.scheduler.poll_step() {
            match step {
                Step::Open { round, closes_at } => self.open(round, closes_at),
                Step::Pass(_) => self.actions.extend(self.pause.map(Action::Pause)),
                Step::Close(round) => self.close(round),
                Step::GiveUp(round) => self.finish(round, Err(AbortReason::TooSlow)),
                Step::Drained => self.actions.push_back(Action::Drained),
            }
        }
    }

    fn open(&mut self, round: RoundNumber, closes_at: UnixMillis) {
        for client in self.clients.values_mut().filter(|c| c.presence == Presence::New) {
            client.presence = Presence::AWAITED;
        }
        self.missing = self.clients.values().filter(|c| c.presence.is_awaited()).count();
        self.admission = Some(Admission::open(round, self.config.shape, self.clients.len()));
        self.actions.push_back(Action::Announce { round, closes_at });
    }

    fn close(&mut self, round: RoundNumber) {
        let Some(admission) = self.admission.take() else {
            return;
        };
        for Client { user, presence } in self.clients.values_mut() {
            if let Presence::Here { silent } = presence
                && !admission.has(*user)
            {
                *silent = silent.saturating_add(1);
            }
        }
        let (closed, seats) = admission.close();
        let (clients, connected) = (seats.len(), self.clients.len());
        self.waiting.insert(round, seats);
        let onions = closed.into_batch();
        self.actions.push_back(Action::Forward { round, onions, clients, connected });
    }

    fn close_if_complete(&mut self, now: UnixMillis) {
        let complete = |open: &Admission| {
            let submitted = open.submitted();
            self.missing == 0 && submitted > 0 && 2 * submitted >= self.clients.len()
        };
        if self.admission.as_ref().is_some_and(complete) {
            self.scheduler.handle_complete(now);
            self.run_steps();
        }
    }

    fn finish(&mut self, round: RoundNumber, replies: Result<Batch, AbortReason>) {
        let ending = match &replies {
            Ok(_) => Ending::Returned,
            Err(AbortReason::TooSlow | AbortReason::Busy) => Ending::Overloaded,
            Err(_) => Ending::Lost,
        };
        if let Some(seats) = self.waiting.remove(&round) {
            let next = self.scheduler.upcoming().map(|(round, opens_at)| {
                let closes_at = round.next().starts_at(self.config.schedule.period_ms);
                Upcoming { round, opens_at, closes_at }
            });
            self.actions.push_back(Action::Deliver { round, seats, replies, next });
        }
        self.scheduler.handle_over(round, ending);
        self.run_steps();
    }
}

#[cfg(test)]
mod tests;
