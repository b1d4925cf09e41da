//! What a server tells its operator about a round: counts and times, and nothing about anybody.

use std::time::{Duration, Instant};

use serde::Serialize;
use talaria_wire::reason::AbortReason;
use talaria_wire::{HopIndex, Round};
use tokio::sync::mpsc;

/// Where reports go.
pub type Reports = mpsc::UnboundedSender<Report>;

/// One report.
#[derive(Clone, Debug)]
pub enum Report {
    /// A hop has done its part of a round.
    Hop(HopReport),
    /// The entry has answered, or failed, its clients.
    Entry(EntryReport),
}

/// What a hop did in a round.
#[derive(Clone, Debug, Serialize)]
pub struct HopReport {
    /// The round.
    #[serde(serialize_with = "round")]
    pub round: Round,
    /// The hop, counted from 1.
    #[serde(serialize_with = "hop")]
    pub hop: HopIndex,
    /// Onions that arrived.
    pub onions: usize,
    /// Onions that were malformed or duplicates.
    pub dropped: usize,
    /// Noise onions that this hop added.
    pub noise: usize,
    /// How many of them a later hop has dropped or altered: an alarm if it is not 0.
    pub noise_altered: usize,
    /// Time until all onions were peeled, from when the first could arrive: they are peeled as
    /// they come.
    #[serde(rename = "peel_ms", serialize_with = "milliseconds")]
    pub peel: Duration,
    /// Time to close the gaps of what was dropped.
    #[serde(rename = "mix_ms", serialize_with = "milliseconds")]
    pub mix: Duration,
    /// Time at the exchange, at the last hop.
    #[serde(rename = "exchange_ms", serialize_with = "milliseconds")]
    pub exchange: Duration,
    /// When the exchange had ended, at the last hop.
    #[serde(skip)]
    pub exchanged_at: Option<Instant>,
    /// Time to unshuffle and seal; the first replies leave meanwhile.
    #[serde(rename = "seal_ms", serialize_with = "milliseconds")]
    pub seal: Duration,
    /// Why the round was lost here, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<AbortReason>,
}

impl HopReport {
    /// A round of which nothing is known but that `onions` onions are to come.
    #[must_use]
    pub fn new(round: Round, hop: HopIndex, onions: usize) -> Self {
        Self {
            round,
            hop,
            onions,
            dropped: 0,
            noise: 0,
            noise_altered: 0,
            peel: Duration::ZERO,
            mix: Duration::ZERO,
            exchange: Duration::ZERO,
            exchanged_at: None,
            seal: Duration::ZERO,
            failed: None,
        }
    }
}

/// What the entry saw of a round.
#[derive(Clone, Debug, Serialize)]
pub struct EntryReport {
    /// The round.
    #[serde(serialize_with = "round")]
    pub round: Round,
    /// Clients that were connected when it closed.
    pub connected: usize,
    /// Clients that submitted.
    pub clients: usize,
    /// Onions.
    pub onions: usize,
    /// Time from the announcement until it closed.
    #[serde(rename = "collect_ms", serialize_with = "milliseconds")]
    pub collect: Duration,
    /// Time from closing until the replies were back.
    #[serde(rename = "travel_ms", serialize_with = "milliseconds")]
    pub travel: Duration,
    /// When the replies were back.
    #[serde(skip)]
    pub back_at: Option<Instant>,
    /// Replies that were handed to clients.
    pub replies: usize,
    /// Why the round was lost, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<AbortReason>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn round<S: serde::Serializer>(round: &Round, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(round.0)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn hop<S: serde::Serializer>(hop: &HopIndex, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(u16::from(hop.0) + 1)
}

fn milliseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Microseconds are as fine as a person or a plot can use.
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    serializer.serialize_f64(f64::from(micros) / 1000.0)
}
