//! What a hop remembers while a batch is away: whose reply is whose, and the keys to seal them.

use std::{fmt, mem};

use talaria_wire::onion::ReplyKey;
use zeroize::Zeroizing;

/// The secret of one round at one hop. Not `Clone`; spent by the returning batch.
pub(super) struct Ticket {
    /// For each onion that arrived, where it went ([`DROPPED`] if nowhere).
    went_to: Zeroizing<Vec<u32>>,
    keys: Vec<ReplyKey>,
    sent: usize,
}

const DROPPED: u32 = u32::MAX;

impl Ticket {
    /// `order[j]` is the slot from which the onion in slot `j` came; slots beyond `keys` are
    /// noise.
    pub(super) fn new(order: &[u32], keys: Vec<ReplyKey>) -> Self {
        let mut went_to = Zeroizing::new(vec![DROPPED; keys.len()]);
        for (to, &from) in (0..DROPPED).zip(order) {
            if let Some(slot) = went_to.get_mut(from as usize) {
                *slot = to;
            }
        }
        Self { went_to, keys, sent: order.len() }
    }

    /// How many onions were sent on, with noise.
    pub(super) fn sent(&self) -> usize {
        self.sent
    }

    /// Gives up the secret, which exists once.
    pub(super) fn spend(mut self) -> WaysBack {
        WaysBack { went_to: mem::take(&mut self.went_to), keys: mem::take(&mut self.keys) }
    }
}

/// For each onion that arrived, where its reply lies and what seals it.
pub(super) struct WaysBack {
    went_to: Zeroizing<Vec<u32>>,
    pub(super) keys: Vec<ReplyKey>,
}

impl WaysBack {
    /// The onions that were dropped and have no reply.
    pub(super) fn dropped(&self) -> impl Iterator<Item = usize> {
        self.went_to.iter().enumerate().filter(|(_, to)| **to == DROPPED).map(|(onion, _)| onion)
    }

    /// The slot of the reply and the key for each onion from `first` on.
    pub(super) fn from(&self, first: usize) -> impl Iterator<Item = (Option<usize>, &ReplyKey)> {
        let slot = |to: &u32| (*to != DROPPED).then_some(*to as usize);
        self.went_to[first..].iter().map(slot).zip(&self.keys[first..])
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
