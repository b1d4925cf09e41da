//! Noise: onions that a hop adds to a round so that the next ones cannot count what is real.
//!
//! Some of them meet in pairs, the others meet nobody; from the next hop on they are byte for byte
//! like a client's. A hop knows what must come back for each of them, so noise is the canary too:
//! a later hop that drops or alters onions cannot tell them from others, and is noticed. How many meet follows [`pairs`].

mod canary;
mod onions;
pub mod pairs;
mod source;

pub use canary::Canary;
pub use onions::Noise;
pub use source::NoiseSource;
