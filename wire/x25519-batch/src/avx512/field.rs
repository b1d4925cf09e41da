//! The field of 2^255 - 19, eight elements at a time, one 512-bit register per limb.
//!
//! Radix 2^52, so that the high half of a 52 x 52-bit product lands exactly on the next limb and
//! needs no doubling, and so that the multiplier's own truncation to 52 bits takes the place of
//! the masks of a carry pass.
//!
//! # The forms and their bounds
//!
//! * [`Operand`] is what the multiplier takes. Its *digits* are the low 52 bits of limbs 0 to 3
//!   and the whole of limb 4, which is at most `TOP` = 2^47 + 2^12 - 1. What stands above bit 52
//!   in limbs 0 to 3 has been carried already; `vpmadd52luq` and `vpmadd52huq` ignore it.
//! * [`Reduced`] is an Operand whose limbs 0 to 3 are below 2^52, so that it may be added too.
//! * [`Loose`] is what a product leaves and what sums and differences take: limb k is at most
//!   `LOOSE[k]`, which is, in units of U = 2^52: 609, 611, 1868, 654, 10.
//! * [`Sum`] is a sum or difference of two Loose: limb k is at most 2^64 - 2^52, limb 4 at most
//!   2^63.9. It can only be carried, which makes an Operand of it.
//!
//! # Why a product is Loose
//!
//! Column k of a product collects the low halves of `a_i b_j` with i + j = k and the high halves of
//! those with i + j = k - 1. A low half is below U. A high half is below U as well, but if one of
//! the two digits is limb 4 it is at most `TOP` (U / 31.9), and if both are, below 2^42.01.
//! So, at most, in units of U:
//!
//! | column | 0 | 1 | 2 | 3 | 4   | 5    | 6    | 7    | 8    | 9      |
//! |--------|---|---|---|---|-----|------|------|------|------|--------|
//! | sum    | 1 | 3 | 5 | 7 | 9   | 7.07 | 5.07 | 3.07 | 1.07 | 2^-9.9 |
//!
//! 2^260 is 608 modulo p, which folds column k + 5 onto column k. 608 * 7.07 U would pass 2^64, so
//! columns 5 and 6 are first carried into 6 and 7 and cut to below U. Then, in units of U,
//!
//! * limb 0 is at most 1 + 608, and limb 1 at most 3 + 608;
//! * limb 2 is at most 5 + 608 * 3.0626 = 1867.1;
//! * limb 3 is at most 7 + 608 * 1.0626 = 653.1;
//! * limb 4 is at most 9 + 1: column 9 is below 2^42.01, so 608 times it is below U, and one
//!   `vpmadd52luq` adds it whole.
//!
//! # Why sums, differences and carries do not overflow
//!
//! Twice the largest limb is 3736 U, and 2^64 is 4096 U. A difference adds `BIAS`, a multiple of p
//! whose limb k lies between `LOOSE[k]` and 2^64 - U - `LOOSE[k]`: no lane passes zero or 2^64.
//! [`Sum::carry`] first folds what stands above 2^255 (below 2^17) onto limb 0, 19 times itself,
//! then carries 0 -> 1 -> 2 -> 3 -> 4. Every carry is below 2^12, so no lane passes 2^64, and
//! limb 4 ends at most at 2^47 - 1 + 2^12 = `TOP`.
//!
//! Debug builds assert these bounds on every lane, and the tests drive them at the maximum.

// Indexed loops read like the formulas, and iterator adapters are not inlined into functions
// with target features.
#![allow(clippy::needless_range_loop)]
// What is passed by value here is passed in registers: these functions are inlined.
#![allow(clippy::large_types_passed_by_value)]

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_cmpeq_epi64_mask, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_mullo_epi64, _mm512_or_si512,
    _mm512_setzero_si512, _mm512_srli_epi64, _mm512_sub_epi64,
};

use super::lanes::{splat, to_array};

/// 2^52.
const U: u64 = 1 << 52;
/// The largest limb 4 of an [`Operand`].
pub(super) const TOP: u64 = (1 << 47) + (1 << 12) - 1;
/// The largest limbs of a [`Loose`].
pub(super) const LOOSE: [u64; 5] = [609 * U, 611 * U, 1868 * U, 654 * U, 10 * U];
/// A multiple of p, at least [`LOOSE`] in every limb.
pub(super) const BIAS: [u64; 5] = [
    0x3fff_ffff_fffd_a000,
    0x3fff_ffff_ffff_fc00,
    0x7f7f_ffff_ffff_fc00,
    0x3fff_ffff_ffff_f808,
    0x0fff_ffff_ffff_fc00,
];
/// (486662 + 2) / 4, the constant of the ladder that goes with BB (RFC 7748 has 121665 with AA).
const A24: u64 = 121_666;
/// The largest limbs of a [`Sum`]; limb 4 is at its largest in [`Operand::mul_a24`].
const SUM: [u64; 5] =
    [u64::MAX - U, u64::MAX - U, u64::MAX - U, u64::MAX - U, LOOSE[4] + A24 * TOP + U];

/// One operand of the multiplier; the head of this file gives its bounds.
#[derive(Clone, Copy)]
pub(super) struct Operand(pub(super) [__m512i; 5]);

/// An operand whose limbs are its digits; the head of this file gives its bounds.
#[derive(Clone, Copy)]
pub(super) struct Reduced(pub(super) [__m512i; 5]);

/// A product; the head of this file gives its bounds.
#[derive(Clone, Copy)]
pub(super) struct Loose(pub(super) [__m512i; 5]);

/// A sum or difference of two [`Loose`]; the head of this file gives its bounds.
#[derive(Clone, Copy)]
pub(super) struct Sum(pub(super) [__m512i; 5]);

/// Asserts in debug builds that no lane of limb k passes `max[k]`.
#[inline]
#[target_feature(enable = "avx512f")]
fn assert_bounds(z: &[__m512i; 5], max: &[u64; 5]) {
    if cfg!(debug_assertions) {
        for k in 0..5 {
            for lane in to_array(z[k]) {
                assert!(lane <= max[k], "limb {k} is {lane:#x}, over {:#x}", max[k]);
            }
        }
    }
}

/// 2^260 = 608 modulo p: ten columns become five limbs.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn fold(mut z: [__m512i; 10]) -> Loose {
    let digit = splat(U - 1);
    for k in 5..7 {
        z[k + 1] = _mm512_add_epi64(z[k + 1], _mm512_srli_epi64::<52>(z[k]));
        z[k] = _mm512_and_si512(z[k], digit);
    }
    for k in 0..4 {
        z[k] = _mm512_add_epi64(z[k], _mm512_mullo_epi64(z[k + 5], splat(608)));
    }
    z[4] = _mm512_madd52lo_epu64(z[4], z[9], splat(608));
    Loose::new([z[0], z[1], z[2], z[3], z[4]])
}

/// `N` independent products, their multiplications interleaved: a column's chain of additions has
/// a latency of four cycles per link, which the other products fill.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
pub(super) fn multiply<const N: usize>(a: [&Operand; N], b: [&Operand; N]) -> [Loose; N] {
    let mut z = [[_mm512_setzero_si512(); 10]; N];
    for i in 0..5 {
        for j in 0..5 {
            for n in 0..N {
                z[n][i + j] = _mm512_madd52lo_epu64(z[n][i + j], a[n].0[i], b[n].0[j]);
            }
        }
        for j in 0..5 {
            for n in 0..N {
                z[n][i + j + 1] = _mm512_madd52hi_epu64(z[n][i + j + 1], a[n].0[i], b[n].0[j]);
            }
        }
    }
    let mut out = [Loose([_mm512_setzero_si512(); 5]); N];
    for n in 0..N {
        out[n] = fold(z[n]);
    }
    out
}

/// `N` independent squares, interleaved like [`multiply`]. The products of unlike digits are
/// summed once and doubled as sums: the same columns as a product's, so the same bounds.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
pub(super) fn square<const N: usize>(a: [&Operand; N]) -> [Loose; N] {
    let mut z = [[_mm512_setzero_si512(); 10]; N];
    for i in 0..4 {
        for j in i + 1..5 {
            for n in 0..N {
                z[n][i + j] = _mm512_madd52lo_epu64(z[n][i + j], a[n].0[i], a[n].0[j]);
            }
        }
        for j in i + 1..5 {
            for n in 0..N {
                z[n][i + j + 1] = _mm512_madd52hi_epu64(z[n][i + j + 1], a[n].0[i], a[n].0[j]);
            }
        }
    }
    for k in 1..9 {
        for n in 0..N {
            z[n][k] = _mm512_add_epi64(z[n][k], z[n][k]);
        }
    }
    for i in 0..5 {
        for n in 0..N {
            z[n][2 * i] = _mm512_madd52lo_epu64(z[n][2 * i], a[n].0[i], a[n].0[i]);
            z[n][2 * i + 1] = _mm512_madd52hi_epu64(z[n][2 * i + 1], a[n].0[i], a[n].0[i]);
        }
    }
    let mut out = [Loose([_mm512_setzero_si512(); 5]); N];
    for n in 0..N {
        out[n] = fold(z[n]);
    }
    out
}

impl Loose {
    /// Five limbs, each at most its bound in [`LOOSE`].
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(z: [__m512i; 5]) -> Loose {
        assert_bounds(&z, &LOOSE);
        Loose(z)
    }

    /// `self + b`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn add(&self, b: &Loose) -> Sum {
        let mut z = self.0;
        for k in 0..5 {
            z[k] = _mm512_add_epi64(z[k], b.0[k]);
        }
        Sum::new(z)
    }

    /// `self - b`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn sub(&self, b: &Loose) -> Sum {
        let mut z = self.0;
        for k in 0..5 {
            z[k] = _mm512_add_epi64(_mm512_sub_epi64(z[k], b.0[k]), splat(BIAS[k]));
        }
        Sum::new(z)
    }

    /// The same element as an operand.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn carry(&self) -> Operand {
        Sum::new(self.0).carry()
    }

    /// Lane by lane `b` where `mask` has a bit, else `self`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn select(&self, b: &Loose, mask: u8) -> Loose {
        let mut z = self.0;
        for k in 0..5 {
            z[k] = _mm512_mask_blend_epi64(mask, z[k], b.0[k]);
        }
        Loose(z)
    }
}

impl Sum {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(z: [__m512i; 5]) -> Sum {
        assert_bounds(&z, &SUM);
        Sum(z)
    }

    /// The same element as an operand.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn carry(&self) -> Operand {
        let mut z = self.0;
        let over = _mm512_srli_epi64::<47>(z[4]);
        z[4] = _mm512_and_si512(z[4], splat((1 << 47) - 1));
        z[0] = _mm512_madd52lo_epu64(z[0], over, splat(19));
        for k in 0..4 {
            z[k + 1] = _mm512_add_epi64(z[k + 1], _mm512_srli_epi64::<52>(z[k]));
        }
        assert_bounds(&z, &[u64::MAX, u64::MAX, u64::MAX, u64::MAX, TOP]);
        Operand(z)
    }
}

impl Operand {
    /// `bb + 121666 * self`. Limb 4 needs no high half: 121666 * `TOP` is below 2^63.9.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn mul_a24(&self, bb: &Loose) -> Sum {
        let c = splat(A24);
        let mut z = bb.0;
        for k in 0..4 {
            z[k] = _mm512_madd52lo_epu64(z[k], self.0[k], c);
            z[k + 1] = _mm512_madd52hi_epu64(z[k + 1], self.0[k], c);
        }
        z[4] = _mm512_add_epi64(z[4], _mm512_mullo_epi64(self.0[4], c));
        Sum::new(z)
    }

    /// Lane by lane `b` where `mask` has a bit, else `self`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn select(&self, b: &Operand, mask: u8) -> Operand {
        let mut z = self.0;
        for k in 0..5 {
            z[k] = _mm512_mask_blend_epi64(mask, z[k], b.0[k]);
        }
        Operand(z)
    }

    /// The digits alone.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn reduce(&self) -> Reduced {
        let mut z = self.0;
        for k in 0..4 {
            z[k] = _mm512_and_si512(z[k], splat(U - 1));
        }
        Reduced(z)
    }

    /// The one representative below p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn canonical(&self) -> Reduced {
        let z = self.reduce();
        // The value is below 2^255 + 2^220, thus below 2p: it is at least p exactly if adding 19
        // reaches 2^255, and then the top carry of (value + 19) is 1.
        let mut y = z.0;
        y[0] = _mm512_add_epi64(y[0], splat(19));
        for k in 0..4 {
            y[k + 1] = _mm512_add_epi64(y[k + 1], _mm512_srli_epi64::<52>(y[k]));
        }
        let above = _mm512_srli_epi64::<47>(y[4]);
        let mut z = z.0;
        z[0] = _mm512_madd52lo_epu64(z[0], above, splat(19));
        for k in 0..4 {
            z[k + 1] = _mm512_add_epi64(z[k + 1], _mm512_srli_epi64::<52>(z[k]));
            z[k] = _mm512_and_si512(z[k], splat(U - 1));
        }
        z[4] = _mm512_and_si512(z[4], splat((1 << 47) - 1));
        Reduced(z)
    }
}

impl Reduced {
    /// A small number, in every lane.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn small(x: u32) -> Reduced {
        let zero = _mm512_setzero_si512();
        Reduced([splat(x.into()), zero, zero, zero, zero])
    }

    /// As an operand.
    #[inline]
    pub(super) fn operand(&self) -> Operand {
        Operand(self.0)
    }

    /// As a loose element: its limbs are below U.
    #[inline]
    pub(super) fn loose(&self) -> Loose {
        Loose(self.0)
    }

    /// The lanes that are zero; meant for a canonical element.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn zero_lanes(&self) -> u8 {
        let [a, b, c, d, e] = self.0;
        let low = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
        _mm512_cmpeq_epi64_mask(_mm512_or_si512(low, e), _mm512_setzero_si512())
    }
}

/// A constant factor: the rows are itself times 1, 2^52, 2^104, 2^156 and 2^208, each reduced, so
/// that a product by it has five columns and almost nothing to fold.
#[derive(Clone, Copy)]
pub(super) struct Factor(pub(super) [Operand; 5]);

impl Factor {
    /// Prepares `x`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn new(x: &Reduced) -> Factor {
        let mut rows = [x.operand(); 5];
        let mut row = x.0;
        for i in 1..5 {
            let [a, b, c, d, e] = row;
            let shifted = Loose::new([_mm512_mullo_epi64(e, splat(608)), a, b, c, d]);
            rows[i] = shifted.carry();
            row = rows[i].reduce().0;
        }
        Factor(rows)
    }

    /// The product by `a`. Column 5 has only high halves of products with a limb 4, 5 `TOP` at
    /// most: 608 times that is below 95 U, and columns 0 to 4 are at most 9 U: it is Loose, save
    /// for limb 4, of which it has the 9 U of a product.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn multiply(&self, a: &Operand) -> Loose {
        let mut z = [_mm512_setzero_si512(); 6];
        for i in 0..5 {
            for j in 0..5 {
                z[j] = _mm512_madd52lo_epu64(z[j], a.0[i], self.0[i].0[j]);
            }
            for j in 0..5 {
                z[j + 1] = _mm512_madd52hi_epu64(z[j + 1], a.0[i], self.0[i].0[j]);
            }
        }
        z[0] = _mm512_add_epi64(z[0], _mm512_mullo_epi64(z[5], splat(608)));
        Loose::new([z[0], z[1], z[2], z[3], z[4]])
    }
}
