//! See `talaria_tests::fuzz::backup`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talaria_tests::fuzz::backup(data));
