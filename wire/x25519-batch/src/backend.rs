//! The choice of backend, as a value that exists only where the backend runs.

#[cfg(target_arch = "x86_64")]
use crate::avx512::{Avx512, Scalars};
use crate::portable;

/// The environment variable that [`Backend::detect`] reads.
pub const BACKEND_VARIABLE: &str = "X25519_BATCH_BACKEND";

/// An implementation of X25519 for many points, which this processor can run.
///
/// Cheap to copy; detect once and keep the value. All backends compute the same function,
/// X25519 of RFC 7748, section 5: scalars are clamped, bit 255 of a point is ignored, points that
/// are not canonical are reduced, and a point of low order gives 32 zero bytes. Whether those are
/// an error is for the caller to say (RFC 7748, section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Backend {
    /// The fastest backend of this processor, or the portable one if the environment variable
    /// [`BACKEND_VARIABLE`] is `portable`. Any other value of the variable changes nothing.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the choice of a person, made once")]
    pub fn detect() -> Backend {
        match std::env::var_os(BACKEND_VARIABLE) {
            Some(name) if name == "portable" => Backend::portable(),
            _ => Backend::avx512().unwrap_or(Backend::portable()),
        }
    }

    /// The AVX-512 backend, if the processor has AVX-512 F, DQ, VL and IFMA (Ice Lake, Zen 4 and
    /// later) and the operating system saves its registers.
    #[must_use]
    pub fn avx512() -> Option<Backend> {
        #[cfg(target_arch = "x86_64")]
        return Avx512::detect().map(|proof| Backend(Kind::Avx512(proof)));
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// The backend that runs everywhere: aws-lc-rs, point by point.
    #[must_use]
    pub const fn portable() -> Backend {
        Backend(Kind::Portable)
    }

    /// `"avx512"` or `"portable"`, for logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
        }
    }

    /// `out[i]` becomes X25519(`scalar`, `points[i]`).
    ///
    /// # Panics
    ///
    /// If `points` and `out` differ in length.
    pub fn one_scalar(self, scalar: &[u8; 32], points: &[[u8; 32]], out: &mut [[u8; 32]]) {
        assert_eq!(points.len(), out.len(), "one result per point");
        match self.0 {
            Kind::Portable => portable::one_scalar(scalar, points, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(avx512) => avx512.multiply(Scalars::One(scalar), points, out),
        }
    }

    /// `out[i]` becomes X25519(`scalars[i]`, `points[i]`).
    ///
    /// # Panics
    ///
    /// If `scalars`, `points` and `out` differ in length.
    pub fn many_scalars(self, scalars: &[[u8; 32]], points: &[[u8; 32]], out: &mut [[u8; 32]]) {
        assert_eq!(scalars.len(), points.len(), "one scalar per point");
        assert_eq!(points.len(), out.len(), "one result per point");
        match self.0 {
            Kind::Portable => portable::many_scalars(scalars, points, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(avx512) => avx512.multiply(Scalars::Many(scalars), points, out),
        }
    }

    /// `out[i]` becomes X25519(`scalars[i]`, 9), the public key of `scalars[i]`.
    ///
    /// # Panics
    ///
    /// If `scalars` and `out` differ in length.
    pub fn base_point(self, scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
        assert_eq!(scalars.len(), out.len(), "one result per scalar");
        match self.0 {
            Kind::Portable => portable::base_point(scalars, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(avx512) => avx512.base_point(scalars, out),
        }
    }
}
