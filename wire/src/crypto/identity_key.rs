//! P-256 identities: one key pair a user for ECDH and ECDSA (NIST SP 800-56A, FIPS 186-5).
//!
//! Hops and entries use the same kind of key on their links. Signatures are deterministic
//! (RFC 6979) and low-S only, so that a signature has exactly one encoding.

use std::fmt;

use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::{PublicKey, SecretKey};
use rand::CryptoRng;
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use super::kdf::{Label, derive};

/// Bytes of a public key in compressed SEC1 form.
pub const IDENTITY_PUBLIC_LEN: usize = 33;
/// Bytes of a signature: r ‖ s.
pub const SIGNATURE_LEN: usize = 64;

/// Bytes that are not a P-256 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a P-256 key")]
pub struct BadKey;

/// A signature that does not belong to the key and the message, or is not low-S.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature does not fit")]
pub struct BadSignature;

/// Somebody else's identity key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityPublic(PublicKey);

impl IdentityPublic {
    /// Parses a compressed SEC1 point.
    ///
    /// # Errors
    /// [`BadKey`] if the bytes are not a point of the curve in compressed form.
    pub fn from_bytes(bytes: &[u8; IDENTITY_PUBLIC_LEN]) -> Result<Self, BadKey> {
        // SEC1 has a third form of this length, "compact" (tag 5), which would give a key two
        // encodings.
        if !matches!(bytes[0], 2 | 3) {
            return Err(BadKey);
        }
        PublicKey::from_sec1_bytes(bytes).map(Self).map_err(|_| BadKey)
    }

    /// The compressed SEC1 point: the order of two keys is the order of these bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; IDENTITY_PUBLIC_LEN] {
        let point = p256::CompressedPoint::from(self.0);
        point.into()
    }

    /// The key as the `p256` crate's own type, for certificates and TLS.
    #[must_use]
    pub fn as_p256(&self) -> &PublicKey {
        &self.0
    }

    /// A hash of the key: what a signature binds instead of the key itself.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        derive(Label::IdentityHash, &[&self.to_bytes()])
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`BadSignature`] if it does not fit or is not low-S.
    pub fn verify(&self, message: &[u8], bytes: &[u8; SIGNATURE_LEN]) -> Result<(), BadSignature> {
        let signature = Signature::from_slice(bytes).map_err(|_| BadSignature)?;
        if signature.normalize_s() != signature {
            return Err(BadSignature);
        }
        VerifyingKey::from(&self.0).verify(message, &signature).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for IdentityPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityPublic({})", hex::encode(self.to_bytes()))
    }
}

/// One's own identity key.
pub struct IdentitySecret {
    secret: SecretKey,
    public: IdentityPublic,
}

impl IdentitySecret {
    /// A new key from `rng`.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        loop {
            let mut bytes = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *bytes);
            // Fails once in 2³² tries: a candidate that is zero or not below the group order.
            if let Ok(key) = Self::from_bytes(&bytes) {
                return key;
            }
        }
    }

    /// The key with this big-endian scalar.
    ///
    /// # Errors
    /// [`BadKey`] if it is zero or not below the order of the group.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        let secret = SecretKey::from_slice(bytes).map_err(|_| BadKey)?;
        let public = IdentityPublic(secret.public_key());
        Ok(Self { secret, public })
    }

    /// The scalar, big-endian: for the file that keeps the key, and nothing else.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes().into())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &IdentityPublic {
        &self.public
    }

    /// The key as the `p256` crate's own type, for certificates and TLS.
    #[must_use]
    pub fn as_p256(&self) -> &SecretKey {
        &self.secret
    }

    /// The x-coordinate of the shared point (ECDH).
    #[must_use]
    pub fn agree(&self, peer: &IdentityPublic) -> Zeroizing<[u8; 32]> {
        let shared = self.secret.diffie_hellman(&peer.0);
        Zeroizing::new((*shared.raw_secret_bytes()).into())
    }

    /// Signs `message`: SHA-256, RFC 6979, low-S, r ‖ s.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature: Signature = SigningKey::from(&self.secret).sign(message);
        signature.normalize_s().to_bytes().into()
    }
}

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentitySecret").field("public", &self.public).finish_non_exhaustive()
    }
}

impl PartialEq for IdentitySecret {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes().ct_eq(&*other.to_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    fn pair() -> (IdentitySecret, IdentitySecret) {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        (IdentitySecret::generate(&mut rng), IdentitySecret::generate(&mut rng))
    }

    #[test]
    fn exchange_is_symmetric() {
        let (a, b) = pair();
        assert_eq!(a.agree(b.public()), b.agree(a.public()));
    }

    #[test]
    fn signatures_fit_one_key_and_one_message() {
        let (a, b) = pair();
        let signature = a.sign(b"message");
        assert_eq!(a.public().verify(b"message", &signature), Ok(()));
        assert_eq!(b.public().verify(b"message", &signature), Err(BadSignature));
        assert_eq!(a.public().verify(b"massage", &signature), Err(BadSignature));
    }

    #[test]
    fn the_high_s_twin_of_a_signature_is_refused() {
        let (a, _) = pair();
        let low = Signature::from_slice(&a.sign(b"message")).unwrap();
        let high = Signature::from_scalars(low.r(), -low.s()).unwrap();
        assert!(VerifyingKey::from(a.public().as_p256()).verify(b"message", &high).is_ok());
        assert_eq!(a.public().verify(b"message", &high.to_bytes().into()), Err(BadSignature));
    }

    #[test]
    fn keys_survive_their_encoding_and_bad_ones_are_refused() {
        let (a, _) = pair();
        assert!(IdentitySecret::from_bytes(&a.to_bytes()).unwrap() == a);
        assert_eq!(IdentityPublic::from_bytes(&a.public().to_bytes()), Ok(*a.public()));
        assert!(IdentityPublic::from_bytes(&[4; 33]).is_err());
        let mut compact = a.public().to_bytes();
        compact[0] = 5;
        assert!(IdentityPublic::from_bytes(&compact).is_err());
        assert!(IdentitySecret::from_bytes(&[0; 32]).is_err());
        assert!(IdentitySecret::from_bytes(&[0xff; 32]).is_err());
    }

    #[test]
    fn secrets_do_not_print() {
        let (a, _) = pair();
        assert!(!format!("{a:?}").contains(&hex::encode(*a.to_bytes())));
    }
}
