//! What two people say to each other in one dead drop: 512 bytes that look random to everyone
//! else.
//!
//! AES-256-CBC over exactly 29 blocks (so there is no padding, and no padding oracle), then
//! HMAC-SHA256 over everything that is known about the message's place (encrypt-then-MAC), with
//! an ECDSA signature inside that binds sender, recipient, session, round and slot (Davis,
//! "Defective Sign & Encrypt", USENIX ATC 2001). Opening checks the MAC, decrypts, and checks the
//! signature, in this order, and says only that it failed, never where.

mod content;
mod stream;

pub use content::{BODY_LEN, Body, BodyTooLong, Content, Kind, MessageId};
pub use stream::{StreamDigest, StreamId};

use std::fmt;

use aes::Aes256;
use aes::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use rand::CryptoRng;
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crypto::identity_key::{IdentityPublic, IdentitySecret, SIGNATURE_LEN};
use crate::network_file::NetworkId;
use crate::params::{PEER_MESSAGE_LEN, Round};

const IV_LEN: usize = 16;
const MAC_LEN: usize = 32;
/// Bytes of the plaintext: 29 blocks of AES.
pub const PLAINTEXT_LEN: usize = PEER_MESSAGE_LEN - IV_LEN - MAC_LEN;
/// Bytes of the plaintext that are signed; the signature follows them.
pub const SIGNED_LEN: usize = PLAINTEXT_LEN - SIGNATURE_LEN;
const MAC_AT: usize = IV_LEN + PLAINTEXT_LEN;

/// First bytes of what the MAC covers.
pub const MAC_LABEL: &[u8] = b"talaria v1 message mac";
/// First bytes of what the signature covers.
pub const SIGNATURE_LABEL: &[u8] = b"talaria v1 message signature";

/// Names a session to its two members; derived, never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId(pub [u8; 32]);

/// Which of the two members of a session speaks. The lower key is the smaller SEC1 encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the member with the lower identity key.
    FromLower = 0,
    /// From the member with the higher identity key.
    FromHigher = 1,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::FromLower => Self::FromHigher,
            Self::FromHigher => Self::FromLower,
        }
    }
}

/// Where and when a message belongs: it opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The session.
    pub session: SessionId,
    /// The round.
    pub round: Round,
    /// Lane · 2 + position in the lane.
    pub slot: u8,
    /// Who speaks.
    pub direction: Direction,
    /// The network.
    pub network: NetworkId,
}

impl Place {
    fn bytes(&self) -> [u8; 42] {
        let mut out = [0; 42];
        out[..32].copy_from_slice(&self.session.0);
        out[32..40].copy_from_slice(&self.round.to_be_bytes());
        out[40] = self.slot;
        out[41] = self.direction as u8;
        out
    }
}

/// The keys of one message: one round, one slot, one direction.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MessageKeys {
    encryption: [u8; 32],
    authentication: [u8; 32],
}

impl MessageKeys {
    /// Splits 64 derived bytes: encryption key, then authentication key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        let mut keys = Self { encryption: [0; 32], authentication: [0; 32] };
        keys.encryption.copy_from_slice(&bytes[..32]);
        keys.authentication.copy_from_slice(&bytes[32..]);
        keys
    }

    fn mac(&self, place: &Place, iv_and_ciphertext: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.authentication)
            .expect("HMAC takes keys of any length");
        mac.update(MAC_LABEL);
        mac.update(&place.bytes());
        mac.update(&place.network.0);
        mac.update(iv_and_ciphertext);
        mac
    }
}

impl fmt::Debug for MessageKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageKeys(…)")
    }
}

/// The message is not from this sender, to this recipient, at this place. It says no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a message from this sender at this place")]
pub struct NotAuthentic;

/// Seals `content` from `sender` to `recipient`.
pub fn seal(
    content: &Content,
    keys: &MessageKeys,
    place: &Place,
    sender: &IdentitySecret,
    recipient: &IdentityPublic,
    rng: &mut impl CryptoRng,
) -> [u8; PEER_MESSAGE_LEN] {
    let mut out = [0; PEER_MESSAGE_LEN];
    rng.fill_bytes(&mut out[..IV_LEN]);
    let plaintext = &mut out[IV_LEN..MAC_AT];
    content.encode(&mut plaintext[..SIGNED_LEN]);
    let signed = signed_bytes(place, sender.public(), recipient, &plaintext[..SIGNED_LEN]);
    plaintext[SIGNED_LEN..].copy_from_slice(&sender.sign(&signed));
    encrypt(&keys.encryption, &mut out[..MAC_AT]);
    let mac = keys.mac(place, &out[..MAC_AT]).finalize().into_bytes();
    out[MAC_AT..].copy_from_slice(&mac);
    out
}

/// Opens a message that `sender` may have sent to `recipient`.
///
/// # Errors
/// [`NotAuthentic`] in every case of failure.
pub fn open(
    message: &[u8; PEER_MESSAGE_LEN],
    keys: &MessageKeys,
    place: &Place,
    sender: &IdentityPublic,
    recipient: &IdentityPublic,
) -> Result<Content, NotAuthentic> {
    let (covered, mac) = message.split_at(MAC_AT);
    keys.mac(place, covered).verify_slice(mac).map_err(|_| NotAuthentic)?;
    let mut plain = Zeroizing::new([0; MAC_AT]);
    plain.copy_from_slice(covered);
    decrypt(&keys.encryption, &mut plain[..]);
    let (content, signature) = plain[IV_LEN..].split_at(SIGNED_LEN);
    let signature = signature.try_into().map_err(|_| NotAuthentic)?;
    let signed = signed_bytes(place, sender, recipient, content);
    sender.verify(&signed, signature).map_err(|_| NotAuthentic)?;
    Content::decode(content).map_err(|_| NotAuthentic)
}

fn signed_bytes(
    place: &Place,
    sender: &IdentityPublic,
    recipient: &IdentityPublic,
    content: &[u8],
) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(SIGNATURE_LABEL.len() + 106 + SIGNED_LEN));
    out.extend_from_slice(SIGNATURE_LABEL);
    out.extend_from_slice(&place.bytes());
    out.extend_from_slice(&sender.hash());
    out.extend_from_slice(&recipient.hash());
    out.extend_from_slice(content);
    out
}

/// Encrypts what follows the IV in place.
fn encrypt(key: &[u8; 32], iv_and_text: &mut [u8]) {
    let (iv, text) = iv_and_text.split_at_mut(IV_LEN);
    let mut cipher = cbc::Encryptor::<Aes256>::new_from_slices(key, iv)
        .expect("key and IV have the lengths of AES-256-CBC");
    cipher.encrypt_blocks(blocks(text));
}

/// Decrypts what follows the IV in place.
fn decrypt(key: &[u8; 32], iv_and_text: &mut [u8]) {
    let (iv, text) = iv_and_text.split_at_mut(IV_LEN);
    let mut cipher = cbc::Decryptor::<Aes256>::new_from_slices(key, iv)
        .expect("key and IV have the lengths of AES-256-CBC");
    cipher.decrypt_blocks(blocks(text));
}

fn blocks(text: &mut [u8]) -> &mut [Block<Aes256>] {
    let (blocks, rest) = Block::<Aes256>::slice_as_chunks_mut(text);
    debug_assert!(rest.is_empty(), "the plaintext is a whole number of blocks");
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;

    struct Pair {
        alice: IdentitySecret,
        bob: IdentitySecret,
        keys: MessageKeys,
        rng: ChaCha20Rng,
    }

    fn pair() -> Pair {
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let alice = IdentitySecret::generate(&mut rng);
        let bob = IdentitySecret::generate(&mut rng);
        Pair { alice, bob, keys: MessageKeys::from_bytes(&[3; 64]), rng }
    }

    fn place() -> Place {
        Place {
            session: SessionId([1; 32]),
            round: Round(9),
            slot: 1,
            direction: Direction::FromLower,
            network: NetworkId([2; 32]),
        }
    }

    fn content(text: &[u8]) -> Content {
        let mut content = Content::idle();
        content.kind = Kind::Data;
        content.seq = 5;
        content.fragment_count = 1;
        content.body = Body::new(text).unwrap();
        content
    }

    #[test]
    fn opens_at_its_place_only() {
        let mut p = pair();
        let content = content(b"hello");
        let sealed = seal(&content, &p.keys, &place(), &p.alice, p.bob.public(), &mut p.rng);
        let open_at =
            |place: &Place| open(&sealed, &p.keys, place, p.alice.public(), p.bob.public());
        assert_eq!(open_at(&place()), Ok(content));
        let wrong = [
            Place { session: SessionId([9; 32]), ..place() },
            Place { round: Round(10), ..place() },
            Place { slot: 0, ..place() },
            Place { direction: Direction::FromHigher, ..place() },
            Place { network: NetworkId([9; 32]), ..place() },
        ];
        for place in wrong {
            assert_eq!(open_at(&place), Err(NotAuthentic));
        }
    }

    #[test]
    fn a_recipient_cannot_pass_it_on_as_written_to_somebody_else() {
        // Bob holds the keys of both sessions, and Alice's signed plaintext. He seals it again
        // for Carol, with the right MAC: only the recipient inside the signature stops him.
        let mut p = pair();
        let carol = IdentitySecret::generate(&mut p.rng);
        let sealed =
            seal(&content(b"I quit"), &p.keys, &place(), &p.alice, p.bob.public(), &mut p.rng);
        assert!(open(&sealed, &p.keys, &place(), p.alice.public(), p.bob.public()).is_ok());
        assert_eq!(
            open(&sealed, &p.keys, &place(), p.alice.public(), carol.public()),
            Err(NotAuthentic)
        );
        assert_eq!(
            open(&sealed, &p.keys, &place(), carol.public(), p.bob.public()),
            Err(NotAuthentic)
        );
    }

    #[test]
    fn two_sealings_share_no_block() {
        let mut p = pair();
        let content = content(&[0; BODY_LEN]);
        let a = seal(&content, &p.keys, &place(), &p.alice, p.bob.public(), &mut p.rng);
        let b = seal(&content, &p.keys, &place(), &p.alice, p.bob.public(), &mut p.rng);
        assert!(a.chunks(16).all(|x| b.chunks(16).all(|y| x != y)));
    }

    proptest! {
        #[test]
        fn every_changed_bit_is_noticed(at in 0..PEER_MESSAGE_LEN, bit in 0u8..8) {
            let mut p = pair();
            let mut sealed =
                seal(&content(b"x"), &p.keys, &place(), &p.alice, p.bob.public(), &mut p.rng);
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(
                open(&sealed, &p.keys, &place(), p.alice.public(), p.bob.public()),
                Err(NotAuthentic)
            );
        }
    }
}
