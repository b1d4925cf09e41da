//! Kinds of what is under way, and prices, as the tables hold them.

use talaria_client::conversation::budget::Price;

pub(super) const BEGIN: i64 = 0;
pub(super) const TEXT: i64 = 1;
pub(super) const END: i64 = 2;

/// Rounds 8, epsilon 4, delta 4.
type PriceBytes = [u8; 16];

pub(super) fn price_bytes(price: &Price) -> PriceBytes {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&price.rounds.to_be_bytes());
    bytes[8..12].copy_from_slice(&price.epsilon_millionths.to_be_bytes());
    bytes[12..].copy_from_slice(&price.delta_billionths.to_be_bytes());
    bytes
}

pub(super) fn price(bytes: PriceBytes) -> Price {
    let [r0, r1, r2, r3, r4, r5, r6, r7, e0, e1, e2, e3, d0, d1, d2, d3] = bytes;
    Price {
        rounds: u64::from_be_bytes([r0, r1, r2, r3, r4, r5, r6, r7]),
        epsilon_millionths: u32::from_be_bytes([e0, e1, e2, e3]),
        delta_billionths: u32::from_be_bytes([d0, d1, d2, d3]),
    }
}
