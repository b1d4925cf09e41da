//! The shells around the machines of Talaria's servers: sockets, clocks, files and threads.

pub mod config;
pub mod files;
pub mod net;
pub mod roles;
pub mod setup;
