//! The identity service: who has which name and key, and the certificates that say so.
//!
//! Nothing here touches a socket: [`Service`](service::Service) answers one request after the other,
//! told what time it is, and keeps what is to be kept in a [`Store`](store::Store). The listener
//! and the control socket are in `mixnet/server/src/net/identity`.

pub mod backup;
pub mod certificate;
pub mod clock;
pub mod control;
pub mod delays;
pub mod limits;
pub mod service;
pub mod store;
pub mod token;

#[cfg(test)]
pub(crate) mod testing;
