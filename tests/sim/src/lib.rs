//! A whole network in one thread: clock, links, servers and clients, all from one seed.
//!
//! The nodes are the real state machines; only sockets, threads and disks are played. Time jumps
//! from one event to the next, so that minutes pass in the time that the cryptography takes. A
//! run is a function of its seed: two runs with the same seed differ only where the scenario
//! makes them differ, which is what the comparison of traces rests on.

mod attack;
mod client;
mod entry;
mod hop;
pub mod liar;
pub mod net;
mod node;
pub mod observer;
mod operators;
mod seeds;
mod setting;
pub mod statistics;

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use talaria_client::BudgetStage;
use talaria_wire::control::Control;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{Network, NetworkVersion};
use talaria_wire::reason::Refusal;
use talaria_wire::{Round, UnixMillis};

pub use client::{Counted, Heard};
pub use seeds::each_seed;
pub use setting::{Costs, Setting};

use client::ClientNode;
use entry::EntryNode;
use hop::HopNode;
use net::{Envelope, Event, Net, Node, Payload};
use observer::Observation;
use operators::{Operators, hop_info};
use setting::START;

/// The simulated network.
pub struct World {
    now: UnixMillis,
    net: Net,
    network: Network,
    operators: Operators,
    entry: EntryNode,
    hops: Vec<HopNode>,
    clients: Vec<ClientNode>,
    /// Connections that an error or a silence ended.
    broken_off: usize,
}

impl World {
    /// Builds a network and connects its clients.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(setting.seed);
        let operators = Operators::new(setting.hops, &mut rng);
        let network = operators.found(&setting);
        let hops = (0..)
            .zip(&operators.hops)
            .map(|(place, own)| HopNode::new(place, own, &network, rng.next_u64()))
            .collect();
        let clients = (0..setting.clients)
            .map(|i| ClientNode::new(i, &network, START, setting.costs, rng.next_u64()))
            .collect();
        let mut world = Self {
            now: START,
            net: Net::new(rng.next_u64()),
            entry: EntryNode::new(&network, START),
            network,
            operators,
            hops,
            clients,
            broken_off: 0,
        };
        for client in 0..setting.clients {
            world.connect(client);
        }
        world
    }

    /// Both open the conversation with each other.
    pub fn talk(&mut self, a: usize, b: usize) {
        let (contact_a, contact_b) = (self.clients[a].contact(), self.clients[b].contact());
        self.clients[a].open(b, contact_b);
        self.clients[b].open(a, contact_a);
        self.act(a);
        self.act(b);
    }

    /// `client` says something to whom it talks to.
    pub fn say(&mut self, client: usize, text: &str) {
        self.clients[client].say(text, self.now);
        self.act(client);
    }

    /// `client` has nothing more to say.
    pub fn end(&mut self, client: usize) {
        self.clients[client].end();
        self.act(client);
    }

    /// Kills a client and starts it again from what it had committed.
    pub fn restart_client(&mut self, client: usize) {
        self.disconnect(client);
        self.clients[client].restart(&self.network);
        self.connect_soon(client);
    }

    /// Kills a hop and starts it again with nothing but its keys and its record of rounds.
    pub fn restart_hop(&mut self, place: u8) {
        self.hops[usize::from(place)].restart(&self.network);
        // The connections break: everything on them is gone, and the servers around notice.
        self.net.forget_between(Node::Hop(place), |_| true);
        if let Some(next) = self.hops.get_mut(usize::from(place) + 1) {
            next.announce_again();
        }
        match place.checked_sub(1) {
            None => {
                self.entry.link_lost();
                self.entry.link_up();
            }
            Some(before) => self.hops[usize::from(before)].link_lost(),
        }
        self.serve();
    }

    /// Kills the entry and starts it again: every client has to connect anew.
    pub fn restart_entry(&mut self) {
        for client in 0..self.clients.len() {
            self.disconnect(client);
            self.connect_soon(client);
        }
        self.net.forget_between(Node::Entry, |other| matches!(other, Node::Hop(_)));
        let borrowed = std::mem::take(&mut self.entry.borrowed);
        self.entry = EntryNode::new(&self.network, self.now);
        self.entry.borrowed = borrowed;
        self.hops[0].announce_again();
    }

    /// All operators agree on a version with another hop in `place`, and all servers start again
    /// with it. Clients learn of it with [`World::bring_network_file`].
    pub fn replace_hop(&mut self, place: u8) {
        // Not a seed of a world: the operators of that one would be the same again.
        let mut rng = ChaCha20Rng::seed_from_u64(u64::MAX - self.network.sequence);
        let own = IdentitySecret::generate(&mut rng);
        let mut terms = self.network.known().next_terms();
        terms.hops[usize::from(place)] = hop_info(&own);
        self.operators.hops.push(own);
        let file = self.operators.sign(terms);
        let next = file.verify(self.now, Some(self.network.known()));
        self.network = next.expect("a version that all have signed");
        self.operators.hops.swap_remove(place.into());
        self.hops[usize::from(place)] = HopNode::new(
            place,
            &self.operators.hops[usize::from(place)],
            &self.network,
            rng.next_u64(),
        );
        for place in 0..self.network.shape().hops().get() {
            self.restart_hop(place);
        }
        self.restart_entry();
    }

    /// `client` has the newest network file from now on, and keeps everything else.
    pub fn bring_network_file(&mut self, client: usize) {
        self.disconnect(client);
        self.clients[client].adopt(&self.network);
        self.connect_soon(client);
    }

    /// `client` shows the certificate of `other` from its next connection on: both are one user.
    pub fn share_user(&mut self, client: usize, other: usize) {
        self.entry.borrowed.insert(client, other);
        self.break_off(client);
    }

    /// `client` sends these bytes to the entry as one frame, whatever they are.
    pub fn inject(&mut self, client: usize, frame: Vec<u8>) {
        self.net.send(self.now, Node::Client(client), Node::Entry, Payload::Frame(frame));
    }

    /// The frame of the last submission of `client`, as it was sent.
    #[must_use]
    pub fn last_submission(&self, client: usize) -> Option<&[u8]> {
        self.clients[client].last_submission()
    }

    /// `client` does not answer announcements from now on, or does again.
    pub fn silence(&mut self, client: usize, silent: bool) {
        self.clients[client].silent = silent;
    }

    /// `client` speaks another version of the protocol from its next connection on.
    pub fn speak_version(&mut self, client: usize, protocol: u16) {
        self.clients[client].protocol = protocol;
        self.break_off(client);
    }

    /// Why the greetings of a client were refused, as it was told.
    #[must_use]
    pub fn refusals(&self, client: usize) -> &[Refusal] {
        &self.clients[client].refusals
    }

    /// What the hop in `place` answers to a server that greets it with the newest network file and
    /// this version of the protocol.
    #[must_use]
    pub fn greet_hop(&self, place: u8, protocol: u16) -> Option<Control> {
        let NetworkVersion { network, sequence, hash: version } = self.network.version();
        let hello = Control::Hello { protocol, network, sequence, version };
        self.hops[usize::from(place)].greet(&hello)
    }

    /// The work of the hop in `place` on a round takes up to `ms` milliseconds from now on.
    pub fn slow_down(&mut self, place: u8, ms: u64) {
        self.hops[usize::from(place)].slowness_ms = ms;
    }

    /// The rounds at the hop in `place` in the order in which they were ready to leave, and in that
    /// in which they left.
    #[must_use]
    pub fn order(&self, place: u8) -> (&[Round], &[Round]) {
        let hop = &self.hops[usize::from(place)];
        (&hop.ready, &hop.departed)
    }

    /// Lets `ms` milliseconds pass.
    pub fn run_for(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        while self.next_time().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// Every machine is suspended for `ms` milliseconds: nobody does anything, and what was on its way
    /// arrives when all wake up.
    pub fn suspend(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
    }

    /// Lets time pass until `done` or until `limit_ms` have passed; says whether it was done.
    pub fn run_until(&mut self, limit_ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.plus(limit_ms);
        while !done(self) {
            match self.next_time() {
                Some(at) if at <= end => self.step(),
                _ => return false,
            }
        }
        true
    }

    /// Checks what the model promises: everything that was shown was said by the partner, in
    /// order and once; everything that was reported as delivered was shown or is about to be.
    ///
    /// # Panics
    /// If a promise is broken.
    pub fn check(&self) {
        for (i, client) in self.clients.iter().enumerate() {
            let Some(partner) = client.partner else { continue };
            let said = &self.clients[partner].said;
            let shown: Vec<_> = client.heard.iter().map(|heard| heard.text.as_str()).collect();
            assert!(shown.len() <= said.len(), "client {i} heard more than was said");
            assert_eq!(shown, said[..shown.len()], "client {i} heard something else");
            let delivered = self.clients[partner].delivered.len();
            assert!(delivered <= shown.len(), "client {partner} counts more than {i} heard");
        }
    }

    /// Whether every pair that talks has heard everything and parted.
    #[must_use]
    pub fn all_finished(&self) -> bool {
        self.clients.iter().all(|client| client.partner.is_none() || client.finished)
            && self.all_heard()
    }

    /// Whether everything that was said has been shown.
    #[must_use]
    pub fn all_heard(&self) -> bool {
        self.clients.iter().all(|client| {
            client
                .partner
                .is_none_or(|partner| client.heard.len() == self.clients[partner].said.len())
        })
    }

    /// What a client has heard.
    #[must_use]
    pub fn heard(&self, client: usize) -> &[Heard] {
        &self.clients[client].heard
    }

    /// What a client has counted since its last start.
    #[must_use]
    pub fn counted(&self, client: usize) -> Counted {
        self.clients[client].counted()
    }

    /// `client` goes on talking when its privacy budget is used up.
    pub fn go_beyond_budget(&mut self, client: usize) {
        self.clients[client].go_beyond_budget();
        self.act(client);
    }

    /// Rounds charged to the conversation of a client, as it has them on disk.
    #[must_use]
    pub fn charged(&self, client: usize) -> u64 {
        self.clients[client].charged()
    }

    /// What a client was told of its privacy budget.
    #[must_use]
    pub fn budget_stages(&self, client: usize) -> &[BudgetStage] {
        &self.clients[client].budget_stages
    }

    /// Everything that a network attacker saw.
    #[must_use]
    pub fn trace(&self) -> &[Observation] {
        &self.net.trace
    }

    /// Rounds that the entry has delivered, and rounds that were lost.
    #[must_use]
    pub fn rounds(&self) -> (usize, usize) {
        (self.entry.delivered, self.entry.lost)
    }

    /// How often each round was worked on at the hop in `place`.
    #[must_use]
    pub fn runs(&self, place: u8) -> &BTreeMap<Round, usize> {
        &self.hops[usize::from(place)].runs
    }

    fn next_time(&self) -> Option<UnixMillis> {
        let hops = self.hops.iter().map(HopNode::poll_timeout);
        let clients = self.clients.iter().filter_map(ClientNode::poll_timeout);
        let timers = self.entry.poll_timeout().into_iter().chain(hops).chain(clients).min();
        // A deadline that has passed is due now.
        let timers = timers.map(|at| at.max(self.now));
        let arrivals = self.net.next_time().map(|at| at.max(self.now));
        arrivals.into_iter().chain(timers).min()
    }

    fn step(&mut self) {
        let Some(at) = self.next_time() else { return };
        self.now = at;
        if let Some(event) = self.net.take_due(at) {
            self.handle(event);
        } else {
            self.handle_timeouts();
        }
        self.serve();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrives(envelope) => self.deliver(envelope),
            Event::Connects(client) => self.connect(client),
            Event::HangsUp(client) => self.break_off(client),
        }
    }

    fn deliver(&mut self, envelope: Envelope) {
        let Envelope { from, to, payload } = envelope;
        match (to, from, payload) {
            (Node::Entry, Node::Client(client), Payload::Frame(frame)) => {
                self.entry.handle_frame(self.now, client, &frame, &mut self.net);
            }
            (Node::Client(client), _, Payload::Frame(frame)) => {
                let goes_on = self.clients[client].take_frame(self.now, &frame);
                self.break_off_unless(goes_on, client);
                self.work(client);
            }
            (Node::Entry, _, Payload::Back(message)) => {
                self.entry.handle_link(self.now, message);
            }
            (Node::Hop(place), _, Payload::Onward(message)) => {
                let hop = &mut self.hops[usize::from(place)];
                hop.handle_onward(self.now, message, &mut self.net);
            }
            (Node::Hop(place), _, Payload::Back(message)) => {
                let hop = &mut self.hops[usize::from(place)];
                hop.handle_back(self.now, message, &mut self.net);
            }
            _ => {}
        }
    }

    fn handle_timeouts(&mut self) {
        self.entry.handle_timeout(self.now, &mut self.net);
        for hop in &mut self.hops {
            hop.handle_timeout(self.now, &mut self.net);
        }
        for client in 0..self.clients.len() {
            if self.clients[client].poll_timeout().is_some_and(|at| at <= self.now) {
                self.work(client);
            }
        }
    }

    /// Lets the entry do what it wants to do.
    fn serve(&mut self) {
        self.entry.act(self.now, &mut self.net);
        for hop in &mut self.hops {
            hop.flush(self.now, &mut self.net);
        }
    }

    /// Lets a client work, and does what it wants done.
    fn work(&mut self, client: usize) {
        let goes_on = self.clients[client].work(self.now, &mut self.net);
        self.break_off_unless(goes_on, client);
        self.act(client);
    }

    /// Does what a client wants done.
    fn act(&mut self, client: usize) {
        let closes = self.clients[client].act(self.now);
        if closes {
            self.break_off(client);
        }
    }

    fn connect(&mut self, client: usize) {
        self.clients[client].handle_connected(self.now, &self.network, &mut self.net);
        self.act(client);
    }

    fn connect_soon(&mut self, client: usize) {
        self.net.schedule(self.now.plus(300), Event::Connects(client));
    }

    fn break_off_unless(&mut self, goes_on: bool, client: usize) {
        if !goes_on {
            self.break_off(client);
        }
    }

    /// A connection ends, and the client comes back after a while.
    fn break_off(&mut self, client: usize) {
        self.broken_off += 1;
        self.disconnect(client);
        self.connect_soon(client);
    }

    fn disconnect(&mut self, client: usize) {
        self.net.forget_between(Node::Client(client), |_| true);
        self.net.unschedule_connect(client);
        self.entry.disconnect(self.now, client);
        self.clients[client].handle_disconnected(self.now);
        self.act(client);
        self.serve();
    }
}
