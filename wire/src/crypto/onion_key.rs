//! X25519 keys of onion layers (RFC 7748).
//!
//! The hop's own side runs on aws-lc-rs (s2n-bignum), which is more than twice as fast as
//! x25519-dalek for a key that is used again and again; the sealing side uses x25519-dalek.

use std::fmt;

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use rand::CryptoRng;
use subtle::{Choice, ConstantTimeEq};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

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
    /// Kept parsed: setting it up for every onion would cost more than a microsecond.
    private: PrivateKey,
    public: OnionPublic,
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
        let private = PrivateKey::from_private_key(&X25519, bytes)
            .expect("every 32 bytes are an X25519 private key");
        let public = OnionPublic(PublicKey::from(&StaticSecret::from(*bytes)).to_bytes());
        Self { private, public }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &OnionPublic {
        &self.public
    }

    /// The shared secret with an ephemeral key, and whether it contributes.
    ///
    /// An all-zero result (a low-order point) is reported only through the flag, so that the
    /// caller goes on with the same work and drops the onion at the same place as any other
    /// bad one.
    pub(crate) fn agree(&self, ephemeral: &[u8; 32]) -> (Zeroizing<[u8; 32]>, Choice) {
        let mut shared = Zeroizing::new([0; 32]);
        let copied = agree(&self.private, UnparsedPublicKey::new(&X25519, ephemeral), (), |s| {
            shared.copy_from_slice(s);
            Ok(())
        });
        let contributes = !shared.ct_eq(&[0; 32]) & Choice::from(u8::from(copied.is_ok()));
        (shared, contributes)
    }
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

    #[test]
    fn both_sides_agree() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let hop = OnionSecret::generate(&mut rng);
        let ephemeral = Ephemeral::generate(&mut rng);
        let (shared, contributes) = hop.agree(&ephemeral.public());
        assert!(bool::from(contributes));
        assert_eq!(*shared, *ephemeral.agree(hop.public()));
    }

    #[test]
    fn low_order_points_do_not_contribute() {
        let hop = OnionSecret::from_bytes(&[9; 32]);
        let mut one = [0; 32];
        one[0] = 1;
        for point in [[0; 32], one] {
            let (shared, contributes) = hop.agree(&point);
            assert!(!bool::from(contributes));
            assert_eq!(*shared, [0; 32]);
        }
    }
}
