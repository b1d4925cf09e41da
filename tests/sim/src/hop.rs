//! A hop in the simulation: the real book and the real round, on a played disk.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_deaddrop::{Tally, exchange};
use talaria_mixnet::hop::guard::{NotRecorded, RoundGuard, RoundLog};
use talaria_mixnet::hop::keys::HopKeys;
use talaria_mixnet::hop::{Hop, HopLimits};
use talaria_mixnet::link::LinkMessage;
use talaria_mixnet::mix::noise::Noise;
use talaria_mixnet::mix::noise::pairs::PairDistribution;
use talaria_mixnet::round::{Round, Unmixed};
use talaria_mixnet::schedule::ScheduleConfig;
use talaria_wire::control::AbortReason;
use talaria_wire::crypto::onion_key::detected_backend;
use talaria_wire::crypto::{IdentitySecret, OnionPublic};
use talaria_wire::epoch::EpochKeys;
use talaria_wire::link::BatchHead;
use talaria_wire::network_file::Network;
use talaria_wire::onion::{PeelContext, SealContext};
use talaria_wire::{Batch, HopIndex, Round as RoundNumber, UnixMillis};

use super::liar::{Liar, Moment};
use super::net::{Envelope, Event, Net, Node, Payload};

/// The record of rounds: it survives restarts, as a disk does.
#[derive(Clone, Debug, Default)]
struct Disk(Rc<Cell<Option<RoundNumber>>>);

impl RoundLog for Disk {
    fn record(&mut self, round: RoundNumber) -> Result<(), NotRecorded> {
        self.0.set(Some(round));
        Ok(())
    }
}

pub(super) struct HopNode {
    place: u8,
    last: bool,
    identity: Arc<IdentitySecret>,
    keys: HopKeys,
    /// The keys of the hops after this one, in the last round that was begun.
    behind: Vec<OnionPublic>,
    /// When the keys have to be looked at again.
    advances_at: UnixMillis,
    /// What the server before has been told of keys.
    announced: Vec<EpochKeys>,
    period_ms: NonZeroU64,
    disk: Disk,
    book: Hop<Disk>,
    rng: ChaCha20Rng,
    /// None: it adds no noise.
    pub(super) noise: Option<PairDistribution>,
    pub(super) liar: Liar,
    /// What is to be told to the server before this one.
    lost: Vec<(RoundNumber, AbortReason)>,
    pub(super) runs: BTreeMap<RoundNumber, usize>,
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
            last: usize::from(place) + 1 == network.hops().len(),
            keys: HopKeys::new(identity.clone(), network, HopIndex(place)),
            behind: Vec::new(),
            identity,
            advances_at: UnixMillis(0),
            announced: Vec::new(),
            period_ms: network.period_ms,
            book: book(place, network, &disk),
            disk,
            rng: ChaCha20Rng::seed_from_u64(seed),
            noise: noise(place, network),
            liar: Liar::honest(!seed),
            lost: Vec::new(),
            runs: BTreeMap::new(),
            tallies: Vec::new(),
            requests: None,
            altered: BTreeMap::new(),
        }
    }

    pub(super) fn restart(&mut self, network: &Network) {
        self.book = book(self.place, network, &self.disk);
        // Keys are in memory only.
        self.keys = HopKeys::new(self.identity.clone(), network, HopIndex(self.place));
        self.advances_at = UnixMillis(0);
        self.announced.clear();
        self.lost.clear();
    }

    /// The server before has connected anew.
    pub(super) fn announce_again(&mut self) {
        self.announced.clear();
    }

    /// The connection to the next hop broke.
    pub(super) fn link_lost(&mut self) {
        for round in self.book.lost_all_away() {
            self.lost.push((round, AbortReason::Unreachable));
        }
    }

    pub(super) fn handle(
        &mut self,
        now: UnixMillis,
        from: Node,
        message: LinkMessage,
        net: &mut Net,
    ) {
        let onward = from != Node::Hop(self.place + 1);
        match message {
            LinkMessage::Batch(round, batch) if onward => {
                if let Err(reason) = self.work(now, round, batch, net) {
                    self.lost.push((round, reason));
                }
            }
            LinkMessage::Batch(round, replies) => {
                if let Err(reason) = self.returned(now, round, replies, net) {
                    self.lost.push((round, reason));
                }
            }
            LinkMessage::Keys(keys) => {
                let now = RoundNumber::at(now, self.period_ms);
                self.keys.learn(keys, now).expect("honest hops announce what they may");
            }
            LinkMessage::Probe(_) | LinkMessage::Report(_) => {}
            LinkMessage::Abort(round, reason) => {
                if self.book.lost(round) {
                    self.lost.push((round, reason));
                }
            }
        }
        self.flush(now, net);
    }

    fn work(
        &mut self,
        now: UnixMillis,
        number: RoundNumber,
        batch: Batch,
        net: &mut Net,
    ) -> Result<(), AbortReason> {
        let keys = self.keys.begin(number).ok_or(AbortReason::NoKeys)?;
        self.book.begin(BatchHead::of(number, &batch))?;
        self.behind.clone_from(&keys.behind);
        *self.runs.entry(number).or_default() += 1;
        let noise = self.make_noise(number);
        let closed = Round::arrived(number, batch);
        let hop = HopIndex(self.place);
        let context = PeelContext::new(&keys.secret, &self.behind, number, hop);
        let peeled = closed.peel(&context, noise, &mut self.rng);
        let (onions, away) = peeled.mix().forward();
        self.book.depart(now, away)?;
        let (onions, late_ms) = self.lie(Moment::Onward, number, onions);
        if !self.last {
            self.send(now, late_ms, Node::Hop(self.place + 1), number, onions, net);
            return Ok(());
        }
        if let Some(requests) = &mut self.requests {
            requests.push(onions.clone());
        }
        let (replies, tally) = exchange(onions).map_err(|_| AbortReason::BadBatch)?;
        self.tallies.push(tally);
        self.returned(now, number, replies, net)
    }

    fn make_noise(&mut self, number: RoundNumber) -> Noise {
        let Some(distribution) = &self.noise else { return Noise::none() };
        let pairs = distribution.sample(&mut self.rng) as usize;
        let context = seal_context(self.place, &self.behind, number);
        Noise::make(distribution.noise_onions() as usize, pairs, &context, &mut self.rng)
    }

    fn lie(&mut self, moment: Moment, number: RoundNumber, batch: Batch) -> (Batch, u64) {
        let context = seal_context(self.place, &self.behind, number);
        self.liar.pass(moment, number, batch, &context)
    }

    fn returned(
        &mut self,
        now: UnixMillis,
        number: RoundNumber,
        replies: Batch,
        net: &mut Net,
    ) -> Result<(), AbortReason> {
        let (replies, _) = self.lie(Moment::Returning, number, replies);
        if let Some(unmixed) = self.book.returned(number, replies)? {
            self.answer(now, unmixed, net);
        }
        Ok(())
    }

    fn answer(&mut self, now: UnixMillis, unmixed: Round<Unmixed>, net: &mut Net) {
        let number = unmixed.number();
        self.altered.insert(number, unmixed.altered_noise());
        let replies = unmixed.seal(&mut self.rng).into_replies();
        let (replies, late_ms) = self.lie(Moment::Back, number, replies);
        self.send(now, late_ms, self.before(), number, replies, net);
    }

    /// What is late does not hold up what is sent after it.
    fn send(
        &self,
        now: UnixMillis,
        late_ms: u64,
        to: Node,
        number: RoundNumber,
        batch: Batch,
        net: &mut Net,
    ) {
        let (from, payload) =
            (Node::Hop(self.place), Payload::Link(LinkMessage::Batch(number, batch)));
        if late_ms == 0 {
            net.send(now, from, to, payload);
        } else {
            net.schedule(now.plus(late_ms), Event::Arrives(Envelope { from, to, payload }));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: UnixMillis, net: &mut Net) {
        for round in self.book.handle_timeout(now) {
            self.lost.push((round, AbortReason::TooSlow));
        }
        self.flush(now, net);
    }

    pub(super) fn poll_timeout(&self) -> Option<UnixMillis> {
        self.book.poll_timeout().into_iter().chain([self.advances_at]).min()
    }

    pub(super) fn flush(&mut self, now: UnixMillis, net: &mut Net) {
        let before = self.before();
        if self.advances_at <= now {
            let round = RoundNumber::at(now, self.period_ms);
            self.keys.advance(round, &mut self.rng);
            self.advances_at = self.keys.next_advance(round).starts_at(self.period_ms);
        }
        let announcements = self.keys.announcements();
        for keys in announcements.iter().filter(|keys| !self.announced.contains(keys)) {
            let message = Payload::Link(LinkMessage::Keys(keys.clone()));
            net.send(now, Node::Hop(self.place), before, message);
        }
        self.announced = announcements;
        for (round, reason) in self.lost.drain(..) {
            let abort = Payload::Link(LinkMessage::Abort(round, reason));
            net.send(now, Node::Hop(self.place), before, abort);
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

fn book(place: u8, network: &Network, disk: &Disk) -> Hop<Disk> {
    let schedule = ScheduleConfig::for_period(network.period_ms);
    let limits = HopLimits {
        max_slots: 10_000,
        max_rounds: schedule.max_rounds,
        patience_ms: schedule.patience_ms,
    };
    let guard = RoundGuard::new(disk.0.get(), disk.clone());
    Hop::new(HopIndex(place), network.shape(), limits, guard)
}
