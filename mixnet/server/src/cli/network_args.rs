//! What can be asked of a whole network.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use talaria_server::setup::{DEFAULT_LISTEN, Listen, Wishes};
use talaria_wire::network_file::Terms;
use talaria_wire::params::MAX_HOPS;

use super::period::parse_period;

/// What somebody wants of a network on this machine.
#[derive(Args)]
pub(super) struct NetworkArgs {
    /// Where keys and files are kept.
    #[arg(long, value_name = "DIR", default_value = "./talaria-data")]
    pub(super) data: PathBuf,
    /// Where clients connect; with port 0 free ports are taken. Hops listen on the loopback
    /// interface, on the ports after that of the identity service.
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN)]
    pub(super) listen: SocketAddr,
    /// The address to put into the network file, if clients reach the server under another one.
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Where the identity service listens [default: the port after that of --listen].
    #[arg(long, value_name = "ADDR")]
    pub(super) identity_listen: Option<SocketAddr>,
    /// The address of the identity service to put into the network file [default: the entry's
    /// host, and the port on which the identity service listens].
    #[arg(long, value_name = "HOST:PORT")]
    identity_address: Option<String>,
    /// Hops in the chain [default: 3, or as before].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_HOPS)))]
    hops: Option<u8>,
    /// Length of a round, such as 2s or 250ms [default: 2s, or as before].
    #[arg(long, value_name = "DURATION", value_parser = parse_period)]
    period: Option<Duration>,
    /// Noise onions that each hop but the last adds to a round; `talariad plan` says what they are
    /// worth [default: 1846, which is for 1,000 charged rounds and a trial: who runs all hops sees
    /// everything anyway; or as before].
    #[arg(long, value_name = "T")]
    noise_onions: Option<u32>,
}

impl NetworkArgs {
    pub(super) fn wishes(&self) -> Wishes {
        Wishes { hops: self.hops, period: self.period, noise_onions: self.noise_onions }
    }

    /// The addresses of all roles, in a row from the entry's port on.
    pub(super) fn listen_from(&self, port: u16, hops: usize) -> Option<Listen> {
        let beside = SocketAddr::new(self.listen.ip(), port.checked_add(1)?);
        let hop = |i: u16| Some(SocketAddr::from(([127, 0, 0, 1], port.checked_add(i)?)));
        Some(Listen {
            entry: self.listen,
            identity: self.identity_listen.unwrap_or(beside),
            hops: (2u16..).take(hops).map(hop).collect::<Option<_>>()?,
        })
    }

    /// Puts in where everybody can be reached.
    pub(super) fn put_addresses(&self, terms: &mut Terms, listen: &Listen) {
        terms.entry.address = self.advertised(listen.entry);
        terms.identity.address = self.identity_advertised(&terms.entry.address, listen.identity);
        for (hop, address) in terms.hops.iter_mut().zip(&listen.hops) {
            hop.address = address.to_string();
        }
    }

    fn identity_advertised(&self, entry: &str, listening: SocketAddr) -> String {
        let host = entry.rsplit_once(':').map_or(entry, |(host, _)| host);
        let beside = || format!("{host}:{}", listening.port());
        self.identity_address.clone().unwrap_or_else(beside)
    }

    /// What clients are told to connect to.
    fn advertised(&self, listening: SocketAddr) -> String {
        self.advertise.clone().unwrap_or_else(|| {
            let ip = listening.ip();
            if ip.is_unspecified() {
                tracing::warn!("clients elsewhere need an address: use --advertise HOST:PORT");
            }
            let loopback = if ip.is_ipv4() { "127.0.0.1" } else { "[::1]" };
            if ip.is_unspecified() {
                format!("{loopback}:{}", listening.port())
            } else {
                listening.to_string()
            }
        })
    }
}
