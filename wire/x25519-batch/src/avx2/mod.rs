//! The AVX2 and FMA backend: four points per vector, in doubles, eight points at a time, 256 per
//! inversion, everything on the stack.
//!
//! Bernstein computed Curve25519 in floating point first, on the x87's 64-bit fractions
//! (*Curve25519: new Diffie-Hellman speed records*, 2006). Here it is the fused multiply-add that
//! pays: it rounds once, so two of them give both halves of a product of 106 bits exactly, where the
//! integer multiplier of AVX2 gives 64 bits. [`product`] says how, and proves it; the ladder runs the
//! same operations as scheduled assembly, [`routines`], for which those are the readable form and
//! the test's oracle.

mod arithmetic;
mod comb;
mod edwards;
mod encoding;
mod field;
mod group;
mod ladder;
mod lanes;
mod pair;
mod product;
mod rounding;
mod routines;
mod table;
#[cfg(test)]
mod tests;

use zeroize::zeroize_stack;

use crate::portable;
use crate::scalars::Scalars;

use encoding::{Words, clamp, load, load_same, unpack};
use group::{GROUP, Group};
use lanes::{LANES, wipe_registers};
use rounding::Nearest;

/// Bytes of stack wiped after a call, for what the compiler spilled. The frames below [`Avx2`]'s
/// methods add up to about 55 KiB, a [`Group`] being 32 KiB and a comb's block 17 KiB of them.
const STACK: usize = 64 * 1024;

/// Points that are multiplied together: two vectors.
const PAIR: usize = 2 * LANES;

/// Proof that the processor has AVX2 and FMA, and the system saves their registers.
// SAFETY: what is unsafe in this module relies on the field being private to it, and on `detect`
// being the only function that makes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof, if it is true.
    pub(crate) fn detect() -> Option<Avx2> {
        let available = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        available.then_some(Avx2(()))
    }

    /// See [`crate::Backend::one_scalar`] and [`crate::Backend::many_scalars`]; the lengths have
    /// been checked.
    pub(crate) fn multiply(self, scalars: Scalars<'_>, points: &[[u8; 32]], out: &mut [[u8; 32]]) {
        let vectors = in_vectors(points.len());
        let (points, rest) = points.split_at(vectors);
        let (out, out_rest) = out.split_at_mut(vectors);
        if !points.is_empty() {
            let _mode = Nearest::new();
            // SAFETY: `self` exists only if the processor has the features that the callee enables.
            unsafe { multiply(scalars, points, out) };
            self.wipe();
        }
        if !rest.is_empty() {
            match scalars {
                Scalars::One(scalar) => portable::one_scalar(scalar, rest, out_rest),
                Scalars::Many(scalars) => {
                    portable::many_scalars(&scalars[vectors..], rest, out_rest);
                }
            }
        }
    }

    /// See [`crate::Backend::base_point`]; the lengths have been checked.
    pub(crate) fn base_point(self, scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
        let vectors = in_vectors(scalars.len());
        let (scalars, rest) = scalars.split_at(vectors);
        let (out, out_rest) = out.split_at_mut(vectors);
        if !scalars.is_empty() {
            let _mode = Nearest::new();
            // SAFETY: `self` exists only if the processor has the features that the callees enable.
            unsafe { comb::base_point(table::table(self), scalars, out) };
            self.wipe();
        }
        portable::base_point(rest, out_rest);
    }

    /// Overwrites what the call before left below this frame and in registers.
    fn wipe(self) {
        let Avx2(()) = self;
        zeroize_stack::<STACK>();
        // SAFETY: `self` exists only if the processor has the features that the callee enables.
        unsafe { wipe_registers() };
    }
}

/// How many of `n` points go through vectors. Three single operations take less time than a pair of
/// vectors, so up to that many are left to the portable backend.
const fn in_vectors(n: usize) -> usize {
    if n % PAIR < LANES { n - n % PAIR } else { n }
}

/// The clamped scalars of four points, the first of which is number `start`.
#[target_feature(enable = "avx2,fma")]
fn clamped(scalars: Scalars<'_>, start: usize) -> Words {
    clamp(match scalars {
        Scalars::One(scalar) => load_same(scalar),
        Scalars::Many(scalars) => load(scalars.get(start..).unwrap_or_default()),
    })
}

/// Multiplies every point, group by group.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn multiply(scalars: Scalars<'_>, points: &[[u8; 32]], out: &mut [[u8; 32]]) {
    for (g, (points, out)) in points.chunks(GROUP).zip(out.chunks_mut(GROUP)).enumerate() {
        let mut group = Group::new();
        for (v, points) in points.chunks(PAIR).enumerate() {
            let start = g * GROUP + v * PAIR;
            let scalars = [clamped(scalars, start), clamped(scalars, start + LANES)];
            let (first, second) = points.split_at(LANES.min(points.len()));
            let elements = [unpack(load(first)), unpack(load(second))];
            let [a, b] = ladder::ladder(scalars, &elements);
            group.push(&a.x, &a.z);
            if !second.is_empty() {
                group.push(&b.x, &b.z);
            }
        }
        group.divide(out);
    }
}
