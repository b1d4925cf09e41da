//! Products and squares of the field, exact in doubles.
//!
//! # Columns
//!
//! Column c of a product is the sum of the `a_i b_j` with i + j = c, up to five integers of 2^100
//! each. A chain of fused multiply-adds h' = `a_i b_j` + h, which starts at a constant, the
//! *start*, is so large that each of its links is rounded to a multiple of 2^51. What a link took,
//! h' - h, is exact, being a multiple of 2^51 below 2^102; and so is what it left,
//! `a_i b_j` - (h' - h), a second fused multiply-add, an integer of at most half of the rounding's
//! unit. The last h less the start is the column's *high* part, the sum of what was left its
//! *rest*: column c is exactly high + rest. The high part, times 2^-51, belongs to column c + 1.
//!
//! Between 2^103 and 2^104 doubles are the multiples of 2^51, and what a link leaves is at most
//! Q = 2^50; between 2^104 and 2^105 twice that. The start must not let the chain fall below
//! 2^103, as what is rounded to less than 2^51 is no carry. A product is at most `LIMB`^2, which is
//! P = 2^100 (1 + 2^-28), to the first order. With the starts in multiples of 2^103, of which a
//! product is 1/8:
//!
//! | column       | 0   | 1   | 2   | 3      | 4       | 5      | 6   | 7   | 8   |
//! |--------------|-----|-----|-----|--------|---------|--------|-----|-----|-----|
//! | products     | 1   | 2   | 3   | 4      | 5       | 4      | 3   | 2   | 1   |
//! | start        | 3/2 | 3/2 | 3/2 | 97/64  | 105/64  | 97/64  | 3/2 | 3/2 | 3   |
//! | may reach 2  | -   | -   | -   | last   | last 3  | last   | -   | -   | all |
//! | rest, in Q   | 1   | 2   | 3   | 5      | 8       | 5      | 3   | 2   | 2   |
//! | high, in Q   | 1/2 | 1   | 3/2 | 2      | 5/2     | 2      | 3/2 | 1   | 1/2 |
//!
//! (High parts are given times 2^-51, and up to a factor of 1 + 2^-27 for the last term of P and
//! for what the rests add.) Every rest is at most 8 Q = 2^53, so its sum is exact at every step.
//! A square takes `a_i b_j` and `a_j b_i` as one product by `2 a_i`: half the links of twice the
//! size, so the same highs and no larger rests.
//!
//! # Ten columns become five limbs
//!
//! t(c) = rest(c) + high(c - 1) 2^-51 is limb c of the product in radix 2^51, for c up to 9, and is
//! exact wherever it is at most 8 Q:
//!
//! | c       | 0   | 1   | 2   | 3    | 4   | 5    | 6   | 7   | 8   | 9   |
//! |---------|-----|-----|-----|------|-----|------|-----|-----|-----|-----|
//! | t, in Q | 1   | 5/2 | 4   | 13/2 | 10  | 15/2 | 5   | 7/2 | 3   | 1/2 |
//!
//! 2^255 is 19 modulo p, so limb k is t(k) + 19 t(k + 5), which is rounded to a multiple q of 2^51
//! and the rest of it. The number that q is chosen from may be inexact: it is below 144 Q, so wrong
//! by 16 at most, and makes the rest 2^50 + 16 at most. The rest itself is exact as
//! (19 t(k + 5) - q) + t(k): the bracket is t(k) away from the rest, so at most 7.5 Q + 16.
//!
//! Limb 4 is different, as t(4) may pass 8 Q. Only the choice of q may use it; the rest is
//! ((19 t(9) - q) + rest(4)) + high(3) 2^-51. The bracket may reach 11 Q + 16, but is even, so
//! exact up to 16 Q: that is why the start of column 8 is twice as large, which makes t(9) even.
//! The next sum is high(3), 2 Q, away from the rest, and exact.
//!
//! Carries are at most 73 from limb 0 and less from the others; 19 times that of limb 4, which is
//! at most 11, is 209. So limbs end at most at 2^50 + 16 + 209, well below `LIMB`.
//!
//! # No denormals
//!
//! Every operand and result, here and in [`field`](super::field), is an integer below 2^106 or one
//! of the constants: zero, or at least 2^-51, thirty orders of magnitude from the denormals (below
//! 2^-1022), from infinity and from what is no number, all of which some processors take longer for.

#![allow(clippy::needless_range_loop)]

use core::arch::x86_64::{__m256d, _mm256_add_pd, _mm256_fmsub_pd, _mm256_sub_pd};

use super::field::{DOWN, Element, START, assert_within, carry, fma, pow2, round};
use super::lanes::{splat, to_array};

/// Where the chains of columns 3 and 5 start.
pub(super) const START_4: f64 = 97.0 / 64.0 * pow2(103);
/// Where the chain of column 4 starts.
pub(super) const START_5: f64 = 105.0 / 64.0 * pow2(103);
/// Where the chain of column 8 starts: it is rounded to multiples of 2^52.
pub(super) const START_8: f64 = 3.0 * pow2(103);

/// The unit of the bounds.
const Q: f64 = pow2(50);

/// The sum of a column's products is exactly `high + rest`.
#[derive(Clone, Copy)]
struct Column {
    high: __m256d,
    rest: __m256d,
}

/// The sum of products `x[i] y[i]`, whose rest is at most `most` times 2^50.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn column<const N: usize>(start: f64, most: f64, x: [__m256d; N], y: [__m256d; N]) -> Column {
    let start = splat(start);
    let mut h = fma(x[0], y[0], start);
    let mut rest = fma(x[0], y[0], _mm256_sub_pd(start, h));
    for i in 1..N {
        let next = fma(x[i], y[i], h);
        rest = _mm256_add_pd(rest, fma(x[i], y[i], _mm256_sub_pd(h, next)));
        h = next;
    }
    let high = _mm256_sub_pd(h, start);
    assert_within(rest, most * Q);
    assert_exact(&x, &y, high, rest);
    Column { high, rest }
}

/// Asserts in debug builds that a column is the sum of its products, in integers.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn assert_exact<const N: usize>(x: &[__m256d; N], y: &[__m256d; N], high: __m256d, rest: __m256d) {
    if cfg!(debug_assertions) {
        let (x, y) = (x.map(|v| to_array(v)), y.map(|v| to_array(v)));
        let (high, rest) = (to_array(high), to_array(rest));
        for lane in 0..4 {
            let product = |i: usize| i128::from(x[i][lane] as i64) * i128::from(y[i][lane] as i64);
            let sum: i128 = (0..N).map(product).sum();
            assert_eq!(high[lane] as i128 + rest[lane] as i128, sum, "an inexact column");
            assert_eq!(high[lane] % pow2(51), 0.0, "a high part with low bits");
        }
    }
}

/// The rest of column 8 and t(9), its high part times 2^-51.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn column_8(x: __m256d, y: __m256d) -> (__m256d, __m256d) {
    let h = fma(x, y, splat(START_8));
    let rest = fma(x, y, _mm256_sub_pd(splat(START_8), h));
    let t9 = _mm256_fmsub_pd(h, splat(DOWN), splat(START_8 * DOWN));
    assert_within(rest, 2.0 * Q);
    assert_exact(&[x], &[y], _mm256_sub_pd(h, splat(START_8)), rest);
    (rest, t9)
}

/// t(c) of the head of this file, from the rest of column c and the column before.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn limb(rest: __m256d, before: Column) -> __m256d {
    let t = fma(before.high, splat(DOWN), rest);
    assert_within(t, 8.0 * Q);
    t
}

/// The rest of t + 19 u and its carry, times 2^51.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn fold(t: __m256d, u: __m256d) -> (__m256d, __m256d) {
    let q = round(fma(u, splat(19.0), t));
    let part = _mm256_fmsub_pd(u, splat(19.0), q);
    assert_within(part, 8.0 * Q);
    let z = _mm256_add_pd(part, t);
    assert_within(z, Q + 16.0);
    (z, q)
}

/// The same for limb 4, whose t is `rest` and the high part of column 3.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn fold_4(rest: __m256d, before: Column, u: __m256d) -> (__m256d, __m256d) {
    let q = round(fma(u, splat(19.0), fma(before.high, splat(DOWN), rest)));
    let part = _mm256_fmsub_pd(u, splat(19.0), q);
    assert_within(part, 12.0 * Q);
    let part = _mm256_add_pd(part, rest);
    assert_within(part, 8.0 * Q);
    let z = fma(before.high, splat(DOWN), part);
    assert_within(z, Q + 16.0);
    (z, q)
}

/// The element of columns 0 to 7, and of the rest of column 8 and t(9).
#[inline]
#[target_feature(enable = "avx2,fma")]
fn finish(c: [Column; 8], (rest_8, t9): (__m256d, __m256d)) -> Element {
    let (z4, q4) = fold_4(c[4].rest, c[3], t9);
    let (z3, q3) = fold(limb(c[3].rest, c[2]), limb(rest_8, c[7]));
    let (z2, q2) = fold(limb(c[2].rest, c[1]), limb(c[7].rest, c[6]));
    let (z1, q1) = fold(limb(c[1].rest, c[0]), limb(c[6].rest, c[5]));
    let (z0, q0) = fold(c[0].rest, limb(c[5].rest, c[4]));
    carry([z0, z1, z2, z3, z4], [q0, q1, q2, q3, q4])
}

/// `a * b`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn multiply(a: &Element, b: &Element) -> Element {
    let [a0, a1, a2, a3, a4] = a.0;
    let [b0, b1, b2, b3, b4] = b.0;
    let columns = [
        column(START, 1.0, [a0], [b0]),
        column(START, 2.0, [a0, a1], [b1, b0]),
        column(START, 3.0, [a0, a1, a2], [b2, b1, b0]),
        column(START_4, 5.0, [a0, a1, a2, a3], [b3, b2, b1, b0]),
        column(START_5, 8.0, [a0, a1, a2, a3, a4], [b4, b3, b2, b1, b0]),
        column(START_4, 5.0, [a1, a2, a3, a4], [b4, b3, b2, b1]),
        column(START, 3.0, [a2, a3, a4], [b4, b3, b2]),
        column(START, 2.0, [a3, a4], [b4, b3]),
    ];
    finish(columns, column_8(a4, b4))
}

/// `a * a`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn square(a: &Element) -> Element {
    let [a0, a1, a2, a3, a4] = a.0;
    let mut twice = a.0;
    for k in 0..4 {
        twice[k] = _mm256_add_pd(a.0[k], a.0[k]);
    }
    let [d0, d1, d2, d3, _] = twice;
    let columns = [
        column(START, 1.0, [a0], [a0]),
        column(START, 1.0, [d0], [a1]),
        column(START, 2.0, [d0, a1], [a2, a1]),
        column(START_4, 3.0, [d0, d1], [a3, a2]),
        column(START_5, 5.0, [d0, d1, a2], [a4, a3, a2]),
        column(START_4, 3.0, [d1, d2], [a4, a3]),
        column(START, 2.0, [d2, a3], [a4, a3]),
        column(START, 1.0, [d3], [a4]),
    ];
    finish(columns, column_8(a4, a4))
}
