//! A peer message put together step by step, so that each step can be done wrong on purpose.
//!
//! `talaria_wire::peer_message::seal` only makes good ones. This is the same construction from
//! `PROTOCOL.md`, and the vectors hold it to the implementation's bytes.

use aes::Aes256;
use aes::cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::params::PEER_MESSAGE_LEN;
use talaria_wire::peer_message::{
    MAC_LABEL, MessageKeys, PLAINTEXT_LEN, Place, SIGNATURE_LABEL, SIGNED_LEN,
};

/// What the MAC and the encryption of a message depend on.
#[derive(Clone, Debug)]
pub(crate) struct Sealer {
    pub(crate) keys: [u8; 64],
    pub(crate) place: Place,
}

impl Sealer {
    /// The keys as the implementation takes them.
    pub(crate) fn message_keys(&self) -> MessageKeys {
        MessageKeys::from_bytes(&self.keys)
    }

    /// Encrypts content ‖ signature and authenticates the result.
    pub(crate) fn seal(
        &self,
        iv: &[u8; 16],
        content: &[u8; SIGNED_LEN],
        signature: &[u8; 64],
    ) -> [u8; PEER_MESSAGE_LEN] {
        let mut plaintext = [content.as_slice(), signature].concat();
        let (key, _) = self.halves();
        let (blocks, _) = Block::<Aes256>::slice_as_chunks_mut(&mut plaintext);
        cbc::Encryptor::<Aes256>::new_from_slices(key, iv)
            .expect("a key of 32 and an IV of 16 bytes")
            .encrypt_blocks(blocks);
        let mut message = [0; PEER_MESSAGE_LEN];
        message[..16].copy_from_slice(iv);
        message[16..480].copy_from_slice(&plaintext);
        let mac = self.mac(&message).finalize().into_bytes();
        message[480..].copy_from_slice(&mac);
        message
    }

    /// Whether the MAC fits.
    pub(crate) fn authenticates(&self, message: &[u8; PEER_MESSAGE_LEN]) -> bool {
        self.mac(message).verify_slice(&message[480..]).is_ok()
    }

    /// The plaintext: content ‖ signature.
    pub(crate) fn decrypt(&self, message: &[u8; PEER_MESSAGE_LEN]) -> [u8; PLAINTEXT_LEN] {
        let (key, _) = self.halves();
        let mut plaintext = [0; PLAINTEXT_LEN];
        plaintext.copy_from_slice(&message[16..480]);
        let (blocks, _) = Block::<Aes256>::slice_as_chunks_mut(&mut plaintext);
        cbc::Decryptor::<Aes256>::new_from_slices(key, &message[..16])
            .expect("a key of 32 and an IV of 16 bytes")
            .decrypt_blocks(blocks);
        plaintext
    }

    /// Signs `content` for `recipient` at this place.
    pub(crate) fn sign(
        &self,
        content: &[u8; SIGNED_LEN],
        sender: &IdentitySecret,
        recipient: &IdentityPublic,
    ) -> [u8; 64] {
        sender.sign(&self.signed(content, sender.public(), recipient))
    }

    /// What a signature covers.
    pub(crate) fn signed(
        &self,
        content: &[u8],
        sender: &IdentityPublic,
        recipient: &IdentityPublic,
    ) -> Vec<u8> {
        let place = self.place_bytes();
        [SIGNATURE_LABEL, &place, &sender.hash(), &recipient.hash(), content].concat()
    }

    fn mac(&self, message: &[u8; PEER_MESSAGE_LEN]) -> Hmac<Sha256> {
        let (_, key) = self.halves();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
        let place = self.place_bytes();
        for field in [MAC_LABEL, &place, &self.place.network.0, &message[..480]] {
            mac.update(field);
        }
        mac
    }

    fn place_bytes(&self) -> Vec<u8> {
        let Place { session, round, slot, direction, .. } = &self.place;
        let last = [*slot, *direction as u8];
        [&session.0[..], &round.to_be_bytes(), &last].concat()
    }

    fn halves(&self) -> (&[u8], &[u8]) {
        self.keys.split_at(32)
    }
}
