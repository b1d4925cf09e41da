//! Differential fuzzing: `cargo +nightly fuzz run differential`.
#![no_main]

#[path = "../../tests/support/fuzz_body.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::check(data));
