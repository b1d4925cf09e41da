//! The ledger of an account: what all of its homes together have had charged to the privacy budgets of
//! their conversations, in a record that the identity service keeps and cannot read.
//!
//! Who logs in elsewhere begins with it, so that a new home makes no budget new. Every record has the
//! same length and is written at fixed times, whatever happened. It counts ahead: until the next one is
//! written, a home takes no more rounds than are [reserved](Ledger::reserve), and a home that comes after
//! counts all of those as charged.

use rand::CryptoRng;
use thiserror::Error;

use super::name::UserName;
use crate::crypto::IdentitySecret;
use crate::crypto::kdf::{Label, derive};
use crate::crypto::sealed;
use crate::network_file::NetworkId;
use crate::params::TAG_LEN;
use zeroize::Zeroizing;

/// Conversations that a record has places for.
pub const LEDGER_PLACES: usize = 200;
const SALT_LEN: usize = 32;
const CHARGE_LEN: usize = 8 + 8 + 4 + 4;
const PARTNER_LEN: usize = 16;
const PLACE_LEN: usize = PARTNER_LEN + CHARGE_LEN;
const PLAIN_LEN: usize = 2 * CHARGE_LEN + LEDGER_PLACES * PLACE_LEN;
/// Bytes of a record: salt 32 ‖ ciphertext ‖ tag 16.
pub const LEDGER_LEN: usize = SALT_LEN + PLAIN_LEN + TAG_LEN;

/// Rounds that were charged, and the worst of what the noise was worth in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// The rounds.
    pub charged: u64,
    /// Rounds that one side of a conversation could have had under that noise.
    pub rounds: u64,
    /// For this goal.
    pub epsilon_millionths: u32,
    /// For this goal.
    pub delta_billionths: u32,
}

/// Somebody's name, as a record has it; zeros for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partner(pub [u8; PARTNER_LEN]);

impl Partner {
    /// In the ledgers of a network.
    #[must_use]
    pub fn of(network: &NetworkId, name: &UserName) -> Self {
        Self(derive(Label::LedgerPartner, &[&network.0, name.as_str().as_bytes()]))
    }
}

/// What is in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// What may be charged to each conversation beyond what is here, before the next record.
    pub reserve: Charge,
    /// What is charged to every conversation that has no place.
    pub others: Charge,
    /// What is charged to those that have one.
    pub places: Vec<(Partner, Charge)>,
}

/// The bytes are no record of this account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record of used privacy budgets does not open with the key of this account")]
pub struct BadLedger;

impl Ledger {
    /// Seals the record for the homes of an account. Of more than [`LEDGER_PLACES`] conversations those
    /// with the fewest charged rounds must have gone into [`others`](Self::others) before.
    ///
    /// # Panics
    /// If there are more.
    pub fn seal(&self, own: &IdentitySecret, rng: &mut impl CryptoRng) -> Vec<u8> {
        assert!(self.places.len() <= LEDGER_PLACES, "a ledger is made within its places");
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let mut sealed = Vec::with_capacity(LEDGER_LEN - SALT_LEN);
        write(&mut sealed, &self.reserve);
        write(&mut sealed, &self.others);
        for (partner, charge) in &self.places {
            sealed.extend_from_slice(&partner.0);
            write(&mut sealed, charge);
        }
        sealed.resize(LEDGER_LEN - SALT_LEN, 0);
        sealed::seal(&key(own, &salt), &mut sealed);
        [&salt[..], &sealed].concat()
    }

    /// Opens a record.
    ///
    /// # Errors
    /// [`BadLedger`] if it is another account's, of another key, or damaged.
    pub fn open(record: &[u8], own: &IdentitySecret) -> Result<Self, BadLedger> {
        let (salt, sealed) = record.split_first_chunk().ok_or(BadLedger)?;
        if record.len() != LEDGER_LEN {
            return Err(BadLedger);
        }
        let mut plain = Zeroizing::new(sealed.to_vec());
        sealed::open(&key(own, salt), &mut plain).map_err(|_| BadLedger)?;
        let (heads, places) = plain[..PLAIN_LEN].split_at(2 * CHARGE_LEN);
        let [reserve, others] = [&heads[..CHARGE_LEN], &heads[CHARGE_LEN..]].map(read);
        let places = places.chunks_exact(PLACE_LEN).map_while(|place| {
            let (partner, charge) = place.split_first_chunk()?;
            (*partner != [0; PARTNER_LEN]).then(|| (Partner(*partner), read(charge)))
        });
        Ok(Self { reserve, others, places: places.collect() })
    }

    /// What somebody who takes over has to count for a conversation: what is here for it, and all that
    /// was reserved.
    #[must_use]
    pub fn taken_over(&self, partner: &Partner) -> Charge {
        let place = self.places.iter().find(|(other, _)| other == partner);
        let charge = place.map_or(self.others, |(_, charge)| *charge);
        charge.and(self.reserve)
    }
}

impl Charge {
    /// Both, one after the other, as if all had been at the worse price.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { charged: self.charged.saturating_add(other.charged), ..self.worst(other) }
    }

    /// At least what either says of the same rounds.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        let charged = self.charged.max(other.charged);
        match (self.charged, other.charged) {
            (_, 0) => self,
            (0, _) => other,
            _ => Self {
                charged,
                rounds: self.rounds.min(other.rounds),
                epsilon_millionths: self.epsilon_millionths.max(other.epsilon_millionths),
                delta_billionths: self.delta_billionths.max(other.delta_billionths),
            },
        }
    }
}

fn write(out: &mut Vec<u8>, charge: &Charge) {
    out.extend_from_slice(&charge.charged.to_be_bytes());
    out.extend_from_slice(&charge.rounds.to_be_bytes());
    out.extend_from_slice(&charge.epsilon_millionths.to_be_bytes());
    out.extend_from_slice(&charge.delta_billionths.to_be_bytes());
}

/// Of exactly [`CHARGE_LEN`] bytes.
fn read(bytes: &[u8]) -> Charge {
    let number = |from: usize, len: usize| {
        bytes[from..from + len].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    let small = |from| u32::try_from(number(from, 4)).expect("four bytes are a u32");
    Charge {
        charged: number(0, 8),
        rounds: number(8, 8),
        epsilon_millionths: small(16),
        delta_billionths: small(20),
    }
}

fn key(own: &IdentitySecret, salt: &[u8; SALT_LEN]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(derive(Label::LedgerKey, &[&*own.to_bytes(), salt]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn charge() -> impl Strategy<Value = Charge> {
        (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>()).prop_map(
            |(charged, rounds, epsilon_millionths, delta_billionths)| Charge {
                charged,
                rounds,
                epsilon_millionths,
                delta_billionths,
            },
        )
    }

    fn ledger() -> impl Strategy<Value = Ledger> {
        let place = (any::<[u8; 15]>(), charge()).prop_map(|(rest, charge)| {
            let mut partner = [1; PARTNER_LEN];
            partner[1..].copy_from_slice(&rest);
            (Partner(partner), charge)
        });
        let places = prop::collection::vec(place, 0..=LEDGER_PLACES);
        (charge(), charge(), places).prop_map(|(reserve, others, places)| Ledger {
            reserve,
            others,
            places,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_record_opens_with_its_key_and_has_one_length(
            ledger in ledger(), seed: u64, at in 0..LEDGER_LEN, bit in 0u8..8,
        ) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let [own, other] = [(); 2].map(|()| IdentitySecret::generate(&mut rng));
            let record = ledger.seal(&own, &mut rng);
            prop_assert_eq!(record.len(), LEDGER_LEN);
            prop_assert_eq!(Ledger::open(&record, &own), Ok(ledger));
            prop_assert_eq!(Ledger::open(&record, &other), Err(BadLedger));
            let mut damaged = record.clone();
            damaged[at] ^= 1 << bit;
            prop_assert_eq!(Ledger::open(&damaged, &own), Err(BadLedger));
            prop_assert_eq!(Ledger::open(&record[..at], &own), Err(BadLedger));
        }

        #[test]
        fn who_takes_over_counts_no_less_than_was_reserved(ledger in ledger(), place: prop::sample::Index) {
            let stranger = Partner([0xFF; PARTNER_LEN]);
            let partner = match ledger.places.len() {
                0 => stranger,
                len => ledger.places[place.index(len)].0,
            };
            for partner in [partner, stranger] {
                let found = ledger.places.iter().find(|(other, _)| *other == partner);
                let before = found.map_or(ledger.others, |(_, charge)| *charge);
                let taken = ledger.taken_over(&partner);
                prop_assert_eq!(taken.charged, before.charged.saturating_add(ledger.reserve.charged));
                for part in [before, ledger.reserve].iter().filter(|part| part.charged > 0) {
                    prop_assert!(taken.rounds <= part.rounds);
                    prop_assert!(taken.epsilon_millionths >= part.epsilon_millionths);
                    prop_assert!(taken.delta_billionths >= part.delta_billionths);
                }
            }
        }
    }
}
