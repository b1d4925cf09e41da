//! A round that is under way: what is needed to judge what comes back of it.

use talaria_wire::onion::ReplyOpener;
use talaria_wire::params::ONIONS_PER_LANE;
use talaria_wire::{Round, UnixMillis};

use crate::cover::CoverPair;
use crate::session::Answer;

/// What a lane expects to come back.
pub(super) enum Lane {
    Idle(Box<CoverPair>),
    Talking(Box<[Answer; ONIONS_PER_LANE]>),
    /// Of a conversation that is not open any more.
    Forgotten,
}

/// A round that has been answered and has not come back.
pub(super) struct RoundAway {
    pub(super) round: Round,
    /// When its submission left.
    pub(super) left: UnixMillis,
    pub(super) openers: Vec<ReplyOpener>,
    pub(super) lanes: Vec<Lane>,
}

impl RoundAway {
    pub(super) fn forget_conversation(&mut self) {
        for lane in &mut self.lanes {
            if let Lane::Talking(_) = lane {
                *lane = Lane::Forgotten;
            }
        }
    }
}
