//! The hop's side of a layer: peeling, in place and whole runs of slots at a time.

use subtle::Choice;

use super::{EPHEMERAL_LEN, LayerKeys, ReplyKey};
use crate::crypto::{OnionSecret, sealed};
use crate::params::{HopIndex, Round};

/// What a layer is bound to: the hop's key, the round and the hop's place in the chain.
#[derive(Clone, Copy, Debug)]
pub struct PeelContext<'a> {
    /// The hop's onion key of this round.
    pub secret: &'a OnionSecret,
    /// The round that the onions were sealed for.
    pub round: Round,
    /// The hop's place in the chain.
    pub hop: HopIndex,
}

/// Peels one layer off the onion in `slot`, in place.
///
/// The inner onion is then `slot[32..len - 16]`; the ephemeral key before it and the tag behind
/// it stay. The second value says whether the onion is sound: an all-zero DH result and a tag
/// that does not fit make it unsound, after the same work, and a reply key comes back in every
/// case, so that the answer to a bad onion is made like any other.
///
/// # Panics
/// If `slot` is shorter than one layer.
pub fn peel(slot: &mut [u8], context: &PeelContext<'_>) -> (ReplyKey, bool) {
    let (ephemeral, body) =
        slot.split_first_chunk_mut::<EPHEMERAL_LEN>().expect("a slot holds at least one layer");
    let (shared, contributes) = context.secret.agree(ephemeral);
    let keys =
        LayerKeys::derive(&shared, ephemeral, context.secret.public(), context.round, context.hop);
    let opened = Choice::from(u8::from(sealed::open(&keys.request, body).is_ok()));
    (keys.reply, (contributes & opened).into())
}

/// Peels every slot of a run: `slots` holds `keys.len()` slots one after the other.
///
/// # Panics
/// If the three do not have the same number of slots.
pub fn peel_slots(
    slots: &mut [u8],
    context: &PeelContext<'_>,
    keys: &mut [ReplyKey],
    sound: &mut [bool],
) {
    assert!(keys.len() == sound.len() && slots.len().is_multiple_of(keys.len().max(1)));
    if keys.is_empty() {
        return;
    }
    let slot_len = slots.len() / keys.len();
    for ((slot, key), sound) in slots.chunks_exact_mut(slot_len).zip(keys).zip(sound) {
        (*key, *sound) = peel(slot, context);
    }
}
