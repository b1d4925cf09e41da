//! Eight 64-bit lanes as an array and as a register, and the wiping of registers.

use core::arch::x86_64::{__m512i, _mm512_set1_epi64};

/// Points, or scalars, that one vector holds.
pub(super) const LANES: usize = 8;

/// The same 64 bits in every lane.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn splat(x: u64) -> __m512i {
    _mm512_set1_epi64(x.cast_signed())
}

/// Lane i of the vector is `x[i]`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn from_array(x: [u64; LANES]) -> __m512i {
    // SAFETY: both types are 64 bytes without padding, and every bit pattern is valid for both.
    unsafe { core::mem::transmute(x) }
}

/// Element i of the array is lane i of `x`.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn to_array(x: __m512i) -> [u64; LANES] {
    // SAFETY: both types are 64 bytes without padding, and every bit pattern is valid for both.
    unsafe { core::mem::transmute(x) }
}

/// Zeroes every vector and mask register: after a ladder they hold secrets, and `vzeroupper`,
/// which the compiler emits, leaves registers 16 to 31 and the low halves of the others.
#[inline(never)]
#[target_feature(enable = "avx512f")]
pub(super) fn wipe_registers() {
    macro_rules! zero {
        ($($zmm:tt)*) => {
            // SAFETY: AVX-512F is enabled for this function; the block touches no memory, and each
            // register that it writes is declared as an output.
            unsafe {
                core::arch::asm!(
                    $(concat!("vpxord ", $zmm, ", ", $zmm, ", ", $zmm),)*
                    "kxorw k1, k1, k1", "kxorw k2, k2, k2", "kxorw k3, k3, k3",
                    "kxorw k4, k4, k4", "kxorw k5, k5, k5", "kxorw k6, k6, k6",
                    "kxorw k7, k7, k7",
                    $(out($zmm) _,)*
                    out("k1") _, out("k2") _, out("k3") _, out("k4") _, out("k5") _,
                    out("k6") _, out("k7") _,
                    options(nomem, nostack, preserves_flags),
                );
            }
        };
    }
    zero!("zmm0" "zmm1" "zmm2" "zmm3" "zmm4" "zmm5" "zmm6" "zmm7" "zmm8" "zmm9" "zmm10" "zmm11"
        "zmm12" "zmm13" "zmm14" "zmm15" "zmm16" "zmm17" "zmm18" "zmm19" "zmm20" "zmm21" "zmm22"
        "zmm23" "zmm24" "zmm25" "zmm26" "zmm27" "zmm28" "zmm29" "zmm30" "zmm31");
}
