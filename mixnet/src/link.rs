//! What servers say to each other on the links of a chain.

use talaria_wire::control::AbortReason;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::probe::HopStatus;
use talaria_wire::{Batch, Round};

/// What travels on a link.
#[derive(Debug)]
pub enum LinkMessage {
    /// A batch: onions onward, replies back.
    Batch(Round, Batch),
    /// The round will not come back.
    Abort(Round, AbortReason),
    /// Towards the entry: the keys of an epoch, from the sender to the end of the chain.
    Keys(EpochKeys),
    /// Onward: how is the chain from here on?
    Probe(u64),
    /// Back: how one hop is.
    Report(HopStatus),
}
