//! What tests of the identity service share: a PostgreSQL server, if there is one, and a service.

mod postgres;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer};
use talaria_fixtures::user::NETWORK;
use talaria_opaque::ServerSecrets;
use talaria_wire::crypto::IdentitySecret;

use crate::certificate::Authority;
use crate::limits::IdentityLimits;
use crate::service::{Registrations, ServiceConfig};

pub(crate) use postgres::{Postgres, Requirement};

/// The key of the entry.
pub(crate) fn entry_key() -> IdentitySecret {
    IdentitySecret::generate(&mut ChaCha20Rng::seed_from_u64(6))
}

/// A service with keys of its own.
pub(crate) fn config(registrations: Registrations) -> ServiceConfig {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Talaria network");
    ServiceConfig {
        network: NETWORK,
        head_key: IdentitySecret::generate(&mut rng),
        secrets: ServerSecrets::generate(&mut rng),
        authority: Authority::new(Issuer::new(params, IdentitySecret::generate(&mut rng).into())),
        entry: *entry_key().public(),
        registrations,
        limits: IdentityLimits::default(),
    }
}
