//! Kinds of what is under way, and prices, as the tables hold them.

use talaria_client::conversation::budget::Price;

pub(super) const BEGIN: i64 = 0;
pub(super) const TEXT: i64 = 1;
pub(super) const END: i64 = 2;

/// Bytes of a price.
pub(super) const PRICE_LEN: usize = 16;

/// Rounds 8, epsilon 4, delta 4.
pub(super) fn price_bytes(price: &Price) -> [u8; PRICE_LEN] {
    let mut bytes = [0; PRICE_LEN];
    bytes[..8].copy_from_slice(&price.rounds.to_be_bytes());
    bytes[8..12].copy_from_slice(&price.epsilon_millionths.to_be_bytes());
    bytes[12..].copy_from_slice(&price.delta_billionths.to_be_bytes());
    bytes
}
