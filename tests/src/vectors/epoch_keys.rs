//! `epoch-keys.json`: announcements of onion keys, and such that nobody has signed.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use talaria_wire::HopIndex;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret, OnionPublic, OnionSecret};
use talaria_wire::epoch::{Epoch, EpochKeys, KeyTerms, SignedKey};
use talaria_wire::frame::HEADER_LEN;
use talaria_wire::network_file::VersionHash;

use super::VectorFile;
use super::bytes::{Hex, draw, seeded};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    version: Hex,
    epoch_rounds: u32,
    /// Of the hops, in the order of the chain.
    identity_secrets: Vec<Hex>,
    onion_keys: Vec<Hex>,
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    epoch: u64,
    first: u8,
    frame: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    body: Hex,
    /// The place of the first key that its hop has not signed so.
    refused_at: Option<u8>,
}

impl VectorFile for Vectors {
    const FILE: &'static str = "epoch-keys.json";

    fn generate() -> Self {
        let mut rng = seeded(50);
        let secrets: Vec<_> = (0..3).map(|_| IdentitySecret::generate(&mut rng)).collect();
        let onion_keys: Vec<_> =
            (0..3).map(|_| *OnionSecret::from_bytes(&draw(&mut rng)).public()).collect();
        let mut made = Self {
            version: draw::<32>(&mut rng).into(),
            epoch_rounds: 64,
            identity_secrets: secrets.iter().map(|s| s.to_bytes().as_slice().into()).collect(),
            onion_keys: onion_keys.iter().map(|key| key.0.into()).collect(),
            good: [(14_000_000, 0), (14_000_001, 1), (0, 2)]
                .map(|(epoch, first)| Good { epoch, first, frame: Hex(vec![]) })
                .into(),
            bad: vec![],
        };
        let announced = made.announce(14_000_000, 0);
        let body = announced.to_frame()[HEADER_LEN..].to_vec();
        let low_order = made.sign(14_000_000, 1, OnionPublic([0; 32]));
        let altered = |change: &dyn Fn(&mut EpochKeys)| {
            let mut keys = announced.clone();
            change(&mut keys);
            keys.to_frame()[HEADER_LEN..].to_vec()
        };
        let bad = [
            ("of another epoch", altered(&|keys| keys.epoch.0 += 1)),
            (
                "of the hops behind",
                altered(&|keys| {
                    keys.keys.remove(0);
                }),
            ),
            ("two keys exchanged", altered(&|keys| keys.keys.swap(1, 2))),
            ("a key of low order, signed", altered(&|keys| keys.keys[1] = low_order)),
            ("another key", {
                let mut body = body.clone();
                body[10 + 96] ^= 1;
                body
            }),
            ("another signature", {
                let mut body = body;
                body[10 + 2 * 96 + 40] ^= 1;
                body
            }),
        ];
        let bad = bad.map(|(name, body)| Bad {
            name: name.to_owned(),
            body: body.into(),
            refused_at: None,
        });
        made.bad = bad.into();
        made.recompute()
    }

    fn recompute(&self) -> Self {
        let good = |it: &Good| {
            let keys = self.announce(it.epoch, it.first);
            assert_eq!(self.refused_at(&keys), None);
            Good { epoch: it.epoch, first: it.first, frame: keys.to_frame().into() }
        };
        let bad = |it: &Bad| {
            let keys = EpochKeys::decode(&it.body.0).expect("an announcement");
            let (name, body) = (it.name.clone(), it.body.clone());
            Bad { name, body, refused_at: self.refused_at(&keys) }
        };
        Self {
            version: self.version.clone(),
            epoch_rounds: self.epoch_rounds,
            identity_secrets: self.identity_secrets.clone(),
            onion_keys: self.onion_keys.clone(),
            good: self.good.iter().map(good).collect(),
            bad: self.bad.iter().map(bad).collect(),
        }
    }
}

impl Vectors {
    fn secret(&self, hop: u8) -> IdentitySecret {
        let bytes = self.identity_secrets[usize::from(hop)].array();
        IdentitySecret::from_bytes(&bytes).expect("a P-256 scalar")
    }

    fn terms(&self, epoch: u64, hop: u8) -> KeyTerms {
        let network = VersionHash(self.version.array());
        let epoch_rounds = NonZeroU32::new(self.epoch_rounds).expect("an epoch has rounds");
        KeyTerms { network, hop: HopIndex(hop), epoch: Epoch(epoch), epoch_rounds }
    }

    fn sign(&self, epoch: u64, hop: u8, key: OnionPublic) -> SignedKey {
        SignedKey::sign(key, &self.terms(epoch, hop), &self.secret(hop))
    }

    fn announce(&self, epoch: u64, first: u8) -> EpochKeys {
        let keys = (first..3).map(|hop| {
            self.sign(epoch, hop, OnionPublic(self.onion_keys[usize::from(hop)].array()))
        });
        EpochKeys { epoch: Epoch(epoch), first: HopIndex(first), keys: keys.collect() }
    }

    fn refused_at(&self, announced: &EpochKeys) -> Option<u8> {
        (announced.first.0..).zip(&announced.keys).find_map(|(hop, key)| {
            let identity: IdentityPublic = *self.secret(hop).public();
            key.verify(&self.terms(announced.epoch.0, hop), &identity).err().map(|_| hop)
        })
    }
}
