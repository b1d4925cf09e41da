//! What servers say to each other on the links of a chain: batches both ways, and words of which
//! each direction has its own.

use talaria_wire::control::Control;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::frame::Kind;
use talaria_wire::link::BatchHead;
use talaria_wire::probe::HopStatus;
use talaria_wire::reason::AbortReason;
use talaria_wire::{Batch, Round};
use thiserror::Error;

/// What travels in one direction of a link, whose words are `W`.
#[derive(Clone, Debug)]
pub enum LinkMessage<W> {
    /// The batch of a round: onions onward, replies back.
    Batch(Round, Batch),
    /// Something else.
    Word(W),
}

/// What is said away from the clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnwardWord {
    /// Nobody waits for the round any more.
    Abort(Round, AbortReason),
    /// How is the chain from here on?
    Probe(u64),
}

/// What is said towards the clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackWord {
    /// The round will not come back.
    Abort(Round, AbortReason),
    /// The keys of an epoch, from the sender to the end of the chain.
    Keys(EpochKeys),
    /// How one hop is.
    Report(HopStatus),
}

/// A frame that nobody sends in this direction, or that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the peer sent a frame that cannot be understood")]
pub struct Malformed;

/// The words of one direction. Each is one frame.
pub trait Word: Sized {
    /// The word in a frame. `None` for what means nothing in this direction and is ignored.
    ///
    /// # Errors
    /// [`Malformed`], after which the link cannot go on.
    fn parse(kind: Kind, body: &[u8]) -> Result<Option<Self>, Malformed>;

    /// The whole frame.
    fn to_frame(&self) -> Vec<u8>;
}

impl<W: Word> LinkMessage<W> {
    /// The first frame; that of a batch is its head, and its chunks follow.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        match self {
            Self::Batch(round, batch) => BatchHead::of(*round, batch).to_frame(),
            Self::Word(word) => word.to_frame(),
        }
    }
}

impl Word for OnwardWord {
    fn parse(kind: Kind, body: &[u8]) -> Result<Option<Self>, Malformed> {
        match control(kind, body)? {
            Control::Abort { round, reason } => Ok(Some(Self::Abort(Round(round), reason))),
            Control::Probe { id } => Ok(Some(Self::Probe(id))),
            Control::Report(_) => Ok(None),
            _ => Err(Malformed),
        }
    }

    fn to_frame(&self) -> Vec<u8> {
        match self {
            Self::Abort(round, reason) => abort(*round, *reason),
            Self::Probe(id) => Control::Probe { id: *id }.to_frame(),
        }
    }
}

impl Word for BackWord {
    fn parse(kind: Kind, body: &[u8]) -> Result<Option<Self>, Malformed> {
        if kind == Kind::EpochKeys {
            return EpochKeys::decode(body)
                .map(|keys| Some(Self::Keys(keys)))
                .map_err(|_| Malformed);
        }
        match control(kind, body)? {
            Control::Abort { round, reason } => Ok(Some(Self::Abort(Round(round), reason))),
            Control::Report(status) => Ok(Some(Self::Report(status))),
            Control::Probe { .. } => Ok(None),
            _ => Err(Malformed),
        }
    }

    fn to_frame(&self) -> Vec<u8> {
        match self {
            Self::Abort(round, reason) => abort(*round, *reason),
            Self::Keys(keys) => keys.to_frame(),
            Self::Report(status) => Control::Report(status.clone()).to_frame(),
        }
    }
}

fn control(kind: Kind, body: &[u8]) -> Result<Control, Malformed> {
    if kind != Kind::Control {
        return Err(Malformed);
    }
    Control::decode(body).map_err(|_| Malformed)
}

fn abort(round: Round, reason: AbortReason) -> Vec<u8> {
    Control::Abort { round: round.0, reason }.to_frame()
}

#[cfg(test)]
mod tests;
