//! The shells around the machines of Talaria's servers: sockets, clocks, files and threads.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: what touches the world is here"
)]

pub mod config;
pub mod files;
pub mod net;
pub mod roles;
pub mod setup;
