//! `talariad up`: a whole network in one process, with real links between its roles.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use talaria_mixnet::net::shutdown;
use talaria_mixnet::server::{Roles, StartError, bind};
use talaria_mixnet::setup::{DataFolder, Listen};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::display::Display;
use super::{Failure, NetworkArgs};

/// Prepares the folder, finds free ports, and runs until a signal asks for the end.
pub(super) async fn up(args: NetworkArgs, mut display: Display) -> Result<(), Failure> {
    let (trigger, shutdown) = shutdown::pair();
    shutdown::on_signals(trigger)?;
    let data = DataFolder::open(&args.data)?;
    let before = data.network()?.map(|network| network.id());
    let mut network = data.prepare(args.wishes())?;

    let entry = bind(args.listen).await?;
    let hops = bind_hops(entry.local_addr()?, args.listen, network.hops().len()).await?;
    let addresses = hops.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    let listen = Listen { entry: entry.local_addr()?, hops: addresses };
    network.entry.address = args.advertised(listen.entry);
    network.set_hop_addresses(listen.hops.iter().map(ToString::to_string));
    data.write(&network, &listen)?;
    if before.is_some_and(|before| before != network.id()) {
        tracing::warn!("the network has changed: give {} out again", data.network_file().display());
    }

    let roles = Roles::of_network(data.config(&listen), &network)?;
    let bound = roles.with_listeners(entry, hops);
    let (entry, hops) = bound.addresses();
    display.ready(entry, &hops, &data.network_file(), Some(&network));
    let (reports, incoming) = mpsc::unbounded_channel();
    let showing = tokio::spawn(display.show(incoming, shutdown.clone()));
    bound.run(reports, shutdown).await;
    Ok(showing.await?)
}

/// Hops listen on the loopback interface, on the ports after the entry's; where one of these is
/// taken, or any port will do, on a free one: only this process needs to know.
async fn bind_hops(
    entry: SocketAddr,
    asked: SocketAddr,
    hops: usize,
) -> Result<Vec<TcpListener>, StartError> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut listeners = Vec::new();
    for i in (1u16..).take(hops) {
        let wanted = entry.port().checked_add(i).filter(|_| asked.port() != 0).unwrap_or(0);
        let listener = match TcpListener::bind((loopback, wanted)).await {
            Ok(listener) => listener,
            Err(_) => bind(SocketAddr::new(loopback, 0)).await?,
        };
        listeners.push(listener);
    }
    Ok(listeners)
}
