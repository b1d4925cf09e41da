//! What a client decides, and why it ends a connection.

use talaria_wire::Round;
use talaria_wire::codec::DecodeError;
use talaria_wire::control::BadControl;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::epoch::BadEpochKeys;
use talaria_wire::params::PROTOCOL_VERSION;
use talaria_wire::reason::{Farewell, Refusal};
use thiserror::Error;

use crate::conversation::state;
use crate::departures::Order;
use crate::notice::Notice;

/// One thing to do. Actions are to be executed one by one, in their order.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Make these changes durable, all or none, before going on. If that fails, stop for good.
    Commit(Vec<Change>),
    /// Hand this to the [`Departures`](crate::departures::Departures) of the connection. Without one,
    /// drop it.
    Order(Order),
    /// Tell the person in front of the client.
    Notify(Notice),
    /// Close the connection, then call [`Client::handle_disconnected`](super::Client::handle_disconnected).
    Close(CloseReason),
}

/// What has to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This round, and so every earlier one, has been answered, or may be before this changes again.
    LastRound(Round),
    /// So many idle pairs have not met since the client was made.
    IdlePairsUnmet(u64),
    /// A step of the conversation with this partner.
    Conversation(IdentityPublic, state::Change),
}

/// Why the client wants the connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// Nothing came for too long.
    #[error("the server is silent")]
    Silent,
    /// The greeting was refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The server is about to close the connection.
    #[error("{0}")]
    Goodbye(Farewell),
}

/// The server has broken the protocol: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// A body that is not what its header says.
    #[error("the server sent a malformed frame: {0}")]
    Malformed(#[from] DecodeError),
    /// A control frame that is none.
    #[error("the server sent a malformed frame: {0}")]
    Control(#[from] BadControl),
    /// A frame that does not belong where it came.
    #[error("the server sent a frame that does not belong there")]
    Unexpected,
    /// Onion keys that are not those of the chain, here and now.
    #[error("the server sent keys that cannot be used: {0}")]
    Keys(#[from] BadEpochKeys),
    /// A welcome in another version of the protocol.
    #[error("the server speaks version {0} of the protocol, this program {PROTOCOL_VERSION}")]
    Version(u16),
    /// Replies to a round that was never answered.
    #[error("the server sent replies to round {0}, which was not submitted")]
    NeverSubmitted(Round),
}

/// What a client has seen of losses and interference since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Submissions sent.
    pub submitted: u64,
    /// Rounds that came back with replies.
    pub delivered: u64,
    /// Rounds that were answered too late, the entry says: lost for this client.
    pub late: u64,
    /// Rounds that were lost for everybody, the entry says.
    pub failed: u64,
    /// Rounds of which nobody has said anything: lost with the connection, or given up.
    pub unanswered: u64,
    /// Idle lanes whose two onions did not meet.
    pub idle_pairs_unmet: u64,
    /// Replies that were not sealed by the whole chain for their onion.
    pub bad_replies: u64,
    /// Messages in a dead drop of a conversation that are not from the partner.
    pub not_authentic: u64,
}
