//! Sockets, clocks, files and threads: the thin shell around the protocol.

pub mod clock;
pub mod entry;
pub mod frames;
pub mod greeting;
pub mod hop;
pub mod identity;
pub mod link;
pub mod probe;
pub mod report;
pub mod shutdown;
#[cfg(test)]
mod testing;
pub mod tls;

/// How long a peer may take for the TLS handshake and the greeting together.
pub(crate) const HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(10);
/// How long one write may be held up by a peer that does not read.
pub(crate) const WRITE: std::time::Duration = std::time::Duration::from_secs(10);
