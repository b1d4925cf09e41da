//! What noise costs: bytes on each link, and time on each hop.

use std::time::Duration;

use crate::cli::bench::capacity::{self, measure};
use serde::Serialize;
use talaria_wire::{HopIndex, RoundShape};
use x25519_batch::Backend;

use crate::cli::failure::Failure;

/// Enough for the batched code to be at full speed, and over in a second.
const MESSAGES: usize = 4_096;
const TIME: Duration = Duration::from_millis(200);

/// What one core of this machine does, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speed {
    /// One onion through a hop, out and back.
    hop: f64,
    /// Sealing one layer.
    layer: f64,
}

impl Speed {
    /// Measures one core, for about a second.
    pub(super) fn measure() -> Result<Self, Failure> {
        let backend = Backend::detect();
        let plan = capacity::Plan { messages: MESSAGES, threads: 1, time: TIME, backend };
        let capacity = measure(&plan, |_| ())?;
        Ok(Self { hop: 1e9 / capacity.hop_messages_per_second, layer: capacity.onion_layer_ns })
    }
}

/// What noise alone costs, without any client.
#[derive(Debug)]
pub(super) struct Cost {
    /// From each hop to the next.
    pub(super) links: Vec<Link>,
    /// The share of one core that each hop spends, if this machine was measured.
    pub(super) core_share: Option<Vec<f64>>,
}

/// Between two hops.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Link {
    /// The hop that sends, counted from 1.
    pub(super) from: u8,
    /// Noise onions of a round.
    pub(super) onions: u64,
    /// Onions on their way out.
    pub(super) out_bytes_per_second: u64,
    /// Replies on their way back.
    pub(super) back_bytes_per_second: u64,
}

impl Cost {
    /// Of `noise` onions from each hop but the last.
    pub(super) fn new(
        shape: RoundShape,
        noise: u32,
        period: Duration,
        speed: Option<Speed>,
    ) -> Self {
        let hops = shape.hops().get();
        let link = |from: u8| {
            let onions = u64::from(noise) * u64::from(from);
            let to = HopIndex(from);
            Link {
                from,
                onions,
                out_bytes_per_second: rate(onions, shape.onion_len_at(to), period),
                back_bytes_per_second: rate(onions, shape.reply_len_at(to), period),
            }
        };
        let share = |speed: Speed| {
            let busy = |place: u8| {
                let passing = speed.hop * f64::from(place);
                // The last hop adds none, and its noise would have no layer left.
                let sealing = speed.layer * f64::from(hops - 1 - place);
                f64::from(noise) * (passing + sealing) / 1e9 / period.as_secs_f64()
            };
            (0..hops).map(busy).collect()
        };
        Self { links: (1..hops).map(link).collect(), core_share: speed.map(share) }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^63")]
fn rate(count: u64, len: usize, period: Duration) -> u64 {
    (count as f64 * len as f64 / period.as_secs_f64()).round() as u64
}
