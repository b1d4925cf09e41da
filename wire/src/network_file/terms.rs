//! The terms of a network: what its operators agree on, and the limits that they keep to.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use rustls_pki_types::CertificateDer;

use super::time::LAST_TIME;
use super::{
    ADDRESS_MAX, LABEL_MAX, MAX_ALPHA_TENTHS, MAX_DIALING_EVERY, MAX_NOISE_ONIONS, MAX_ONION_EPOCH,
    MIN_ALPHA_TENTHS, MIN_ONION_EPOCH, NetworkFileError, NetworkId, VersionHash,
};
use crate::crypto::IdentityPublic;
use crate::params::{
    Hops, MAX_HOPS, MAX_LANES, MAX_PERIOD_MS, MIN_PERIOD_MS, RoundShape, UnixMillis,
};

/// A probability of one, in billionths.
const ONE_IN_BILLIONTHS: u32 = 1_000_000_000;

/// The entry: where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryInfo {
    /// Who runs it.
    pub operator: String,
    /// `host:port` of the clients' listener.
    pub address: String,
    /// The key that the entry shows to the first hop, and signs the network file with.
    pub identity: IdentityPublic,
    /// The certificate authority that signs the TLS certificates of the entry, of the identity
    /// service and of the clients.
    pub ca: CertificateDer<'static>,
}

/// The identity service: where users register and log in, and where the directory of all of them
/// is read. The entry's operator runs it, under the same certificate authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityInfo {
    /// `host:port` of its listener.
    pub address: String,
    /// The key that signs the heads of the directory.
    pub key: IdentityPublic,
}

/// One hop of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopInfo {
    /// Who runs it.
    pub operator: String,
    /// `host:port` of the hop's listener.
    pub address: String,
    /// The key that the hop shows on its links, and signs the network file with.
    pub identity: IdentityPublic,
}

/// From when until when a version may be used, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: UnixMillis,
    /// The first moment that is too late.
    pub until: UnixMillis,
}

/// What each hop but the last adds to every round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// T: onions of a hop in a round. Even; 0 for none.
    pub onions: u32,
    /// α of the distribution p ∝ sin^α of the number of pairs, in tenths: 20 to 40.
    pub alpha_tenths: u8,
    /// What it is to achieve.
    pub goal: Option<NoiseGoal>,
}

impl Noise {
    /// No noise at all.
    pub const NONE: Self = Self { onions: 0, alpha_tenths: MIN_ALPHA_TENTHS, goal: None };
}

/// What noise is to achieve, for people and for clients that keep a budget; nothing computes
/// with it when a round runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoiseGoal {
    /// ε′ in millionths, after all charged rounds: ln 2 is 693147.
    pub epsilon_millionths: u32,
    /// δ′ in billionths: 1e-4 is 100000.
    pub delta_billionths: u32,
    /// Charged rounds that the goal holds for.
    pub charged_rounds: u64,
}

/// Everything in a network file but the signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What people call the network.
    pub name: String,
    /// The number of this version, from 1.
    pub sequence: u64,
    /// The network, in every version but the first.
    pub origin: Option<NetworkId>,
    /// The version before this one, in every version but the first.
    pub previous: Option<VersionHash>,
    /// When this version may be used.
    pub validity: Validity,
    /// Length of a round in milliseconds; the same in all versions.
    pub period_ms: NonZeroU64,
    /// Lanes of two onions that a client sends in a round.
    pub lanes: u8,
    /// Every n-th round is for dialing.
    pub dialing_every: u16,
    /// What hops add.
    pub noise: Noise,
    /// Rounds in which a hop uses one onion key.
    pub epoch_rounds: u32,
    /// The entry.
    pub entry: EntryInfo,
    /// The identity service.
    pub identity: IdentityInfo,
    /// The chain, first hop first.
    pub hops: Vec<HopInfo>,
}

impl Terms {
    /// The terms of a first version, with rounds of 2 s, one lane, no noise, dialing in every
    /// 10th round and epochs of 64 rounds.
    #[must_use]
    pub fn first(
        name: &str,
        validity: Validity,
        entry: EntryInfo,
        identity: IdentityInfo,
        hops: Vec<HopInfo>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            sequence: 1,
            origin: None,
            previous: None,
            validity,
            period_ms: NonZeroU64::new(2000).expect("2000 is not zero"),
            lanes: 1,
            dialing_every: 10,
            noise: Noise::NONE,
            epoch_rounds: 64,
            entry,
            identity,
            hops,
        }
    }

    /// Checks every limit, and gives the sizes that follow.
    pub(super) fn check(&self) -> Result<RoundShape, NetworkFileError> {
        check_label(&self.name)?;
        self.check_history()?;
        self.validity.check()?;
        within("period_ms", self.period_ms.get(), MIN_PERIOD_MS, MAX_PERIOD_MS)?;
        within("dialing.every", self.dialing_every, 1, MAX_DIALING_EVERY)?;
        within("epoch_rounds", self.epoch_rounds, MIN_ONION_EPOCH, MAX_ONION_EPOCH)?;
        self.noise.check()?;
        self.check_servers()?;
        let count = u8::try_from(self.hops.len())
            .ok()
            .and_then(Hops::new)
            .ok_or_else(|| out_of_range("hop", 1u8, MAX_HOPS))?;
        RoundShape::new(count, self.lanes).ok_or_else(|| out_of_range("lanes", 1u8, MAX_LANES))
    }

    fn check_history(&self) -> Result<(), NetworkFileError> {
        // 2⁶³ − 1 is the greatest integer that TOML has.
        within("sequence", self.sequence, 1, i64::MAX.cast_unsigned())?;
        let later = self.sequence > 1;
        if self.origin.is_some() == later && self.previous.is_some() == later {
            return Ok(());
        }
        Err(NetworkFileError::BadHistory)
    }

    fn check_servers(&self) -> Result<(), NetworkFileError> {
        check_label(&self.entry.operator)?;
        check_address(&self.entry.address)?;
        check_address(&self.identity.address)?;
        for hop in &self.hops {
            check_label(&hop.operator)?;
            check_address(&hop.address)?;
        }
        self.check_keys()
    }

    /// One key in two places would be one operator who looks like two, or a signature of one kind
    /// that could be shown as another.
    fn check_keys(&self) -> Result<(), NetworkFileError> {
        let hops = self.hops.iter().map(|hop| &hop.identity);
        let keys = [&self.entry.identity, &self.identity.key].into_iter().chain(hops);
        let mut seen = BTreeSet::new();
        match keys.map(IdentityPublic::to_bytes).find(|key| !seen.insert(*key)) {
            Some(key) => Err(NetworkFileError::RepeatedKey(hex::encode(key))),
            None => Ok(()),
        }
    }
}

impl Validity {
    fn check(self) -> Result<(), NetworkFileError> {
        let whole = |time: UnixMillis| time.0.is_multiple_of(1000) && time <= LAST_TIME;
        if whole(self.from) && whole(self.until) && self.from < self.until {
            return Ok(());
        }
        Err(NetworkFileError::BadValidity)
    }
}

impl Noise {
    fn check(self) -> Result<(), NetworkFileError> {
        if self.onions > MAX_NOISE_ONIONS || !self.onions.is_multiple_of(2) {
            let range = format!("an even number, 0 to {MAX_NOISE_ONIONS}");
            return Err(NetworkFileError::OutOfRange { field: "noise.onions", range });
        }
        within("noise.alpha_tenths", self.alpha_tenths, MIN_ALPHA_TENTHS, MAX_ALPHA_TENTHS)?;
        let Some(goal) = self.goal else { return Ok(()) };
        within("noise.goal.epsilon_millionths", goal.epsilon_millionths, 1, u32::MAX)?;
        within("noise.goal.delta_billionths", goal.delta_billionths, 1, ONE_IN_BILLIONTHS)?;
        let most = i64::MAX.cast_unsigned();
        within("noise.goal.charged_rounds", goal.charged_rounds, 1, most)
    }
}

/// A name that is safe to print and that nobody can mistake for another by invisible means.
pub(super) fn check_label(text: &str) -> Result<(), NetworkFileError> {
    let ends = [text.bytes().next(), text.bytes().last()];
    let ends_well = ends.iter().all(|byte| byte.is_some_and(|b| b.is_ascii_alphanumeric()));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b" ._@-".contains(&byte);
    if ends_well && text.len() <= LABEL_MAX && text.bytes().all(fits) {
        return Ok(());
    }
    Err(NetworkFileError::BadLabel(text.to_owned()))
}

pub(super) fn check_address(text: &str) -> Result<(), NetworkFileError> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    // `parse` alone would take a plus sign.
    let digits = port.filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let graphic = text.len() <= ADDRESS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    match digits.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) if graphic => Ok(()),
        _ => Err(NetworkFileError::BadAddress(text.to_owned())),
    }
}

fn within<N: Into<u64>>(
    field: &'static str,
    value: N,
    low: N,
    high: N,
) -> Result<(), NetworkFileError> {
    let (value, low, high) = (value.into(), low.into(), high.into());
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(out_of_range(field, low, high))
}

fn out_of_range(
    field: &'static str,
    low: impl Into<u64>,
    high: impl Into<u64>,
) -> NetworkFileError {
    let range = format!("{} to {}", low.into(), high.into());
    NetworkFileError::OutOfRange { field, range }
}
