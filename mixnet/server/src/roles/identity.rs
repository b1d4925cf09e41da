//! The identity service, from its section of the configuration.

use std::sync::Arc;

use talaria_identity::certificate::Authority;
use talaria_identity::service::ServiceConfig;
use talaria_wire::network_file::Network;

use super::error::{StartError, wrong_key};
use super::renewable::Renewable;
use crate::config::IdentitySection;
use crate::files::keys;
use crate::net::identity::IdentityNodeConfig;
use crate::net::tls;

pub(super) fn identity_role(
    section: IdentitySection,
    network: &Network,
    renewable: &mut Renewable,
) -> Result<IdentityNodeConfig, StartError> {
    let head_key = keys::read_identity(&section.head_key)?;
    if *head_key.public() != network.identity.key {
        return Err(wrong_key(&section.head_key, "the identity service".to_owned()));
    }
    // Certificates by another authority would be refused by everybody.
    if keys::read_certificate(&section.authority)? != network.entry.ca {
        return Err(StartError::WrongAuthority(section.authority));
    }
    let authority = keys::read_authority(&section.authority_key, &section.authority)?;
    let shown = renewable.show(&section.tls_certificate, &section.tls_key)?;
    let service = ServiceConfig {
        network: network.id(),
        head_key,
        secrets: keys::read_opaque_secrets(&section.opaque_key)?,
        authority: Authority::new(authority),
        entry: network.entry.identity,
        registrations: section.registrations,
        limits: section.limits,
    };
    let tls = Arc::new(tls::identity_config(shown)?);
    let (database, control) = (section.database, section.control);
    Ok(IdentityNodeConfig { service, database, tls, control })
}
