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
//!
//! # Constant time
//!
//! There is no branch, no address and no choice of instruction that depends on a secret:
//! [`ladder_steps`] is a loop of `count` rounds (a public number), and what it calls is straight-line
//! code with operands at constant distances. Whether the instructions themselves take the same time
//! for all operands is known less well than for integers:
//!
//! * `vfmadd`, `vfmsub`, `vaddpd`, `vsubpd`: pipelined units of fixed latency (four cycles, three for
//!   sums on Zen), by everybody's measurements. What is known to take longer are denormals, on some
//!   processors by a hundred cycles, and on some also infinities and what is no number; Andrysco,
//!   Kohlbrenner, Mowery, Jhala, Lerner and Shacham built attacks on that (*On Subnormal Floating
//!   Point and Abnormal Timing*, 2015), and Kohlbrenner and Shacham found that of the arithmetic on
//!   normal numbers divisions and square roots vary, but not sums and products (*On the effectiveness
//!   of mitigations against floating-point timing channels*, 2017). None of the slow ones can occur
//!   here; the head of [`product`](super::product) says why.
//! * No vendor promises it. Intel's list of instructions with data-operand-independent timing is
//!   about integers, logic and moves, and says nothing of this arithmetic; AMD publishes latencies
//!   without a word on operands. The mode that the list is about (DOITM) is the kernel's to set. What
//!   a process can do is to set every exception flag beforehand, as
//!   [`rounding`](super::rounding) does.
//! * `vblendvpd` (one or two operations) and `vpermps`: moves of fixed latency that read both
//!   sources, or the whole source, whatever the mask or index is.
//! * `vpaddq`, `vpsllq` and the like: as in the AVX-512 backend.
//! * The power that a multiplier takes does depend on its operands, more so than with integers, as
//!   zeros are fewer toggles; a processor whose frequency follows its power may show that in time
//!   (Wang and others, *Hertzbleed*, 2022). That is so for every implementation, but it is one more
//!   reason to take the AVX-512 backend where there is one.
//!
//! `scripts/check-disassembly.sh` reads the compiled code and fails on anything else, and the
//! benchmark `dudect` measures fixed scalars and points, among them the point 0, against random ones.

use core::arch::x86_64::{__m256i, _mm256_or_si256, _mm256_slli_epi64, _mm256_srli_epi64};
use core::arch::x86_64::{_mm256_setzero_si256, _mm256_xor_si256};

use zeroize::Zeroize;

use super::encoding::Words;
use super::field::Element;
use super::pair::Pair;
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
    double(&mut state);
    for (word, unused, steps) in [(3, 2, 62), (2, 0, 64), (1, 0, 64), (0, 0, 61)] {
        state.choices = [first[word], second[word]];
        state.skip(unused);
        ladder_steps(&mut state, steps);
    }
    state.choose();
    for _ in 0..3 {
        double(&mut state);
    }
    let [x, z] = &state.doubled;
    [0, 1].map(|n| Projective { x: x.element(n), z: z.element(n) })
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
    /// The state of a point that nothing has been done with.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(points: &[Element; 2]) -> State {
        let one = Element::small(1.0);
        let x = Pair::new([&points[0], &points[1]]);
        let z = Pair::new([&one, &one]);
        State {
            doubled: [x, z],
            sum: [x, z],
            difference: x,
            choices: [_mm256_setzero_si256(); 2],
            scratch: [x; 12],
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

    /// The point that the next choice names takes the place of the one that was doubled.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn choose(&mut self) {
        let [a, b] = self.doubled;
        let [x, z] = &mut self.doubled;
        let [c, d] = &self.sum;
        Pair::select([x, z], [&a, &b], [c, d], &self.choices);
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
        Pair::sum_and_difference([a, b], x2, z2, work);
        Pair::sum_and_difference([c, d], x3, z3, work);
        da.product(d, a, work);
        cb.product(c, b, work);
        Pair::select([s, t], [a, b], [c, d], &state.choices);
        state.choices = state.choices.map(|c| _mm256_slli_epi64::<1>(c));
        aa.square(s, work);
        bb.square(t, work);
        Pair::sum_and_difference([a, b], da, cb, work);
        x3.square(a, work);
        e.difference(aa, bb, work);
        c.square(b, work);
        f.scaled_sum(e, bb, work);
        x2.product(aa, bb, work);
        z2.product(e, f, work);
        z3.product(c, &state.difference, work);
    }
}

/// A second reference, without which the optimiser would inline the function into its only caller,
/// and `scripts/check-disassembly.sh` would not find it: rustc 1.95 does not pass `inline(never)`
/// on for functions with target features.
// SAFETY: nothing calls through it.
#[used]
static APART: unsafe fn(&mut State, u32) = ladder_steps;

/// Doubles what the last step doubled.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn double(state: &mut State) {
    let [x, z] = &mut state.doubled;
    let [a, b, aa, bb, e, f, ..] = &mut state.scratch;
    let work = &mut state.work;
    Pair::sum_and_difference([a, b], x, z, work);
    aa.square(a, work);
    bb.square(b, work);
    e.difference(aa, bb, work);
    f.scaled_sum(e, bb, work);
    x.product(aa, bb, work);
    z.product(e, f, work);
}
