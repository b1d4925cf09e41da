//! How a running client and who is in front of it are joined: what goes in, and what comes out.

use std::time::Duration;

use talaria_api::Token;
use talaria_wire::peer_message::MessageId;
use talaria_wire::reason::{Farewell, Refusal};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use talaria_client::SafetyNumber;
use talaria_client::conversation::SayError;
use talaria_client::notice::Notice;
use talaria_store::HomeError;

/// Which face has asked for something, and how it calls that: handed back as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The face.
    pub face: u64,
    /// What it calls the request.
    pub token: Token,
}

/// What the person wants.
#[derive(Debug)]
pub enum Input {
    /// Say this.
    Say(String, Asked),
    /// Nothing more to say: end when the partner has ended too.
    End,
    /// Nothing more to say: end when everything has arrived.
    Leave,
    /// Go on with the partner's new key.
    AcceptKey(Asked),
    /// Send again what may be lost.
    Again(Asked),
}

/// What there is to show.
#[derive(Debug)]
pub enum Event {
    /// From the client: everything but that a text was sent.
    Notice(Notice),
    /// A text has been committed, and will be sent until it is delivered.
    Sent {
        /// The text.
        id: MessageId,
        /// Who has asked for it.
        asked: Option<Asked>,
    },
    /// A text was not taken.
    Refused(SayError, Asked),
    /// The partner has another key, and nothing is sent until it is accepted.
    KeyChanged {
        /// To be compared with what the partner sees.
        number: SafetyNumber,
        /// The key before had been compared.
        verified: bool,
    },
    /// The partner's new key was accepted, and the conversation goes on.
    KeyAccepted(Asked),
    /// The partner takes no part in the network any more: why.
    PartnerGone(String),
    /// The identity service contradicts itself: how.
    Directory(String),
    /// The directory has not been signed anew for a while.
    DirectoryStale {
        /// How old it is, in seconds.
        age_s: u64,
    },
    /// Nothing is said until the identity service has written down that more may be charged.
    Unrecorded,
    /// There is no connection; the next attempt follows.
    Disconnected {
        /// Why.
        reason: String,
        /// Time to the next attempt.
        retry_in: Duration,
    },
}

/// How a running client and the person in front of it are joined.
#[derive(Debug)]
pub struct Ports {
    /// What the person wants. It is read only while less than [`BACKLOG_UNITS`] units wait, so a
    /// bounded channel holds back whoever writes faster than rounds can carry.
    pub input: mpsc::Receiver<Input>,
    /// The `number` of each [`Notice::Message`] after it has been shown. [`run`](crate::run()) returns
    /// only when the other end is dropped, so that no mark is lost.
    pub shown: mpsc::UnboundedReceiver<u32>,
    /// What there is to show. Unbounded: a screen that stalls must not stall the rounds.
    pub output: mpsc::UnboundedSender<Event>,
    /// Ends the run early, by a message or by being dropped.
    pub stop: oneshot::Receiver<()>,
}

/// Units (of at most 320 bytes) that may wait for acknowledgement before input is held back.
pub const BACKLOG_UNITS: u32 = 16_384;

/// What to do when the privacy budget of the conversation is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenSpent {
    /// Stop talking: the lane idles.
    #[default]
    Stop,
    /// Go on talking, without the protection.
    GoOn,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Both sides have ended, or this side has left, with everything delivered.
    pub finished: bool,
    /// Texts that the partner is not known to have. They are kept.
    pub unacknowledged: usize,
}

/// Why a run cannot go on.
#[derive(Debug, Error)]
pub enum RunError {
    /// The home cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The server will never take this client.
    #[error(transparent)]
    Refused(Refusal),
    /// The entry lets this client in no more.
    #[error("{0}")]
    SentAway(Farewell),
    /// TLS cannot be set up.
    #[error("the certificate in the network file cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}
