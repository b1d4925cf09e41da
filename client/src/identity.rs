//! Who this client is: a key, a name for others to see, and the round in which it was made.

use talaria_wire::Round;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::NetworkId;

use crate::contact::{Card, Contact, Name};

/// One's own identity in one network.
#[derive(Debug)]
pub struct Identity {
    /// The key: everything else can be made again, this cannot.
    pub secret: IdentitySecret,
    /// What others see beside one's lines, unless they choose otherwise.
    pub name: Name,
    /// The round in which the identity was made: no session of it is older.
    pub created: Round,
}

impl Identity {
    /// What others need to talk to this identity.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact { key: *self.secret.public(), name: self.name.clone(), created: self.created }
    }

    /// The contact card, to be given to others.
    #[must_use]
    pub fn card(&self, network: NetworkId) -> Card {
        Card::new(self.contact(), network)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;
    use talaria_wire::HopIndex;
    use talaria_wire::crypto::OnionSecret;
    use talaria_wire::epoch::{Epoch, EpochKeys, KeyTerms, SignedKey};
    use talaria_wire::network_file::Network;

    pub(crate) fn identity(seed: u64, name: &str) -> (Identity, ChaCha20Rng) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity {
            secret: IdentitySecret::generate(&mut rng),
            name: Name::new(name).unwrap(),
            created: Round(4000 + seed),
        };
        (identity, rng)
    }

    /// The frame that announces the key of the only hop, for the epoch of `round`.
    pub(crate) fn epoch_keys(
        network: &Network,
        own: &IdentitySecret,
        hop: &OnionSecret,
        round: Round,
    ) -> Vec<u8> {
        let epoch_rounds = network.epoch_rounds();
        let epoch = Epoch::of(round, epoch_rounds);
        let (network, first) = (network.version_hash(), HopIndex(0));
        let terms = KeyTerms { network, hop: first, epoch, epoch_rounds };
        let keys = vec![SignedKey::sign(*hop.public(), &terms, own)];
        EpochKeys { epoch, first, keys }.to_frame()
    }
}
