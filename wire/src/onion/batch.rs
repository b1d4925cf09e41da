//! Sealing many onions at once: for noise, for measurements, and for whoever plays many clients.
//!
//! The same onions as [`seal`](super::seal) makes from the same generator, an order of magnitude
//! faster where the processor can do eight agreements at a time.

use rand::CryptoRng;
use x25519_batch::Backend;
use zeroize::Zeroizing;

use super::{EPHEMERAL_LEN, LayerContext, LayerKeys, ReplyKey, ReplyOpener};
use crate::crypto::OnionPublic;
use crate::crypto::onion_key::RUN;
use crate::crypto::sealed;
use crate::dead_drop::ExchangeRequest;
use crate::params::{EXCHANGE_REQUEST_LEN, HopIndex, LAYER_LEN, Round, TAG_LEN};

/// What onions are sealed for: a chain or the end of one, and a round.
#[derive(Clone, Copy, Debug)]
pub struct SealContext<'a> {
    /// The keys of the hops, in the order in which they peel.
    pub chain: &'a [OnionPublic],
    /// The place of the first of them in the whole chain.
    pub first: HopIndex,
    /// The round.
    pub round: Round,
    /// What computes the agreements.
    pub backend: Backend,
}

impl SealContext<'_> {
    /// The length of an onion for these hops, in bytes.
    #[must_use]
    pub fn onion_len(&self) -> usize {
        EXCHANGE_REQUEST_LEN + self.chain.len() * LAYER_LEN
    }
}

/// Seals many requests for the hops of `context`. `onions` holds a slot for each, one after the other;
/// the results open the replies, in the same order.
///
/// # Panics
/// If there is not exactly one slot of the right length for each request.
pub fn seal_batch(
    requests: &[ExchangeRequest],
    context: &SealContext<'_>,
    rng: &mut impl CryptoRng,
    onions: &mut [u8],
) -> Vec<ReplyOpener> {
    let onion_len = context.onion_len();
    assert_eq!(onions.len(), requests.len() * onion_len, "one slot for each request");
    let start = context.chain.len() * EPHEMERAL_LEN;
    for (request, slot) in requests.iter().zip(onions.chunks_exact_mut(onion_len)) {
        slot[start..start + EXCHANGE_REQUEST_LEN].copy_from_slice(request.as_bytes());
    }
    seal_in_place(context, onion_len, rng, onions)
}

/// Seals what lies in the slots already: each has room for one ephemeral key a hop before its
/// content, and for one tag a hop behind it.
///
/// # Panics
/// If the slots are not whole, or too short for the layers.
pub fn seal_in_place(
    context: &SealContext<'_>,
    slot_len: usize,
    rng: &mut impl CryptoRng,
    slots: &mut [u8],
) -> Vec<ReplyOpener> {
    assert!(slots.len().is_multiple_of(slot_len) && slot_len >= context.chain.len() * LAYER_LEN);
    let runs = slots.chunks_mut(slot_len * RUN);
    runs.flat_map(|slots| seal_run(context, slot_len, rng, slots)).collect()
}

/// At most [`RUN`] onions, layer by layer from the inside.
fn seal_run(
    context: &SealContext<'_>,
    slot_len: usize,
    rng: &mut impl CryptoRng,
    slots: &mut [u8],
) -> Vec<ReplyOpener> {
    let (hops, count) = (context.chain.len(), slots.len() / slot_len);
    // Drawn onion by onion, as for a single one: the same generator gives the same onions.
    let mut drawn = Zeroizing::new(vec![[0; 32]; count * hops]);
    drawn.iter_mut().for_each(|scalar| rng.fill_bytes(scalar));
    let mut keys: Vec<Vec<ReplyKey>> =
        (0..count).map(|_| (0..hops).map(|_| ReplyKey::default()).collect()).collect();
    let mut scalars = Zeroizing::new(vec![[0; 32]; count]);
    for depth in (0..hops).rev() {
        for (onion, scalar) in scalars.iter_mut().enumerate() {
            *scalar = drawn[onion * hops + depth];
        }
        let layer = Layer::agree(context, depth, &scalars);
        for (onion, slot) in slots.chunks_exact_mut(slot_len).enumerate() {
            keys[onion][depth] = layer.seal(onion, slot);
        }
    }
    keys.into_iter().map(ReplyOpener::new).collect()
}

/// One layer of every onion of a run.
struct Layer {
    depth: usize,
    bound_to: LayerContext,
    ephemerals: Vec<[u8; 32]>,
    shared: Zeroizing<Vec<[u8; 32]>>,
}

impl Layer {
    fn agree(context: &SealContext<'_>, depth: usize, scalars: &[[u8; 32]]) -> Self {
        let mut ephemerals = vec![[0; 32]; scalars.len()];
        let mut shared = Zeroizing::new(vec![[0; 32]; scalars.len()]);
        let points = vec![context.chain[depth].0; scalars.len()];
        context.backend.base_point(scalars, &mut ephemerals);
        context.backend.many_scalars(scalars, &points, &mut shared);
        let place = usize::from(context.first.0) + depth;
        let hop = HopIndex(u8::try_from(place).expect("a chain has at most MAX_HOPS hops"));
        let bound_to = LayerContext::new(context.round, hop, &context.chain[depth..]);
        Self { depth, bound_to, ephemerals, shared }
    }

    fn seal(&self, onion: usize, slot: &mut [u8]) -> ReplyKey {
        let ephemeral = &self.ephemerals[onion];
        let keys = LayerKeys::derive(&self.shared[onion], ephemeral, &self.bound_to);
        let end = slot.len() - self.depth * TAG_LEN;
        let (front, body) = slot[self.depth * EPHEMERAL_LEN..end].split_at_mut(EPHEMERAL_LEN);
        front.copy_from_slice(ephemeral);
        sealed::seal(&keys.request, body);
        keys.reply
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal;
    use super::*;
    use crate::crypto::OnionSecret;
    use crate::crypto::onion_key::detected_backend;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    #[test]
    fn a_batch_is_the_same_as_its_onions_one_by_one() {
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let chain: Vec<_> = (0..3).map(|_| *OnionSecret::generate(&mut rng).public()).collect();
        let requests: Vec<_> = (0..2 * RUN + 7).map(|_| ExchangeRequest::cover(&mut rng)).collect();
        let onion_len = EXCHANGE_REQUEST_LEN + 3 * LAYER_LEN;
        let [mut one_rng, mut batch_rng] = [12, 12].map(ChaCha20Rng::seed_from_u64);
        let mut batch = vec![0; requests.len() * onion_len];
        let backend = detected_backend();
        let context = SealContext { chain: &chain, first: HopIndex(0), round: Round(3), backend };
        let openers = seal_batch(&requests, &context, &mut batch_rng, &mut batch);
        assert_eq!(openers.len(), requests.len());
        for (request, onion) in requests.iter().zip(batch.chunks(onion_len)) {
            let mut single = vec![0; onion_len];
            let _ = seal(request, &chain, Round(3), &mut one_rng, &mut single);
            assert!(single == onion);
        }
    }
}
