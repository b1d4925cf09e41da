//! See `talaria_tests::fuzz::identity_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talaria_tests::fuzz::identity_request(data));
