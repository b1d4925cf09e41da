//! Points of the twisted Edwards curve -x^2 + y^2 = 1 + d x^2 y^2, eight at a time. RFC 7748,
//! section 4.1, maps it onto Curve25519 by u = (1 + y) / (1 - y).
//!
//! Extended coordinates and the unified addition of Hisil, Wong, Carter and Dawson (*Twisted
//! Edwards Curves Revisited*, 2008, section 3.1). With -1 a square and d not, it is complete: no
//! pair of points is exceptional, so there is nothing to branch on.

use zeroize::Zeroize;

use super::field::{Loose, Operand, Reduced, multiply};
use super::lanes::splat;

/// X : Y : Z : T with x = X / Z, y = Y / Z and T = X Y / Z.
#[derive(Clone, Copy)]
pub(super) struct Extended {
    pub(super) x: Loose,
    pub(super) y: Loose,
    pub(super) z: Loose,
    pub(super) t: Loose,
}

/// What an addition takes of its second point, if that has Z = 1: (y + x) / 2, (y - x) / 2 and
/// d x y. The halves save the doubling of the first point's Z.
#[derive(Clone, Copy)]
pub(super) struct Addend {
    pub(super) sum: Operand,
    pub(super) difference: Operand,
    pub(super) product: Operand,
}

/// Digits of the same element in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
fn constant(digits: [u64; 5]) -> Reduced {
    let [a, b, c, d, e] = digits;
    Reduced([splat(a), splat(b), splat(c), splat(d), splat(e)])
}

/// The point of RFC 7748, section 4.1, that u = 9 is the image of: y = 4/5, x even.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn generator() -> Extended {
    const X: [u64; 5] = [
        0x6_2d60_8f25_d51a,
        0x6_0952_5a7b_2c95,
        0xd_d6dc_5c69_2cc7,
        0x5_3fec_0a4e_231f,
        0x0_2169_36d3_cd6e,
    ];
    const Y: [u64; 5] = [
        0x6_6666_6666_6658,
        0x6_6666_6666_6666,
        0x6_6666_6666_6666,
        0x6_6666_6666_6666,
        0x0_6666_6666_6666,
    ];
    const T: [u64; 5] = [
        0xe_8ab3_a5b7_dda3,
        0x8_0775_152f_56dd,
        0x4_abe3_7d20_f09f,
        0x7_6656_6ea4_e8e6,
        0x0_6787_5f0f_d78b,
    ];
    Extended {
        x: constant(X).loose(),
        y: constant(Y).loose(),
        z: constant([1, 0, 0, 0, 0]).loose(),
        t: constant(T).loose(),
    }
}

impl Extended {
    /// What an addition takes of this point, each coordinate still times Z.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn addend(&self) -> Addend {
        // 1/2 and d = -121665/121666 modulo p.
        const HALF: [u64; 5] =
            [(1 << 52) - 9, (1 << 52) - 1, (1 << 52) - 1, (1 << 52) - 1, (1 << 46) - 1];
        const D: [u64; 5] = [
            0xb_4dca_1359_78a3,
            0x4_d414_1d8a_b75e,
            0x7_79e8_9800_700a,
            0xf_e738_cc74_0797,
            0x0_5203_6cee_2b6f,
        ];
        let half = constant(HALF).operand();
        let (sum, difference) = (self.y.add(&self.x).carry(), self.y.sub(&self.x).carry());
        let [sum, difference] = multiply([&sum, &difference], [&half, &half]);
        let [product] = multiply([&self.t.carry()], [&constant(D).operand()]);
        Addend { sum: sum.carry(), difference: difference.carry(), product: product.carry() }
    }

    /// `self` plus, in the lanes of `minus`, the negative of the addend's point, in the others the
    /// point itself. `z` is the product of the two Z, so `self.z` if the addend's is 1.
    ///
    /// The negative of (x, y) is (-x, y): sum and difference change places, and so do D - C and
    /// D + C.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn add(&self, b: &Addend, z: &Loose, minus: u8) -> Extended {
        let (y_minus_x, y_plus_x) = (self.y.sub(&self.x).carry(), self.y.add(&self.x).carry());
        let difference = b.difference.select(&b.sum, minus);
        let sum = b.sum.select(&b.difference, minus);
        let [a, b2] = multiply([&y_minus_x, &y_plus_x], [&difference, &sum]);
        let [c] = multiply([&self.t.carry()], [&b.product]);
        let (e, h) = (b2.sub(&a).carry(), b2.add(&a).carry());
        let (d_minus_c, d_plus_c) = (z.sub(&c).carry(), z.add(&c).carry());
        let f = d_minus_c.select(&d_plus_c, minus);
        let g = d_plus_c.select(&d_minus_c, minus);
        let [x, y] = multiply([&e, &g], [&f, &h]);
        let [z, t] = multiply([&f, &e], [&g, &h]);
        Extended { x, y, z, t }
    }

    /// `self + b`, or `self - b` in the lanes of `minus`, for any two points.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn add_point(&self, b: &Extended, minus: u8) -> Extended {
        let [z] = multiply([&self.z.carry()], [&b.z.carry()]);
        self.add(&b.addend(), &z, minus)
    }

    /// 2^n times this point.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn double(&self, n: u32) -> Extended {
        let mut point = *self;
        for _ in 0..n {
            point = point.add_point(&point, 0);
        }
        point
    }

    /// `b` in the lanes of `mask`, `self` in the others.
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn select(&self, b: &Extended, mask: u8) -> Extended {
        Extended {
            x: self.x.select(&b.x, mask),
            y: self.y.select(&b.y, mask),
            z: self.z.select(&b.z, mask),
            t: self.t.select(&b.t, mask),
        }
    }

    /// The u-coordinate on Curve25519 as a fraction, (Z + Y) / (Z - Y).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn u(&self) -> (Operand, Operand) {
        (self.z.add(&self.y).carry(), self.z.sub(&self.y).carry())
    }
}

impl Zeroize for Extended {
    fn zeroize(&mut self) {
        for z in [&mut self.x, &mut self.y, &mut self.z, &mut self.t] {
            z.0.zeroize();
        }
    }
}
