//! What is computed with pairs of vectors: the scheduled routines, called on references.

use super::pair::Pair;
use super::routines::{self, Work};

impl Pair {
    /// `self` becomes `a * b`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn product(&mut self, a: &Pair, b: &Pair, work: &mut Work) {
        // SAFETY: AVX2 and FMA are enabled for this function, and the pointers are as the routine
        // wants them.
        unsafe { routines::product(self.middle_mut(), a.middle(), b.middle(), work.middle_mut()) };
        self.assert_limbs();
    }

    /// `self` becomes `a * a`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn square(&mut self, a: &Pair, work: &mut Work) {
        // SAFETY: AVX2 and FMA are enabled for this function, and the pointers are as the routine
        // wants them.
        unsafe { routines::square(self.middle_mut(), a.middle(), work.middle_mut()) };
        self.assert_limbs();
    }

    /// Asserts in debug builds that this is a pair of elements.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn assert_limbs(&self) {
        if cfg!(debug_assertions) {
            let _ = [self.element(0), self.element(1)];
        }
    }

    /// Where the routines take their operands to be.
    #[inline]
    fn middle(&self) -> *const Pair {
        (&raw const *self).wrapping_byte_add(routines::MIDDLE)
    }

    /// Where the routines take their results to be.
    #[inline]
    fn middle_mut(&mut self) -> *mut Pair {
        (&raw mut *self).wrapping_byte_add(routines::MIDDLE)
    }

    /// `sum` becomes `a + b`, and `difference` `a - b`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn sum_and_difference(
        [sum, difference]: [&mut Pair; 2],
        a: &Pair,
        b: &Pair,
        work: &mut Work,
    ) {
        let (out, second, work) = (sum.middle_mut(), difference.middle_mut(), work.middle_mut());
        // SAFETY: AVX2 and FMA are enabled for this function, and the pointers are as the routine
        // wants them.
        unsafe { routines::sum_and_difference(out, a.middle(), b.middle(), work, second) };
        sum.assert_limbs();
        difference.assert_limbs();
    }

    /// `self` becomes `a - b`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn difference(&mut self, a: &Pair, b: &Pair, work: &mut Work) {
        let (out, work) = (self.middle_mut(), work.middle_mut());
        // SAFETY: AVX2 and FMA are enabled for this function, and the pointers are as the routine
        // wants them.
        unsafe { routines::difference(out, a.middle(), b.middle(), work) };
        self.assert_limbs();
    }

    /// `self` becomes `b + 121666 a`.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn scaled_sum(&mut self, a: &Pair, b: &Pair, work: &mut Work) {
        let (out, work) = (self.middle_mut(), work.middle_mut());
        // SAFETY: AVX2 and FMA are enabled for this function, and the pointers are as the routine
        // wants them.
        unsafe { routines::scaled_sum(out, a.middle(), b.middle(), work) };
        self.assert_limbs();
    }
}
