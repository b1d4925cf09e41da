//! What the tests share: the backends of this machine, an independent X25519, random strings.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)]

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use x25519_batch::Backend;

/// A scalar, a point, or a product.
pub type Bytes = [u8; 32];

/// Every backend that this processor has.
pub fn backends() -> Vec<Backend> {
    Backend::available().collect()
}

/// X25519 by x25519-dalek.
pub fn reference(scalar: &Bytes, point: &Bytes) -> Bytes {
    x25519_dalek::x25519(*scalar, *point)
}

/// The public key of a scalar by x25519-dalek.
pub fn reference_public(scalar: &Bytes) -> Bytes {
    x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(*scalar)).to_bytes()
}

/// A reproducible generator.
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// `n` strings of random bytes.
pub fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<Bytes> {
    (0..n)
        .map(|_| {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            bytes
        })
        .collect()
}

/// The 32 bytes that 64 hexadecimal digits stand for.
pub fn bytes(hex_digits: &str) -> Bytes {
    hex::decode(hex_digits).unwrap().try_into().unwrap()
}

pub fn one_scalar(backend: Backend, scalar: &Bytes, points: &[Bytes]) -> Vec<Bytes> {
    let mut out = vec![[0xa5; 32]; points.len()];
    backend.one_scalar(scalar, points, &mut out);
    out
}

pub fn many_scalars(backend: Backend, scalars: &[Bytes], points: &[Bytes]) -> Vec<Bytes> {
    let mut out = vec![[0xa5; 32]; points.len()];
    backend.many_scalars(scalars, points, &mut out);
    out
}

pub fn base_point(backend: Backend, scalars: &[Bytes]) -> Vec<Bytes> {
    let mut out = vec![[0xa5; 32]; scalars.len()];
    backend.base_point(scalars, &mut out);
    out
}
