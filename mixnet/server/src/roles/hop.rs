//! A hop, from its section of the configuration.

use std::sync::Arc;

use rayon::ThreadPool;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::network_file::{HopInfo, Network, Noise};
use talaria_wire::{HopIndex, Round, UnixMillis};
use tracing::warn;
use x25519_batch::Backend;

use super::error::{StartError, wrong_key};
use super::onward::{onward, silence};
use crate::config::{HopSection, Limits};
use crate::files::keys;
use crate::files::rounds::RoundFile;
use crate::net::hop::HopConfig;
use crate::net::tls;
use talaria_mixnet::hop::HopLimits;
use talaria_mixnet::hop::keys::HopKeys;
use talaria_mixnet::hop::node::NodeConfig;
use talaria_mixnet::mix::noise::NoiseSource;
use talaria_mixnet::mix::noise::pairs::{BadNoise, PairDistribution};
use talaria_mixnet::schedule::ScheduleConfig;

pub(super) fn hop_role(
    section: &HopSection,
    network: &Network,
    limits: Limits,
    pool: &Arc<ThreadPool>,
) -> Result<HopConfig, StartError> {
    let own = keys::read_identity(&section.identity)?;
    let (place, info) = place_of(section, own.public(), network)?;
    if *own.public() != info.identity {
        return Err(wrong_key(&section.identity, format!("hop {place}")));
    }
    let next_place = HopIndex(place.0 + 1);
    let next = network.hops().get(usize::from(next_place.0));
    let onward = next.map(|next| onward(&own, next, next_place, network, limits)).transpose()?;
    let schedule = ScheduleConfig::for_period(network.period_ms);
    Ok(HopConfig {
        node: NodeConfig::of(
            network,
            place,
            HopLimits {
                max_slots: limits.max_onions,
                max_rounds: schedule.max_rounds,
                patience_ms: schedule.patience_ms,
            },
        ),
        noise: NoiseSource::new(next_place, distribution(network, next.is_some())?),
        tls: Arc::new(tls::link_server_config(&own, before(place, network))?),
        onward,
        rounds: RoundFile::open(&section.rounds, network.period_ms)?,
        keys: HopKeys::new(Arc::new(own), network, place),
        pool: pool.clone(),
        silence: silence(network),
    })
}

/// Has the kernels of X25519 checked before the first round needs one, and warns of each that the
/// processor has but that computed wrongly: the hops work on with a slower one.
pub(super) fn warn_of_rejected_kernels() {
    let using = Backend::detect().name();
    for rejected in Backend::rejected() {
        warn!(rejected, using, "this processor computed X25519 wrongly: a slower way is taken");
    }
}

/// Seconds until a hop may run a round, if its record is ahead of the clock: the clock was ahead when it
/// was written, or is behind now. More rounds than may be open at once are no accident of two clocks.
pub(super) fn seconds_ahead(config: &HopConfig, now: UnixMillis) -> Option<u64> {
    let NodeConfig { period_ms, limits, .. } = &config.node;
    let (last, _) = &config.rounds;
    let rounds = last.as_ref()?.0.checked_sub(Round::at(now, *period_ms).0)?;
    let is_ahead = rounds > limits.max_rounds as u64;
    is_ahead.then(|| rounds.saturating_mul(period_ms.get()) / 1000)
}

/// What that means, and what to do.
pub(super) fn describe_ahead(config: &HopConfig, seconds: u64) -> String {
    format!(
        "the record of rounds of hop {} is {seconds} s ahead of the clock of this machine, and no round runs \
         through it until then. If the clock is wrong now, set it right. If it was ahead before, and is \
         right now: end this process, delete {}, and start it again, which is safe, since its onion keys \
         are new then",
        config.node.place,
        config.rounds.1.path().display(),
    )
}

/// What a hop draws its noise from; the last hop adds none, for it would only know its own.
fn distribution(network: &Network, adds: bool) -> Result<Option<PairDistribution>, BadNoise> {
    let Noise { onions, alpha_tenths, .. } = network.noise;
    let alpha = f64::from(alpha_tenths) / 10.0;
    (adds && onions > 0).then(|| PairDistribution::new(onions, alpha)).transpose()
}

/// The hop of the chain that a section describes: by its place, or else by its key.
fn place_of<'a>(
    section: &HopSection,
    own: &IdentityPublic,
    network: &'a Network,
) -> Result<(HopIndex, &'a HopInfo), StartError> {
    let mut hops = (0..).map(HopIndex).zip(network.hops());
    match section.place {
        Some(place) => {
            let index = place.checked_sub(1).map(HopIndex);
            let hop = hops.find(|(at, _)| Some(*at) == index);
            hop.ok_or(StartError::NoSuchHop(place))
        }
        None => {
            let hop = hops.find(|(_, info)| info.identity == *own);
            hop.ok_or_else(|| StartError::NotInChain(section.identity.clone()))
        }
    }
}

/// The server from which the hop at `place` takes batches.
fn before(place: HopIndex, network: &Network) -> IdentityPublic {
    match place.0.checked_sub(1) {
        None => network.entry.identity,
        Some(before) => network.hops()[usize::from(before)].identity,
    }
}
