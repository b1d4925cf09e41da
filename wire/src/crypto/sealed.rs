//! AES-256-GCM with a zero nonce, for keys that seal exactly one thing.
//!
//! Every key comes fresh from [`kdf`](super::kdf) and is used once in one direction, so the
//! nonce carries nothing (RFC 5116, section 3.2: a nonce must be distinct *for a key*).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::params::TAG_LEN;

/// The tag did not fit the key and the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadTag;

/// Encrypts all but the last [`TAG_LEN`] bytes of `slot` in place and writes the tag there.
pub(crate) fn seal(key: &[u8; 32], slot: &mut [u8]) {
    let end = slot.len() - TAG_LEN;
    let (body, tag) = slot.split_at_mut(end);
    let sealed = cipher(key)
        .seal_in_place_separate_tag(zero_nonce(), Aad::empty(), body)
        .expect("a slot is far below the limit of AES-GCM");
    tag.copy_from_slice(sealed.as_ref());
}

/// Decrypts `slot` in place; the plaintext is all but its last [`TAG_LEN`] bytes.
pub(crate) fn open(key: &[u8; 32], slot: &mut [u8]) -> Result<(), BadTag> {
    cipher(key).open_in_place(zero_nonce(), Aad::empty(), slot).map(|_| ()).map_err(|_| BadTag)
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key has 32 bytes"))
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_what_was_sealed() {
        let mut slot = *b"sixteen bytes!!!................";
        seal(&[7; 32], &mut slot);
        let mut copy = slot;
        assert_eq!(open(&[7; 32], &mut copy), Ok(()));
        assert_eq!(&copy[..16], b"sixteen bytes!!!");
        for i in 0..slot.len() {
            let mut bad = slot;
            bad[i] ^= 1;
            assert_eq!(open(&[7; 32], &mut bad), Err(BadTag));
        }
    }
}
