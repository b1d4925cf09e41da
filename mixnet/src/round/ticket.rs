//! What a hop remembers while a batch is away: whose reply is whose, and the keys to seal them.

use std::{fmt, mem};

use rand::CryptoRng;
use talaria_wire::Batch;
use talaria_wire::onion::ReplyKey;
use zeroize::Zeroizing;

use crate::mix::noise::Canary;

/// The secret of one round at one hop. Not `Clone`; spent by the returning batch.
pub(super) struct Ticket {
    /// For each onion that arrived, and then of the noise, where it was placed; from `sent` on
    /// nothing was sent.
    went_to: Zeroizing<Vec<u32>>,
    /// Of each onion that arrived.
    keys: Vec<ReplyKey>,
    sent: usize,
    canary: Canary,
}

impl Ticket {
    /// `went_to` has a slot for each onion that arrived, whose reply is sealed with the key of
    /// the same number in `keys`, and then for the noise of `canary`. The first `sent` slots are
    /// sent.
    pub(super) fn new(
        went_to: Zeroizing<Vec<u32>>,
        sent: usize,
        keys: Vec<ReplyKey>,
        canary: Canary,
    ) -> Self {
        Self { went_to, keys, sent, canary }
    }

    /// How many onions were sent on, with noise.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Gives up the secret, which exists once.
    pub(super) fn spend(mut self) -> WaysBack {
        WaysBack {
            went_to: mem::take(&mut self.went_to),
            keys: mem::take(&mut self.keys),
            sent: self.sent,
            canary: mem::take(&mut self.canary),
        }
    }
}

/// For each onion that arrived, where its reply lies and what seals it.
pub(super) struct WaysBack {
    went_to: Zeroizing<Vec<u32>>,
    keys: Vec<ReplyKey>,
    sent: usize,
    canary: Canary,
}

impl WaysBack {
    /// How many onions arrived, each of which gets a reply.
    pub(super) fn arrived(&self) -> usize {
        self.went_to.len() - self.canary.onions()
    }

    /// How many onions of this hop's own noise a later hop has dropped or altered.
    pub(super) fn altered_noise(&self, replies: &Batch) -> usize {
        let arrived = self.arrived();
        self.canary.altered(|onion| replies.slot(self.went_to[arrived + onion] as usize))
    }

    /// Gives every onion that was dropped a random key.
    pub(super) fn forget_keys_of_dropped(&mut self, rng: &mut impl CryptoRng) {
        for (key, &place) in self.keys.iter_mut().zip(self.went_to.iter()) {
            if place as usize >= self.sent {
                rng.fill_bytes(key.as_mut());
            }
        }
    }

    /// The slot of the reply and the key for each onion from `first` on.
    pub(super) fn from(
        &self,
        first: usize,
    ) -> impl Iterator<Item = (Option<usize>, &ReplyKey)> + Clone {
        let went_to = self.went_to[first..].iter().map(|&place| place as usize);
        let replies = went_to.map(|place| (place < self.sent).then_some(place));
        replies.zip(&self.keys[first..])
    }
}

impl fmt::Debug for WaysBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaysBack(…)")
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("sent", &self.sent).finish_non_exhaustive()
    }
}
