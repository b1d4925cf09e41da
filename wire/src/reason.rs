//! Why something was refused, lost or ended: the words that travel in control frames.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a hello was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Refusal {
    /// The versions differ.
    #[error("the server speaks another version of the protocol: update one of the two")]
    Version,
    /// The networks differ.
    #[error("the server belongs to another network: ask its operator for the network file")]
    Network,
    /// The one who greets has an older version of the network file.
    #[error(
        "the network file here is out of date: ask an operator for the new one, then install it \
         (clients: `talaria network FILE`)"
    )]
    Outdated,
    /// The one who greets has a newer version of the network file.
    #[error(
        "the server still has an older network file: its operator has to install the new one; \
         try again later"
    )]
    Behind,
    /// There are two network files of the same version.
    #[error(
        "the server has another network file of the same version: ask the operators why they \
         have signed two"
    )]
    Forked,
    /// The certificate is nobody's newest one.
    #[error(
        "the server does not know this certificate, or knows a newer one of the same user: log in \
         again"
    )]
    Certificate,
    /// The certificate is not known, and the identity service cannot be asked.
    #[error(
        "the server does not know this certificate yet, and cannot reach the identity service: try \
         again later"
    )]
    Unchecked,
    /// The operator has locked the user out, or the user has given the name up.
    #[error("this user is not let in: ask the operator of the entry")]
    Disabled,
    /// No room for another connection.
    #[error("the server is full: try again later")]
    Full,
    /// The server is going down.
    #[error("the server is shutting down: try again later")]
    ShuttingDown,
}

/// Why a round was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum AbortReason {
    /// A round with this number, or a later one, has run already.
    #[error("the hop has run this round or a later one")]
    AlreadyRun,
    /// The hop could not record that it runs the round.
    #[error("the hop could not record the round")]
    NotRecorded,
    /// Too many rounds are under way.
    #[error("too many rounds are under way at the hop")]
    Busy,
    /// The batch has more slots, or slots of another length, than it may have.
    #[error("the batch does not have the shape of a batch")]
    BadBatch,
    /// A later hop cannot be reached, or the connection to it broke.
    #[error("the next hop cannot be reached")]
    Unreachable,
    /// A later hop did not answer in time.
    #[error("the next hop did not answer in time")]
    TooSlow,
    /// A later hop returned another number of replies than it was sent onions.
    #[error("the next hop returned a wrong number of replies")]
    WrongCount,
    /// The hop does not know the keys of the round's epoch: its own, or those of later hops.
    #[error("the hop does not know the keys of this round (yet)")]
    NoKeys,
    /// The hop is going down.
    #[error("the hop is shutting down")]
    ShuttingDown,
}

/// Why no round opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Pause {
    /// The entry has no link to the first hop.
    #[error("the entry cannot reach the chain")]
    Unreachable,
    /// The onion keys of a hop are not known for the time that it is.
    #[error("the onion keys of the chain are not known yet")]
    NoKeys,
}

/// Why a connection is about to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
pub enum Farewell {
    /// The server is going down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// Nothing came for too long.
    #[error("nothing was heard for too long")]
    Idle,
    /// The peer broke the protocol.
    #[error("the protocol was not kept")]
    Protocol,
    /// The user has connected once more: the newer connection stays.
    #[error("you have connected from somewhere else: this connection is closed")]
    Replaced,
    /// The operator has locked the user out, or the user has given the name up.
    #[error("this user is not let in any more: ask the operator of the entry")]
    Disabled,
    /// The certificate has given way to a newer one.
    #[error(
        "this certificate is not valid any more, because there is a newer one: log in again if it \
         is on another machine"
    )]
    Superseded,
}
