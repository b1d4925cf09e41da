//! A round on its way through a server, passed by value from state to state.
//!
//! ```text
//! Collecting --close--> Closed --peel--> Peeled --mix--> Mixed --forward--> (Batch, Away)
//!      Away --returned(Batch)--> Unmixed --seal--> Sealed --into_replies--> Batch
//! ```
//! No step can be forgotten or done twice, because each consumes what it works on; if one fails
//! the round is gone (fail closed). Only [`Collecting`] and [`Away`] outlive a call. What a hop
//! has to remember while the batch is away is the ticket: it cannot be cloned, it is spent by the
//! batch that comes back, and it is wiped when dropped.
//!
//! ```compile_fail,E0382
//! # use talaria_mixnet::round::{Away, Round};
//! # use talaria_wire::Batch;
//! fn twice(round: Round<Away>, first: Batch, second: Batch) {
//!     let _ = round.returned(first);
//!     let _ = round.returned(second); // the ticket is spent
//! }
//! ```

mod placement;
mod ticket;

use rand::CryptoRng;
use rayon::prelude::*;
use talaria_wire::onion::{PeelContext, ReplyKey, seal_reply};
use talaria_wire::params::{LAYER_LEN, TAG_LEN};
use talaria_wire::{Batch, Round as RoundNumber};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hop::noise::{Canary, Noise};
use crate::hop::replay::drop_repeated;
use crate::hop::shuffle::shuffle;
use placement::{Placed, Placement};
use ticket::{Ticket, WaysBack};

/// Onions that one task of the thread pool works on.
const RUN: usize = 256;

/// A round in state `S`.
#[derive(Debug)]
pub struct Round<S> {
    number: RoundNumber,
    state: S,
}

impl<S> Round<S> {
    /// The number of the round.
    #[must_use]
    pub fn number(&self) -> RoundNumber {
        self.number
    }
}

/// Onions are still coming in.
#[derive(Debug)]
pub struct Collecting {
    batch: Batch,
}

impl Round<Collecting> {
    /// A round that waits for onions of `slot_len` bytes, about `capacity` of them.
    #[must_use]
    pub fn open(number: RoundNumber, slot_len: usize, capacity: usize) -> Self {
        Self { number, state: Collecting { batch: Batch::with_capacity(slot_len, capacity) } }
    }

    /// Takes whole onions, one after the other, and says in which slot the first of them lies.
    ///
    /// # Errors
    /// [`RaggedBatch`](talaria_wire::batch::RaggedBatch) if the last onion is not whole; nothing
    /// is taken then.
    pub fn collect(&mut self, onions: &[u8]) -> Result<usize, talaria_wire::batch::RaggedBatch> {
        let slot = self.state.batch.len();
        self.state.batch.push(onions)?;
        Ok(slot)
    }

    /// How many onions there are so far.
    #[must_use]
    pub fn onions(&self) -> usize {
        self.state.batch.len()
    }

    /// No onion can join any more.
    #[must_use]
    pub fn close(self) -> Round<Closed> {
        Round { number: self.number, state: Closed { batch: self.state.batch } }
    }
}

/// All onions are there.
#[derive(Debug)]
pub struct Closed {
    batch: Batch,
}

impl Round<Closed> {
    /// A round whose onions arrived as one batch, from the entry or the hop before.
    #[must_use]
    pub fn arrived(number: RoundNumber, batch: Batch) -> Self {
        Self { number, state: Closed { batch } }
    }

    /// The entry peels nothing: it hands its onions to the first hop as they came.
    #[must_use]
    pub fn into_batch(self) -> Batch {
        self.state.batch
    }

    /// Draws the order in which the round leaves, and peels every onion into its new slot.
    ///
    /// Whatever an onion needs is done while it is in the processor's cache: agree, derive, open
    /// and move. Noise comes between the others where the order says so.
    ///
    /// # Panics
    /// If the context or the noise is of another round, the noise is not as long as an inner
    /// onion, or there are 2³² onions and more.
    #[must_use]
    pub fn peel(
        self,
        context: &PeelContext<'_>,
        noise: Noise,
        rng: &mut impl CryptoRng,
    ) -> Round<Peeled> {
        assert_eq!(context.round(), self.number, "a round is peeled with its own keys");
        assert!(noise.fits(self.number), "noise is sealed for its round");
        let Closed { batch: arrived } = self.state;
        let slots = arrived.len() + noise.onions().len();
        let slots = u32::try_from(slots).expect("a batch has fewer than 2^32 slots");
        let mut order: Zeroizing<Vec<u32>> = Zeroizing::new((0..slots).collect());
        shuffle(&mut order, rng);
        let inner_len = arrived.slot_len() - LAYER_LEN;
        let mut placed = Batch::stale(inner_len, order.len());
        let placement = Placement { arrived: &arrived, noise: noise.onions(), context };
        let Placed { keys, sound: mut keep, marks } = placement.peel(&order, &mut placed);
        drop_repeated(&arrived, &order, &marks, &mut keep);
        let canary = noise.into_canary();
        Round { number: self.number, state: Peeled { placed, order, keys, keep, canary } }
    }
}

/// One layer is off, and every onion lies in its new slot; bad and duplicate ones are marked.
#[derive(Debug)]
pub struct Peeled {
    placed: Batch,
    /// From which slot the onion in each slot came; the last ones are noise.
    order: Zeroizing<Vec<u32>>,
    keys: Vec<ReplyKey>,
    keep: Vec<bool>,
    canary: Canary,
}

impl Round<Peeled> {
    /// How many onions are dropped here: malformed ones and duplicates.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.state.keep.iter().filter(|keep| !**keep).count()
    }

    /// Drops what is bad, and closes the gaps with the onions from the end.
    ///
    /// Which onions fill them depends on where the gaps are and on nothing else, so every order
    /// of those that remain stays equally likely.
    #[must_use]
    pub fn mix(self) -> Round<Mixed> {
        let Peeled { mut placed, mut order, mut keys, mut keep, canary } = self.state;
        let sent = keep.iter().filter(|keep| **keep).count();
        let mut last = keep.len();
        for gap in 0..sent {
            if !keep[gap] {
                last = keep[..last].iter().rposition(|keep| *keep).expect("as many as were sent");
                placed.copy_slot(last, gap);
                order.swap(last, gap);
                keys.swap(last, gap);
                keep.swap(last, gap);
            }
        }
        placed.truncate(sent);
        let ticket = Ticket::new(&order, sent, keys, canary);
        Round { number: self.number, state: Mixed { batch: placed, ticket } }
    }
}

/// Shuffled; nothing has left yet.
#[derive(Debug)]
pub struct Mixed {
    batch: Batch,
    ticket: Ticket,
}

impl Round<Mixed> {
    /// The batch travels, the ticket stays.
    #[must_use]
    pub fn forward(self) -> (Batch, Round<Away>) {
        let Mixed { batch, ticket } = self.state;
        (batch, Round { number: self.number, state: Away { ticket } })
    }
}

/// The batch is with the next hop, or at the exchange.
#[derive(Debug)]
pub struct Away {
    ticket: Ticket,
}

/// A batch of replies that does not have one reply for each onion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{returned} replies came back for {sent} onions")]
pub struct WrongCount {
    /// Onions that were sent.
    pub sent: usize,
    /// Replies that came back.
    pub returned: usize,
}

impl Round<Away> {
    /// Takes the replies to the onions that were forwarded. The ticket is spent either way.
    ///
    /// # Errors
    /// [`WrongCount`] if there is not exactly one reply for each onion: the round is lost.
    pub fn returned(self, replies: Batch) -> Result<Round<Unmixed>, WrongCount> {
        let sent = self.state.ticket.sent();
        if replies.len() != sent {
            return Err(WrongCount { sent, returned: replies.len() });
        }
        let ways_back = self.state.ticket.spend();
        Ok(Round { number: self.number, state: Unmixed { replies, ways_back } })
    }
}

/// The replies are back, and the ticket says whose they are.
#[derive(Debug)]
pub struct Unmixed {
    replies: Batch,
    ways_back: WaysBack,
}

impl Round<Unmixed> {
    /// How many onions of this hop's own noise did not come back with the reply they must have:
    /// a later hop has dropped or altered them, and others with them.
    #[must_use]
    pub fn altered_noise(&self) -> usize {
        self.state.ways_back.altered_noise(&self.state.replies)
    }

    /// Puts every reply back into the slot of its onion, drops replies to noise, and adds this
    /// hop's layer. An onion that was dropped gets random bytes sealed under a random key, which
    /// nobody can tell from any other reply without the key; a duplicate must not get anything
    /// sealed under its own key, for that key seals the first one's reply.
    #[must_use]
    pub fn seal(self, rng: &mut impl CryptoRng) -> Round<Sealed> {
        let Unmixed { replies, mut ways_back } = self.state;
        let slot_len = replies.slot_len() + TAG_LEN;
        let mut sealed = Batch::stale(slot_len, ways_back.arrived());
        ways_back.scramble_dropped(rng, &mut sealed);
        (sealed.as_bytes_mut().par_chunks_mut(slot_len * RUN)).enumerate().for_each(
            |(run, slots)| {
                let ways = ways_back.from(run * RUN);
                // All replies first: they lie anywhere, and the processor fetches several at once.
                for (slot, (reply, _)) in slots.chunks_exact_mut(slot_len).zip(ways.clone()) {
                    if let Some(reply) = reply {
                        slot[..replies.slot_len()].copy_from_slice(replies.slot(reply));
                    }
                }
                for (slot, (_, key)) in slots.chunks_exact_mut(slot_len).zip(ways) {
                    seal_reply(key, slot);
                }
            },
        );
        Round { number: self.number, state: Sealed { replies: sealed } }
    }
}

/// Every onion of the batch has its reply.
#[derive(Debug)]
pub struct Sealed {
    replies: Batch,
}

impl Round<Sealed> {
    /// The replies, in the order in which the onions came.
    #[must_use]
    pub fn into_replies(self) -> Batch {
        self.state.replies
    }
}

#[cfg(test)]
mod tests;
