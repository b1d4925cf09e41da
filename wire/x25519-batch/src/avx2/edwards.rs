//! Points of the twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2, eight at a time. RFC 7748,
//! section 4.1, maps it onto Curve25519 by u = (1 + y) / (1 - y).
//!
//! Extended coordinates and the unified addition of Hisil, Wong, Carter and Dawson (*Twisted
//! Edwards Curves Revisited*, 2008, section 3.1). With -1 a square and d not, it is complete: no
//! pair of points is exceptional, so there is nothing to branch on.

use core::arch::x86_64::__m256i;

use zeroize::Zeroize;

use super::encoding::{load_same, unpack};
use super::lanes::splat_bits;
use super::pair::Pair;
use super::routines::Work;

/// X : Y : Z : T with x = X / Z, y = Y / Z and T = X Y / Z.
#[derive(Clone, Copy)]
pub(super) struct Extended {
    pub(super) x: Pair,
    pub(super) y: Pair,
    pub(super) z: Pair,
    pub(super) t: Pair,
}

/// What an addition takes of its second point, if that has Z = 1: (y + x) / 2, (y - x) / 2 and
/// d x y. The halves save the doubling of the first point's Z.
#[derive(Clone, Copy)]
pub(super) struct Addend {
    pub(super) sum: Pair,
    pub(super) difference: Pair,
    pub(super) product: Pair,
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

/// Intermediate values of an addition.
pub(super) struct Scratch {
    pairs: [Pair; 10],
    work: Work,
}

/// The same element in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn constant(words: [u64; 4]) -> Pair {
    let mut bytes = [0; 32];
    for (part, word) in bytes.chunks_exact_mut(8).zip(words) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    let element = unpack(load_same(&bytes));
    Pair::new([&element, &element])
}

/// The generator, in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn generator(scratch: &mut Scratch) -> Extended {
    let (x, y, z) = (constant(X), constant(Y), constant([1, 0, 0, 0]));
    let mut t = x;
    t.product(&x, &y, &mut scratch.work);
    Extended { x, y, z, t }
}

impl Scratch {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new() -> Scratch {
        Scratch { pairs: [constant([0; 4]); 10], work: Work::new() }
    }
}

impl Extended {
    /// What an addition takes of this point, each coordinate still times Z.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn addend(&self, scratch: &mut Scratch) -> Addend {
        let work = &mut scratch.work;
        let [mut twice_sum, mut twice_difference] = [self.x; 2];
        Pair::sum_and_difference([&mut twice_sum, &mut twice_difference], &self.y, &self.x, work);
        let (half, d) = (constant(HALF), constant(D));
        let mut addend = Addend { sum: half, difference: half, product: d };
        addend.sum.product(&twice_sum, &half, work);
        addend.difference.product(&twice_difference, &half, work);
        addend.product.product(&self.t, &d, work);
        addend
    }

    /// Adds, in the lanes where the top bit of `minus` is set, the negative of the addend's point,
    /// in the others the point itself. The sum is right if the addend's Z is 1; if not, `self.z` has
    /// to be the product of both before.
    ///
    /// The negative of (x, y) is (-x, y): sum and difference change places, and so do D - C and
    /// D + C.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add(&mut self, other: &Addend, minus: &[__m256i; 2], scratch: &mut Scratch) {
        let Scratch { pairs: [p, q, r, s, a, b, e, h, f, g], work } = scratch;
        let Addend { sum, difference, product } = other;
        let Extended { x, y, z, t } = self;
        Pair::sum_and_difference([p, q], y, x, work);
        Pair::select([r, s], [sum, difference], [difference, sum], minus);
        b.product(p, r, work);
        a.product(q, s, work);
        r.product(t, product, work);
        Pair::sum_and_difference([h, e], b, a, work);
        Pair::sum_and_difference([p, q], z, r, work);
        Pair::select([g, f], [p, q], [q, p], minus);
        x.product(e, f, work);
        y.product(g, h, work);
        z.product(f, g, work);
        t.product(e, h, work);
    }

    /// `self + b`, or `self - b` in the lanes of `minus`, for any two points.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn add_point(
        &self,
        b: &Extended,
        minus: &[__m256i; 2],
        scratch: &mut Scratch,
    ) -> Extended {
        let mut sum = *self;
        sum.z.product(&self.z, &b.z, &mut scratch.work);
        let addend = b.addend(scratch);
        sum.add(&addend, minus, scratch);
        sum
    }

    /// 2^n times this point.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn double(&self, n: u32, scratch: &mut Scratch) -> Extended {
        let mut point = *self;
        for _ in 0..n {
            point = point.add_point(&point, &[splat_bits(0); 2], scratch);
        }
        point
    }

    /// `b` in the lanes where the top bit of `mask` is set, `self` in the others.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn select(&self, b: &Extended, mask: &[__m256i; 2]) -> Extended {
        let mut out = *self;
        Pair::select([&mut out.x, &mut out.y], [&self.x, &self.y], [&b.x, &b.y], mask);
        Pair::select([&mut out.z, &mut out.t], [&self.z, &self.t], [&b.z, &b.t], mask);
        out
    }

    /// The u-coordinate on Curve25519 as a fraction, (Z + Y) / (Z - Y).
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn u(&self, scratch: &mut Scratch) -> [Pair; 2] {
        let [mut sum, mut difference] = [self.z; 2];
        let outputs = [&mut sum, &mut difference];
        Pair::sum_and_difference(outputs, &self.z, &self.y, &mut scratch.work);
        [sum, difference]
    }
}

impl Zeroize for Scratch {
    fn zeroize(&mut self) {
        self.pairs.zeroize();
        self.work.zeroize();
    }
}

impl Zeroize for Extended {
    fn zeroize(&mut self) {
        for z in [&mut self.x, &mut self.y, &mut self.z, &mut self.t] {
            z.zeroize();
        }
    }
}
