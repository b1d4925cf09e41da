//! See `talaria_tests::fuzz::csr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talaria_tests::fuzz::csr(data));
