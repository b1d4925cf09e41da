//! Why a link broke.

use std::io;

use talaria_mixnet::link::Malformed;
use talaria_wire::link::LinkError;
use thiserror::Error;

use crate::net::frames::ReadError;
use crate::net::greeting::GreetingError;

/// Why a link broke.
#[derive(Debug, Error)]
pub enum BrokenLink {
    /// The name of the peer's machine cannot be resolved.
    #[error("cannot find the address: {0}")]
    Resolve(#[source] io::Error),
    /// The peer cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// There is no TLS with the peer.
    #[error("cannot connect: {0}")]
    Tls(#[source] io::Error),
    /// The handshake or the greeting took too long.
    #[error("the peer does not answer")]
    Silent,
    /// The greeting failed.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    /// Nothing could be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The batches did not come as they should.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A frame could not be understood.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Nothing could be written.
    #[error("the connection broke: {0}")]
    Write(#[source] io::Error),
    /// Nobody has anything to send any more.
    #[error("the link is no longer needed")]
    Ended,
}
