//! One server of the chain, as findings name it.

use std::fmt;

use talaria_wire::crypto::IdentityPublic;

/// One server, as the network file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its place in the chain, from 0; `None` for the entry.
    pub hop: Option<u8>,
    /// Who runs it.
    pub operator: String,
    /// `host:port`.
    pub address: String,
    /// The key that it shows.
    pub identity: IdentityPublic,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hop {
            None => f.write_str("entry"),
            // People count hops from 1.
            Some(hop) => write!(f, "hop {}", u16::from(hop) + 1),
        }
    }
}
