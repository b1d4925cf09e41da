//! The ledger of an account: what all of its homes together have had charged to the privacy budgets of
//! their conversations, in a record that the identity service keeps and cannot read.
//!
//! Who logs in elsewhere begins with it, so that a new home makes no budget new. Every record has the
//! same length and is written at fixed times, whatever happened. It counts ahead: until the next one is
//! written, a home takes no more rounds than are [reserved](Ledger::reserve), and a home that comes after
//! counts all of those as charged.

use rand::CryptoRng;
use thiserror::Error;

use super::charge::{CHARGE_LEN, Charge};
use super::name::UserName;
use crate::codec::{DecodeError, Reader};
use crate::crypto::IdentitySecret;
use crate::crypto::kdf::{Label, derive};
use crate::crypto::sealed;
use crate::network_file::NetworkId;
use crate::params::TAG_LEN;
use zeroize::Zeroizing;

/// Conversations that a record has places for.
pub const LEDGER_PLACES: usize = 200;
const SALT_LEN: usize = 32;
const PARTNER_LEN: usize = 16;
const PLACE_LEN: usize = PARTNER_LEN + CHARGE_LEN;
const PLAIN_LEN: usize = 2 * CHARGE_LEN + LEDGER_PLACES * PLACE_LEN;
/// Bytes of a record: salt 32 ‖ ciphertext ‖ tag 16.
pub const LEDGER_LEN: usize = SALT_LEN + PLAIN_LEN + TAG_LEN;

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
        sealed.extend_from_slice(&self.reserve.to_bytes());
        sealed.extend_from_slice(&self.others.to_bytes());
        for (partner, charge) in &self.places {
            sealed.extend_from_slice(&partner.0);
            sealed.extend_from_slice(&charge.to_bytes());
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
        Self::parse(&plain).map_err(|_| BadLedger)
    }

    /// Of what was opened, whose tag at its end says nothing more.
    fn parse(plain: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(plain);
        let [reserve, others] = [reader.array()?, reader.array()?].map(Charge::from_bytes);
        let mut places = Vec::new();
        for _ in 0..LEDGER_PLACES {
            let (partner, charge) = (reader.array()?, reader.array()?);
            if partner == [0; PARTNER_LEN] {
                break;
            }
            places.push((Partner(partner), Charge::from_bytes(charge)));
        }
        Ok(Self { reserve, others, places })
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

fn key(own: &IdentitySecret, salt: &[u8; SALT_LEN]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(derive(Label::LedgerKey, &[&*own.to_bytes(), salt]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::charge::Price;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn charge() -> impl Strategy<Value = Charge> {
        (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>()).prop_map(
            |(charged, rounds, epsilon_millionths, delta_billionths)| {
                let at = Price { rounds, epsilon_millionths, delta_billionths };
                Charge { charged, at }
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
                    prop_assert!(taken.at.rounds <= part.at.rounds);
                    prop_assert!(taken.at.epsilon_millionths >= part.at.epsilon_millionths);
                    prop_assert!(taken.at.delta_billionths >= part.at.delta_billionths);
                }
            }
        }
    }
}
