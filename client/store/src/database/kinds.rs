//! Kinds of what is under way, prices and charges, as the tables hold them.

use talaria_client::conversation::budget::Price;
use talaria_wire::identity::ledger::Charge;

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

/// Rounds 8, price 16.
type ChargeBytes = [u8; 24];

pub(super) fn charge_bytes(charge: &Charge) -> ChargeBytes {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&charge.charged.to_be_bytes());
    bytes[8..].copy_from_slice(&price_bytes(&price_of(charge)));
    bytes
}

pub(super) fn charge(bytes: ChargeBytes) -> Charge {
    let [c0, c1, c2, c3, c4, c5, c6, c7, at @ ..] = bytes;
    charge_at(u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]), price(at))
}

pub(crate) fn charge_at(charged: u64, at: Price) -> Charge {
    let Price { rounds, epsilon_millionths, delta_billionths } = at;
    Charge { charged, rounds, epsilon_millionths, delta_billionths }
}

pub(super) fn price_of(charge: &Charge) -> Price {
    let Charge { rounds, epsilon_millionths, delta_billionths, .. } = *charge;
    Price { rounds, epsilon_millionths, delta_billionths }
}
