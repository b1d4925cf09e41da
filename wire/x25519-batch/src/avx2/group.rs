//! Groups of up to 256 results that share one inversion.
//!
//! Peter Montgomery's trick (*Speeding the Pollard and elliptic curve methods of factorization*,
//! 1987, section 10.3.1): of n denominators form the n partial products, invert the last, and
//! walk back. It runs lane by lane, so the one inversion is of a vector too. A denominator of zero,
//! which a point of low order has, is replaced by one, and its result by zero, as RFC 7748's
//! power 0^(p - 2) gives.

use core::arch::x86_64::{__m256d, __m256i, _mm256_andnot_si256, _mm256_setzero_pd};

use zeroize::Zeroize;

use super::encoding::{pack, store};
use super::field::{Digits, Element};
use super::lanes::{LANES, splat_bits};
use super::product::{multiply, square};

/// Vectors in a group: 64 of 4 lanes, so that the inversion is about 1 % of the time while a group
/// stays in the first-level cache.
const VECTORS: usize = 64;

/// Results in a full group.
pub(super) const GROUP: usize = VECTORS * LANES;

/// Fractions that are not yet divided.
pub(super) struct Group {
    numerators: [[__m256d; 5]; VECTORS],
    denominators: [[__m256d; 5]; VECTORS],
    /// `partial[i]` is the product of the denominators 0 to i.
    partial: [[__m256d; 5]; VECTORS],
    /// All ones in the lanes whose denominator is zero.
    zeros: [__m256i; VECTORS],
    len: usize,
}

impl Drop for Group {
    fn drop(&mut self) {
        for rows in [&mut self.numerators, &mut self.denominators, &mut self.partial] {
            for row in &mut rows[..self.len] {
                row.zeroize();
            }
        }
        for lanes in &mut self.zeros[..self.len] {
            lanes.zeroize();
        }
    }
}

impl Group {
    /// A group without fractions.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new() -> Group {
        let rows = [[_mm256_setzero_pd(); 5]; VECTORS];
        let zeros = [splat_bits(0); VECTORS];
        Group { numerators: rows, denominators: rows, partial: rows, zeros, len: 0 }
    }

    /// Appends four fractions.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn push(&mut self, numerator: &Element, denominator: &Element) {
        let zeros = denominator.canonical().zero_lanes();
        let z = denominator.select(&Element::small(1.0), zeros);
        let partial = match self.len {
            0 => z,
            n => multiply(&Element(self.partial[n - 1]), &z),
        };
        self.numerators[self.len] = numerator.0;
        self.denominators[self.len] = z.0;
        self.partial[self.len] = partial.0;
        self.zeros[self.len] = zeros;
        self.len += 1;
    }

    /// Fraction `i` divided, or zero where its denominator is. `inverse` is that of `partial[i]`
    /// and becomes that of `partial[i - 1]`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn quotient(&self, i: usize, inverse: &mut Element) -> Digits {
        let mut own = *inverse;
        if i > 0 {
            own = multiply(inverse, &Element(self.partial[i - 1]));
            *inverse = multiply(inverse, &Element(self.denominators[i]));
        }
        let mut x = multiply(&Element(self.numerators[i]), &own).canonical();
        for limb in &mut x.0 {
            *limb = _mm256_andnot_si256(self.zeros[i], *limb);
        }
        x
    }

    /// Writes every quotient's 32 bytes to `out`, which has up to four places per fraction pushed.
    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn divide(&self, out: &mut [[u8; 32]]) {
        let Some(last) = self.len.checked_sub(1) else {
            return;
        };
        let mut inverse = invert(&Element(self.partial[last]));
        for (i, strings) in out.chunks_mut(LANES).enumerate().rev() {
            store(pack(&self.quotient(i, &mut inverse)), strings);
        }
    }
}

/// a^(2^n).
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn power_of_two(a: &Element, n: u32) -> Element {
    let mut a = *a;
    for _ in 0..n {
        a = square(&a);
    }
    a
}

/// a^(p - 2), the inverse, by the usual chain of 254 squares and 11 products (Bernstein,
/// *Curve25519: new Diffie-Hellman speed records*, 2006). `e_n` stands for the power 2^n - 1.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
pub(super) fn invert(a: &Element) -> Element {
    let a2 = power_of_two(a, 1);
    let a9 = product(&power_of_two(&a2, 2), a);
    let a11 = product(&a9, &a2);
    let e5 = product(&power_of_two(&a11, 1), &a9);
    let e10 = product(&power_of_two(&e5, 5), &e5);
    let e20 = product(&power_of_two(&e10, 10), &e10);
    let e40 = product(&power_of_two(&e20, 20), &e20);
    let e50 = product(&power_of_two(&e40, 10), &e10);
    let e100 = product(&power_of_two(&e50, 50), &e50);
    let e200 = product(&power_of_two(&e100, 100), &e100);
    let e250 = product(&power_of_two(&e200, 50), &e50);
    product(&power_of_two(&e250, 5), &a11)
}

#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn product(a: &Element, b: &Element) -> Element {
    multiply(a, b)
}
