//! What an attacker does in a simulated network and sees of it, and what becomes of its lies.

use std::collections::{BTreeMap, BTreeSet};

use chacha20::ChaCha20Rng;
use talaria_deaddrop::Tally;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::reason::AbortReason;
use talaria_wire::{Batch, Round};

use super::World;
use super::liar::Lie;
use super::net::{Envelope, Fate};

impl World {
    /// Decides from now on what happens to everything that travels.
    pub fn fault(&mut self, fault: impl FnMut(&Envelope, &mut ChaCha20Rng) -> Fate + 'static) {
        self.net.fault = Some(Box::new(fault));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.net.fault = None;
        for hop in &mut self.hops {
            hop.liar.take_up(None);
        }
    }

    /// The hop in `place` lies from now on.
    pub fn lie(&mut self, place: u8, lie: Lie) {
        self.hops[usize::from(place)].liar.take_up(Some(lie));
    }

    /// The hop in `place` adds no noise from now on: it is the attacker's, who can subtract it.
    pub fn go_without_noise(&mut self, place: u8) {
        self.hops[usize::from(place)].noise = None;
    }

    /// The last hop keeps all requests from now on; see [`World::requests`].
    pub fn keep_requests(&mut self) {
        if let Some(last) = self.hops.last_mut() {
            last.requests = Some(Vec::new());
        }
    }

    /// The onion keys of all hops, as everybody knows them.
    #[must_use]
    pub fn onion_keys(&self) -> Vec<OnionPublic> {
        let now = Round::at(self.now, self.network.period_ms);
        self.entry.onion_keys(now)
    }

    /// How often the last hop saw this many dead drops touched once, twice and more often.
    #[must_use]
    pub fn tallies(&self) -> &[Tally] {
        self.hops.last().map_or(&[], |hop| &hop.tallies)
    }

    /// What came to the exchange in each round, as the last hop sees it.
    #[must_use]
    pub fn requests(&self) -> &[Batch] {
        self.hops.last().and_then(|hop| hop.requests.as_deref()).unwrap_or_default()
    }

    /// The alarm of the hop in `place`: how many of its noise onions did not come back with the
    /// reply that they must have, for each round that came back.
    #[must_use]
    pub fn altered_noise(&self, place: u8) -> &BTreeMap<Round, usize> {
        &self.hops[usize::from(place)].altered
    }

    /// The rounds in which the hop in `place` lied.
    #[must_use]
    pub fn lied(&self, place: u8) -> &BTreeSet<Round> {
        &self.hops[usize::from(place)].liar.rounds
    }

    /// The rounds that were lost, and what clients would be told as the reason.
    #[must_use]
    pub fn failures(&self) -> &BTreeMap<Round, AbortReason> {
        &self.entry.failures
    }

    /// How many connections of clients were ended by an error or a silence, not by the scenario.
    #[must_use]
    pub fn broken_off(&self) -> usize {
        self.broken_off
    }
}
