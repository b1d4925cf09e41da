//! Connections of a client, to the entry and to the identity service.

pub(crate) mod backoff;
pub(crate) mod connection;
pub mod identity;
pub mod tls;
pub(crate) mod wire;
