//! What tests of the identity service share: a PostgreSQL server, if there is one, and users.

mod postgres;
mod user;

pub(crate) use postgres::{Postgres, Requirement};
pub(crate) use user::{NETWORK, Talk, TestUser, config, name};
