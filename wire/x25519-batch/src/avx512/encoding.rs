//! Between 32-byte strings and vectors: eight strings, transposed, one 64-bit word per lane.
//!
//! The transposition runs once per 250 ladder steps, so it is plain code on words. Addresses
//! depend on lane and word numbers only.

use core::arch::x86_64::{
    __m512i, _mm512_and_si512, _mm512_or_si512, _mm512_slli_epi64, _mm512_srli_epi64,
};

use super::field::Reduced;
use super::lanes::{LANES, from_array, splat, to_array};

/// 256 bits per lane, little-endian words.
pub(super) type Words = [__m512i; 4];

/// Word `w` of a 32-byte little-endian string.
fn word(bytes: &[u8; 32], w: usize) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    u64::from_le_bytes(words[w])
}

/// Up to eight strings, one per lane. Lanes past the end of `strings` are zero.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(strings: &[[u8; 32]]) -> Words {
    let mut lanes = [[0; LANES]; 4];
    for (i, bytes) in strings.iter().take(LANES).enumerate() {
        for (w, row) in lanes.iter_mut().enumerate() {
            row[i] = word(bytes, w);
        }
    }
    let [a, b, c, d] = lanes;
    [from_array(a), from_array(b), from_array(c), from_array(d)]
}

/// One string, the same in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_same(bytes: &[u8; 32]) -> Words {
    [splat(word(bytes, 0)), splat(word(bytes, 1)), splat(word(bytes, 2)), splat(word(bytes, 3))]
}

/// Writes lane i to `strings[i]`, for as many strings as there are.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(words: Words, strings: &mut [[u8; 32]]) {
    let [a, b, c, d] = words;
    let lanes = [to_array(a), to_array(b), to_array(c), to_array(d)];
    for (i, bytes) in strings.iter_mut().take(LANES).enumerate() {
        for (part, row) in bytes.chunks_exact_mut(8).zip(&lanes) {
            part.copy_from_slice(&row[i].to_le_bytes());
        }
    }
}

/// Clamps as `decodeScalar25519` does, RFC 7748, section 5: bits 0, 1, 2 and 255 cleared, bit 254
/// set.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn clamp(words: Words) -> Words {
    let [a, b, c, d] = words;
    let low = _mm512_and_si512(a, splat(!7));
    let high = _mm512_and_si512(d, splat((1 << 63) - 1));
    [low, b, c, _mm512_or_si512(high, splat(1 << 62))]
}

/// A u-coordinate as `decodeUCoordinate` reads it, RFC 7748, section 5: bit 255 is ignored, and
/// the values from p to 2^255 - 1 are taken as they are.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn unpack(words: Words) -> Reduced {
    let [a, b, c, d] = words;
    let digit = splat((1 << 52) - 1);
    let z1 = _mm512_or_si512(_mm512_srli_epi64::<52>(a), _mm512_slli_epi64::<12>(b));
    let z2 = _mm512_or_si512(_mm512_srli_epi64::<40>(b), _mm512_slli_epi64::<24>(c));
    let z3 = _mm512_or_si512(_mm512_srli_epi64::<28>(c), _mm512_slli_epi64::<36>(d));
    let z4 = _mm512_and_si512(_mm512_srli_epi64::<16>(d), splat((1 << 47) - 1));
    Reduced([
        _mm512_and_si512(a, digit),
        _mm512_and_si512(z1, digit),
        _mm512_and_si512(z2, digit),
        _mm512_and_si512(z3, digit),
        z4,
    ])
}

/// The words of a canonical element.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn pack(x: &Reduced) -> Words {
    let [z0, z1, z2, z3, z4] = x.0;
    [
        _mm512_or_si512(z0, _mm512_slli_epi64::<52>(z1)),
        _mm512_or_si512(_mm512_srli_epi64::<12>(z1), _mm512_slli_epi64::<40>(z2)),
        _mm512_or_si512(_mm512_srli_epi64::<24>(z2), _mm512_slli_epi64::<28>(z3)),
        _mm512_or_si512(_mm512_srli_epi64::<36>(z3), _mm512_slli_epi64::<16>(z4)),
    ]
}
