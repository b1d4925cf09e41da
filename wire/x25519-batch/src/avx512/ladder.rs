//! The Montgomery ladder, RFC 7748, section 5, for eight points at once, one per lane.
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
//! [`ladder_steps`] is a loop of `count` rounds (a public number) of straight-line code. Its
//! instructions, by class, with why the time of each is independent of its operands on the
//! processors that have AVX-512 IFMA:
//!
//! * `vpmadd52luq`, `vpmadd52huq`, `vpmullq`: pipelined multipliers of fixed latency; there is no
//!   early exit for small or zero operands, as some scalar multipliers and all dividers have;
//! * `vpaddq`, `vpsubq`, `vpandq`, `vporq`, `vpxorq`, `vpsrlq`, `vpsllq` (by constants),
//!   broadcasts: fixed latency;
//! * `vpmovq2m`, `vpcmpgtq` and masked moves: a bit of the scalar becomes a bit of a mask register,
//!   which selects between two registers. A masked move from register to register reads both
//!   whatever the mask is, and a mask register is no flag that a jump could be predicted from;
//! * loads and stores: unmasked, at addresses that depend on the stack pointer and on arguments
//!   that are public, so neither caches nor store forwarding see a secret;
//! * one conditional jump: the loop's, on `count`.
//!
//! `scripts/check-disassembly.sh` reads the compiled loop and fails on anything else.

use core::arch::asm;
use core::arch::x86_64::{__m512i, _mm512_movepi64_mask, _mm512_or_si512, _mm512_slli_epi64};
use core::arch::x86_64::{_mm512_srli_epi64, _mm512_xor_si512};
use core::mem::MaybeUninit;

use zeroize::Zeroize;

use super::encoding::Words;
use super::field::{Factor, Loose, Operand, Reduced, multiply, square};

/// Makes the compiler align the frame of the function around it to 64 bytes, so that no register that
/// it spills there straddles two cache lines. It aligns frames for variables that ask for it, not
/// for spills; and it would drop the variable if nothing knew its address.
macro_rules! align_frame {
    () => {
        let line = MaybeUninit::<__m512i>::uninit();
        // SAFETY: there are no instructions.
        unsafe { asm!("/* {} */", in(reg) &raw const line, options(nostack, preserves_flags)) };
    };
}

/// A point of the Montgomery curve by its u-coordinate X : Z.
pub(super) struct Projective {
    pub(super) x: Loose,
    pub(super) z: Loose,
}

/// The two points of a ladder, whose difference is always the point multiplied.
struct State {
    /// What the last step doubled.
    doubled: Projective,
    /// What the last step added.
    sum: Projective,
    /// The u-coordinate of the difference.
    difference: Factor,
    /// The scalar's choices not yet used, the next one in bit 63: whether the next step doubles
    /// `sum` rather than `doubled`.
    choices: __m512i,
}

impl Drop for State {
    fn drop(&mut self) {
        for point in [&mut self.doubled, &mut self.sum] {
            point.x.0.zeroize();
            point.z.0.zeroize();
        }
        for row in &mut self.difference.0 {
            row.0.zeroize();
        }
        self.choices.zeroize();
    }
}

/// Multiplies eight points by eight clamped scalars.
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
pub(super) fn ladder(scalars: Words, point: &Reduced) -> Projective {
    let one = Reduced::small(1).loose();
    let (x, z) = (point.loose(), one);
    // Bit i of the choices is bit i xor bit i + 1 of the scalar. Bits 253 to 3 take 251 steps; bit
    // 2 of the choices, which is bit 3 of the scalar, picks the result.
    let [a, b, c, d] = choices(scalars);
    let mut state = State {
        doubled: double(&x.add(&z).carry(), &x.sub(&z).carry()),
        sum: Projective { x, z },
        difference: Factor::new(point),
        choices: _mm512_slli_epi64::<2>(d),
    };
    ladder_steps(&mut state, 62);
    state.choices = c;
    ladder_steps(&mut state, 64);
    state.choices = b;
    ladder_steps(&mut state, 64);
    state.choices = a;
    ladder_steps(&mut state, 61);
    eightfold(&state)
}

/// Bit i of the result is bit i xor bit i + 1 of the argument.
#[inline]
#[target_feature(enable = "avx512f")]
fn choices(scalars: Words) -> Words {
    let mut out = scalars;
    for w in 0..4 {
        let mut next = _mm512_srli_epi64::<1>(scalars[w]);
        if w < 3 {
            next = _mm512_or_si512(next, _mm512_slli_epi64::<63>(scalars[w + 1]));
        }
        out[w] = _mm512_xor_si512(scalars[w], next);
    }
    out
}

/// `count` steps of the ladder: 5 products, 4 squares and a product by 121666 each.
///
/// The formulas are the RFC's, its names in capitals here in lower case: `da`, `cb`, `aa`, `bb`,
/// `e`. The order is such that the products that run together are independent.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn ladder_steps(state: &mut State, count: u32) {
    align_frame!();
    for _ in 0..count {
        let (x, z) = (&state.doubled.x, &state.doubled.z);
        let (a, b) = (x.add(z).carry(), x.sub(z).carry());
        let (x, z) = (&state.sum.x, &state.sum.z);
        let (c, d) = (x.add(z).carry(), x.sub(z).carry());
        let choice = _mm512_movepi64_mask(state.choices);
        state.choices = _mm512_slli_epi64::<1>(state.choices);
        let [da, cb] = multiply([&d, &c], [&a, &b]);
        let [aa, bb] = square([&a.select(&c, choice), &b.select(&d, choice)]);
        let [x, z] = square([&da.add(&cb).carry(), &da.sub(&cb).carry()]);
        let e = aa.sub(&bb).carry();
        let f = e.mul_a24(&bb).carry();
        state.sum = Projective { x, z: state.difference.multiply(&z.carry()) };
        let [x, z] = multiply([&aa.carry(), &e], [&bb.carry(), &f]);
        state.doubled = Projective { x, z };
    }
}

/// A second reference, without which the optimiser would inline the function into its only caller,
/// and `scripts/check-disassembly.sh` would not find it: rustc 1.95 does not pass `inline(never)`
/// on for functions with target features.
// SAFETY: nothing calls through it.
#[used]
static APART: unsafe fn(&State) -> Projective = eightfold;

/// 2P from X + Z and X - Z of P.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn double(a: &Operand, b: &Operand) -> Projective {
    let [aa, bb] = square([a, b]);
    let e = aa.sub(&bb).carry();
    let f = e.mul_a24(&bb).carry();
    let [x, z] = multiply([&aa.carry(), &e], [&bb.carry(), &f]);
    Projective { x, z }
}

/// Eight times the point that the next choice names.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn eightfold(state: &State) -> Projective {
    let choice = _mm512_movepi64_mask(state.choices);
    let (x, z) = (&state.doubled.x, &state.doubled.z);
    let (a, b) = (x.add(z).carry(), x.sub(z).carry());
    let (x, z) = (&state.sum.x, &state.sum.z);
    let (c, d) = (x.add(z).carry(), x.sub(z).carry());
    let mut point = double(&a.select(&c, choice), &b.select(&d, choice));
    for _ in 0..2 {
        let (x, z) = (&point.x, &point.z);
        point = double(&x.add(z).carry(), &x.sub(z).carry());
    }
    point
}
