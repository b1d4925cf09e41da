//! A round on its way through a server, passed by value from state to state.
//!
//! ```text
//! Collecting --close--> Closed --peel--> Peeled --mix--> Mixed --forward--> (Batch, Away)
//!                     Arriving --peel--/
//!      Away --returned(Batch)--> Unmixed --seal--> Sealed --into_replies--> Batch
//!                                Unmixed --into_sealing--> Sealing --next_part--> Batch …
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

use std::{fmt, mem};

use rand::CryptoRng;
use rayon::ThreadPool;
use rayon::prelude::*;
use talaria_wire::onion::{PeelContext, seal_reply};
use talaria_wire::params::{LAYER_LEN, TAG_LEN};
use talaria_wire::{Batch, Round as RoundNumber};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::mix::noise::{Canary, Noise};
use crate::mix::repeated::drop_repeated;
use crate::mix::shuffle::shuffle;
use placement::Placement;
pub use placement::{NotAsAnnounced, RUN};
use ticket::{Ticket, WaysBack};

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

    /// Peels a batch that is here as a whole, see [`Round::<Arriving>::peel`].
    ///
    /// # Panics
    /// As the other.
    #[must_use]
    pub fn peel(
        self,
        context: &PeelContext<'_>,
        noise: Noise,
        rng: &mut impl CryptoRng,
    ) -> Round<Peeled> {
        let Closed { batch: mut arrived } = self.state;
        let round = Round::arriving(self.number, arrived.slot_len(), arrived.len());
        let run_len = arrived.slot_len() * RUN;
        let pieces = arrived.as_bytes_mut().chunks_mut(run_len);
        round.peel(None, pieces, context, noise, rng).expect("a batch has as many slots as it has")
    }
}

/// Onions are on their way from the server before: how many is known, and they come in pieces.
#[derive(Debug)]
pub struct Arriving {
    slot_len: usize,
    slots: usize,
}

impl Round<Arriving> {
    /// A round of which `slots` onions of `slot_len` bytes are to come.
    #[must_use]
    pub fn arriving(number: RoundNumber, slot_len: usize, slots: usize) -> Self {
        Self { number, state: Arriving { slot_len, slots } }
    }

    /// Draws the order in which the round leaves, and peels every onion into its new slot, as its
    /// piece comes out of `pieces`: whole onions, one after the other. The work is done on `pool`,
    /// or on the one that the caller runs in, while this thread waits for the next piece.
    ///
    /// Whatever an onion needs is done while it is in the processor's cache: agree, derive, open
    /// and move. Noise comes between the others where the order says so.
    ///
    /// # Errors
    /// [`NotAsAnnounced`] if the pieces do not hold exactly the onions that were announced. The
    /// round is lost.
    ///
    /// # Panics
    /// If the context or the noise is of another round, the noise is not as long as an inner
    /// onion, or there are 2³² - 1 onions and more.
    pub fn peel<P: AsMut<[u8]> + Send>(
        self,
        pool: Option<&ThreadPool>,
        pieces: impl Iterator<Item = P>,
        context: &PeelContext<'_>,
        noise: Noise,
        rng: &mut impl CryptoRng,
    ) -> Result<Round<Peeled>, NotAsAnnounced> {
        assert_eq!(context.round(), self.number, "a round is peeled with its own keys");
        assert!(noise.fits(self.number), "noise is sealed for its round");
        let Arriving { slot_len, slots: arrived } = self.state;
        let slots = arrived + noise.onions().len();
        assert!(slots < u32::MAX as usize, "a batch has fewer than 2^32 - 1 slots");
        let mut went_to: Zeroizing<Vec<u32>> = Zeroizing::new((0..).take(slots).collect());
        shuffle(&mut went_to, rng);
        let mut placement = Placement::new(arrived, slot_len - LAYER_LEN, went_to);
        placement.fill(pool, pieces, noise.onions(), context)?;
        let mut keep = mem::take(&mut placement.sound);
        drop_repeated(&placement.ephemerals, &mut keep);
        let canary = noise.into_canary();
        Ok(Round { number: self.number, state: Peeled { placement, keep, canary } })
    }
}

/// One layer is off, and every onion lies in its new slot; bad and duplicate ones are marked.
pub struct Peeled {
    placement: Placement,
    /// Of each onion that arrived, whether it is sent on.
    keep: Vec<bool>,
    canary: Canary,
}

impl fmt::Debug for Peeled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peeled({} onions)", self.keep.len())
    }
}

impl Round<Peeled> {
    /// How many onions are dropped here: malformed ones and duplicates.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.state.keep.iter().filter(|keep| !**keep).count()
    }

    /// Leaves out what is bad, and closes the gaps.
    #[must_use]
    pub fn mix(self) -> Round<Mixed> {
        let Peeled { mut placement, keep, canary } = self.state;
        let sent = placement.leave_out(&keep);
        let Placement { placed, went_to, keys, .. } = placement;
        let ticket = Ticket::new(went_to, sent, keys, canary);
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

    /// Adds this hop's layer to all replies, see [`Sealing`].
    #[must_use]
    pub fn seal(self, rng: &mut impl CryptoRng) -> Round<Sealed> {
        let mut sealing = self.into_sealing(rng);
        let replies = sealing.next_part(None, usize::MAX);
        Round { number: sealing.number, state: Sealed { replies } }
    }

    /// The same a part at a time, so that the first replies can leave while others are sealed.
    #[must_use]
    pub fn into_sealing(self, rng: &mut impl CryptoRng) -> Round<Sealing> {
        let Unmixed { replies, mut ways_back } = self.state;
        ways_back.forget_keys_of_dropped(rng);
        Round { number: self.number, state: Sealing { replies, ways_back, sealed: 0 } }
    }
}

/// Puts every reply back into the slot of its onion, drops replies to noise, and adds this hop's
/// layer.
///
/// An onion that was dropped gets zeros sealed under a random key, which nobody can tell from any
/// other reply without the key; a duplicate must not get anything sealed under its own key, for
/// that key seals the first one's reply.
///
/// A key seals once: the parts come one after the other, and none twice.
#[derive(Debug)]
pub struct Sealing {
    replies: Batch,
    ways_back: WaysBack,
    /// How many replies are in the parts that have been given out.
    sealed: usize,
}

impl Round<Sealing> {
    /// How many replies are still to be sealed, of one for each onion that arrived. The batch is
    /// whole once there are none.
    #[must_use]
    pub fn left(&self) -> usize {
        self.state.ways_back.arrived() - self.state.sealed
    }

    /// Seals the next replies, at most `most` of them, on `pool` or on the one that the caller
    /// runs in. Empty once there are none left.
    pub fn next_part(&mut self, pool: Option<&ThreadPool>, most: usize) -> Batch {
        let mut part = Batch::stale(self.state.slot_len(), most.min(self.left()));
        let first = self.state.sealed;
        self.state.sealed += part.len();
        match pool {
            Some(pool) => pool.install(|| self.state.fill(first, part.as_bytes_mut())),
            None => self.state.fill(first, part.as_bytes_mut()),
        }
        part
    }
}

impl Sealing {
    fn slot_len(&self) -> usize {
        self.replies.slot_len() + TAG_LEN
    }

    /// Fills `slots` with the sealed replies from number `first` on.
    fn fill(&self, first: usize, slots: &mut [u8]) {
        let slot_len = self.slot_len();
        slots.par_chunks_mut(slot_len * RUN).enumerate().for_each(|(run, slots)| {
            let ways = self.ways_back.from(first + run * RUN);
            // All replies first: they lie anywhere, and the processor fetches several at once.
            for (slot, (reply, _)) in slots.chunks_exact_mut(slot_len).zip(ways.clone()) {
                let body = &mut slot[..self.replies.slot_len()];
                match reply {
                    Some(reply) => body.copy_from_slice(self.replies.slot(reply)),
                    None => body.fill(0),
                }
            }
            for (slot, (_, key)) in slots.chunks_exact_mut(slot_len).zip(ways) {
                seal_reply(key, slot);
            }
        });
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
