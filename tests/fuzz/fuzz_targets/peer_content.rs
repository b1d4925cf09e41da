//! See `talaria_tests::fuzz::peer_content`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| talaria_tests::fuzz::peer_content(data));
