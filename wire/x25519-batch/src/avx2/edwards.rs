//! Points of the twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2, four at a time. RFC 7748,
//! section 4.1, maps it onto Curve25519 by u = (1 + y) / (1 - y).
//!
//! Extended coordinates and the unified addition of Hisil, Wong, Carter and Dawson (*Twisted
//! Edwards Curves Revisited*, 2008, section 3.1). With -1 a square and d not, it is complete: no
//! pair of points is exceptional, so there is nothing to branch on.

use core::arch::x86_64::__m256i;

use zeroize::Zeroize;

use super::encoding::{load_same, unpack};
use super::field::Element;
use super::lanes::splat_bits;
use super::product::multiply;

/// X : Y : Z : T with x = X / Z, y = Y / Z and T = X Y / Z.
#[derive(Clone, Copy)]
pub(super) struct Extended {
    pub(super) x: Element,
    pub(super) y: Element,
    pub(super) z: Element,
    pub(super) t: Element,
}

/// What an addition takes of its second point, if that has Z = 1: (y + x) / 2, (y - x) / 2 and
/// d x y. The halves save the doubling of the first point's Z.
#[derive(Clone, Copy)]
pub(super) struct Addend {
    pub(super) sum: Element,
    pub(super) difference: Element,
    pub(super) product: Element,
}

/// 1/2 modulo p.
const HALF: [u64; 4] = [u64::MAX - 8, u64::MAX, u64::MAX, u64::MAX >> 2];
/// d = -121665/121666 modulo p.
const D: [u64; 4] =
    [0x75eb_4dca_1359_78a3, 0x0070_0a4d_4141_d8ab, 0x8cc7_4079_7779_e898, 0x5203_6cee_2b6f_fe73];
/// The generator of RFC 7748, section 4.1, of which u = 9 is the image: y = 4/5, x even.
const X: [u64; 4] =
    [0xc956_2d60_8f25_d51a, 0x692c_c760_9525_a7b2, 0xc0a4_e231_fdd6_dc5c, 0x2169_36d3_cd6e_53fe];
const Y: [u64; 4] =
    [0x6666_6666_6666_6658, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666, 0x6666_6666_6666_6666];

/// The same element in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn constant(words: [u64; 4]) -> Element {
    let mut bytes = [0; 32];
    for (part, word) in bytes.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    unpack(load_same(&bytes))
}

/// The generator, in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn generator() -> Extended {
    let (x, y) = (constant(X), constant(Y));
    Extended { x, y, z: Element::small(1.0), t: multiply(&x, &y) }
}

impl Extended {
    /// What an addition takes of this point, each coordinate still times Z.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn addend(&self) -> Addend {
        let half = constant(HALF);
        Addend {
            sum: multiply(&self.y.add(&self.x), &half),
            difference: multiply(&self.y.sub(&self.x), &half),
            product: multiply(&self.t, &constant(D)),
        }
    }

    /// `self` plus, in the lanes where the top bit of `minus` is set, the negative of the addend's
    /// point, in the others the point itself. `z` is the product of the two Z, so `self.z` if the
    /// addend's is 1.
    ///
    /// The negative of (x, y) is (-x, y): sum and difference change places, and so do D - C and
    /// D + C.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add(&self, b: &Addend, z: &Element, minus: __m256i) -> Extended {
        let difference = b.difference.select(&b.sum, minus);
        let sum = b.sum.select(&b.difference, minus);
        let a = multiply(&self.y.sub(&self.x), &difference);
        let b2 = multiply(&self.y.add(&self.x), &sum);
        let c = multiply(&self.t, &b.product);
        let (e, h) = (b2.sub(&a), b2.add(&a));
        let (d_minus_c, d_plus_c) = (z.sub(&c), z.add(&c));
        let f = d_minus_c.select(&d_plus_c, minus);
        let g = d_plus_c.select(&d_minus_c, minus);
        Extended {
            x: multiply(&e, &f),
            y: multiply(&g, &h),
            z: multiply(&f, &g),
            t: multiply(&e, &h),
        }
    }

    /// `self + b`, or `self - b` in the lanes of `minus`, for any two points.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add_point(&self, b: &Extended, minus: __m256i) -> Extended {
        self.add(&b.addend(), &multiply(&self.z, &b.z), minus)
    }

    /// 2^n times this point.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn double(&self, n: u32) -> Extended {
        let mut point = *self;
        for _ in 0..n {
            point = point.add_point(&point, splat_bits(0));
        }
        point
    }

    /// `b` in the lanes where the top bit of `mask` is set, `self` in the others.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn select(&self, b: &Extended, mask: __m256i) -> Extended {
        Extended {
            x: self.x.select(&b.x, mask),
            y: self.y.select(&b.y, mask),
            z: self.z.select(&b.z, mask),
            t: self.t.select(&b.t, mask),
        }
    }

    /// The u-coordinate on Curve25519 as a fraction, (Z + Y) / (Z - Y).
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn u(&self) -> (Element, Element) {
        (self.z.add(&self.y), self.z.sub(&self.y))
    }
}

impl Zeroize for Extended {
    fn zeroize(&mut self) {
        for z in [&mut self.x, &mut self.y, &mut self.z, &mut self.t] {
            z.0.zeroize();
        }
    }
}
