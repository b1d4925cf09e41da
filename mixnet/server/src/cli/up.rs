//! `talariad up`: a whole network in one process, with real links between its roles.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use talaria_server::net::clock::now;
use talaria_server::roles::{Listeners, Roles, StartError, bind};
use talaria_server::setup::{DataFolder, Listen};
use tokio::net::TcpListener;

use super::display::Display;
use super::failure::Failure;
use super::log::Log;
use super::network_args::NetworkArgs;
use super::serve::{Signals, run_all};

/// Prepares the folder, finds free ports, and runs until a signal asks for the end.
pub(super) async fn up(args: NetworkArgs, mut display: Display, log: &Log) -> Result<(), Failure> {
    let signals = Signals::catch()?;
    display.detach();
    let data = DataFolder::open(&args.data)?;
    let mut terms = data.prepare(args.wishes())?;

    let entry = bind(args.listen).await?;
    let identity = bind_identity(entry.local_addr()?, &args).await?;
    let hops = bind_hops(entry.local_addr()?, args.listen, terms.hops.len()).await?;
    let addresses = hops.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let listen =
        Listen { entry: entry.local_addr()?, identity: identity.local_addr()?, hops: addresses };
    args.put_addresses(&mut terms, &listen);
    let network = data.sign(&terms, now())?;
    let config = data.obeyed(&listen)?;
    log.set(config.log.as_ref())?;
    data.write(&network, &listen)?;

    let roles = Roles::of_network(config, &network)?;
    let renewable = roles.renewable();
    let bound = roles.with_listeners(Listeners { entry, identity, hops }).await?;
    let (entry, hops) = bound.addresses();
    let identity = bound.identity_address();
    display.ready(entry, &hops, identity, &data.network_file(), Some(&network));
    run_all(bound, &network, &renewable, &display, signals).await
}

/// The identity service listens where it is told to, or on the port after the entry's; or, where
/// that is taken and nobody has asked for it, on a free one, which the network file says.
async fn bind_identity(entry: SocketAddr, args: &NetworkArgs) -> Result<TcpListener, StartError> {
    if let Some(address) = args.identity_listen {
        return bind(address).await;
    }
    let wanted = entry.port().checked_add(1).filter(|_| args.listen.port() != 0).unwrap_or(0);
    match TcpListener::bind((entry.ip(), wanted)).await {
        Ok(listener) => Ok(listener),
        Err(_) => bind(SocketAddr::new(entry.ip(), 0)).await,
    }
}

/// Hops listen on the loopback interface, on the ports from the second after the entry's; where one of these is
/// taken, or any port will do, on a free one: only this process needs to know.
async fn bind_hops(
    entry: SocketAddr,
    asked: SocketAddr,
    hops: usize,
) -> Result<Vec<TcpListener>, StartError> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut listeners = Vec::new();
    for i in (2u16..).take(hops) {
        let wanted = entry.port().checked_add(i).filter(|_| asked.port() != 0).unwrap_or(0);
        let listener = match TcpListener::bind((loopback, wanted)).await {
            Ok(listener) => listener,
            Err(_) => bind(SocketAddr::new(loopback, 0)).await?,
        };
        listeners.push(listener);
    }
    Ok(listeners)
}
