//! The terminal client `talaria`.
fn main() {}
