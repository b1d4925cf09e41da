//! A hop's onion keys: one an epoch, made in memory, announced ahead, and wiped when it is over.
//!
//! Beside its own keys a hop keeps those of the hops after it: its layers are bound to them, its
//! noise is sealed to them, and what it announces towards the entry is all of them together.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use rand::CryptoRng;
use talaria_wire::crypto::{IdentitySecret, OnionPublic, OnionSecret};
use talaria_wire::epoch::{
    BadEpochKeys, ChainKeys, EPOCHS_AHEAD, Epoch, EpochKeys, KeyTerms, SignedKey,
};
use talaria_wire::network_file::{Network, VersionHash};
use talaria_wire::{HopIndex, Round};

/// The keys of one hop.
#[derive(Debug)]
pub struct HopKeys {
    identity: Arc<IdentitySecret>,
    network: VersionHash,
    place: HopIndex,
    epoch_rounds: NonZeroU32,
    own: BTreeMap<Epoch, Own>,
    behind: ChainKeys,
    /// Whether this is the last hop.
    last: bool,
}

#[derive(Debug)]
struct Own {
    secret: Arc<OnionSecret>,
    signed: SignedKey,
}

/// What a hop needs for one round.
#[derive(Clone, Debug)]
pub struct RoundKeys {
    /// Its own key. It is wiped when the last one who holds it lets go.
    pub secret: Arc<OnionSecret>,
    /// The keys of the hops after it, in the order of the chain.
    pub behind: Vec<OnionPublic>,
}

impl HopKeys {
    /// No keys yet, for the hop in `place` of `network`.
    #[must_use]
    pub fn new(identity: Arc<IdentitySecret>, network: &Network, place: HopIndex) -> Self {
        Self {
            identity,
            network: network.version_hash(),
            place,
            epoch_rounds: network.epoch_rounds(),
            own: BTreeMap::new(),
            behind: ChainKeys::new(network, HopIndex(place.0 + 1)),
            last: usize::from(place.0) + 1 == network.hops().len(),
        }
    }

    /// Makes the keys of the present epoch and the next ones, as far as they are missing, and
    /// wipes those of epochs that are over. Says whether there is something new to announce.
    ///
    /// Rounds of the epoch before may still be on their way when an epoch begins, so its key stays
    /// for half an epoch, or until a round of a later one is here.
    pub fn advance(&mut self, now: Round, rng: &mut impl CryptoRng) -> bool {
        let current = Epoch::of(now, self.epoch_rounds);
        let into = now.0 - current.first_round(self.epoch_rounds).0;
        let late = into < u64::from(self.epoch_rounds.get() / 2);
        self.forget_before(Epoch(current.0.saturating_sub(late.into())));
        let missing = (current.0..=current.0.saturating_add(EPOCHS_AHEAD))
            .map(Epoch)
            .filter(|epoch| !self.own.contains_key(epoch))
            .collect::<Vec<_>>();
        for epoch in &missing {
            let secret = OnionSecret::generate(rng);
            let Self { network, place: hop, epoch_rounds, .. } = *self;
            let terms = KeyTerms { network, hop, epoch: *epoch, epoch_rounds };
            let signed = SignedKey::sign(*secret.public(), &terms, &self.identity);
            self.own.insert(*epoch, Own { secret: Arc::new(secret), signed });
        }
        !missing.is_empty()
    }

    /// The round at which [`HopKeys::advance`] has something to do, after `now`: every half epoch.
    #[must_use]
    pub fn next_advance(&self, now: Round) -> Round {
        let half = u64::from(self.epoch_rounds.get() / 2);
        Round((now.0 / half + 1).saturating_mul(half))
    }

    /// Takes what the next hop announces, and says whether it is news.
    ///
    /// # Errors
    /// [`BadEpochKeys`]; nothing has changed then.
    pub fn learn(&mut self, announced: EpochKeys, now: Round) -> Result<bool, BadEpochKeys> {
        self.behind.take(announced, now)
    }

    /// The keys for a round that has begun; none if they are not known (yet, or any more).
    ///
    /// Rounds only rise: own keys of earlier epochs are wiped.
    pub fn begin(&mut self, round: Round) -> Option<RoundKeys> {
        let epoch = Epoch::of(round, self.epoch_rounds);
        let secret = self.own.get(&epoch)?.secret.clone();
        let behind = self.behind_in(round)?.to_vec();
        self.forget_before(epoch);
        Some(RoundKeys { secret, behind })
    }

    /// The keys of the hops after this one for a round, if they are known.
    #[must_use]
    pub fn behind_in(&self, round: Round) -> Option<&[OnionPublic]> {
        if self.last { Some(&[]) } else { self.behind.of_round(round) }
    }

    /// What is to be announced to the server before this one: every epoch of which all keys are
    /// known from here to the end of the chain.
    #[must_use]
    pub fn announcements(&self) -> Vec<EpochKeys> {
        let whole = |(epoch, own): (&Epoch, &Own)| {
            let behind = self.behind.announced(*epoch).map(|behind| &behind.keys[..]);
            let behind = if self.last { &[][..] } else { behind? };
            let keys = std::iter::once(own.signed).chain(behind.iter().copied()).collect();
            Some(EpochKeys { epoch: *epoch, first: self.place, keys })
        };
        self.own.iter().filter_map(whole).collect()
    }

    fn forget_before(&mut self, epoch: Epoch) {
        self.own = self.own.split_off(&epoch);
        self.behind.forget_before(epoch);
    }
}

/// What one link to the server before has carried of the announcements.
#[derive(Debug, Default)]
pub struct Carried(Vec<EpochKeys>);

impl Carried {
    /// What of `announced` the link has not carried yet. It counts as carried from here on.
    pub fn take_news(&mut self, announced: Vec<EpochKeys>) -> Vec<EpochKeys> {
        let news = announced.iter().filter(|keys| !self.0.contains(keys)).cloned().collect();
        self.0 = announced;
        news
    }
}

#[cfg(test)]
mod tests;
