//! The wires of the simulated network: everything takes time, and a fault may befall it.

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use talaria_mixnet::link::{BackWord, LinkMessage, OnwardWord, Word as _};
use talaria_wire::frame::{BATCH_HEAD_LEN, CHUNK_LEN, HEADER_LEN, Kind};
use talaria_wire::{Batch, Round, UnixMillis};

pub use super::node::Node;
use super::observer::Observation;

/// What travels.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A whole frame between a client and the entry.
    Frame(Vec<u8>),
    /// A message on a link between servers, away from the clients.
    Onward(LinkMessage<OnwardWord>),
    /// A message on a link between servers, towards the clients.
    Back(LinkMessage<BackWord>),
}

impl Payload {
    /// The batch that it is, if it is one.
    #[must_use]
    pub fn batch(&self) -> Option<(Round, &Batch)> {
        match self {
            Self::Onward(LinkMessage::Batch(round, batch))
            | Self::Back(LinkMessage::Batch(round, batch)) => Some((*round, batch)),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            Self::Onward(LinkMessage::Word(word)) => word.to_frame().len(),
            Self::Back(LinkMessage::Word(word)) => word.to_frame().len(),
            Self::Onward(LinkMessage::Batch(_, batch))
            | Self::Back(LinkMessage::Batch(_, batch)) => {
                let body = batch.as_bytes().len();
                2 * HEADER_LEN + BATCH_HEAD_LEN + body + body.div_ceil(CHUNK_LEN) * HEADER_LEN
            }
        }
    }

    /// Faults spare keys: a connection that lost them would be made anew, and carry them again.
    fn is_keys(&self) -> bool {
        match self {
            Self::Frame(frame) => frame.first() == Some(&(Kind::EpochKeys as u8)),
            _ => matches!(self, Self::Back(LinkMessage::Word(BackWord::Keys(_)))),
        }
    }
}

/// Something on its way.
#[derive(Debug)]
pub struct Envelope {
    /// Who sent it.
    pub from: Node,
    /// Who is to receive it.
    pub to: Node,
    /// What it is.
    pub payload: Payload,
}

impl Envelope {
    /// The batch that it carries, if it does.
    #[must_use]
    pub fn batch(&self) -> Option<&Batch> {
        self.payload.batch().map(|(_, batch)| batch)
    }

    /// What arrives if `batch` takes the place of the one that it carries.
    #[must_use]
    pub fn replaced_by(&self, batch: Batch) -> Fate {
        Fate::Replace(match &self.payload {
            Payload::Onward(LinkMessage::Batch(round, _)) => {
                Payload::Onward(LinkMessage::Batch(*round, batch))
            }
            Payload::Back(LinkMessage::Batch(round, _)) => {
                Payload::Back(LinkMessage::Batch(*round, batch))
            }
            other => other.clone(),
        })
    }
}

/// What becomes of something on its way.
#[derive(Debug)]
pub enum Fate {
    /// It arrives.
    Pass,
    /// It does not arrive.
    Lose,
    /// It arrives this many milliseconds later than it should.
    Delay(u64),
    /// It arrives twice.
    Duplicate,
    /// Something else arrives in its place.
    Replace(Payload),
}

/// Something that will happen.
#[derive(Debug)]
pub enum Event {
    /// Something arrives.
    Arrives(Envelope),
    /// A client connects.
    Connects(usize),
    /// A client notices that the entry has closed its connection.
    HangsUp(usize),
}

type Fault = Box<dyn FnMut(&Envelope, &mut ChaCha20Rng) -> Fate>;

/// All wires.
pub struct Net {
    pub(super) fault: Option<Fault>,
    pub(super) trace: Vec<Observation>,
    /// By time, and in the order of sending within a moment.
    events: BTreeMap<(UnixMillis, u64), Event>,
    /// When the last thing on each wire arrives: nothing overtakes, unless a fault delays it.
    wires: BTreeMap<(Node, Node), UnixMillis>,
    sent: u64,
    /// Two generators, so that faults do not change the delays of what they leave alone.
    delays: ChaCha20Rng,
    faults: ChaCha20Rng,
}

impl Net {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            fault: None,
            trace: Vec::new(),
            events: BTreeMap::new(),
            wires: BTreeMap::new(),
            sent: 0,
            delays: ChaCha20Rng::seed_from_u64(seed),
            faults: ChaCha20Rng::seed_from_u64(!seed),
        }
    }

    pub(super) fn send(&mut self, now: UnixMillis, from: Node, to: Node, payload: Payload) {
        self.trace.push(Observation { at: now, from, to, bytes: payload.bytes() });
        let delay = self.delays.random_range(5..=40);
        let envelope = Envelope { from, to, payload };
        let fate = match &mut self.fault {
            Some(_) if envelope.payload.is_keys() => Fate::Pass,
            Some(fault) => fault(&envelope, &mut self.faults),
            None => Fate::Pass,
        };
        let arrives = now.plus(delay);
        match fate {
            Fate::Pass => self.arrive_in_order(arrives, envelope),
            Fate::Lose => {}
            Fate::Delay(ms) => self.schedule(arrives.plus(ms), Event::Arrives(envelope)),
            Fate::Duplicate => {
                let copy = Envelope { from, to, payload: envelope.payload.clone() };
                self.arrive_in_order(arrives, envelope);
                self.arrive_in_order(arrives, copy);
            }
            Fate::Replace(payload) => {
                self.arrive_in_order(arrives, Envelope { payload, ..envelope });
            }
        }
    }

    fn arrive_in_order(&mut self, arrives: UnixMillis, envelope: Envelope) {
        let wire = self.wires.entry((envelope.from, envelope.to)).or_insert(arrives);
        *wire = arrives.max(*wire);
        let at = *wire;
        self.schedule(at, Event::Arrives(envelope));
    }

    /// `from` closes its connection with a client, behind everything that it has sent.
    pub(super) fn hang_up(&mut self, now: UnixMillis, from: Node, client: usize) {
        let at = self.wires.get(&(from, Node::Client(client))).map_or(now, |wire| now.max(*wire));
        self.schedule(at, Event::HangsUp(client));
    }

    pub(super) fn schedule(&mut self, at: UnixMillis, event: Event) {
        self.events.insert((at, self.sent), event);
        self.sent += 1;
    }

    pub(super) fn next_time(&self) -> Option<UnixMillis> {
        self.events.keys().next().map(|(at, _)| *at)
    }

    pub(super) fn take_due(&mut self, now: UnixMillis) -> Option<Event> {
        let first = self.events.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Whatever is on its way between `node` and the `others` is lost.
    pub(super) fn forget_between(&mut self, node: Node, others: impl Fn(Node) -> bool) {
        let between = |a: Node, b: Node| a == node && others(b) || b == node && others(a);
        self.events.retain(|_, event| match event {
            Event::Arrives(envelope) => !between(envelope.from, envelope.to),
            Event::HangsUp(client) => node != Node::Client(*client),
            Event::Connects(_) => true,
        });
        self.wires.retain(|(from, to), _| !between(*from, *to));
    }

    pub(super) fn unschedule_connect(&mut self, client: usize) {
        self.events.retain(|_, event| !matches!(event, Event::Connects(c) if *c == client));
    }
}
