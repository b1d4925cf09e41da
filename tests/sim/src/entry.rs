//! The entry in the simulation: the real state machine between played connections.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use talaria_mixnet::entry::admission::{ClientId, UserId};
use talaria_mixnet::entry::{Action, Entry, EntryConfig};
use talaria_mixnet::link::{BackWord, LinkMessage};
use talaria_mixnet::schedule::ScheduleConfig;
use talaria_wire::control::{AbortReason, Control};
use talaria_wire::crypto::OnionPublic;
use talaria_wire::epoch::ChainKeys;
use talaria_wire::frame::{
    Accepts, Announcement, HEADER_LEN, Header, Kind, Outcome, Replies, Submission,
};
use talaria_wire::network_file::{Network, NetworkVersion};
use talaria_wire::{HopIndex, Round, RoundShape, UnixMillis};

use super::net::{Net, Node, Payload};

pub(super) struct EntryNode {
    entry: Entry,
    shape: RoundShape,
    network: NetworkVersion,
    keys: ChainKeys,
    period_ms: NonZeroU64,
    seated: BTreeMap<usize, Seated>,
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
        Self {
            entry: Entry::new(config, now),
            shape: network.shape(),
            network: network.version(),
            keys: ChainKeys::new(network, HopIndex(0)),
            period_ms: network.period_ms,
            seated: BTreeMap::new(),
            borrowed: BTreeMap::new(),
            delivered: 0,
            lost: 0,
            failures: BTreeMap::new(),
        }
    }

    /// The keys of `round`, which have to be known.
    pub(super) fn onion_keys(&self, round: Round) -> Vec<OnionPublic> {
        self.keys.of_round(round).expect("the keys have been announced").to_vec()
    }

    /// Takes a frame; `false` if the connection has to end.
    pub(super) fn handle_frame(
        &mut self,
        now: UnixMillis,
        client: usize,
        frame: &[u8],
        net: &mut Net,
    ) -> bool {
        let Some((head, body)) = frame.split_first_chunk::<HEADER_LEN>() else { return false };
        match Header::parse(*head, Accepts::FromClient(self.shape)) {
            Ok(header) if header.len != body.len() => false,
            Ok(header) if header.kind == Kind::Submission => self.submit(now, client, body, net),
            Ok(_) => self.greet(now, client, body, net),
            Err(_) => false,
        }
    }

    fn greet(&mut self, now: UnixMillis, client: usize, body: &[u8], net: &mut Net) -> bool {
        let whose = self.borrowed.get(&client).copied().unwrap_or(client);
        let user = UserId(whose as u64);
        if self.seated.contains_key(&client) {
            return false;
        }
        let hello = Control::decode(body).map(|control| control.check_hello(&self.network));
        let Ok(Ok(answer)) = hello else { return false };
        let answer = answer.and_then(|()| self.entry.connect(now, user));
        if let Ok(id) = answer {
            self.seated.insert(client, Seated { id, told: None });
        }
        send(net, now, client, Control::answer(&answer).to_frame());
        if answer.is_ok() {
            for keys in self.keys.all() {
                send(net, now, client, keys.to_frame());
            }
        }
        answer.is_ok()
    }

    fn submit(&mut self, now: UnixMillis, client: usize, body: &[u8], net: &mut Net) -> bool {
        let (Some(seated), Ok(submission)) =
            (self.seated.get(&client), Submission::decode(body, self.shape))
        else {
            return false;
        };
        if self.entry.submit(now, seated.id, submission).is_err() {
            let mut frame = Vec::new();
            Replies::put_without(submission.round, Outcome::Late, self.shape, &mut frame);
            send(net, now, client, frame);
        }
        true
    }

    pub(super) fn handle_link(
        &mut self,
        now: UnixMillis,
        message: LinkMessage<BackWord>,
        net: &mut Net,
    ) {
        match message {
            LinkMessage::Word(BackWord::Keys(keys)) => {
                let frame = keys.to_frame();
                let now_round = Round::at(now, self.period_ms);
                if self.keys.take(keys, now_round).expect("honest hops announce what they may") {
                    for client in self.seated.keys() {
                        send(net, now, *client, frame.clone());
                    }
                }
            }
            LinkMessage::Batch(round, replies) => self.entry.handle_returned(round, replies),
            LinkMessage::Word(BackWord::Abort(round, reason)) => {
                self.entry.handle_lost(round, reason);
            }
            LinkMessage::Word(BackWord::Report(_)) => {}
        }
    }

    pub(super) fn link_lost(&mut self) {
        self.entry.handle_link_lost();
    }

    pub(super) fn disconnect(&mut self, now: UnixMillis, client: usize) {
        if let Some(seated) = self.seated.remove(&client) {
            self.entry.disconnect(now, seated.id);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: UnixMillis) {
        self.entry.handle_timeout(now);
    }

    pub(super) fn poll_timeout(&self) -> Option<UnixMillis> {
        self.entry.poll_timeout()
    }

    pub(super) fn act(&mut self, now: UnixMillis, net: &mut Net) {
        while let Some(action) = self.entry.poll_action() {
            match action {
                Action::Announce { round, closes_at } => {
                    let left = u32::try_from(closes_at.since(now)).unwrap_or(u32::MAX);
                    let open = Announcement { round, opens_in_ms: 0, closes_in_ms: left };
                    for (client, seated) in &mut self.seated {
                        if let Some(frame) = seated.tell(open) {
                            send(net, now, *client, frame);
                        }
                    }
                }
                Action::Forward { round, onions, .. } => {
                    let batch = Payload::Onward(LinkMessage::Batch(round, onions));
                    net.send(now, Node::Entry, Node::Hop(0), batch);
                }
                Action::Deliver { round, seats, replies, next } => {
                    let next = next.and_then(|next| next.announcement(now));
                    if let Err(reason) = &replies {
                        self.failures.insert(round, *reason);
                    }
                    *(if replies.is_ok() { &mut self.delivered } else { &mut self.lost }) += 1;
                    for (client, seated) in &mut self.seated {
                        let Some(seat) = seats.get(&seated.id) else { continue };
                        let mut frame = Vec::new();
                        match &replies {
                            Ok(replies) => {
                                let reply_len = self.shape.reply_len();
                                let own = &replies.as_bytes()[seat.0 * reply_len..];
                                let own = &own[..self.shape.onions() * reply_len];
                                let outcome = Outcome::Delivered;
                                Replies { round, outcome, replies: own }.put_frame(&mut frame);
                            }
                            Err(_) => {
                                let outcome = Outcome::Failed;
                                Replies::put_without(round, outcome, self.shape, &mut frame);
                            }
                        }
                        send(net, now, *client, frame);
                        if let Some(frame) = next.and_then(|next| seated.tell(next)) {
                            send(net, now, *client, frame);
                        }
                    }
                }
                Action::Close { client: id, reason } => {
                    let client = self.seated.iter().find(|(_, seated)| seated.id == id);
                    if let Some(client) = client.map(|(client, _)| *client) {
                        self.seated.remove(&client);
                        send(net, now, client, Control::Goodbye { reason }.to_frame());
                    }
                }
                Action::Drained => {}
            }
        }
    }
}

/// A client at the entry.
struct Seated {
    id: ClientId,
    /// The round that it was told of last.
    told: Option<Round>,
}

impl Seated {
    /// The frame that announces a round, once.
    fn tell(&mut self, announcement: Announcement) -> Option<Vec<u8>> {
        let news = self.told.is_none_or(|told| told < announcement.round);
        self.told = self.told.max(Some(announcement.round));
        news.then(|| announcement.to_frame())
    }
}

fn send(net: &mut Net, now: UnixMillis, client: usize, frame: Vec<u8>) {
    net.send(now, Node::Entry, Node::Client(client), Payload::Frame(frame));
}
