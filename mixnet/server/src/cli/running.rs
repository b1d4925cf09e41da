//! Roles that run until somebody asks for the end.

use talaria_server::net::clock::now;
use talaria_server::net::shutdown::{self, Shutdown, Trigger};
use talaria_server::roles::Bound;
use talaria_wire::network_file::{Network, VerifyError};
use tokio::sync::mpsc;

use super::display::Display;
use super::failure::Failure;

/// Runs until a signal asks for the end or the network file expires, which is an error.
pub(super) async fn run_bound(
    bound: Bound,
    display: Display,
    network: &Network,
    (trigger, shutdown): (Trigger, Shutdown),
) -> Result<(), Failure> {
    let until = network.valid_until();
    shutdown::on_expiry(trigger, until);
    let (reports, incoming) = mpsc::unbounded_channel();
    let showing = tokio::spawn(display.show(incoming, shutdown.clone()));
    bound.run(reports, shutdown).await;
    showing.await?;
    if now() >= until { Err(VerifyError::Expired(until).into()) } else { Ok(()) }
}
