//! A hop in the simulation: the real node and the real rounds, on a played disk.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use talaria_deaddrop::{Tally, exchange};
use talaria_mixnet::hop::HopLimits;
use talaria_mixnet::hop::guard::{NotRecorded, Record, RoundGuard, RoundLog};
use talaria_mixnet::hop::keys::{Carried, HopKeys};
use talaria_mixnet::hop::node::{Duty, Node as HopMachine, NodeConfig};
use talaria_mixnet::link::{BackWord, LinkMessage, OnwardWord};
use talaria_mixnet::mix::noise::Noise;
use talaria_mixnet::mix::noise::pairs::PairDistribution;
use talaria_mixnet::round::{Mixed, Round, Unmixed};
use talaria_mixnet::schedule::ScheduleConfig;
use talaria_wire::control::Control;
use talaria_wire::crypto::onion_key::detected_backend;
use talaria_wire::crypto::{IdentitySecret, OnionPublic};
use talaria_wire::epoch::EpochKeys;
use talaria_wire::link::BatchHead;
use talaria_wire::network_file::Network;
use talaria_wire::onion::{PeelContext, SealContext};
use talaria_wire::reason::AbortReason;
use talaria_wire::{Batch, HopIndex, Round as RoundNumber, UnixMillis};

use super::liar::{Liar, Moment};
use super::net::{Envelope, Event, Net, Node, Payload};

/// The record of rounds: it survives restarts, as a disk does.
#[derive(Clone, Debug, Default)]
struct Disk(Rc<Cell<Option<RoundNumber>>>);

impl Disk {
    fn record(&self) -> Record<Self> {
        Record::new(self.0.get(), self.clone())
    }
}

impl RoundLog for Disk {
    fn record(&mut self, round: RoundNumber) -> Result<(), NotRecorded> {
        self.0.set(Some(round));
        Ok(())
    }
}

pub(super) struct HopNode {
    place: u8,
    identity: Arc<IdentitySecret>,
    node: HopMachine<()>,
    /// The keys of the hops after this one, in the last round that was begun.
    behind: Vec<OnionPublic>,
    /// What is to be announced to the server before, and what it has been told of that.
    announcements: Vec<EpochKeys>,
    carried: Carried,
    disk: Disk,
    record: Record<Disk>,
    rng: ChaCha20Rng,
    /// Rounds that are worked on, and until when.
    working: BTreeMap<(UnixMillis, RoundNumber), Round<Mixed>>,
    /// The most milliseconds that the work on a round takes.
    pub(super) slowness_ms: u64,
    slowness: ChaCha20Rng,
    /// None: it adds no noise.
    pub(super) noise: Option<PairDistribution>,
    pub(super) liar: Liar,
    pub(super) runs: BTreeMap<RoundNumber, usize>,
    /// The rounds in the order in which they were ready, and in that in which they left.
    pub(super) ready: Vec<RoundNumber>,
    pub(super) departed: Vec<RoundNumber>,
    pub(super) tallies: Vec<Tally>,
    /// The requests of every round, if they are to be kept.
    pub(super) requests: Option<Vec<Batch>>,
    /// How much of its noise did not come back as it must, for each round that came back.
    pub(super) altered: BTreeMap<RoundNumber, usize>,
}

impl HopNode {
    pub(super) fn new(place: u8, own: &IdentitySecret, network: &Network, seed: u64) -> Self {
        let disk = Disk::default();
        let own = IdentitySecret::from_bytes(&own.to_bytes()).expect("the bytes of a key");
        let identity = Arc::new(own);
        Self {
            place,
            node: machine(place, &identity, network, None),
            identity,
            behind: Vec::new(),
            announcements: Vec::new(),
            carried: Carried::default(),
            record: disk.record(),
            disk,
            rng: ChaCha20Rng::seed_from_u64(seed),
            working: BTreeMap::new(),
            slowness_ms: 0,
            slowness: ChaCha20Rng::seed_from_u64(seed.rotate_left(32)),
            noise: noise(place, network),
            liar: Liar::honest(!seed),
            runs: BTreeMap::new(),
            ready: Vec::new(),
            departed: Vec::new(),
            tallies: Vec::new(),
            requests: None,
            altered: BTreeMap::new(),
        }
    }

    /// Only the record of rounds survives; keys are in memory.
    pub(super) fn restart(&mut self, network: &Network) {
        self.node = machine(self.place, &self.identity, network, self.disk.0.get());
        self.record = self.disk.record();
        self.working.clear();
        self.announcements.clear();
        self.carried = Carried::default();
    }

    /// What whoever connects with `hello` is answered, if it is a greeting.
    pub(super) fn greet(&self, hello: &Control) -> Option<Control> {
        let answer = hello.check_hello(&self.node.config().network).ok()?;
        Some(Control::answer(&answer))
    }

    /// The server before has connected anew.
    pub(super) fn announce_again(&mut self) {
        self.carried = Carried::default();
    }

    /// The connection to the next hop broke.
    pub(super) fn link_lost(&mut self) {
        self.node.handle_link_lost();
    }

    /// Something comes from the server before this one.
    pub(super) fn handle_onward(
        &mut self,
        now: UnixMillis,
        message: LinkMessage<OnwardWord>,
        net: &mut Net,
    ) {
        match message {
            LinkMessage::Batch(round, batch) => self.take_on(now, round, batch, net),
            LinkMessage::Word(OnwardWord::Abort(round, _)) => {
                self.node.lost(now, round, AbortReason::Unreachable);
            }
            // Nobody probes here.
            LinkMessage::Word(OnwardWord::Probe(_)) => {}
        }
        self.flush(now, net);
    }

    /// Something comes from the next hop.
    pub(super) fn handle_back(
        &mut self,
        now: UnixMillis,
        message: LinkMessage<BackWord>,
        net: &mut Net,
    ) {
        match message {
            LinkMessage::Batch(round, replies) => {
                let (replies, _) = self.lie(Moment::Returning, round, replies);
                self.node.returned(round, replies);
            }
            LinkMessage::Word(BackWord::Keys(keys)) => {
                self.node.learn(now, keys).expect("honest hops announce what they may");
            }
            LinkMessage::Word(BackWord::Abort(round, reason)) => self.node.lost(now, round, reason),
            LinkMessage::Word(BackWord::Report(_)) => {}
        }
        self.flush(now, net);
    }

    fn take_on(&mut self, now: UnixMillis, number: RoundNumber, batch: Batch, net: &mut Net) {
        let unrecorded = match self.node.begin(BatchHead::of(number, &batch)) {
            Ok(unrecorded) => unrecorded,
            Err(reason) => return self.abort(now, number, reason, net),
        };
        let keys = unrecorded.record(&mut self.record).expect("a played disk does not fail");
        self.behind = keys.behind;
        *self.runs.entry(number).or_default() += 1;
        let noise = self.make_noise(number, batch.len());
        let hop = HopIndex(self.place);
        let context = PeelContext::new(&keys.secret, &self.behind, number, hop);
        let peeled = Round::arrived(number, batch).peel(&context, noise, &mut self.rng);
        let takes_ms = match self.slowness_ms {
            0 => 0,
            most => self.slowness.random_range(0..=most),
        };
        self.working.insert((now.plus(takes_ms), number), peeled.mix());
        self.finish_work(now);
    }

    /// Goes on with the rounds whose work has taken its time.
    fn finish_work(&mut self, now: UnixMillis) {
        while let Some(first) = self.working.first_entry().filter(|first| first.key().0 <= now) {
            let mixed = first.remove();
            self.ready.push(mixed.number());
            if self.node.config().last {
                let round = mixed.number();
                let outcome = self.exchange(mixed);
                self.node.end(now, round, outcome);
            } else {
                self.node.mixed(now, mixed);
            }
        }
    }

    fn exchange(&mut self, mixed: Round<Mixed>) -> Result<Round<Unmixed>, AbortReason> {
        let number = mixed.number();
        let (requests, away) = mixed.forward();
        let (requests, _) = self.lie(Moment::Onward, number, requests);
        if let Some(kept) = &mut self.requests {
            kept.push(requests.clone());
        }
        let (replies, tally) = exchange(requests).map_err(|_| AbortReason::BadBatch)?;
        self.tallies.push(tally);
        let (replies, _) = self.lie(Moment::Returning, number, replies);
        away.returned(replies).map_err(|_| AbortReason::WrongCount)
    }

    fn make_noise(&mut self, number: RoundNumber, arrived: usize) -> Noise {
        let Some(distribution) = self.noise.as_ref().filter(|_| arrived > 0) else {
            return Noise::none();
        };
        let pairs = distribution.sample(&mut self.rng) as usize;
        let context = seal_context(self.place, &self.behind, number);
        Noise::make(distribution.noise_onions() as usize, pairs, &context, &mut self.rng)
    }

    fn lie(&mut self, moment: Moment, number: RoundNumber, batch: Batch) -> (Batch, u64) {
        let context = seal_context(self.place, &self.behind, number);
        self.liar.pass(moment, number, batch, &context)
    }

    pub(super) fn handle_timeout(&mut self, now: UnixMillis, net: &mut Net) {
        self.node.handle_timeout(now, &mut self.rng);
        self.finish_work(now);
        self.flush(now, net);
    }

    pub(super) fn poll_timeout(&self) -> UnixMillis {
        let node = self.node.poll_timeout();
        self.working.keys().next().map_or(node, |(until, _)| node.min(*until))
    }

    /// Does what the node wants done.
    pub(super) fn flush(&mut self, now: UnixMillis, net: &mut Net) {
        while let Some(duty) = self.node.poll_duty() {
            match duty {
                Duty::Depart(round, onions) => self.depart(now, round, onions, net),
                Duty::Over(_, Ok(unmixed)) => self.answer(now, unmixed, net),
                Duty::Over(round, Err(reason)) => self.abort(now, round, reason, net),
                Duty::Announce(keys) => self.announcements = keys,
            }
        }
        for keys in self.carried.take_news(self.announcements.clone()) {
            self.say(now, BackWord::Keys(keys), net);
        }
    }

    fn depart(&mut self, now: UnixMillis, round: RoundNumber, onions: Batch, net: &mut Net) {
        self.departed.push(round);
        let (onions, late_ms) = self.lie(Moment::Onward, round, onions);
        let onions = Payload::Onward(LinkMessage::Batch(round, onions));
        self.send(now, late_ms, Node::Hop(self.place + 1), onions, net);
    }

    fn answer(&mut self, now: UnixMillis, unmixed: Round<Unmixed>, net: &mut Net) {
        let number = unmixed.number();
        self.altered.insert(number, unmixed.altered_noise());
        let replies = unmixed.seal(&mut self.rng).into_replies();
        let (replies, late_ms) = self.lie(Moment::Back, number, replies);
        let replies = Payload::Back(LinkMessage::Batch(number, replies));
        self.send(now, late_ms, self.before(), replies, net);
    }

    fn abort(&self, now: UnixMillis, round: RoundNumber, reason: AbortReason, net: &mut Net) {
        self.say(now, BackWord::Abort(round, reason), net);
    }

    fn say(&self, now: UnixMillis, word: BackWord, net: &mut Net) {
        self.send(now, 0, self.before(), Payload::Back(LinkMessage::Word(word)), net);
    }

    /// What is late does not hold up what is sent after it.
    fn send(&self, now: UnixMillis, late_ms: u64, to: Node, payload: Payload, net: &mut Net) {
        let from = Node::Hop(self.place);
        if late_ms == 0 {
            net.send(now, from, to, payload);
        } else {
            net.schedule(now.plus(late_ms), Event::Arrives(Envelope { from, to, payload }));
        }
    }

    fn before(&self) -> Node {
        self.place.checked_sub(1).map_or(Node::Entry, Node::Hop)
    }
}

/// What onions are sealed for that the hop in `place` makes.
fn seal_context(place: u8, behind: &[OnionPublic], round: RoundNumber) -> SealContext<'_> {
    SealContext { chain: behind, first: HopIndex(place + 1), round, backend: detected_backend() }
}

/// Every hop but the last adds what the network file says.
fn noise(place: u8, network: &Network) -> Option<PairDistribution> {
    let (noise, last) = (network.noise, usize::from(place) + 1 == network.hops().len());
    (noise.onions > 0 && !last).then(|| {
        PairDistribution::new(noise.onions, f64::from(noise.alpha_tenths) / 10.0)
            .expect("noise within the limits of a network file")
    })
}

fn machine(
    place: u8,
    identity: &Arc<IdentitySecret>,
    network: &Network,
    last: Option<RoundNumber>,
) -> HopMachine<()> {
    let schedule = ScheduleConfig::for_period(network.period_ms);
    let limits = HopLimits {
        max_slots: 10_000,
        max_rounds: schedule.max_rounds,
        patience_ms: schedule.patience_ms,
    };
    let place = HopIndex(place);
    HopMachine::new(
        NodeConfig::of(network, place, limits),
        HopKeys::new(identity.clone(), network, place),
        RoundGuard::new(last),
    )
}
