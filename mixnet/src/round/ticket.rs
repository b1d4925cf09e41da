//! What a hop remembers while a batch is away: whose reply is whose, and the keys to seal them.

use std::{fmt, mem};

use rand::CryptoRng;
use talaria_wire::Batch;
use talaria_wire::onion::ReplyKey;
use zeroize::Zeroizing;

use crate::hop::noise::Canary;

/// The secret of one round at one hop. Not `Clone`; spent by the returning batch.
pub(super) struct Ticket {
    /// For each onion that arrived, and then of the noise, where it was placed; from `sent` on
    /// nothing was sent.
    went_to: Zeroizing<Vec<u32>>,
    /// In the order of the places.
    keys: Vec<ReplyKey>,
    sent: usize,
    canary: Canary,
}

impl Ticket {
    /// `order[j]` is the slot from which the onion in place `j` came, and `keys[j]` its key. The
    /// first `sent` places are sent; the last slots are the noise of `canary`.
    pub(super) fn new(order: &[u32], sent: usize, keys: Vec<ReplyKey>, canary: Canary) -> Self {
        let mut went_to = Zeroizing::new(vec![0; order.len()]);
        for (to, &from) in (0..).zip(order) {
            went_to[from as usize] = to;
        }
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

    /// Gives every onion that was dropped random bytes for a reply, and a random key.
    pub(super) fn scramble_dropped(&mut self, rng: &mut impl CryptoRng, replies: &mut Batch) {
        let arrived = self.arrived();
        for (onion, &place) in self.went_to[..arrived].iter().enumerate() {
            if place as usize >= self.sent {
                rng.fill_bytes(replies.slot_mut(onion));
                rng.fill_bytes(self.keys[place as usize].as_mut());
            }
        }
    }

    /// The slot of the reply and the key for each onion from `first` on.
    pub(super) fn from(
        &self,
        first: usize,
    ) -> impl Iterator<Item = (Option<usize>, &ReplyKey)> + Clone {
        self.went_to[first..].iter().map(|&place| {
            let place = place as usize;
            ((place < self.sent).then_some(place), &self.keys[place])
        })
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
