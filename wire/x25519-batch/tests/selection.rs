//! The choice of backend. One test only: it changes the process's environment.

#![allow(unsafe_code, reason = "changing the environment is unsafe")]

use x25519_batch::{BACKEND_VARIABLE, Backend};

#[test]
fn the_variable_names_the_backend() {
    let best = Backend::avx512().or_else(Backend::avx2).unwrap_or(Backend::portable());
    for (value, expected) in [
        (None, best),
        (Some("portable"), Backend::portable()),
        (Some("avx2"), Backend::avx2().unwrap_or(best)),
        (Some("avx512"), best),
        (Some("AVX2"), best),
        (Some(""), best),
    ] {
        // SAFETY: this is the only test of its process, so no other thread reads the environment.
        unsafe {
            match value {
                Some(value) => std::env::set_var(BACKEND_VARIABLE, value),
                None => std::env::remove_var(BACKEND_VARIABLE),
            }
        }
        assert_eq!(Backend::detect(), expected, "{value:?}");
    }
    let available: Vec<Backend> = Backend::available().collect();
    assert_eq!((available.first(), available.last()), (Some(&best), Some(&Backend::portable())));
    for backend in available {
        assert_eq!(Backend::named(backend.name()), Some(backend));
    }
    assert_eq!(Backend::rejected().next(), None);
}
