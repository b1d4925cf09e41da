//! Peeling what arrives into the slots in which it leaves, a piece at a time.

use rayon::{Scope, ThreadPool};
use talaria_wire::Batch;
use talaria_wire::onion::{PeelContext, ReplyKey, ephemeral_key, inner_onion, peel_slots};
use talaria_wire::params::LAYER_LEN;
use thiserror::Error;
use zeroize::Zeroizing;

/// Onions that one task of the thread pool works on: the best size of a piece.
pub const RUN: usize = 256;

/// Onions that arrived in another number than was said, or not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("of a batch of {announced} onions, {arrived} arrived, or one in part")]
pub struct NotAsAnnounced {
    /// How many onions were to come.
    pub announced: usize,
    /// How many came before it was noticed.
    pub arrived: usize,
}

/// Where an onion lies that is not sent on.
const NOWHERE: u32 = u32::MAX;

/// A round that leaves: the slots, and what is known of each onion that arrived, in the order of
/// arrival.
pub(super) struct Placement {
    pub(super) placed: Batch,
    /// The slot of each onion that arrived, and then of each of the noise.
    pub(super) went_to: Zeroizing<Vec<u32>>,
    pub(super) keys: Vec<ReplyKey>,
    pub(super) sound: Vec<bool>,
    pub(super) ephemerals: Vec<[u8; 32]>,
}

/// What one task works on: `n` onions that arrived, and where what is inside them belongs.
struct Desk<'a, 'b> {
    slots: &'a mut [&'b mut [u8]],
    keys: &'a mut [ReplyKey],
    sound: &'a mut [bool],
    ephemerals: &'a mut [[u8; 32]],
}

impl Placement {
    /// `arrived` onions, which go with the noise behind them to the slots `went_to`, of `slot_len`
    /// bytes each.
    pub(super) fn new(arrived: usize, slot_len: usize, went_to: Zeroizing<Vec<u32>>) -> Self {
        Self {
            placed: Batch::stale(slot_len, went_to.len()),
            went_to,
            keys: (0..arrived).map(|_| ReplyKey::default()).collect(),
            sound: vec![false; arrived],
            ephemerals: vec![[0; 32]; arrived],
        }
    }

    /// Peels the onions of `pieces` while further pieces are on their way, on `pool` or on the
    /// one that the caller runs in.
    pub(super) fn fill<P: AsMut<[u8]> + Send>(
        &mut self,
        pool: Option<&ThreadPool>,
        pieces: impl Iterator<Item = P>,
        noise: &Batch,
        context: &PeelContext<'_>,
    ) -> Result<(), NotAsAnnounced> {
        let announced = self.keys.len();
        let onion_len = self.placed.slot_len() + LAYER_LEN;
        let mut free: Vec<_> = self.placed.slots_mut().map(Some).collect();
        let mut slots: Vec<_> = (self.went_to.iter())
            .map(|&slot| free[slot as usize].take().expect("an order names each slot once"))
            .collect();
        let (slots, noise_slots) = slots.split_at_mut(announced);
        let (keys, sound) = (&mut self.keys[..], &mut self.sound[..]);
        let mut desk = Desk { slots, keys, sound, ephemerals: &mut self.ephemerals };
        let refused = |desk: &Desk<'_, '_>| NotAsAnnounced {
            announced,
            arrived: announced - desk.keys.len(),
        };
        in_place(pool, |scope| {
            for (slots, noise) in
                noise_slots.chunks_mut(RUN).zip(noise.as_bytes().chunks(noise.slot_len() * RUN))
            {
                scope.spawn(move |_| copy_noise(slots, noise));
            }
            for mut piece in pieces {
                let len = piece.as_mut().len();
                let part =
                    desk.split_off(len / onion_len).filter(|_| len.is_multiple_of(onion_len));
                let part = part.ok_or_else(|| refused(&desk))?;
                scope.spawn(move |_| part.peel(piece.as_mut(), context));
            }
            if desk.keys.is_empty() { Ok(()) } else { Err(refused(&desk)) }
        })
    }

    /// Leaves out the onions that are not in `keep`, and closes the gaps with onions from the end.
    /// Says how many are sent.
    ///
    /// Which onions fill them depends on where the gaps are and on nothing else, so every order
    /// of those that remain stays equally likely.
    pub(super) fn leave_out(&mut self, keep: &[bool]) -> usize {
        let sent = self.went_to.len() - keep.iter().filter(|keep| !**keep).count();
        if sent == self.went_to.len() {
            return sent;
        }
        let (mut gaps, mut last) = (Zeroizing::new(vec![]), Zeroizing::new(vec![]));
        let is_kept = keep.iter().chain(std::iter::repeat(&true));
        for ((onion, place), &is_kept) in self.went_to.iter_mut().enumerate().zip(is_kept) {
            let is_inside = (*place as usize) < sent;
            if !is_kept {
                gaps.extend(is_inside.then_some(*place));
                *place = NOWHERE;
            } else if !is_inside {
                last.push((*place, onion));
            }
        }
        gaps.sort_unstable();
        last.sort_unstable();
        for (&gap, &(place, onion)) in gaps.iter().zip(last.iter()) {
            self.placed.copy_slot(place as usize, gap as usize);
            self.went_to[onion] = gap;
        }
        self.placed.truncate(sent);
        sent
    }
}

impl<'a, 'b> Desk<'a, 'b> {
    /// The next `n` onions, if there are as many.
    fn split_off(&mut self, n: usize) -> Option<Self> {
        Some(Self {
            slots: self.slots.split_off_mut(..n)?,
            keys: self.keys.split_off_mut(..n)?,
            sound: self.sound.split_off_mut(..n)?,
            ephemerals: self.ephemerals.split_off_mut(..n)?,
        })
    }

    /// Peels `onions`, and moves what is inside each to its slot while it is in the processor's
    /// cache.
    fn peel(self, onions: &mut [u8], context: &PeelContext<'_>) {
        if onions.is_empty() {
            return;
        }
        let onion_len = onions.len() / self.keys.len();
        for (run, onions) in onions.chunks_mut(RUN * onion_len).enumerate() {
            let these = run * RUN..run * RUN + onions.len() / onion_len;
            let (keys, sound) = (&mut self.keys[these.clone()], &mut self.sound[these.clone()]);
            peel_slots(onions, context, keys, sound);
            let to = self.slots[these.clone()].iter_mut().zip(&mut self.ephemerals[these]);
            for (onion, (slot, ephemeral)) in onions.chunks_exact(onion_len).zip(to) {
                slot.copy_from_slice(inner_onion(onion));
                *ephemeral = *ephemeral_key(onion);
            }
        }
    }
}

fn copy_noise(slots: &mut [&mut [u8]], noise: &[u8]) {
    let onion_len = noise.len() / slots.len();
    for (slot, onion) in slots.iter_mut().zip(noise.chunks_exact(onion_len)) {
        slot.copy_from_slice(onion);
    }
}

/// Tasks run on `pool`, or on the one that the caller runs in; this thread may wait for the next
/// piece meanwhile.
fn in_place<'s, R>(pool: Option<&ThreadPool>, work: impl FnOnce(&Scope<'s>) -> R) -> R {
    match pool {
        Some(pool) => pool.in_place_scope(work),
        None => rayon::in_place_scope(work),
    }
}
