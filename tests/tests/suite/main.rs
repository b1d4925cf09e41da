//! What pages, vectors and corpora say, held against the code.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests and benchmarks touch the world"
)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fuzz_corpus;
mod named_tests;
mod protocol_tables;
mod vectors;
