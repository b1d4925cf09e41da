//! The entry, from its section of the configuration.

use std::sync::Arc;

use talaria_wire::HopIndex;
use talaria_wire::epoch::ChainKeys;
use talaria_wire::network_file::Network;

use super::error::{StartError, wrong_key};
use super::onward::onward;
use super::renewable::Renewable;
use crate::config::{EntrySection, Limits};
use crate::files::keys;
use crate::net::entry::EntryNodeConfig;
use crate::net::entry::follower::FollowerConfig;
use crate::net::tls;
use talaria_mixnet::entry::EntryConfig;
use talaria_mixnet::schedule::ScheduleConfig;

pub(super) fn entry_role(
    section: &EntrySection,
    network: &Network,
    limits: Limits,
    renewable: &mut Renewable,
) -> Result<EntryNodeConfig, StartError> {
    let own = keys::read_identity(&section.identity)?;
    if *own.public() != network.entry.identity {
        return Err(wrong_key(&section.identity, "the entry".to_owned()));
    }
    let ca = network.entry.ca.clone();
    let shown = renewable.show(&section.tls_certificate, &section.tls_key)?;
    let shape = network.shape();
    let first = &network.hops()[0];
    let onward = onward(&own, first, HopIndex(0), network, limits)?;
    Ok(EntryNodeConfig {
        entry: EntryConfig {
            shape,
            schedule: ScheduleConfig::for_period(network.period_ms),
            max_clients: limits.max_clients.min(limits.max_onions / shape.onions()),
        },
        network: network.version(),
        keys: ChainKeys::new(network, HopIndex(0)),
        tls: Arc::new(tls::entry_config(shown, ca.clone())?),
        identity: FollowerConfig {
            address: network.identity.address.clone(),
            tls: Arc::new(tls::identity_client_config(ca)?),
            network: network.id(),
            key: network.identity.key,
            folder: section.state.clone(),
            own: Arc::new(own),
        },
        onward,
    })
}
