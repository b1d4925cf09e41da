//! What listens on this machine where a role should.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use talaria_mixnet::probe::diagnosis::{Check, Server};
use talaria_wire::probe::LinkState;

/// Nothing, or something else, listens where the role should.
pub(super) fn not_here(own: &Server, listen: SocketAddr, state: LinkState) -> Check {
    match state {
        LinkState::NobodyListens => Check::fault(
            own,
            format!("nobody listens on {listen}"),
            "start it with `talariad run --config FILE`; if it ends, it says why".to_owned(),
        ),
        LinkState::Silent | LinkState::TimedOut => Check::fault(
            own,
            format!("what listens on {listen} does not answer"),
            "look at its log and at the load of this machine; restart it".to_owned(),
        ),
        _ => {
            Check::fault(own, format!("what listens on {listen} is not this server"), taken(listen))
        }
    }
}

pub(super) fn taken(listen: SocketAddr) -> String {
    format!("look which program has taken {listen}, and with which configuration it runs")
}

/// Where a server that listens on `listen` can be reached on this machine.
pub(super) fn local(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_looked_for_on_the_loopback() {
        for (listen, expected) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")]
        {
            assert_eq!(local(listen.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
