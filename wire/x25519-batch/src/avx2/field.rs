//! The field of 2^255 - 19, four elements at a time, in doubles: sums, selection, canonical form.
//! Products are in [`product`](super::product).
//!
//! An [`Element`] is five integers in radix 2^51, each the double of that value, centred around
//! zero: at most [`LIMB`] = 2^50 + 2^21 either way. A double holds every integer up to 2^53, so the
//! sum of up to seven limbs is exact. Everything that is computed here and in `product` is an
//! integer: see there why that rules out denormals.
//!
//! # Carries
//!
//! A number x is split at a power of two by rounding it on purpose. [`START`] = 1.5 * 2^103 lies in
//! the middle of the doubles that are multiples of 2^51, so q = (x + `START`) - `START` is x rounded
//! to such a multiple, and x - q, what remains, is at most 2^50. Both are exact if |x| is at most
//! 2^53. (The first addition rounds, to nearest; the second does not.) The carry q / 2^51 goes to
//! the next limb, from limb 4 to limb 0 with a factor of 19, by one fused multiply-add each.
//!
//! [`Element::centre`] does it in all limbs at once. From |x| at most 2^51 + 2^22, which is twice
//! `LIMB`, carries are -1, 0 or 1, so limbs end at most at 2^50 + 19. In [`Element::mul_a24`] x is
//! e * 121666 + b, below 2^67: the sum that chooses q is rounded to a multiple of 2^14, so what
//! remains is at most 2^50 + 2^13, and (e * 121666 - q) + b is exact in that order, its inner part
//! being at most `LIMB` + 2^50 + 2^13. Carries are at most 60,835, and 19 of them below 2^21 - 2^13:
//! limbs end at most at `LIMB`, which is where that bound comes from.
//!
//! Debug builds assert these bounds on every lane, and the tests drive them at the maximum.

// Indexed loops read like the formulas, and iterator adapters are not inlined into functions
// with target features.
#![allow(clippy::needless_range_loop)]

use core::arch::x86_64::{
    __m256d, __m256i, _mm256_add_epi64, _mm256_add_pd, _mm256_and_si256, _mm256_blendv_pd,
    _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_cmpeq_epi64, _mm256_fmadd_pd,
    _mm256_mul_epu32, _mm256_or_si256, _mm256_setzero_pd, _mm256_setzero_si256, _mm256_srli_epi64,
    _mm256_sub_pd,
};

#[cfg(test)]
use core::arch::x86_64::_mm256_fmsub_pd;

use super::lanes::{splat, splat_bits, to_array};

/// 2^e.
pub(super) const fn pow2(e: i16) -> f64 {
    f64::from_bits(((1023 + e as i64) as u64) << 52)
}

/// The largest limb, either way, of an [`Element`].
pub(super) const LIMB: f64 = pow2(50) + pow2(21);
/// Rounds what is added to it to a multiple of 2^51.
pub(super) const START: f64 = 1.5 * pow2(103);
/// 2^-51, from a carry to its value in the next limb.
pub(super) const DOWN: f64 = pow2(-51);
/// The same around the corner: 2^255 is 19 modulo p.
pub(super) const DOWN_19: f64 = 19.0 * pow2(-51);
/// (486662 + 2) / 4, the constant of the ladder that goes with BB (RFC 7748 has 121665 with AA).
pub(super) const A24: f64 = 121_666.0;

/// Four elements; the head of this file gives the bounds.
#[derive(Clone, Copy)]
pub(super) struct Element(pub(super) [__m256d; 5]);

/// Canonical elements: integers of 51 bits, below p altogether.
#[derive(Clone, Copy)]
pub(super) struct Digits(pub(super) [__m256i; 5]);

/// Asserts in debug builds that every lane is an integer, at most `max` either way.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn assert_within(x: __m256d, max: f64) {
    if cfg!(debug_assertions) {
        for lane in to_array(x) {
            assert!(lane.abs() <= max, "{lane} is over {max}");
            assert!(lane == lane.trunc(), "{lane} is no integer");
        }
    }
}

/// `a * b + c`, rounded once.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn fma(a: __m256d, b: __m256d, c: __m256d) -> __m256d {
    _mm256_fmadd_pd(a, b, c)
}

/// `x` rounded to a multiple of 2^51.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn round(x: __m256d) -> __m256d {
    _mm256_sub_pd(_mm256_add_pd(x, splat(START)), splat(START))
}

/// The element of limbs `z` and carries out of them, which are multiples of 2^51.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn carry(z: [__m256d; 5], q: [__m256d; 5]) -> Element {
    Element::new([
        fma(q[4], splat(DOWN_19), z[0]),
        fma(q[0], splat(DOWN), z[1]),
        fma(q[1], splat(DOWN), z[2]),
        fma(q[2], splat(DOWN), z[3]),
        fma(q[3], splat(DOWN), z[4]),
    ])
}

impl Element {
    /// Five limbs, each at most [`LIMB`] either way.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new(z: [__m256d; 5]) -> Element {
        for k in 0..5 {
            assert_within(z[k], LIMB);
        }
        Element(z)
    }

    /// A small number, in every lane.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn small(x: f64) -> Element {
        let zero = _mm256_setzero_pd();
        Element::new([splat(x), zero, zero, zero, zero])
    }

    /// The element of limbs up to 2^51 + 2^22 either way.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn centre(x: [__m256d; 5]) -> Element {
        let (mut z, mut q) = (x, x);
        for k in 0..5 {
            assert_within(x[k], 2.0 * LIMB);
            q[k] = round(x[k]);
            z[k] = _mm256_sub_pd(x[k], q[k]);
        }
        carry(z, q)
    }

    /// Lane by lane `b` where the top bit of `mask` is set, else `self`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn select(&self, b: &Element, mask: __m256i) -> Element {
        let mut z = self.0;
        for k in 0..5 {
            z[k] = _mm256_blendv_pd(z[k], b.0[k], _mm256_castsi256_pd(mask));
        }
        Element(z)
    }

    /// The one representative below p.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn canonical(&self) -> Digits {
        // Added to 1.5 * 2^52 a limb counts units in the fraction. Its integer, less that of the
        // constant, is the limb in two's complement; 2p, in limbs near 2^52, makes all positive.
        let middle = 1.5 * pow2(52);
        let mut z = [_mm256_setzero_si256(); 5];
        for k in 0..5 {
            let bits = _mm256_castpd_si256(_mm256_add_pd(self.0[k], splat(middle)));
            let two_p = (1 << 52) - if k == 0 { 38 } else { 2 };
            let bias = two_p - i64::from_ne_bytes(middle.to_bits().to_ne_bytes());
            z[k] = _mm256_add_epi64(bits, splat_bits(bias.cast_unsigned()));
        }
        // Limbs are below 2^52 + 2^51 now; a pass leaves limbs 1 to 4 below 2^51 and limb 0 below
        // 2^51 + 57, so the value below 2^255 + 57: it is at least p exactly if adding 19 reaches
        // 2^255.
        let mut z = pass(z);
        let mut above = _mm256_add_epi64(z[0], splat_bits(19));
        for k in 1..5 {
            above = _mm256_add_epi64(z[k], _mm256_srli_epi64::<51>(above));
        }
        let above = _mm256_srli_epi64::<51>(above);
        z[0] = _mm256_add_epi64(z[0], _mm256_mul_epu32(above, splat_bits(19)));
        // The last carry is 2^255 itself, which is dropped with the 19: p is gone.
        for k in 0..4 {
            z[k + 1] = _mm256_add_epi64(z[k + 1], _mm256_srli_epi64::<51>(z[k]));
        }
        for limb in &mut z {
            *limb = _mm256_and_si256(*limb, splat_bits((1 << 51) - 1));
        }
        Digits(z)
    }
}

/// The twins of the routines that the ladder runs instead; `product` has the other two.
#[cfg(test)]
impl Element {
    /// `self + b`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add(&self, b: &Element) -> Element {
        let mut z = self.0;
        for k in 0..5 {
            z[k] = _mm256_add_pd(z[k], b.0[k]);
        }
        Element::centre(z)
    }

    /// `self - b`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn sub(&self, b: &Element) -> Element {
        let mut z = self.0;
        for k in 0..5 {
            z[k] = _mm256_sub_pd(z[k], b.0[k]);
        }
        Element::centre(z)
    }

    /// `b + 121666 * self`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn mul_a24(&self, b: &Element) -> Element {
        let (mut z, mut q) = (self.0, self.0);
        for k in 0..5 {
            q[k] = round(fma(self.0[k], splat(A24), b.0[k]));
            let part = _mm256_fmsub_pd(self.0[k], splat(A24), q[k]);
            assert_within(part, 2.0 * LIMB);
            z[k] = _mm256_add_pd(part, b.0[k]);
            assert_within(z[k], pow2(50) + pow2(13));
        }
        carry(z, q)
    }
}

/// Carries from limb to limb and around.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn pass(mut z: [__m256i; 5]) -> [__m256i; 5] {
    let mask = splat_bits((1 << 51) - 1);
    for k in 0..4 {
        z[k + 1] = _mm256_add_epi64(z[k + 1], _mm256_srli_epi64::<51>(z[k]));
        z[k] = _mm256_and_si256(z[k], mask);
    }
    let over = _mm256_srli_epi64::<51>(z[4]);
    z[4] = _mm256_and_si256(z[4], mask);
    z[0] = _mm256_add_epi64(z[0], _mm256_mul_epu32(over, splat_bits(19)));
    z
}

impl Digits {
    /// All ones in the lanes that are zero, zeros in the others.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn zero_lanes(&self) -> __m256i {
        let [a, b, c, d, e] = self.0;
        let low = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
        _mm256_cmpeq_epi64(_mm256_or_si256(low, e), _mm256_setzero_si256())
    }
}
