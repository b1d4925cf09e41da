//! The Montgomery ladder, RFC 7748, section 5, for eight points at once, one per lane of two
//! vectors.
//!
//! Two departures from the RFC's listing, neither of which changes the result:
//!
//! * Nothing is swapped. A step doubles one of the two points and adds both; the addition is
//!   symmetric but for the sign of DA - CB, which is squared. So it is enough to *select* the
//!   operands of the doubling, half the moves of a swap.
//! * A clamped scalar has bit 254 set and bits 2 to 0 clear: the first step is one doubling, and
//!   the last three are one each.

use core::arch::x86_64::{__m256i, _mm256_or_si256, _mm256_slli_epi64, _mm256_srli_epi64};
use core::arch::x86_64::{_mm256_setzero_si256, _mm256_xor_si256};

use zeroize::Zeroize;

use super::encoding::Words;
use super::field::Element;
use super::pair::Pair;
use super::product::{multiply, square};
use super::routines::Work;

/// A point of the Montgomery curve by its u-coordinate X : Z.
#[derive(Clone, Copy)]
pub(super) struct Projective {
    pub(super) x: Element,
    pub(super) z: Element,
}

/// The two points of a ladder, whose difference is always the point multiplied, and what a step
/// computes on the way.
struct State {
    /// What the last step doubled, X and Z.
    doubled: [Pair; 2],
    /// What the last step added, X and Z.
    sum: [Pair; 2],
    /// The u-coordinate of the difference.
    difference: Pair,
    /// The scalars' choices not yet used, the next one in bit 63: whether the next step doubles
    /// `sum` rather than `doubled`.
    choices: [__m256i; 2],
    /// Intermediate values.
    scratch: [Pair; 12],
    /// Those inside of products.
    work: Work,
}

impl Drop for State {
    fn drop(&mut self) {
        self.doubled.zeroize();
        self.sum.zeroize();
        self.difference.zeroize();
        self.choices.zeroize();
        self.scratch.zeroize();
        self.work.zeroize();
    }
}

/// Multiplies eight points by eight clamped scalars.
#[target_feature(enable = "avx2,fma")]
pub(super) fn ladder(scalars: [Words; 2], points: &[Element; 2]) -> [Projective; 2] {
    // Bit i of the choices is bit i xor bit i + 1 of the scalar. Bits 253 to 3 take 251 steps; bit
    // 2 of the choices, which is bit 3 of the scalar, picks the result.
    let [first, second] = [choices(scalars[0]), choices(scalars[1])];
    let mut state = State::new(points);
    for (word, unused, steps) in [(3, 2, 62), (2, 0, 64), (1, 0, 64), (0, 0, 61)] {
        state.choices = [first[word], second[word]];
        state.skip(unused);
        ladder_steps(&mut state, steps);
    }
    [eightfold(state.choice(0)), eightfold(state.choice(1))]
}

/// Bit i of the result is bit i xor bit i + 1 of the argument.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn choices(scalars: Words) -> Words {
    let mut out = scalars;
    for w in 0..4 {
        let mut next = _mm256_srli_epi64::<1>(scalars[w]);
        if w < 3 {
            next = _mm256_or_si256(next, _mm256_slli_epi64::<63>(scalars[w + 1]));
        }
        out[w] = _mm256_xor_si256(scalars[w], next);
    }
    out
}

impl State {
    /// The state after the first step, in which bit 254 doubles the point.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(points: &[Element; 2]) -> State {
        let one = Element::small(1.0);
        let [a, b] = [double(&points[0], &one), double(&points[1], &one)];
        let point = Pair::new([&points[0], &points[1]]);
        State {
            doubled: [Pair::new([&a.x, &b.x]), Pair::new([&a.z, &b.z])],
            sum: [point, Pair::new([&one, &one])],
            difference: point,
            choices: [_mm256_setzero_si256(); 2],
            scratch: [point; 12],
            work: Work::new(),
        }
    }

    /// Drops `count` choices.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn skip(&mut self, count: u32) {
        for _ in 0..count {
            self.choices = self.choices.map(|c| _mm256_slli_epi64::<1>(c));
        }
    }

    /// The point of vector `n` that the next choice names.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn choice(&self, n: usize) -> Projective {
        let choice = self.choices[n];
        let [x, z] =
            [0, 1].map(|i| self.doubled[i].element(n).select(&self.sum[i].element(n), choice));
        Projective { x, z }
    }
}

/// `count` steps of the ladder: 5 products, 4 squares and a product by 121666 each.
///
/// The formulas are the RFC's, its names in capitals here in lower case: `da`, `cb`, `aa`, `bb`,
/// `e`. The order is such that what comes next rarely waits for what came last.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn ladder_steps(state: &mut State, count: u32) {
    let [x2, z2] = &mut state.doubled;
    let [x3, z3] = &mut state.sum;
    let [a, b, c, d, da, cb, s, t, aa, bb, e, f] = &mut state.scratch;
    let work = &mut state.work;
    for _ in 0..count {
        Pair::sum_and_difference(a, b, x2, z2);
        Pair::sum_and_difference(c, d, x3, z3);
        da.product(d, a, work);
        cb.product(c, b, work);
        Pair::select(s, t, [a, b], [c, d], &mut state.choices);
        aa.square(s, work);
        bb.square(t, work);
        Pair::sum_and_difference(a, b, da, cb);
        x3.square(a, work);
        e.difference(aa, bb);
        c.square(b, work);
        f.scaled_sum(e, bb);
        x2.product(aa, bb, work);
        z2.product(e, f, work);
        z3.product(c, &state.difference, work);
    }
}

/// 2P.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn double(x: &Element, z: &Element) -> Projective {
    let (aa, bb) = (square(&x.add(z)), square(&x.sub(z)));
    let e = aa.sub(&bb);
    Projective { x: multiply(&aa, &bb), z: multiply(&e, &e.mul_a24(&bb)) }
}

/// 8P.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn eightfold(mut point: Projective) -> Projective {
    for _ in 0..3 {
        point = double(&point.x, &point.z);
    }
    point
}
