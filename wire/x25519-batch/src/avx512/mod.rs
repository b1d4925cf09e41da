//! The AVX-512 IFMA backend: eight points per vector, 256 per inversion, everything on the stack.

mod comb;
mod edwards;
mod encoding;
mod field;
mod group;
mod ladder;
mod lanes;
mod table;
#[cfg(test)]
mod tests;

use zeroize::zeroize_stack;

use crate::scalars::Scalars;

use encoding::{Words, clamp, load, load_same, unpack};
use group::{GROUP, Group};
use lanes::{LANES, wipe_registers};

/// Bytes of stack wiped after a call, for what the compiler spilled. The frames below [`Avx512`]'s
/// methods add up to about 50 KiB, a [`Group`] being 30 KiB and a comb's block 12 KiB of them.
const STACK: usize = 64 * 1024;

/// Proof that the processor has AVX-512 F, DQ, VL and IFMA, and the system saves their registers.
// SAFETY: what is unsafe in this module relies on the field being private to it, and on `detect`
// being the only function that makes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The proof, if it is true.
    pub(crate) fn detect() -> Option<Avx512> {
        let available = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma");
        available.then_some(Avx512(()))
    }

    /// See [`crate::Backend::one_scalar`] and [`crate::Backend::many_scalars`]; the lengths have
    /// been checked.
    pub(crate) fn multiply(self, scalars: Scalars<'_>, points: &[[u8; 32]], out: &mut [[u8; 32]]) {
        // SAFETY: `self` exists only if the processor has the features that the callee enables.
        unsafe { multiply(scalars, points, out) };
        self.wipe();
    }

    /// See [`crate::Backend::base_point`]; the lengths have been checked.
    pub(crate) fn base_point(self, scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
        // SAFETY: `self` exists only if the processor has the features that the callees enable.
        unsafe { comb::base_point(table::table(self), scalars, out) };
        self.wipe();
    }

    /// Overwrites what the call before left below this frame and in registers.
    fn wipe(self) {
        let Avx512(()) = self;
        zeroize_stack::<STACK>();
        // SAFETY: `self` exists only if the processor has the features that the callee enables.
        unsafe { wipe_registers() };
    }
}

impl Scalars<'_> {
    /// The clamped scalars of eight points, the first of which is number `start`.
    #[target_feature(enable = "avx512f")]
    fn vector(self, start: usize) -> Words {
        clamp(match self {
            Scalars::One(scalar) => load_same(scalar),
            Scalars::Many(scalars) => load(&scalars[start..]),
        })
    }
}

/// Multiplies every point, group by group.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq,avx512vl")]
fn multiply(scalars: Scalars<'_>, points: &[[u8; 32]], out: &mut [[u8; 32]]) {
    for (g, (points, out)) in points.chunks(GROUP).zip(out.chunks_mut(GROUP)).enumerate() {
        let mut group = Group::new();
        for (v, points) in points.chunks(LANES).enumerate() {
            let scalars = scalars.vector(g * GROUP + v * LANES);
            let product = ladder::ladder(scalars, &unpack(load(points)));
            group.push(&product.x.carry(), &product.z.carry());
        }
        group.divide(out);
    }
}
