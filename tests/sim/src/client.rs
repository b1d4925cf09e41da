//! A client in the simulation: the real state machines on a played disk and connection.
//!
//! As in the daemon there are three who work at the same time: the departures, which nothing holds up;
//! the client, which does one thing after the other; and the disk, for which ordered actions wait.

use std::collections::VecDeque;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_client::departures::{Departures, Prepared};
use talaria_client::{
    Action, BudgetStage, Change, Client, CloseReason, Contact, ConversationState, Counters,
    Identity, Notice,
};
use talaria_wire::control::Control;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::frame::{Accepts, Announcement, HEADER_LEN, Header, Kind};
use talaria_wire::identity::UserName;
use talaria_wire::network_file::Network;
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::peer_message::MessageId;
use talaria_wire::reason::Refusal;
use talaria_wire::{Round, RoundShape, UnixMillis};

use super::net::{Net, Node, Payload};
use super::setting::Costs;

/// What a client has counted; see [`Counters`].
pub type Counted = Counters;

/// A text that was shown to the person in front of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who said it, as the client shows it.
    pub from: String,
    /// What was said.
    pub text: String,
}

/// What survives a kill.
#[derive(Default)]
struct Disk {
    last_round: Option<Round>,
    conversation: ConversationState,
}

pub(super) struct ClientNode {
    number: usize,
    client: Client,
    secret: IdentitySecret,
    name: UserName,
    /// Rises with every home, as entries of the directory do.
    since: u64,
    shape: RoundShape,
    disk: Disk,
    talking_to: Option<Contact>,
    rng: ChaCha20Rng,
    costs: Costs,
    departures: Departures,
    /// What left in which round, and has not been told to the client.
    left: VecDeque<(UnixMillis, Prepared)>,
    /// Frames that the client has not looked at, and when they came.
    inbox: VecDeque<(UnixMillis, Kind, Vec<u8>)>,
    /// When the client has done what it is doing, and when the disk has.
    busy_until: UnixMillis,
    disk_until: UnixMillis,
    /// Changes that are being written, and become durable at `disk_until`.
    writing: Vec<Change>,
    connected: bool,
    last_submission: Option<Vec<u8>>,
    pub(super) silent: bool,
    /// The version of the protocol that it says it speaks.
    pub(super) protocol: u16,
    pub(super) refusals: Vec<Refusal>,
    /// The model: whom it talks to, what it said, heard and was told to be delivered.
    pub(super) partner: Option<usize>,
    pub(super) said: Vec<String>,
    pub(super) heard: Vec<Heard>,
    pub(super) delivered: Vec<MessageId>,
    pub(super) finished: bool,
    pub(super) budget_stages: Vec<BudgetStage>,
}

impl ClientNode {
    pub(super) fn new(
        number: usize,
        network: &Network,
        now: UnixMillis,
        costs: Costs,
        seed: u64,
    ) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let secret = IdentitySecret::generate(&mut rng);
        let name = UserName::new(&format!("client-{number}")).expect("a short name");
        let since = Round::at(now, network.period_ms).0;
        let client = Client::new(network, identity(&secret, &name, since), None);
        Self {
            number,
            client,
            secret,
            name,
            since,
            shape: network.shape(),
            disk: Disk::default(),
            talking_to: None,
            rng,
            costs,
            departures: Departures::new(network.period_ms),
            left: VecDeque::new(),
            inbox: VecDeque::new(),
            busy_until: now,
            disk_until: now,
            writing: Vec::new(),
            connected: false,
            last_submission: None,
            silent: false,
            protocol: PROTOCOL_VERSION,
            refusals: Vec::new(),
            partner: None,
            said: Vec::new(),
            heard: Vec::new(),
            delivered: Vec::new(),
            finished: false,
            budget_stages: Vec::new(),
        }
    }

    pub(super) fn contact(&self) -> Contact {
        identity(&self.secret, &self.name, self.since).contact()
    }

    pub(super) fn open(&mut self, partner: usize, contact: Contact) {
        self.partner = Some(partner);
        self.talking_to = Some(contact.clone());
        self.client.open(contact, ConversationState::default());
    }

    pub(super) fn say(&mut self, text: &str, now: UnixMillis) {
        self.client.say(text, now).expect("an open conversation and a short text");
        self.said.push(text.to_owned());
    }

    pub(super) fn end(&mut self) {
        self.client.end();
    }

    /// Everything but the disk is lost.
    pub(super) fn restart(&mut self, network: &Network) {
        let identity = identity(&self.secret, &self.name, self.since);
        self.writing.clear();
        (self.busy_until, self.disk_until) = (UnixMillis(0), UnixMillis(0));
        self.client = Client::new(network, identity, self.disk.last_round);
        if let Some(contact) = self.talking_to.clone().filter(|_| !self.finished) {
            self.client.open(contact, self.disk.conversation.clone());
        }
    }

    /// Goes on with another version of the network, as a client that runs.
    pub(super) fn adopt(&mut self, network: &Network) {
        self.client.adopt(network);
        self.shape = network.shape();
    }

    pub(super) fn counted(&self) -> Counted {
        *self.client.counters()
    }

    pub(super) fn go_beyond_budget(&mut self) {
        self.client.go_beyond_budget(true);
    }

    pub(super) fn charged(&self) -> u64 {
        self.disk.conversation.charged
    }

    pub(super) fn last_submission(&self) -> Option<&[u8]> {
        self.last_submission.as_deref()
    }

    pub(super) fn handle_connected(&mut self, now: UnixMillis, network: &Network, net: &mut Net) {
        self.connected = true;
        self.departures = Departures::new(network.period_ms);
        let hello = self.client.handle_connected(now);
        self.send(now, hello, net);
    }

    pub(super) fn handle_disconnected(&mut self, now: UnixMillis) {
        if self.connected {
            self.connected = false;
            self.tell_departed();
            self.inbox.clear();
            self.client.handle_disconnected(now);
        }
    }

    /// A frame leaves the socket; `false` if the connection has to end.
    pub(super) fn take_frame(&mut self, now: UnixMillis, frame: &[u8]) -> bool {
        let Some((head, body)) = frame.split_first_chunk::<HEADER_LEN>() else { return false };
        let kind = match Header::parse(*head, Accepts::FromEntry(self.shape)) {
            Ok(header) if header.len == body.len() => header.kind,
            _ => return false,
        };
        if kind == Kind::Announcement {
            if self.silent {
                return true;
            }
            if let Ok(announcement) = Announcement::decode(body) {
                self.departures.announce(now, &announcement);
            }
        }
        if let (Kind::Control, Ok(Control::Paused { .. })) = (kind, Control::decode(body)) {
            self.departures.pause();
        }
        self.inbox.push_back((now, kind, body.to_vec()));
        true
    }

    /// Whatever may leave leaves; the client works on what has come, if it is free; `false` if the
    /// connection has to end.
    pub(super) fn work(&mut self, now: UnixMillis, net: &mut Net) -> bool {
        self.depart(now, net);
        if self.busy_until > now {
            return true;
        }
        self.tell_departed();
        // Replies take the most work, and come last.
        let first = self.inbox.iter().position(|(_, kind, _)| *kind != Kind::Replies);
        let Some((at, kind, body)) = self.inbox.remove(first.unwrap_or(0)) else {
            if self.client.poll_timeout().is_some_and(|due| due <= now) {
                self.client.handle_timeout(now, &mut self.rng);
            }
            return true;
        };
        if kind == Kind::Replies && self.talking_to.is_some() {
            self.busy_until = now.plus(self.costs.verify_ms);
        }
        self.client.handle_frame(at, kind, &body, &mut self.rng).is_ok()
    }

    fn depart(&mut self, now: UnixMillis, net: &mut Net) {
        if !self.connected {
            return;
        }
        if let Some(leaving) = self.departures.handle_timeout(now) {
            self.send(now, leaving.frame.clone(), net);
            self.left.push_back((now, leaving));
        }
    }

    fn tell_departed(&mut self) {
        for (at, Prepared { round, serial, .. }) in std::mem::take(&mut self.left) {
            self.client.handle_departed(at, round, serial, &mut self.rng);
        }
    }

    /// When [`ClientNode::work`] or [`ClientNode::act`] have something to do.
    pub(super) fn poll_timeout(&self) -> Option<UnixMillis> {
        let departs = self.departures.poll_timeout().filter(|_| self.connected);
        let waits = !(self.inbox.is_empty() && self.left.is_empty());
        let work = if waits { Some(self.busy_until) } else { self.client.poll_timeout() };
        let work = work.map(|at| at.max(self.busy_until));
        let disk = (!self.writing.is_empty()).then_some(self.disk_until);
        departs.into_iter().chain(work).chain(disk).min()
    }

    /// Executes what the client asks for; says whether the connection has to end.
    pub(super) fn act(&mut self, now: UnixMillis) -> bool {
        let mut closes = false;
        while let Some(order) = self.client.poll_order() {
            self.departures.obey(order);
        }
        loop {
            if self.disk_until > now {
                return closes;
            }
            for change in std::mem::take(&mut self.writing) {
                self.commit(&change);
            }
            let Some(action) = self.client.poll_action() else { return closes };
            match action {
                Action::Commit(changes) => {
                    self.writing = changes;
                    self.disk_until = now.plus(self.costs.commit_ms);
                }
                Action::Order(order) => self.departures.obey(order),
                Action::Notify(notice) => self.notice(notice),
                Action::Close(reason) => {
                    closes = true;
                    if let CloseReason::Refused(reason) = reason {
                        self.refusals.push(reason);
                    }
                }
            }
        }
    }

    fn send(&mut self, now: UnixMillis, frame: Vec<u8>, net: &mut Net) {
        if frame.first() == Some(&(Kind::Submission as u8)) {
            self.last_submission = Some(frame.clone());
        }
        let frame = self.in_its_version(frame);
        net.send(now, Node::Client(self.number), Node::Entry, Payload::Frame(frame));
    }

    fn in_its_version(&self, frame: Vec<u8>) -> Vec<u8> {
        let is_control = frame.first() == Some(&(Kind::Control as u8));
        match frame.get(HEADER_LEN..).filter(|_| is_control).map(Control::decode) {
            Some(Ok(Control::Hello { network, sequence, version, .. })) => {
                Control::Hello { protocol: self.protocol, network, sequence, version }.to_frame()
            }
            _ => frame,
        }
    }

    fn commit(&mut self, change: &Change) {
        match change {
            Change::LastRound(round) => self.disk.last_round = Some(*round),
            Change::IdlePairsUnmet(_) => {}
            Change::Conversation(_, change) => self.disk.conversation.apply(change),
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Message { from, text, number, .. } => {
                let (from, text) = (from.to_string(), text.as_str().to_owned());
                self.heard.push(Heard { from, text });
                self.client.shown(number);
            }
            Notice::Delivered { id, .. } => self.delivered.push(id),
            Notice::Finished => self.finished = true,
            Notice::Budget { stage, .. } => self.budget_stages.push(stage),
            _ => {}
        }
    }
}

fn identity(secret: &IdentitySecret, name: &UserName, since: u64) -> Identity {
    let secret = IdentitySecret::from_bytes(&secret.to_bytes()).expect("a key that exists");
    Identity { secret, name: name.clone(), since }
}
