//! Which identity service is meant.

use std::path::PathBuf;

use clap::Args;
use talaria_server::net::identity::socket_path;

use super::connection::Connection;
use crate::cli::failure::Failure;

/// Which service is meant.
#[derive(Args)]
pub(in crate::cli) struct ServiceArgs {
    /// The folder of the server: its socket is DIR/identity/control.sock.
    #[arg(long, value_name = "DIR", default_value = "./talaria-data")]
    data: PathBuf,
    /// The socket, if `control` in the configuration names another one.
    #[arg(long, value_name = "FILE")]
    socket: Option<PathBuf>,
}

impl ServiceArgs {
    pub(super) fn connect(&self) -> Result<Connection, Failure> {
        let path = self.socket.clone().unwrap_or_else(|| socket_path(&self.data));
        Ok(Connection::open(path)?)
    }
}
