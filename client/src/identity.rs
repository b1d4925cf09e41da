//! Who this client is: a key, the name that is registered for it, and since when.

use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::UserName;

use crate::contact::Contact;

/// One's own identity in one network.
#[derive(Debug)]
pub struct Identity {
    /// The key.
    pub secret: IdentitySecret,
    /// What one is called in the directory.
    pub name: UserName,
    /// The entry of the directory with which this home began, or its key: no session of it is older.
    pub since: u64,
}

impl Identity {
    /// What others need to talk to this identity.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact { key: *self.secret.public(), name: self.name.clone(), since: self.since }
    }
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
        insta::assert_snapshot!(format!("{own:?}"), @r#"Identity { secret: IdentitySecret { public: IdentityPublic(03871d350cbe37fa4ea973c3ab837df73a5aecb0d39771798ebb183e7175f8310a), .. }, name: UserName("alice"), since: 4001 }"#);
        insta::assert_snapshot!(format!("{credentials:?}"), @"Credentials { certificate: CertificateDer(0x0102), secret: IdentitySecret { public: IdentityPublic(03871d350cbe37fa4ea973c3ab837df73a5aecb0d39771798ebb183e7175f8310a), .. } }");
    }

    pub(crate) fn identity(seed: u64, name: &str) -> (Identity, ChaCha20Rng) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity {
            secret: IdentitySecret::generate(&mut rng),
            name: UserName::new(name).unwrap(),
            since: 4000 + seed,
        };
        (identity, rng)
    }
}
