//! Onions: an exchange request in one layer of encryption for each hop of the chain.
//!
//! A layer is a fresh X25519 key, AES-256-GCM under a key derived from it, and nothing else: no
//! header, no address, no length. The round and the place of the hop are bound by the key
//! derivation, so an onion replayed in another round or to another hop fails to open.
//! `PROTOCOL.md`, section "Onions", has the byte table.

mod batch;
mod peel;
mod reply;

pub use batch::{SealContext, seal_batch, seal_in_place};
pub use peel::{PeelContext, ephemeral_key, inner_onion, peel, peel_slots};
pub use reply::{BadReply, ReplyKey, ReplyOpener, seal_reply};

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::crypto::kdf::{Label, derive};
use crate::crypto::onion_key::{Ephemeral, OnionPublic};
use crate::crypto::sealed;
use crate::dead_drop::ExchangeRequest;
use crate::params::{EXCHANGE_REQUEST_LEN, HopIndex, LAYER_LEN, Round, TAG_LEN};

/// Bytes of the ephemeral key at the front of a layer.
const EPHEMERAL_LEN: usize = 32;

/// What the layers of one hop in one round are bound to: the round, the hop's place, its key, and
/// the keys of all hops behind it.
///
/// The keys behind are in it so that nobody can give different keys to different people: whoever
/// was told another key of a later hop than this one knows is dropped here, and not recognised
/// there by the key that he uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerContext([u8; 32]);

impl LayerContext {
    /// `chain` starts with the hop's own key.
    #[must_use]
    pub fn new(round: Round, hop: HopIndex, chain: &[OnionPublic]) -> Self {
        let mut bytes = round.to_be_bytes().to_vec();
        bytes.extend([hop.0, u8::try_from(chain.len()).expect("at most MAX_HOPS hops")]);
        chain.iter().for_each(|key| bytes.extend_from_slice(&key.0));
        Self(derive(Label::OnionContext, &[&bytes]))
    }
}

/// The two keys of a layer.
struct LayerKeys {
    request: Zeroizing<[u8; 32]>,
    reply: ReplyKey,
}

impl LayerKeys {
    fn derive(shared: &[u8; 32], ephemeral: &[u8; 32], context: &LayerContext) -> Self {
        let fields: [&[u8]; 3] = [shared, ephemeral, &context.0];
        let both = Zeroizing::new(derive::<64>(Label::OnionLayer, &fields));
        let mut request = Zeroizing::new([0; 32]);
        let mut reply = ReplyKey::default();
        request.copy_from_slice(&both[..32]);
        reply.as_mut().copy_from_slice(&both[32..]);
        Self { request, reply }
    }
}

/// Seals `request` for every hop of `chain` and writes the onion to `out`.
///
/// `out` is one slot of [`RoundShape::onion_len`](crate::RoundShape::onion_len) bytes. One
/// ephemeral key a hop is drawn from `rng`, the first hop's first. The result opens the reply.
///
/// # Panics
/// If `out` does not have the length of an onion for this chain.
pub fn seal(
    request: &ExchangeRequest,
    chain: &[OnionPublic],
    round: Round,
    rng: &mut impl CryptoRng,
    out: &mut [u8],
) -> ReplyOpener {
    assert_eq!(out.len(), EXCHANGE_REQUEST_LEN + chain.len() * LAYER_LEN, "an onion's length");
    let ephemerals: Vec<_> = chain.iter().map(|_| Ephemeral::generate(rng)).collect();
    let start = chain.len() * EPHEMERAL_LEN;
    out[start..start + EXCHANGE_REQUEST_LEN].copy_from_slice(request.as_bytes());
    let mut reply_keys: Vec<_> = chain.iter().map(|_| ReplyKey::default()).collect();
    for depth in (0..chain.len()).rev() {
        let hop = HopIndex(u8::try_from(depth).expect("a chain has at most MAX_HOPS hops"));
        let context = LayerContext::new(round, hop, &chain[depth..]);
        reply_keys[depth] = seal_layer(&ephemerals[depth], &chain[depth], hop, &context, out);
    }
    ReplyOpener::new(reply_keys)
}

/// Layer `hop` of an onion starts at 32·hop and ends 16·hop before the end: each hop strips a
/// key at the front and a tag at the back.
fn seal_layer(
    ephemeral: &Ephemeral,
    hop_key: &OnionPublic,
    hop: HopIndex,
    context: &LayerContext,
    onion: &mut [u8],
) -> ReplyKey {
    let depth = usize::from(hop.0);
    let end = onion.len() - depth * TAG_LEN;
    let layer = &mut onion[depth * EPHEMERAL_LEN..end];
    let public = ephemeral.public();
    let keys = LayerKeys::derive(&ephemeral.agree(hop_key), &public, context);
    let (front, body) = layer.split_at_mut(EPHEMERAL_LEN);
    front.copy_from_slice(&public);
    sealed::seal(&keys.request, body);
    keys.reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::OnionSecret;
    use crate::dead_drop::DeadDropId;
    use crate::params::PEER_MESSAGE_LEN;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    fn chain(n: usize, rng: &mut ChaCha20Rng) -> (Vec<OnionSecret>, Vec<OnionPublic>) {
        let secrets: Vec<_> = (0..n).map(|_| OnionSecret::generate(rng)).collect();
        let publics = secrets.iter().map(|s| *s.public()).collect();
        (secrets, publics)
    }

    fn onion_len(n: usize) -> usize {
        EXCHANGE_REQUEST_LEN + n * LAYER_LEN
    }

    proptest! {
        #[test]
        fn a_request_comes_through_and_its_reply_comes_back(
            seed: u64, n in 1usize..6, round: u64, fill: u8, answer: u8,
        ) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let (secrets, publics) = chain(n, &mut rng);
            let request = ExchangeRequest::new(DeadDropId([fill; 16]), &[fill; PEER_MESSAGE_LEN]);
            let mut onion = vec![0; onion_len(n)];
            let opener = seal(&request, &publics, Round(round), &mut rng, &mut onion);

            let mut keys = Vec::new();
            for (i, secret) in (0u8..).zip(&secrets) {
                let behind = &publics[usize::from(i) + 1..];
                let context = PeelContext::new(secret, behind, Round(round), HopIndex(i));
                let (key, sound) = peel(&mut onion, &context);
                prop_assert!(sound);
                let end = onion.len() - TAG_LEN;
                onion = onion[EPHEMERAL_LEN..end].to_vec();
                keys.push(key);
            }
            prop_assert_eq!(&onion[..], &request.as_bytes()[..]);

            let mut reply = vec![answer; PEER_MESSAGE_LEN];
            for key in keys.iter().rev() {
                reply.extend_from_slice(&[0; TAG_LEN]);
                seal_reply(key, &mut reply);
            }
            prop_assert_eq!(opener.open(&mut reply), Ok(&[answer; PEER_MESSAGE_LEN]));
        }

        #[test]
        fn a_changed_onion_is_never_sound(seed: u64, at in 0usize..576, bit in 0u8..8) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let (secrets, publics) = chain(1, &mut rng);
            let mut onion = vec![0; onion_len(1)];
            let _ = seal(&ExchangeRequest::cover(&mut rng), &publics, Round(5), &mut rng, &mut onion);
            // The top bit of an X25519 key is ignored (RFC 7748, section 5), but derived from.
            onion[at] ^= 1 << bit;
            let context = PeelContext::new(&secrets[0], &[], Round(5), HopIndex(0));
            prop_assert!(!peel(&mut onion, &context).1);
        }
    }

    #[test]
    fn another_round_hop_or_key_does_not_open() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let (secrets, publics) = chain(2, &mut rng);
        let mut onion = vec![0; onion_len(2)];
        let _ = seal(&ExchangeRequest::cover(&mut rng), &publics, Round(5), &mut rng, &mut onion);
        let (behind, other) = (&publics[1..], &publics[..1]);
        let sound = |secret: usize, behind, round, hop| {
            let context = PeelContext::new(&secrets[secret], behind, Round(round), HopIndex(hop));
            peel(&mut onion.clone(), &context).1
        };
        assert!(sound(0, behind, 5, 0));
        assert!(!sound(0, behind, 6, 0) && !sound(0, behind, 5, 1) && !sound(1, behind, 5, 0));
        // Somebody was told other keys of the later hops, or of more or fewer of them.
        assert!(!sound(0, other, 5, 0) && !sound(0, &[], 5, 0) && !sound(0, &publics, 5, 0));
    }

    #[test]
    fn an_onion_under_a_low_order_key_is_never_sound() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let (secrets, _) = chain(1, &mut rng);
        // An attacker who sends the zero point knows the shared secret, and so all the keys.
        let ephemeral = [0; 32];
        let bound = LayerContext::new(Round(1), HopIndex(0), &[*secrets[0].public()]);
        let keys = LayerKeys::derive(&[0; 32], &ephemeral, &bound);
        let mut onion = vec![0; onion_len(1)];
        rng.fill_bytes(&mut onion[EPHEMERAL_LEN..]);
        sealed::seal(&keys.request, &mut onion[EPHEMERAL_LEN..]);
        let context = PeelContext::new(&secrets[0], &[], Round(1), HopIndex(0));
        assert!(!peel(&mut onion, &context).1);
    }

    #[test]
    fn truncated_and_altered_replies_do_not_open() {
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let (_, publics) = chain(2, &mut rng);
        let mut onion = vec![0; onion_len(2)];
        let opener =
            seal(&ExchangeRequest::cover(&mut rng), &publics, Round(5), &mut rng, &mut onion);
        let mut reply = vec![0; PEER_MESSAGE_LEN + 2 * TAG_LEN];
        rng.fill_bytes(&mut reply);
        assert_eq!(opener.open(&mut reply.clone()), Err(BadReply));
        assert_eq!(opener.open(&mut reply[..100]), Err(BadReply));
        assert_eq!(opener.open(&mut []), Err(BadReply));
    }
}
