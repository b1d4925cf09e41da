//! The field's operations on pairs in assembly: those of [`product`](super::product) and
//! [`field`](super::field), for two vectors at once, in an order and with registers that a generator
//! has chosen.
//!
//! A product of two vectors is 278 operations, sixteen registers are few for them, and a processor
//! looks ahead over a third of them only: what a compiler makes of the intrinsics, one vector after
//! the other or every operation for both, takes 1.3 to 2 times as long. `scripts/generate-avx2.py`
//! writes the files that are included here, and says how; with `--check` it compares them with what
//! it would write. They are straight-line code: every operand is a register or in memory at a
//! constant distance from an argument.
//!
//! The tests compare them with the intrinsics limb by limb, and with big integers at the bounds.

use core::arch::naked_asm;
use core::arch::x86_64::{__m256d, _mm256_setzero_pd};

use zeroize::Zeroize;

use super::field::{A24, DOWN, DOWN_19, START};
use super::lanes::LANES;
use super::pair::Pair;
use super::product::{START_4, START_5, START_8};

/// Pointers to pairs and to [`Work`] point this many bytes in, so that more of the distances fit a
/// byte.
pub(super) const MIDDLE: usize = 128;

/// Constants of the routines, in the order that the generator knows.
const CONSTANTS: [f64; 9] =
    [START, START_4, START_5, START_8, 19.0, DOWN, DOWN_19, START_8 * DOWN, A24];

/// Values that find no register, at most; the generator keeps to it.
const SPILLS: usize = 24;

/// What the routines need in memory beside their operands.
#[repr(C, align(64))]
pub(super) struct Work {
    constants: [[f64; LANES]; CONSTANTS.len()],
    spills: [__m256d; SPILLS],
}

impl Work {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn new() -> Work {
        Work { constants: CONSTANTS.map(|x| [x; LANES]), spills: [_mm256_setzero_pd(); SPILLS] }
    }

    /// Where the routines take it to be.
    #[inline]
    pub(super) fn middle_mut(&mut self) -> *mut Work {
        (&raw mut *self).wrapping_byte_add(MIDDLE)
    }
}

impl Zeroize for Work {
    fn zeroize(&mut self) {
        self.spills.zeroize();
    }
}

/// `*out` becomes `*a * *b`.
///
/// # Safety
///
/// The processor has AVX2 and FMA, every pointer is [`MIDDLE`] bytes past its object, `out` and
/// `work` are to be written to and overlap nothing, and the rounding mode is
/// [`Nearest`](super::rounding::Nearest).
// SAFETY: the code keeps to the calling convention, in which every vector register is the callee's;
// it writes no other register, nor the stack, and memory only at `out` and `work`.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn product(
    out: *mut Pair,
    a: *const Pair,
    b: *const Pair,
    work: *mut Work,
) {
    naked_asm!(include_str!("routines/product.s"))
}

/// `*out` becomes `*a * *a`.
///
/// # Safety
///
/// As for [`product`].
// SAFETY: as for `product`.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn square(out: *mut Pair, a: *const Pair, work: *mut Work) {
    naked_asm!(include_str!("routines/square.s"))
}

/// `*sum` becomes `*a + *b`, and `*difference` `*a - *b`.
///
/// # Safety
///
/// As for [`product`], of both results.
// SAFETY: as for `product`.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn sum_and_difference(
    sum: *mut Pair,
    a: *const Pair,
    b: *const Pair,
    work: *mut Work,
    difference: *mut Pair,
) {
    naked_asm!(include_str!("routines/sum_and_difference.s"))
}

/// `*out` becomes `*a - *b`.
///
/// # Safety
///
/// As for [`product`].
// SAFETY: as for `product`.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn difference(
    out: *mut Pair,
    a: *const Pair,
    b: *const Pair,
    work: *mut Work,
) {
    naked_asm!(include_str!("routines/difference.s"))
}

/// `*out` becomes `*b + 121666 * *a`.
///
/// # Safety
///
/// As for [`product`].
// SAFETY: as for `product`.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn scaled_sum(
    out: *mut Pair,
    a: *const Pair,
    b: *const Pair,
    work: *mut Work,
) {
    naked_asm!(include_str!("routines/scaled_sum.s"))
}
