//! The onion keys of a chain, or of the end of one, as they are known to somebody before it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use thiserror::Error;

use super::{EPOCHS_AHEAD, Epoch, EpochKeys, KeyTerms};
use crate::crypto::identity_key::IdentityPublic;
use crate::crypto::onion_key::OnionPublic;
use crate::network_file::{Network, VersionHash};
use crate::params::{HopIndex, Round};

/// Why an announcement was not taken. What was known before stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadEpochKeys {
    /// Not the hops that it should be about.
    #[error("the keys are not those of the hops that were expected")]
    OtherHops,
    /// An epoch that is over, or far ahead.
    #[error("the keys are for an epoch that is over, or not to be announced yet")]
    OtherTime,
    /// A hop has not signed its key for this network, place and epoch.
    #[error("the key of hop {0} is not signed by it")]
    NotSigned(HopIndex),
}

/// Verified keys of the hops from one on, for the present epoch and the next ones.
///
/// It holds [`EPOCHS_AHEAD`] + 2 epochs at most, whatever is announced. A later announcement for
/// an epoch replaces an earlier one: a hop that was restarted has made a new key.
#[derive(Clone, Debug)]
pub struct ChainKeys {
    network: VersionHash,
    epoch_rounds: NonZeroU32,
    first: HopIndex,
    identities: Vec<IdentityPublic>,
    known: BTreeMap<Epoch, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    announced: EpochKeys,
    keys: Vec<OnionPublic>,
}

impl ChainKeys {
    /// Nothing is known yet of the hops from `first` on.
    #[must_use]
    pub fn new(network: &Network, first: HopIndex) -> Self {
        let hops = network.hops().iter().skip(first.0.into());
        Self {
            network: network.version_hash(),
            epoch_rounds: network.epoch_rounds(),
            first,
            identities: hops.map(|hop| hop.identity).collect(),
            known: BTreeMap::new(),
        }
    }

    /// Takes an announcement, and says whether it is news. `now` is the present round by one's own
    /// clock.
    ///
    /// # Errors
    /// [`BadEpochKeys`]; nothing has changed then.
    pub fn take(&mut self, announced: EpochKeys, now: Round) -> Result<bool, BadEpochKeys> {
        let epoch = announced.epoch;
        let current = Epoch::of(now, self.epoch_rounds).0;
        if !(current.saturating_sub(1)..=current + EPOCHS_AHEAD + 1).contains(&epoch.0) {
            return Err(BadEpochKeys::OtherTime);
        }
        if announced.first != self.first || announced.keys.len() != self.identities.len() {
            return Err(BadEpochKeys::OtherHops);
        }
        if self.known.get(&epoch).is_some_and(|known| known.announced == announced) {
            return Ok(false);
        }
        let keys = self.verify(&announced)?;
        self.known.insert(epoch, Known { announced, keys });
        self.forget_before(Epoch(current.saturating_sub(1)));
        Ok(true)
    }

    fn verify(&self, announced: &EpochKeys) -> Result<Vec<OnionPublic>, BadEpochKeys> {
        let hops = (self.first.0..).map(HopIndex).zip(&self.identities).zip(&announced.keys);
        hops.map(|((hop, identity), key)| {
            let (network, epoch_rounds) = (self.network, self.epoch_rounds);
            let terms = KeyTerms { network, hop, epoch: announced.epoch, epoch_rounds };
            key.verify(&terms, identity).map_err(|_| BadEpochKeys::NotSigned(hop))
        })
        .collect()
    }

    /// The keys for `round`, in the order of the chain, if they are known.
    #[must_use]
    pub fn of_round(&self, round: Round) -> Option<&[OnionPublic]> {
        let known = self.known.get(&Epoch::of(round, self.epoch_rounds))?;
        Some(&known.keys)
    }

    /// The announcement for `epoch`, to be passed on.
    #[must_use]
    pub fn announced(&self, epoch: Epoch) -> Option<&EpochKeys> {
        self.known.get(&epoch).map(|known| &known.announced)
    }

    /// All announcements that are known, the earliest epoch first.
    pub fn all(&self) -> impl Iterator<Item = &EpochKeys> {
        self.known.values().map(|known| &known.announced)
    }

    /// Forgets the keys of earlier epochs than `epoch`.
    pub fn forget_before(&mut self, epoch: Epoch) {
        self.known = self.known.split_off(&epoch);
    }
}
