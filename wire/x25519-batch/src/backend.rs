//! The choice of backend, as a value that exists only where the backend runs.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use crate::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::avx512::Avx512;
use crate::check;
use crate::kind::Kind;

/// The environment variable that [`Backend::detect`] reads.
pub const BACKEND_VARIABLE: &str = "X25519_BATCH_BACKEND";

/// An implementation of X25519 for many points, which this processor can run.
///
/// Cheap to copy; detect once and keep the value. All backends compute the same function,
/// X25519 of RFC 7748, section 5: scalars are clamped, bit 255 of a point is ignored, points that
/// are not canonical are reduced, and a point of low order gives 32 zero bytes. Whether those are
/// an error is for the caller to say (RFC 7748, section 6.1).
///
/// The first time that a vector backend is asked for, it has to compute the same as the portable
/// one, which is aws-lc-rs, for some random scalars and points: a millisecond or two. If it does not,
/// it is not used by this process, and the standard error and [`Backend::rejected`] say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(Kind);

/// What is known of a vector backend.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The processor does not have it.
    Missing,
    Accepted(Backend),
    /// It has failed the check.
    Rejected(Backend),
}

impl Verdict {
    fn of(candidate: Option<Backend>, passes: impl FnOnce(Kind) -> bool) -> Verdict {
        match candidate {
            None => Verdict::Missing,
            Some(backend) if passes(backend.0) => Verdict::Accepted(backend),
            Some(backend) => Verdict::Rejected(backend),
        }
    }

    fn accepted(self) -> Option<Backend> {
        if let Verdict::Accepted(backend) = self { Some(backend) } else { None }
    }

    fn rejected(self) -> Option<&'static str> {
        if let Verdict::Rejected(backend) = self { Some(backend.name()) } else { None }
    }
}

static AVX512: OnceLock<Verdict> = OnceLock::new();
static AVX2: OnceLock<Verdict> = OnceLock::new();

impl Backend {
    /// The backend that the environment variable [`BACKEND_VARIABLE`] names, if the processor has
    /// it, else the fastest that the processor has. The names are those of [`Backend::name`]; any
    /// other value of the variable changes nothing.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the choice of a person, made once")]
    pub fn detect() -> Backend {
        std::env::var(BACKEND_VARIABLE)
            .ok()
            .and_then(|name| Backend::named(&name))
            .or_else(Backend::avx512)
            .or_else(Backend::avx2)
            .unwrap_or(Backend::portable())
    }

    /// The backend of that name, if there is one and the processor has it.
    #[must_use]
    pub fn named(name: &str) -> Option<Backend> {
        match name {
            "avx512" => Backend::avx512(),
            "avx2" => Backend::avx2(),
            "portable" => Some(Backend::portable()),
            _ => None,
        }
    }

    /// Every backend that the processor has, the fastest first.
    pub fn available() -> impl Iterator<Item = Backend> {
        [Backend::avx512(), Backend::avx2(), Some(Backend::portable())].into_iter().flatten()
    }

    /// The backends that the processor should have but that computed wrong products when they were
    /// first asked for. There is something wrong with a machine that has one: worth an alarm.
    pub fn rejected() -> impl Iterator<Item = &'static str> {
        [&AVX512, &AVX2].into_iter().filter_map(|verdict| verdict.get()?.rejected())
    }

    /// The AVX-512 backend, if the processor has AVX-512 F, DQ, VL and IFMA (Ice Lake, Zen 4 and
    /// later) and the operating system saves its registers.
    #[must_use]
    pub fn avx512() -> Option<Backend> {
        #[cfg(target_arch = "x86_64")]
        let candidate = || Avx512::detect().map(|proof| Backend(Kind::Avx512(proof)));
        #[cfg(not(target_arch = "x86_64"))]
        let candidate = || None;
        AVX512.get_or_init(|| Verdict::of(candidate(), check::passes)).accepted()
    }

    /// The AVX2 backend, if the processor has AVX2 and FMA (Haswell, Zen and later) and the
    /// operating system saves their registers.
    #[must_use]
    pub fn avx2() -> Option<Backend> {
        #[cfg(target_arch = "x86_64")]
        let candidate = || Avx2::detect().map(|proof| Backend(Kind::Avx2(proof)));
        #[cfg(not(target_arch = "x86_64"))]
        let candidate = || None;
        AVX2.get_or_init(|| Verdict::of(candidate(), check::passes)).accepted()
    }

    /// The backend that runs everywhere: aws-lc-rs, point by point.
    #[must_use]
    pub const fn portable() -> Backend {
        Backend(Kind::Portable)
    }

    /// `"avx512"`, `"avx2"` or `"portable"`, for logs and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name()
    }

    /// `out[i]` becomes X25519(`scalar`, `points[i]`).
    ///
    /// # Panics
    ///
    /// If `points` and `out` differ in length.
    pub fn one_scalar(self, scalar: &[u8; 32], points: &[[u8; 32]], out: &mut [[u8; 32]]) {
        assert_eq!(points.len(), out.len(), "one result per point");
        self.0.one_scalar(scalar, points, out);
    }

    /// `out[i]` becomes X25519(`scalars[i]`, `points[i]`).
    ///
    /// # Panics
    ///
    /// If `scalars`, `points` and `out` differ in length.
    pub fn many_scalars(self, scalars: &[[u8; 32]], points: &[[u8; 32]], out: &mut [[u8; 32]]) {
        assert_eq!(scalars.len(), points.len(), "one scalar per point");
        assert_eq!(points.len(), out.len(), "one result per point");
        self.0.many_scalars(scalars, points, out);
    }

    /// `out[i]` becomes X25519(`scalars[i]`, 9), the public key of `scalars[i]`.
    ///
    /// # Panics
    ///
    /// If `scalars` and `out` differ in length.
    pub fn base_point(self, scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
        assert_eq!(scalars.len(), out.len(), "one result per scalar");
        self.0.base_point(scalars, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_the_check_is_not_used_and_is_named() {
        let candidate = Some(Backend::portable());
        let rejected = Verdict::of(candidate, |_| false);
        assert_eq!((rejected.accepted(), rejected.rejected()), (None, Some("portable")));
        let accepted = Verdict::of(candidate, |_| true);
        assert_eq!((accepted.accepted(), accepted.rejected()), (candidate, None));
        let missing = Verdict::of(None, |_| panic!("there is nothing to check"));
        assert_eq!((missing.accepted(), missing.rejected()), (None, None));
    }

    #[test]
    fn every_backend_of_this_machine_passes_the_check() {
        for backend in Backend::available() {
            assert!(check::passes(backend.0), "{}", backend.name());
        }
        assert_eq!(Backend::rejected().count(), 0);
    }
}
