//! A client in the simulation: the real state machine on a played disk and connection.

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_client::{
    Action, BudgetStage, Change, Client, CloseReason, Contact, ConversationState, Counters,
    Identity, Notice,
};
use talaria_wire::control::Control;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::frame::{Accepts, HEADER_LEN, Header, Kind};
use talaria_wire::identity::UserName;
use talaria_wire::network_file::Network;
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::peer_message::MessageId;
use talaria_wire::reason::Refusal;
use talaria_wire::{Round, RoundShape, UnixMillis};

use super::net::{Net, Node, Payload};

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
    created: Round,
    shape: RoundShape,
    disk: Disk,
    talking_to: Option<Contact>,
    rng: ChaCha20Rng,
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
    pub(super) fn new(number: usize, network: &Network, now: UnixMillis, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let secret = IdentitySecret::generate(&mut rng);
        let name = UserName::new(&format!("client-{number}")).expect("a short name");
        let created = Round::at(now, network.period_ms);
        let client = Client::new(network, identity(&secret, &name, created), None);
        Self {
            number,
            client,
            secret,
            name,
            created,
            shape: network.shape(),
            disk: Disk::default(),
            talking_to: None,
            rng,
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
        identity(&self.secret, &self.name, self.created).contact()
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
        let identity = identity(&self.secret, &self.name, self.created);
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

    pub(super) fn handle_connected(&mut self, now: UnixMillis) {
        self.connected = true;
        self.client.handle_connected(now);
    }

    pub(super) fn handle_disconnected(&mut self, now: UnixMillis) {
        if self.connected {
            self.connected = false;
            self.client.handle_disconnected(now);
        }
    }

    /// Takes a frame; `false` if the connection has to end.
    pub(super) fn handle_frame(&mut self, now: UnixMillis, frame: &[u8]) -> bool {
        let Some((head, body)) = frame.split_first_chunk::<HEADER_LEN>() else { return false };
        match Header::parse(*head, Accepts::FromEntry(self.shape)) {
            Ok(header) if header.kind == Kind::Announcement && self.silent => true,
            Ok(header) if header.len == body.len() => {
                self.client.handle_frame(now, header.kind, body, &mut self.rng).is_ok()
            }
            _ => false,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: UnixMillis) {
        self.client.handle_timeout(now, &mut self.rng);
    }

    pub(super) fn poll_timeout(&self) -> Option<UnixMillis> {
        self.client.poll_timeout()
    }

    /// Executes what the client asks for; says whether the connection has to end.
    pub(super) fn act(&mut self, now: UnixMillis, net: &mut Net) -> bool {
        let mut closes = false;
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Commit(changes) => changes.iter().for_each(|change| self.commit(change)),
                Action::Send(frame) if self.connected => self.send(now, frame, net),
                Action::Send(_) => {}
                Action::Notify(notice) => self.notice(notice),
                Action::Close(reason) => {
                    closes = true;
                    if let CloseReason::Refused(reason) = reason {
                        self.refusals.push(reason);
                    }
                }
            }
        }
        closes
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

fn identity(secret: &IdentitySecret, name: &UserName, created: Round) -> Identity {
    let secret = IdentitySecret::from_bytes(&secret.to_bytes()).expect("a key that exists");
    Identity { secret, name: name.clone(), created }
}
