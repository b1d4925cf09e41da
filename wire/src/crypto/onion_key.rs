//! X25519 keys of onion layers (RFC 7748).
//!
//! A hop agrees with thousands of ephemeral keys at once, and so do those who seal many onions:
//! both run on `x25519-batch`. A client that seals one onion uses x25519-dalek.

use std::fmt;
use std::sync::LazyLock;

use rand::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use x25519_batch::Backend;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// Keys that are worked on together: as many as share an inversion in `x25519-batch`.
pub(crate) const RUN: usize = 256;

/// The fastest backend of this processor; looking for it takes longer than a single agreement.
#[must_use]
pub fn detected_backend() -> Backend {
    static DETECTED: LazyLock<Backend> = LazyLock::new(Backend::detect);
    *DETECTED
}

/// A hop's public onion key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OnionPublic(pub [u8; 32]);

impl OnionPublic {
    /// Whether secrets that are agreed with this key are secret: false for the few points of low
    /// order, with which everybody agrees on zero (RFC 7748, section 6.1).
    #[must_use]
    pub fn contributes(&self) -> bool {
        // Any clamped scalar will do: it is a multiple of the small orders.
        StaticSecret::from([1; 32]).diffie_hellman(&PublicKey::from(self.0)).was_contributory()
    }
}

/// A hop's own onion key.
pub struct OnionSecret {
    secret: Zeroizing<[u8; 32]>,
    public: OnionPublic,
    backend: Backend,
}

impl OnionSecret {
    /// A new key from `rng`.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self::from_bytes(&bytes)
    }

    /// The key with these 32 bytes (clamped on use, as RFC 7748 section 5 asks).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let public = OnionPublic(PublicKey::from(&StaticSecret::from(*bytes)).to_bytes());
        Self { secret: Zeroizing::new(*bytes), public, backend: detected_backend() }
    }

    /// The same key on another backend.
    #[must_use]
    pub fn on(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &OnionPublic {
        &self.public
    }

    /// The shared secrets with many ephemeral keys.
    pub(crate) fn agree(&self, ephemerals: &[[u8; 32]], shared: &mut [[u8; 32]]) {
        self.backend.one_scalar(&self.secret, ephemerals, shared);
    }
}

/// Whether both sides have contributed to a shared secret: it is not all zero (RFC 7748, section
/// 6.1). It is told by a flag and not by an error, so that the caller goes on with the same work
/// and drops the onion at the same place as any other bad one.
pub(crate) fn contributes(shared: &[u8; 32]) -> Choice {
    !shared.ct_eq(&[0; 32])
}

impl fmt::Debug for OnionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnionSecret").field("public", &self.public).finish_non_exhaustive()
    }
}

/// A fresh key for one layer of one onion.
pub(crate) struct Ephemeral(StaticSecret);

impl Ephemeral {
    pub(crate) fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self(StaticSecret::from(*bytes))
    }

    pub(crate) fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.0).to_bytes()
    }

    pub(crate) fn agree(&self, hop: &OnionPublic) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.diffie_hellman(&PublicKey::from(hop.0)).to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    fn agree(hop: &OnionSecret, ephemeral: [u8; 32]) -> ([u8; 32], bool) {
        let mut shared = [[0; 32]];
        hop.agree(&[ephemeral], &mut shared);
        (shared[0], contributes(&shared[0]).into())
    }

    #[test]
    fn both_sides_agree_on_every_backend() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for backend in [detected_backend(), Backend::portable()] {
            let hop = OnionSecret::generate(&mut rng).on(backend);
            let ephemeral = Ephemeral::generate(&mut rng);
            let expected = *ephemeral.agree(hop.public());
            assert_eq!(agree(&hop, ephemeral.public()), (expected, true));
        }
    }

    #[test]
    fn low_order_points_do_not_contribute() {
        let mut one = [0; 32];
        one[0] = 1;
        for backend in [detected_backend(), Backend::portable()] {
            let hop = OnionSecret::from_bytes(&[9; 32]).on(backend);
            for point in [[0; 32], one] {
                assert_eq!(agree(&hop, point), ([0; 32], false));
            }
        }
    }
}
