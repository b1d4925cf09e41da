//! Between 32-byte strings and vectors: four strings, transposed, one 64-bit word per lane.
//!
//! The transposition runs once per 250 ladder steps, so it is plain code on words. Addresses
//! depend on lane and word numbers only.

use core::arch::x86_64::{
    __m256d, __m256i, _mm256_and_si256, _mm256_castsi256_pd, _mm256_or_si256, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_sub_pd,
};

use super::field::{Digits, Element, pow2};
use super::lanes::{LANES, from_bits, splat, splat_bits, to_bits};

/// 256 bits per lane, little-endian words.
pub(super) type Words = [__m256i; 4];

/// Word `w` of a 32-byte little-endian string.
fn word(bytes: &[u8; 32], w: usize) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    u64::from_le_bytes(words[w])
}

/// Up to four strings, one per lane. Lanes past the end of `strings` are zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn load(strings: &[[u8; 32]]) -> Words {
    let mut lanes = [[0; LANES]; 4];
    for (i, bytes) in strings.iter().take(LANES).enumerate() {
        for (w, row) in lanes.iter_mut().enumerate() {
            row[i] = word(bytes, w);
        }
    }
    let [a, b, c, d] = lanes;
    [from_bits(a), from_bits(b), from_bits(c), from_bits(d)]
}

/// One string, the same in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn load_same(bytes: &[u8; 32]) -> Words {
    let [a, b, c, d] = [0, 1, 2, 3].map(|w| word(bytes, w));
    [splat_bits(a), splat_bits(b), splat_bits(c), splat_bits(d)]
}

/// Writes lane i to `strings[i]`, for as many strings as there are.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn store(words: Words, strings: &mut [[u8; 32]]) {
    let [a, b, c, d] = words;
    let lanes = [to_bits(a), to_bits(b), to_bits(c), to_bits(d)];
    for (i, bytes) in strings.iter_mut().take(LANES).enumerate() {
        for (part, row) in bytes.chunks_exact_mut(8).zip(&lanes) {
            part.copy_from_slice(&row[i].to_le_bytes());
        }
    }
}

/// Clamps as `decodeScalar25519` does, RFC 7748, section 5: bits 0, 1, 2 and 255 cleared, bit 254
/// set.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn clamp(words: Words) -> Words {
    let [a, b, c, d] = words;
    let low = _mm256_and_si256(a, splat_bits(!7));
    let high = _mm256_and_si256(d, splat_bits((1 << 63) - 1));
    [low, b, c, _mm256_or_si256(high, splat_bits(1 << 62))]
}

/// A u-coordinate as `decodeUCoordinate` reads it, RFC 7748, section 5: bit 255 is ignored, and
/// the values from p to 2^255 - 1 are taken as they are.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn unpack(words: Words) -> Element {
    let [a, b, c, d] = words;
    let z1 = _mm256_or_si256(_mm256_srli_epi64::<51>(a), _mm256_slli_epi64::<13>(b));
    let z2 = _mm256_or_si256(_mm256_srli_epi64::<38>(b), _mm256_slli_epi64::<26>(c));
    let z3 = _mm256_or_si256(_mm256_srli_epi64::<25>(c), _mm256_slli_epi64::<39>(d));
    let z4 = _mm256_srli_epi64::<12>(d);
    Element::centre([double(a), double(z1), double(z2), double(z3), double(z4)])
}

/// The low 51 bits of every lane as a double. As the fraction of a number between 2^52 and 2^53
/// they count units, so subtracting 2^52 leaves them, exactly.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn double(bits: __m256i) -> __m256d {
    let unit = pow2(52);
    let digit = _mm256_and_si256(bits, splat_bits((1 << 51) - 1));
    let number = _mm256_or_si256(digit, splat_bits(unit.to_bits()));
    _mm256_sub_pd(_mm256_castsi256_pd(number), splat(unit))
}

/// The words of a canonical element.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn pack(x: &Digits) -> Words {
    let [z0, z1, z2, z3, z4] = x.0;
    [
        _mm256_or_si256(z0, _mm256_slli_epi64::<51>(z1)),
        _mm256_or_si256(_mm256_srli_epi64::<13>(z1), _mm256_slli_epi64::<38>(z2)),
        _mm256_or_si256(_mm256_srli_epi64::<26>(z2), _mm256_slli_epi64::<25>(z3)),
        _mm256_or_si256(_mm256_srli_epi64::<39>(z3), _mm256_slli_epi64::<12>(z4)),
    ]
}
