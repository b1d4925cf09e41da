//! Users of the identity service: what they send, and a connection on which to send it.

mod connection;
mod user;

pub use connection::{Connection, Service};
pub use user::User;
