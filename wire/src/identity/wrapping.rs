//! What only the password opens: things sealed under keys that come from OPAQUE's export key.

use std::fmt;

use rand::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crypto::kdf::{Label, derive};
use crate::crypto::sealed;
use crate::params::TAG_LEN;

/// Bytes of an export key: one output of SHA-512 (RFC 9807, section 6.3.3).
pub const EXPORT_KEY_LEN: usize = 64;
const SALT_LEN: usize = 32;
/// What wrapping adds to the length of a thing.
pub const WRAPPING_LEN: usize = SALT_LEN + TAG_LEN;

/// What comes out of a registration or login beside the proof: nobody but who knows the password
/// can have it, the server included.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ExportKey([u8; EXPORT_KEY_LEN]);

/// What is wrapped. One thing does not open as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WrappedThing {
    /// The private identity key, which the service keeps.
    IdentityKey = 0,
    /// The key of a home, which stays in the home.
    HomeKey = 1,
}

/// The export key does not open the bytes: another password, another thing, or damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the wrapped key does not open with this password")]
pub struct DoesNotOpen;

impl ExportKey {
    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; EXPORT_KEY_LEN]) -> Self {
        Self(bytes)
    }

    /// Salt 32 ‖ ciphertext ‖ tag 16 of AES-256-GCM, whose key is derived with the salt and seals
    /// nothing else.
    pub fn wrap(&self, what: WrappedThing, thing: &[u8], rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let mut sealed = [thing, &[0; TAG_LEN]].concat();
        sealed::seal(&self.key(what, &salt), &mut sealed);
        [&salt[..], &sealed].concat()
    }

    /// What was wrapped.
    ///
    /// # Errors
    /// [`DoesNotOpen`].
    pub fn unwrap(
        &self,
        what: WrappedThing,
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let (salt, sealed) = wrapped.split_first_chunk().ok_or(DoesNotOpen)?;
        let mut thing = Zeroizing::new(sealed.to_vec());
        if thing.len() < TAG_LEN {
            return Err(DoesNotOpen);
        }
        sealed::open(&self.key(what, salt), &mut thing).map_err(|_| DoesNotOpen)?;
        let len = thing.len() - TAG_LEN;
        thing.truncate(len);
        Ok(thing)
    }

    fn key(&self, what: WrappedThing, salt: &[u8; SALT_LEN]) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(derive(Label::Wrapping, &[&self.0, &[what as u8], salt]))
    }
}

impl fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;

    proptest! {
        #[test]
        fn what_is_wrapped_opens_with_its_key_and_as_itself(
            thing: Vec<u8>, key: [u8; 32], seed: u64, at: usize, bit in 0u8..8,
        ) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let own = ExportKey::from_bytes([key, key].concat().try_into().unwrap());
            let other = ExportKey::from_bytes([9; EXPORT_KEY_LEN]);
            let wrapped = own.wrap(WrappedThing::HomeKey, &thing, &mut rng);
            prop_assert_eq!(wrapped.len(), thing.len() + WRAPPING_LEN);
            prop_assert_eq!(&*own.unwrap(WrappedThing::HomeKey, &wrapped).unwrap(), &thing);
            prop_assert_eq!(own.unwrap(WrappedThing::IdentityKey, &wrapped), Err(DoesNotOpen));
            prop_assert_eq!(other.unwrap(WrappedThing::HomeKey, &wrapped), Err(DoesNotOpen));
            let mut damaged = wrapped.clone();
            let at = at % damaged.len();
            damaged[at] ^= 1 << bit;
            prop_assert_eq!(own.unwrap(WrappedThing::HomeKey, &damaged), Err(DoesNotOpen));
            prop_assert_eq!(own.unwrap(WrappedThing::HomeKey, &wrapped[..at]), Err(DoesNotOpen));
        }
    }
}
