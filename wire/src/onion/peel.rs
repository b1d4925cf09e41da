//! The hop's side of a layer: peeling, in place and whole runs of slots at a time.

use subtle::Choice;
use zeroize::Zeroizing;

use super::{EPHEMERAL_LEN, LayerContext, LayerKeys, ReplyKey};
use crate::crypto::onion_key::{RUN, contributes};
use crate::crypto::{OnionPublic, OnionSecret, sealed};
use crate::params::{HopIndex, Round, TAG_LEN};

/// What a hop peels with: its key, and what its layers of a round are bound to.
#[derive(Clone, Copy, Debug)]
pub struct PeelContext<'a> {
    secret: &'a OnionSecret,
    layer: LayerContext,
    round: Round,
}

impl<'a> PeelContext<'a> {
    /// The hop in place `hop` with its `secret` of `round`; `behind` are the keys of the hops
    /// after it, in the order of the chain.
    #[must_use]
    pub fn new(
        secret: &'a OnionSecret,
        behind: &[OnionPublic],
        round: Round,
        hop: HopIndex,
    ) -> Self {
        let chain = [&[*secret.public()], behind].concat();
        Self { secret, layer: LayerContext::new(round, hop, &chain), round }
    }

    /// The round whose onions it peels.
    #[must_use]
    pub fn round(&self) -> Round {
        self.round
    }
}

/// The ephemeral key of the onion in `slot`, which peeling leaves as it is.
///
/// # Panics
/// If `slot` is shorter than one layer.
#[must_use]
pub fn ephemeral_key(slot: &[u8]) -> &[u8; EPHEMERAL_LEN] {
    slot.first_chunk().expect("a slot holds at least one layer")
}

/// What lies inside the onion in `slot`, once it is peeled.
///
/// # Panics
/// If `slot` is shorter than one layer.
#[must_use]
pub fn inner_onion(slot: &[u8]) -> &[u8] {
    &slot[EPHEMERAL_LEN..slot.len() - TAG_LEN]
}

/// Peels one layer off the onion in `slot`, in place.
///
/// The inner onion is then [`inner_onion`] of the slot; the ephemeral key before it and the tag
/// behind it stay. The second value says whether the onion is sound: an all-zero DH result and a tag
/// that does not fit make it unsound, after the same work, and a reply key comes back in every
/// case, so that the answer to a bad onion is made like any other.
///
/// # Panics
/// If `slot` is shorter than one layer.
pub fn peel(slot: &mut [u8], context: &PeelContext<'_>) -> (ReplyKey, bool) {
    let (mut key, mut sound) = ([ReplyKey::default()], [false]);
    peel_slots(slot, context, &mut key, &mut sound);
    let [key] = key;
    (key, sound[0])
}

/// Peels every slot of a run: `slots` holds `keys.len()` slots one after the other.
///
/// # Panics
/// If the three do not have the same number of slots, or a slot is shorter than one layer.
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
    let runs = slots.chunks_mut(slot_len * RUN).zip(keys.chunks_mut(RUN));
    for ((slots, keys), sound) in runs.zip(sound.chunks_mut(RUN)) {
        peel_run(slots, slot_len, context, keys, sound);
    }
}

/// At most [`RUN`] slots: all agreements first, then each layer while its slot is warm.
fn peel_run(
    slots: &mut [u8],
    slot_len: usize,
    context: &PeelContext<'_>,
    keys: &mut [ReplyKey],
    sound: &mut [bool],
) {
    let mut ephemerals = [[0; EPHEMERAL_LEN]; RUN];
    let mut shared = Zeroizing::new([[0; 32]; RUN]);
    for (ephemeral, slot) in ephemerals.iter_mut().zip(slots.chunks_exact(slot_len)) {
        *ephemeral = *ephemeral_key(slot);
    }
    context.secret.agree(&ephemerals[..keys.len()], &mut shared[..keys.len()]);
    let layers = ephemerals.iter().zip(shared.iter()).zip(slots.chunks_exact_mut(slot_len));
    for (((ephemeral, shared), slot), (key, sound)) in layers.zip(keys.iter_mut().zip(sound)) {
        (*key, *sound) = open_layer(slot, ephemeral, shared, context);
    }
}

fn open_layer(
    slot: &mut [u8],
    ephemeral: &[u8; EPHEMERAL_LEN],
    shared: &[u8; 32],
    context: &PeelContext<'_>,
) -> (ReplyKey, bool) {
    let keys = LayerKeys::derive(shared, ephemeral, &context.layer);
    let opened = sealed::open(&keys.request, &mut slot[EPHEMERAL_LEN..]).is_ok();
    let sound = contributes(shared) & Choice::from(u8::from(opened));
    (keys.reply, sound.into())
}
