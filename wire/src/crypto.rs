//! Keys, key derivation and the two constructions that everything else is built from.
//!
//! Own keys and other people's keys are different types; secrets are wiped when dropped, never
//! printed and compared in constant time.

pub mod identity_key;
pub mod kdf;
pub mod onion_key;
pub mod sealed;

pub use identity_key::{IdentityPublic, IdentitySecret};
pub use onion_key::{OnionPublic, OnionSecret};
