//! Who this client is: a key, the name that is registered for it, and since when.

use std::num::NonZeroU64;

use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::UserName;
use talaria_wire::{Round, UnixMillis};

use crate::contact::Contact;

/// One's own identity in one network.
#[derive(Debug)]
pub struct Identity {
    /// The key.
    pub secret: IdentitySecret,
    /// What one is called in the directory.
    pub name: UserName,
    /// The round in which this home began, or its key: no session of it is older.
    pub created: Round,
}

impl Identity {
    /// What others need to talk to this identity.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact { key: *self.secret.public(), name: self.name.clone(), created: self.created }
    }
}

/// The round in which sessions begin with somebody whose entry of the directory is of this second.
#[must_use]
pub fn start_of(time_s: u64, period_ms: NonZeroU64) -> Round {
    Round::at(UnixMillis(time_s.saturating_mul(1000)), period_ms)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    #[test]
    fn a_key_does_not_print_itself() {
        let own = identity(1, "alice").0;
        let credentials = crate::certificate::Credentials {
            certificate: vec![1, 2].into(),
            secret: identity(1, "alice").0.secret,
        };
        insta::assert_snapshot!(format!("{own:?}"), @r#"Identity { secret: IdentitySecret { public: IdentityPublic(03871d350cbe37fa4ea973c3ab837df73a5aecb0d39771798ebb183e7175f8310a), .. }, name: UserName("alice"), created: Round(4001) }"#);
        insta::assert_snapshot!(format!("{credentials:?}"), @"Credentials { certificate: CertificateDer(0x0102), secret: IdentitySecret { public: IdentityPublic(03871d350cbe37fa4ea973c3ab837df73a5aecb0d39771798ebb183e7175f8310a), .. } }");
    }

    pub(crate) fn identity(seed: u64, name: &str) -> (Identity, ChaCha20Rng) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity {
            secret: IdentitySecret::generate(&mut rng),
            name: UserName::new(name).unwrap(),
            created: Round(4000 + seed),
        };
        (identity, rng)
    }
}
