//! Elements for eight points: two vectors side by side, which the ladder computes together, as the
//! links of one vector's chains do not fill the processor's pipes.

use core::arch::x86_64::{__m256d, __m256i};

use zeroize::Zeroize;

use super::field::Element;

/// Limb k of the first and of the second vector is `0[k][0]` and `0[k][1]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Pair([[__m256d; 2]; 5]);

impl Zeroize for Pair {
    fn zeroize(&mut self) {
        for limb in &mut self.0 {
            limb.zeroize();
        }
    }
}

impl Pair {
    /// Two vectors side by side.
    #[inline]
    pub(super) fn new([a, b]: [&Element; 2]) -> Pair {
        let (a, b) = (&a.0, &b.0);
        Pair([[a[0], b[0]], [a[1], b[1]], [a[2], b[2]], [a[3], b[3]], [a[4], b[4]]])
    }

    /// Vector `n` of the two.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn element(&self, n: usize) -> Element {
        let [a, b, c, d, e] = &self.0;
        Element::new([a[n], b[n], c[n], d[n], e[n]])
    }

    /// `self` becomes what `f` makes of either vector.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn set(&mut self, f: impl Fn(usize) -> Element) {
        *self = Pair::new([&f(0), &f(1)]);
    }

    /// The pairs of `out` become those of `b` in the lanes where the top bit of `choices` is set,
    /// those of `a` in the others.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn select(
        out: [&mut Pair; 2],
        a: [&Pair; 2],
        b: [&Pair; 2],
        choices: &[__m256i; 2],
    ) {
        for (i, out) in out.into_iter().enumerate() {
            out.set(|n| a[i].element(n).select(&b[i].element(n), choices[n]));
        }
    }
}
