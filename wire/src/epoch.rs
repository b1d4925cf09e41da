//! Epochs: runs of rounds in which a hop uses one onion key, and how the keys become known.
//!
//! A hop makes a key for each epoch, in memory, signs it with its identity key and announces it
//! ahead. Announcements travel from hop to hop towards the entry, which relays them to clients;
//! [`ChainKeys`] is what each of them keeps. `PROTOCOL.md`, section "Epoch keys".

mod chain_keys;

use std::num::NonZeroU32;

use crate::codec::{DecodeError, Reader};
use crate::crypto::identity_key::{BadSignature, IdentityPublic, IdentitySecret, SIGNATURE_LEN};
use crate::crypto::onion_key::OnionPublic;
use crate::frame::{HEADER_LEN, Header, Kind, epoch_keys_len};
use crate::network_file::VersionHash;
use crate::params::{HopIndex, MAX_HOPS, Round};

pub use chain_keys::{BadEpochKeys, ChainKeys};

/// What the signature of an epoch key begins with.
pub const EPOCH_KEY_LABEL: &[u8] = b"talaria v1 epoch key signature";
/// Epochs that are announced ahead of the present one.
pub const EPOCHS_AHEAD: u64 = 2;

/// The number of an epoch: round number divided by the rounds of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of `round`.
    #[must_use]
    pub fn of(round: Round, epoch_rounds: NonZeroU32) -> Self {
        Self(round.0 / u64::from(epoch_rounds.get()))
    }

    /// The first round of the epoch.
    #[must_use]
    pub fn first_round(self, epoch_rounds: NonZeroU32) -> Round {
        Round(self.0.saturating_mul(epoch_rounds.get().into()))
    }
}

/// Whose key it is, and for when: what its signature says beside the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTerms {
    /// The version of the network file.
    pub network: VersionHash,
    /// The hop's place.
    pub hop: HopIndex,
    /// The epoch.
    pub epoch: Epoch,
    /// Rounds of an epoch.
    pub epoch_rounds: NonZeroU32,
}

impl KeyTerms {
    fn signed_bytes(&self, key: &OnionPublic) -> Vec<u8> {
        let mut bytes = EPOCH_KEY_LABEL.to_vec();
        bytes.extend_from_slice(&self.network.0);
        bytes.push(self.hop.0);
        bytes.extend_from_slice(&self.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&self.epoch_rounds.get().to_be_bytes());
        bytes.extend_from_slice(&key.0);
        bytes
    }
}

/// An onion key with the signature of its hop, which has yet to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedKey {
    key: OnionPublic,
    signature: [u8; SIGNATURE_LEN],
}

impl SignedKey {
    /// Signs a hop's own key.
    #[must_use]
    pub fn sign(key: OnionPublic, terms: &KeyTerms, own: &IdentitySecret) -> Self {
        Self { key, signature: own.sign(&terms.signed_bytes(&key)) }
    }

    /// The key, if the hop with this `identity` has signed it for these terms.
    ///
    /// # Errors
    /// [`BadSignature`], also for a key with which everybody agrees on zero.
    pub fn verify(
        &self,
        terms: &KeyTerms,
        identity: &IdentityPublic,
    ) -> Result<OnionPublic, BadSignature> {
        identity.verify(&terms.signed_bytes(&self.key), &self.signature)?;
        if self.key.contributes() { Ok(self.key) } else { Err(BadSignature) }
    }
}

/// The keys of an epoch, of the hops from one on to the end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochKeys {
    /// The epoch.
    pub epoch: Epoch,
    /// The hop of the first key.
    pub first: HopIndex,
    /// A key for each hop, in the order of the chain: at least one, at most [`MAX_HOPS`].
    pub keys: Vec<SignedKey>,
}

impl EpochKeys {
    /// The whole frame.
    ///
    /// # Panics
    /// If there are more than [`MAX_HOPS`] keys.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        assert!(self.keys.len() <= MAX_HOPS.into(), "a key for each hop");
        let count = u8::try_from(self.keys.len()).expect("at most MAX_HOPS");
        let len = epoch_keys_len(count);
        let mut out = Vec::with_capacity(HEADER_LEN + len);
        Header::put(Kind::EpochKeys, len, &mut out);
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend([self.first.0, count]);
        for SignedKey { key, signature } in &self.keys {
            out.extend_from_slice(&key.0);
            out.extend_from_slice(signature);
        }
        out
    }

    /// Parses a body. Signatures are checked by [`ChainKeys::take`].
    ///
    /// # Errors
    /// [`DecodeError`] if it has not exactly the length that its number of keys says, or that
    /// number is 0 or above [`MAX_HOPS`].
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (epoch, first) = (Epoch(reader.u64()?), HopIndex(reader.u8()?));
        let count = reader.u8()?;
        if !(1..=MAX_HOPS).contains(&count) {
            return Err(DecodeError::BadValue("number of keys"));
        }
        let mut keys = Vec::with_capacity(count.into());
        for _ in 0..count {
            keys.push(SignedKey { key: OnionPublic(reader.array()?), signature: reader.array()? });
        }
        reader.finish()?;
        Ok(Self { epoch, first, keys })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_belong_to_epochs() {
        let rounds = NonZeroU32::new(64).unwrap();
        assert_eq!(Epoch::of(Round(63), rounds), Epoch(0));
        assert_eq!(Epoch::of(Round(64), rounds), Epoch(1));
        assert_eq!(Epoch(2).first_round(rounds), Round(128));
        assert_eq!(Epoch(u64::MAX).first_round(rounds), Round(u64::MAX));
    }

    proptest! {
        #[test]
        fn announcements_round_trip(epoch: u64, first: u8, n in 1usize..=16, fill: u8) {
            let key = SignedKey { key: OnionPublic([fill; 32]), signature: [!fill; 64] };
            let keys = EpochKeys { epoch: Epoch(epoch), first: HopIndex(first), keys: vec![key; n] };
            let frame = keys.to_frame();
            prop_assert_eq!(frame.len(), HEADER_LEN + epoch_keys_len(u8::try_from(n).unwrap()));
            let body = &frame[HEADER_LEN..];
            prop_assert_eq!(EpochKeys::decode(body), Ok(keys));
            prop_assert!(EpochKeys::decode(&body[1..]).is_err());
            let mut other = body.to_vec();
            other[9] = other[9].wrapping_add(1);
            prop_assert!(EpochKeys::decode(&other).is_err());
        }

        #[test]
        fn any_bytes_are_an_error_or_an_announcement(body: Vec<u8>) {
            if let Ok(keys) = EpochKeys::decode(&body) {
                prop_assert_eq!(&keys.to_frame()[HEADER_LEN..], &body[..]);
            }
        }
    }
}
