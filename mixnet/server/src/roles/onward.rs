//! The link to the next hop, for the entry and for hops.

use std::sync::Arc;
use std::time::Duration;

use talaria_wire::HopIndex;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{HopInfo, Network};

use super::error::StartError;
use crate::config::Limits;
use crate::net::link::OnwardConfig;
use crate::net::tls;
use talaria_mixnet::schedule::ScheduleConfig;

/// How `own`, the server before the hop in `place`, talks to it.
///
/// # Errors
/// [`StartError`] if TLS does not take the keys.
pub fn onward(
    own: &IdentitySecret,
    next: &HopInfo,
    place: HopIndex,
    network: &Network,
    limits: Limits,
) -> Result<OnwardConfig, StartError> {
    Ok(OnwardConfig {
        address: next.address.clone(),
        name: format!("hop {place}"),
        tls: Arc::new(tls::link_client_config(own, next.identity)?),
        network: network.version(),
        reply_len: network.shape().reply_len_at(place),
        max_slots: limits.max_onions,
        silence: silence(network),
    })
}

/// Something travels on every link in every round; one that is silent for several is dead.
pub(super) fn silence(network: &Network) -> Duration {
    let schedule = ScheduleConfig::for_period(network.period_ms);
    Duration::from_millis(schedule.patience_ms + 3 * network.period_ms.get() + 10_000)
}
