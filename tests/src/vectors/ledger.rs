//! Records of ledgers, in `identity.json`: what is in them, what is counted by who takes them over, and
//! what is signed to have them kept.

use serde::{Deserialize, Serialize};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::UserName;
use talaria_wire::identity::charge::{Charge, Price};
use talaria_wire::identity::ledger::{BadLedger, LEDGER_PLACES, Ledger, Partner};
use talaria_wire::identity::proof::LedgerUpdate;
use talaria_wire::network_file::NetworkId;

use super::bytes::{Hex, Recorded, draw, seeded};
use super::identity::secret;

/// A record that opens with `secret` and not with `other_secret`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    secret: Hex,
    other_secret: Hex,
    network: Hex,
    reserve: Charged,
    others: Charged,
    places: Vec<Place>,
    /// Somebody without a place.
    stranger: String,
    /// What is counted for them by who takes over.
    stranger_taken_over: Charged,
    salt: Hex,
    record: Hex,
    exporter: Hex,
    after: u64,
    signature: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    name: String,
    partner: Hex,
    charge: Charged,
    /// What is counted for them by who takes over.
    taken_over: Charged,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Charged {
    charged: u64,
    rounds: u64,
    epsilon_millionths: u32,
    delta_billionths: u32,
}

impl From<Charge> for Charged {
    fn from(charge: Charge) -> Self {
        let Charge { charged, at } = charge;
        let Price { rounds, epsilon_millionths, delta_billionths } = at;
        Self { charged, rounds, epsilon_millionths, delta_billionths }
    }
}

impl From<Charged> for Charge {
    fn from(charged: Charged) -> Self {
        let Charged { charged, rounds, epsilon_millionths, delta_billionths } = charged;
        Self { charged, at: Price { rounds, epsilon_millionths, delta_billionths } }
    }
}

const NONE: Charged = Charged { charged: 0, rounds: 0, epsilon_millionths: 0, delta_billionths: 0 };

impl Kept {
    /// One with nothing in it, one with a few places, and one that is full.
    pub(super) fn all() -> Vec<Self> {
        let reserve = Charged {
            charged: 9_375,
            rounds: 75_000,
            epsilon_millionths: 693_147,
            delta_billionths: 100_000,
        };
        let cheaper = Charged { charged: 40, rounds: 90_000, delta_billionths: 99_999, ..reserve };
        let dearer = Charged {
            charged: 74_999,
            rounds: 60_000,
            epsilon_millionths: 700_000,
            delta_billionths: 200_000,
        };
        let names = |count: usize| (0..count).map(|n| format!("partner{n}"));
        let few = ["bob", "анна", "山田taro"].map(str::to_owned);
        let few = few.into_iter().zip([cheaper, dearer, NONE]).collect();
        let full = names(LEDGER_PLACES).zip([dearer, cheaper].into_iter().cycle()).collect();
        vec![
            Self::drawn(60, (NONE, NONE), vec![], 0),
            Self::drawn(61, (reserve, NONE), few, 1),
            Self::drawn(62, (reserve, dearer), full, (1 << 53) - 1),
        ]
    }

    fn drawn(
        topic: u64,
        (reserve, others): (Charged, Charged),
        places: Vec<(String, Charged)>,
        after: u64,
    ) -> Self {
        let mut rng = seeded(topic);
        let [secret, other] =
            [(); 2].map(|()| Hex::from(IdentitySecret::generate(&mut rng).to_bytes().as_slice()));
        let place = |(name, charge)| Place { name, partner: Hex(vec![]), charge, taken_over: NONE };
        Self {
            secret,
            other_secret: other,
            network: draw::<32>(&mut rng).into(),
            reserve,
            others,
            places: places.into_iter().map(place).collect(),
            stranger: "nobody.here".to_owned(),
            stranger_taken_over: NONE,
            salt: draw::<32>(&mut rng).into(),
            record: Hex(vec![]),
            exporter: draw::<32>(&mut rng).into(),
            after,
            signature: Hex(vec![]),
        }
        .recompute()
    }

    pub(super) fn recompute(&self) -> Self {
        let (own, network) = (secret(&self.secret), NetworkId(self.network.array()));
        let partner =
            |name: &str| Partner::of(&network, &UserName::new(name).expect("a good name"));
        let places = self.places.iter().map(|it| (partner(&it.name), it.charge.into()));
        let (reserve, others) = (self.reserve.into(), self.others.into());
        let ledger = Ledger { reserve, others, places: places.collect() };
        let record = ledger.seal(&own, &mut Recorded::new([&self.salt]));
        assert_eq!(Ledger::open(&record, &own).as_ref(), Ok(&ledger));
        assert_eq!(Ledger::open(&record, &secret(&self.other_secret)), Err(BadLedger));
        let taken_over = |name: &str| ledger.taken_over(&partner(name)).into();
        let place = |it: &Place| Place {
            name: it.name.clone(),
            partner: partner(&it.name).0.into(),
            charge: it.charge,
            taken_over: taken_over(&it.name),
        };
        let (exporter, after) = (self.exporter.array(), self.after);
        let update =
            LedgerUpdate { network: &network, exporter: &exporter, after, record: &record };
        Self {
            secret: self.secret.clone(),
            other_secret: self.other_secret.clone(),
            network: self.network.clone(),
            reserve: self.reserve,
            others: self.others,
            places: self.places.iter().map(place).collect(),
            stranger: self.stranger.clone(),
            stranger_taken_over: taken_over(&self.stranger),
            salt: self.salt.clone(),
            signature: update.sign(&own).into(),
            record: record.into(),
            exporter: self.exporter.clone(),
            after,
        }
    }
}
