//! Four 64-bit lanes as an array and as a register, and the wiping of registers.

use core::arch::x86_64::{__m256d, __m256i, _mm256_set1_epi64x, _mm256_set1_pd};

/// Points, or scalars, that one vector holds.
pub(super) const LANES: usize = 4;

/// The same double in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat(x: f64) -> __m256d {
    _mm256_set1_pd(x)
}

/// The same 64 bits in every lane.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn splat_bits(x: u64) -> __m256i {
    _mm256_set1_epi64x(x.cast_signed())
}

/// Lane i of the vector is `x[i]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn from_array(x: [f64; LANES]) -> __m256d {
    // SAFETY: both types are 32 bytes without padding, and every bit pattern is valid for both.
    unsafe { core::mem::transmute(x) }
}

/// Element i of the array is lane i of `x`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn to_array(x: __m256d) -> [f64; LANES] {
    // SAFETY: both types are 32 bytes without padding, and every bit pattern is valid for both.
    unsafe { core::mem::transmute(x) }
}

/// Lane i of the vector is `x[i]`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn from_bits(x: [u64; LANES]) -> __m256i {
    // SAFETY: both types are 32 bytes without padding, and every bit pattern is valid for both.
    unsafe { core::mem::transmute(x) }
}

/// Element i of the array is lane i of `x`.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn to_bits(x: __m256i) -> [u64; LANES] {
    // SAFETY: both types are 32 bytes without padding, and every bit pattern is valid for both.
    unsafe { core::mem::transmute(x) }
}

/// Zeroes every vector register that this backend can name: after a ladder they hold secrets, and
/// `vzeroupper`, which the compiler emits, leaves their low halves.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
pub(super) fn wipe_registers() {
    // SAFETY: AVX is enabled for this function; the block touches no memory, and every register
    // that it writes is declared as an output.
    unsafe {
        core::arch::asm!(
            "vzeroall",
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _,
            out("ymm5") _, out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _,
            out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _,
            out("ymm15") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}
