//! The choice of backend. One test only: it changes the process's environment.

#![allow(unsafe_code, reason = "changing the environment is unsafe")]

use x25519_batch::{BACKEND_VARIABLE, Backend};

#[test]
fn the_variable_forces_the_portable_backend() {
    let best = Backend::avx512().unwrap_or(Backend::portable());
    for (value, expected) in [
        (None, best),
        (Some("portable"), Backend::portable()),
        (Some("avx512"), best),
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
    assert_eq!(Backend::portable().name(), "portable");
    assert!(Backend::avx512().is_none_or(|backend| backend.name() == "avx512"));
}
