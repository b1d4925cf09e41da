//! See `talaria_tests::fuzz::onion`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talaria_tests::fuzz::onion(data));
