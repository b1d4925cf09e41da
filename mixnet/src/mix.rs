//! Mixing: noise, the shuffle, and onions that come twice.

pub mod noise;
pub mod repeated;
pub mod shuffle;
