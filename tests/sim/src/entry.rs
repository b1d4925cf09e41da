//! The entry in the simulation: the real gate between played connections.

use std::collections::BTreeMap;

use talaria_mixnet::entry::EntryConfig;
use talaria_mixnet::entry::admission::{ClientId, UserId};
use talaria_mixnet::entry::gate::{Errand, Gate};
use talaria_mixnet::entry::visit::{News, Visit};
use talaria_mixnet::link::{BackWord, LinkMessage};
use talaria_mixnet::schedule::ScheduleConfig;
use talaria_wire::control::Control;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::epoch::ChainKeys;
use talaria_wire::frame::{Accepts, HEADER_LEN, Header, Kind, Submission};
use talaria_wire::network_file::{Network, NetworkVersion};
use talaria_wire::reason::{AbortReason, Farewell};
use talaria_wire::{HopIndex, Round, RoundShape, UnixMillis};

use super::net::{Net, Node, Payload};

pub(super) struct EntryNode {
    gate: Gate,
    shape: RoundShape,
    network: NetworkVersion,
    visits: BTreeMap<usize, Visit>,
    /// Clients that show the certificate of another one.
    pub(super) borrowed: BTreeMap<usize, usize>,
    pub(super) delivered: usize,
    pub(super) lost: usize,
    pub(super) failures: BTreeMap<Round, AbortReason>,
}

impl EntryNode {
    pub(super) fn new(network: &Network, now: UnixMillis) -> Self {
        let config = EntryConfig {
            shape: network.shape(),
            schedule: ScheduleConfig::for_period(network.period_ms),
            max_clients: 1000,
        };
        let mut gate = Gate::new(config, ChainKeys::new(network, HopIndex(0)), now);
        gate.handle_link_up();
        Self {
            gate,
            shape: network.shape(),
            network: network.version(),
            visits: BTreeMap::new(),
            borrowed: BTreeMap::new(),
            delivered: 0,
            lost: 0,
            failures: BTreeMap::new(),
        }
    }

    /// The keys of `round`, which have to be known.
    pub(super) fn onion_keys(&self, round: Round) -> Vec<OnionPublic> {
        self.gate.keys().of_round(round).expect("the keys have been announced").to_vec()
    }

    /// Takes a frame from a client.
    pub(super) fn handle_frame(
        &mut self,
        now: UnixMillis,
        client: usize,
        frame: &[u8],
        net: &mut Net,
    ) {
        let split = frame.split_first_chunk::<HEADER_LEN>();
        let head = split.and_then(|(head, body)| {
            let head = Header::parse(*head, Accepts::FromClient(self.shape)).ok()?;
            (head.len == body.len()).then_some((head.kind, body))
        });
        let Some(visit) = self.visits.get_mut(&client) else {
            return self.greet(now, client, head, net);
        };
        let mut out = Vec::new();
        let submit = |id, submission: Submission<'_>| self.gate.submit(now, id, submission);
        let handled = match head {
            Some(frame) => visit.handle_frame(now, frame, submit, &mut out),
            None => Err(Farewell::Protocol),
        };
        match handled {
            Ok(()) => self.write(now, client, &out, net),
            Err(reason) => self.dismiss(now, client, reason, net),
        }
    }

    fn greet(
        &mut self,
        now: UnixMillis,
        client: usize,
        frame: Option<(Kind, &[u8])>,
        net: &mut Net,
    ) {
        let control = match frame {
            Some((Kind::Control, body)) => Control::decode(body).ok(),
            _ => None,
        };
        let Some(Ok(answer)) = control.map(|hello| hello.check_hello(&self.network)) else {
            return net.hang_up(now, Node::Entry, client);
        };
        let whose = self.borrowed.get(&client).copied().unwrap_or(client);
        let mut out = Vec::new();
        let visit = self.gate.answer(now, answer.map(|()| UserId(whose as u64)), &mut out);
        self.write(now, client, &out, net);
        match visit {
            Ok(visit) => drop(self.visits.insert(client, visit)),
            Err(_) => net.hang_up(now, Node::Entry, client),
        }
    }

    /// Says goodbye, and closes the connection behind it.
    fn dismiss(&mut self, now: UnixMillis, client: usize, reason: Farewell, net: &mut Net) {
        self.disconnect(now, client);
        self.write(now, client, &Control::Goodbye { reason }.to_frame(), net);
        net.hang_up(now, Node::Entry, client);
    }

    /// Writes frames to a client, each on its own.
    fn write(&self, now: UnixMillis, client: usize, mut frames: &[u8], net: &mut Net) {
        while let Some(head) = frames.first_chunk::<HEADER_LEN>() {
            let head = Header::parse(*head, Accepts::FromEntry(self.shape));
            let len = HEADER_LEN + head.expect("the entry writes whole frames").len;
            let (frame, rest) = frames.split_at(len);
            net.send(now, Node::Entry, Node::Client(client), Payload::Frame(frame.to_vec()));
            frames = rest;
        }
    }

    pub(super) fn handle_link(&mut self, now: UnixMillis, message: LinkMessage<BackWord>) {
        self.gate.handle_link(now, message).expect("honest hops announce what they may");
    }

    pub(super) fn link_up(&mut self) {
        self.gate.handle_link_up();
    }

    pub(super) fn link_lost(&mut self) {
        self.gate.handle_link_lost();
    }

    pub(super) fn disconnect(&mut self, now: UnixMillis, client: usize) {
        if let Some(visit) = self.visits.remove(&client) {
            self.gate.disconnect(now, visit.client());
        }
    }

    pub(super) fn handle_timeout(&mut self, now: UnixMillis, net: &mut Net) {
        self.gate.handle_timeout(now);
        let idle = self.visits.iter_mut().filter_map(|(client, visit)| {
            let reason = visit.handle_timeout(now).err()?;
            Some((*client, reason))
        });
        for (client, reason) in idle.collect::<Vec<_>>() {
            self.dismiss(now, client, reason, net);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<UnixMillis> {
        let idle = self.visits.values().map(Visit::poll_timeout);
        self.gate.poll_timeout().into_iter().chain(idle).min()
    }

    pub(super) fn act(&mut self, now: UnixMillis, net: &mut Net) {
        while let Some(errand) = self.gate.poll_errand(now) {
            match errand {
                Errand::Tell(news) => self.tell(now, &news, net),
                Errand::Forward { round, onions, .. } => {
                    let batch = Payload::Onward(LinkMessage::Batch(round, onions));
                    net.send(now, Node::Entry, Node::Hop(0), batch);
                }
                Errand::Dismiss { client: id, reason } => {
                    if let Some(client) = self.number(id) {
                        self.dismiss(now, client, reason, net);
                    }
                }
                Errand::Drained => {}
            }
        }
    }

    fn tell(&mut self, now: UnixMillis, news: &News, net: &mut Net) {
        if let News::Over(over) = news {
            match over.replies {
                Ok(_) => self.delivered += 1,
                Err(reason) => {
                    self.lost += 1;
                    self.failures.insert(over.round, reason);
                }
            }
        }
        for client in self.visits.keys().copied().collect::<Vec<_>>() {
            let mut out = Vec::new();
            match self.visits.get_mut(&client).map(|visit| visit.hear(news, &mut out)) {
                Some(Err(reason)) => self.dismiss(now, client, reason, net),
                _ => self.write(now, client, &out, net),
            }
        }
    }

    fn number(&self, id: ClientId) -> Option<usize> {
        let mut visits = self.visits.iter();
        visits.find(|(_, visit)| visit.client() == id).map(|(client, _)| *client)
    }
}
