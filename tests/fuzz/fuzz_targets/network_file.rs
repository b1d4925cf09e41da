//! See `talaria_tests::fuzz::network_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talaria_tests::fuzz::network_file(data));
