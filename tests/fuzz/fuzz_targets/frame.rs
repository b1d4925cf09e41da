//! See `talaria_tests::fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talaria_tests::fuzz::frame(data));
