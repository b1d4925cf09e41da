//! Bytes as vectors hold them, and the two sources of "random" bytes behind them.

use std::convert::Infallible;

use chacha20::ChaCha20Rng;
use rand::{Rng, SeedableRng, TryCryptoRng, TryRng};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes, in JSON a string of lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hex(pub(super) Vec<u8>);

impl Hex {
    /// The bytes, which have a known length.
    pub(super) fn array<const N: usize>(&self) -> [u8; N] {
        self.0.as_slice().try_into().expect("a field of fixed length")
    }
}

impl<T: AsRef<[u8]>> From<T> for Hex {
    fn from(bytes: T) -> Self {
        Self(bytes.as_ref().to_vec())
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text).map(Self).map_err(D::Error::custom)
    }
}

/// The inputs of a topic come from here.
pub(super) fn seeded(topic: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(topic)
}

/// The next `N` bytes of a generator.
pub(super) fn draw<const N: usize>(rng: &mut impl Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Gives exactly the bytes that a vector says were drawn, and no more.
pub(super) struct Recorded {
    bytes: std::vec::IntoIter<u8>,
}

impl Recorded {
    pub(super) fn new<'a>(fields: impl IntoIterator<Item = &'a Hex>) -> Self {
        let bytes: Vec<u8> = fields.into_iter().flat_map(|field| field.0.clone()).collect();
        Self { bytes: bytes.into_iter() }
    }
}

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.bytes.next().expect("a vector records every byte that is drawn");
        }
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}
