//! Peeling a batch into the slots of the next one, a run of them at a time.

use rayon::prelude::*;
use talaria_wire::Batch;
use talaria_wire::onion::{PeelContext, ReplyKey, ephemeral_key, inner_onion, peel_slots};

use super::RUN;
use crate::hop::replay::mark;

/// Where the onions come from, and what peels them.
pub(super) struct Placement<'a> {
    pub(super) arrived: &'a Batch,
    pub(super) noise: &'a Batch,
    pub(super) context: &'a PeelContext<'a>,
}

/// What there is to say of each slot, beside what lies in it.
pub(super) struct Placed {
    /// The key for the reply; noise has none of use.
    pub(super) keys: Vec<ReplyKey>,
    /// Whether the onion that came here is sound; noise is.
    pub(super) sound: Vec<bool>,
    /// By which its repetitions are found, see [`mark`].
    pub(super) marks: Vec<u64>,
}

/// The part of a [`Placed`] that one task fills.
struct Run<'a> {
    slots: &'a mut [u8],
    keys: &'a mut [ReplyKey],
    sound: &'a mut [bool],
    marks: &'a mut [u64],
}

impl Placement<'_> {
    /// Fills slot `j` of `placed` with what lies inside onion `order[j]`; numbers beyond the
    /// batch that arrived are noise.
    ///
    /// # Panics
    /// If the slots are not as long as what they are to hold.
    pub(super) fn peel(&self, order: &[u32], placed: &mut Batch) -> Placed {
        let mut keys: Vec<_> = order.iter().map(|_| ReplyKey::default()).collect();
        let (mut sound, mut marks) = (vec![true; order.len()], vec![0; order.len()]);
        let run_len = placed.slot_len() * RUN;
        (placed.as_bytes_mut().par_chunks_mut(run_len))
            .zip(keys.par_chunks_mut(RUN))
            .zip(sound.par_chunks_mut(RUN))
            .zip(marks.par_chunks_mut(RUN))
            .zip(order.par_chunks(RUN))
            .for_each_init(
                || Vec::with_capacity(self.arrived.slot_len() * RUN),
                |gathered, ((((slots, keys), sound), marks), order)| {
                    self.peel_run(gathered, order, Run { slots, keys, sound, marks });
                },
            );
        Placed { keys, sound, marks }
    }

    /// The slot of the noise that has this number, if it is noise.
    fn noise(&self, number: u32) -> Option<&[u8]> {
        Some(self.noise.slot((number as usize).checked_sub(self.arrived.len())?))
    }

    /// Onions lie anywhere in memory, so they are gathered first: the processor fetches several
    /// at once, and they stay in its cache until they are peeled.
    fn peel_run(&self, gathered: &mut Vec<u8>, order: &[u32], run: Run<'_>) {
        let Run { slots, keys, sound, marks } = run;
        let inner_len = slots.len() / order.len();
        gathered.clear();
        for (slot, &from) in slots.chunks_exact_mut(inner_len).zip(order) {
            match self.noise(from) {
                Some(noise) => slot.copy_from_slice(noise),
                None => gathered.extend_from_slice(self.arrived.slot(from as usize)),
            }
        }
        let onion_len = self.arrived.slot_len();
        let mut left = gathered.len() / onion_len;
        peel_slots(gathered, self.context, &mut keys[..left], &mut sound[..left]);
        // The results lie at the front of the run; each moves to its slot, the last one first.
        for (to, slot) in slots.chunks_exact_mut(inner_len).enumerate().rev() {
            if self.noise(order[to]).is_some() {
                sound[to] = true;
                continue;
            }
            left -= 1;
            let onion = &gathered[left * onion_len..][..onion_len];
            slot.copy_from_slice(inner_onion(onion));
            marks[to] = mark(ephemeral_key(onion));
            keys.swap(left, to);
            sound.swap(left, to);
        }
    }
}
