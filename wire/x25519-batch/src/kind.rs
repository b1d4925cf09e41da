//! The backends behind one another's calls. Lengths have been checked by the caller.

#[cfg(target_arch = "x86_64")]
use crate::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::avx512::Avx512;
use crate::portable;
#[cfg(target_arch = "x86_64")]
use crate::scalars::Scalars;

/// A backend; a vector backend's value is the proof that the processor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
        }
    }

    pub(crate) fn one_scalar(self, scalar: &[u8; 32], points: &[[u8; 32]], out: &mut [[u8; 32]]) {
        match self {
            Kind::Portable => portable::one_scalar(scalar, points, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(avx2) => avx2.multiply(Scalars::One(scalar), points, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(avx512) => avx512.multiply(Scalars::One(scalar), points, out),
        }
    }

    pub(crate) fn many_scalars(
        self,
        scalars: &[[u8; 32]],
        points: &[[u8; 32]],
        out: &mut [[u8; 32]],
    ) {
        match self {
            Kind::Portable => portable::many_scalars(scalars, points, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(avx2) => avx2.multiply(Scalars::Many(scalars), points, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(avx512) => avx512.multiply(Scalars::Many(scalars), points, out),
        }
    }

    pub(crate) fn base_point(self, scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
        match self {
            Kind::Portable => portable::base_point(scalars, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(avx2) => avx2.base_point(scalars, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(avx512) => avx512.base_point(scalars, out),
        }
    }
}
