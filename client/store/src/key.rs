//! The key of a home: 32 random bytes that encrypt its database.
//!
//! It is on disk only wrapped ([`AccountFile`](crate::AccountFile)), under what a login gives.

use std::fmt;
use std::fmt::Write;

use rand::CryptoRng;
use talaria_wire::identity::ExportKey;
use talaria_wire::identity::wrapping::{DoesNotOpen, WrappedThing};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const HOME_KEY_LEN: usize = 32;

/// The key of a home.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct HomeKey([u8; HOME_KEY_LEN]);

impl HomeKey {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; HOME_KEY_LEN]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The key as only the password opens it.
    pub fn wrap(&self, export: &ExportKey, rng: &mut impl CryptoRng) -> Vec<u8> {
        export.wrap(WrappedThing::HomeKey, &self.0, rng)
    }

    /// The key that was wrapped.
    ///
    /// # Errors
    /// [`DoesNotOpen`].
    pub fn unwrap(export: &ExportKey, wrapped: &[u8]) -> Result<Self, DoesNotOpen> {
        let bytes = export.unwrap(WrappedThing::HomeKey, wrapped)?;
        bytes.as_slice().try_into().map(Self).map_err(|_| DoesNotOpen)
    }

    /// The value of SQLCipher's `PRAGMA key`: these bytes are the key, nothing is derived.
    pub(super) fn pragma(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * HOME_KEY_LEN + 3));
        text.push_str("x'");
        for byte in self.0 {
            write!(text, "{byte:02x}").expect("a string takes everything");
        }
        text.push('\'');
        text
    }
}

impl fmt::Debug for HomeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HomeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    #[test]
    fn a_key_does_not_print_itself() {
        let key = HomeKey::generate(&mut ChaCha20Rng::seed_from_u64(5));
        insta::assert_snapshot!(format!("{key:?}"), @"HomeKey(…)");
    }
}
