//! Probing from an operator's own server: what listens here, the next hop, and the chain behind.
//!
//! The probe connects beside the running server, with the same key: it sends one frame, reads the
//! reports, and goes. [`diagnosis`](talaria_mixnet::probe::diagnosis) says what it means.

mod entry;
mod here;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt;
use talaria_wire::HopIndex;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::probe::{HopStatus, LinkState};
use tokio::time::{Instant as Deadline, timeout_at};

use super::link::{BrokenLink, Connected, LinkReader, OnwardConfig, connect, write_message};
use super::link::{shown_key, state_of};
use super::tls;
pub use entry::own_entry;
use here::{local, not_here, taken};
use talaria_mixnet::link::{BackWord, LinkMessage, OnwardWord};
use talaria_mixnet::probe::diagnosis::{Check, Server, Sight};
use talaria_mixnet::probe::{Relay, micros};

/// From where a chain is probed: one role of a configuration.
#[derive(Debug)]
pub struct Vantage {
    /// The place of the hop; `None` for the entry.
    pub hop: Option<HopIndex>,
    /// Where the role listens.
    pub listen: SocketAddr,
    /// The next hop, unless this is the last one.
    pub onward: Option<OnwardConfig>,
}

/// Looks how the chain is behind `onward`, where there are `hops` hops, the first of them `first`.
/// Each step may take as long as `limit`.
pub async fn look_onward(onward: &OnwardConfig, first: u8, hops: usize, limit: Duration) -> Sight {
    match connect(onward, limit).await {
        Err(error) => {
            Sight { state: state_of(&error), shown: shown_key(&error), reports: Vec::new() }
        }
        Ok(connected) => {
            let mut reports = Vec::new();
            let until = Deadline::now() + limit;
            let asking = ask(onward, connected, (first, hops), &mut reports);
            // Whatever ends it: what has been heard by then says where the chain ends.
            let _ = timeout_at(until, asking).await;
            Sight { state: LinkState::Up, shown: None, reports }
        }
    }
}

/// Sends a probe, and collects reports until no further one can come.
async fn ask(
    onward: &OnwardConfig,
    connected: Connected,
    (first, hops): (u8, usize),
    reports: &mut Vec<HopStatus>,
) -> Result<(), BrokenLink> {
    let Connected { frames, mut writer } = connected;
    let mut reader = LinkReader::new(frames, onward.reply_len, onward.max_slots);
    let id = rand::rng().random();
    let (started, mut relay) = (Instant::now(), Relay::before(first));
    relay.begin(Duration::ZERO, id, ());
    write_message(&mut writer, &LinkMessage::Word(OnwardWord::Probe(id)))
        .await
        .map_err(BrokenLink::Write)?;
    while reports.len() < hops && reports.last().is_none_or(|last| last.link == LinkState::Up) {
        if let LinkMessage::Word(BackWord::Report(status)) = reader.next().await?
            && let Some(((), status)) = relay.reported(started.elapsed(), status)
        {
            reports.push(status);
        }
    }
    Ok(())
}

/// Looks whether the hop `own` listens on this machine, and has the key that it should have.
///
/// # Errors
/// If TLS cannot use the key.
pub async fn own_hop(
    listen: SocketAddr,
    own: &Server,
    key: &IdentitySecret,
    limit: Duration,
) -> Result<Check, rustls::Error> {
    let itself = OnwardConfig {
        address: local(listen).to_string(),
        name: own.to_string(),
        tls: Arc::new(tls::link_client_config(key, *key.public())?),
        // Nothing is said: the hop takes only the key of the server before it.
        network: NetworkVersion {
            network: talaria_wire::network_file::NetworkId([0; 32]),
            sequence: 0,
            hash: talaria_wire::network_file::VersionHash([0; 32]),
        },
        reply_len: 0,
        max_slots: 0,
        silence: limit,
    };
    let started = Instant::now();
    let state =
        connect(&itself, limit).await.map_or_else(|error| state_of(&error), |_| LinkState::Up);
    let ms = f64::from(micros(started.elapsed())) / 1000.0;
    Ok(match state {
        // It has shown its key, and then refused the same one as that of a server before it.
        LinkState::KeyRefused | LinkState::Broken | LinkState::Up => Check::ok(
            own,
            format!("{}, listens on {listen} and has its key ({ms:.1} ms)", own.operator),
        ),
        LinkState::AnotherKey => {
            Check::fault(own, format!("what listens on {listen} has another key"), taken(listen))
        }
        _ => not_here(own, listen, state),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use talaria_wire::network_file::{NetworkId, VersionHash};

    fn key(byte: u8) -> IdentitySecret {
        IdentitySecret::from_bytes(&[byte; 32]).unwrap()
    }

    fn onward(address: String) -> OnwardConfig {
        OnwardConfig {
            address,
            name: "hop 1".to_owned(),
            tls: Arc::new(tls::link_client_config(&key(1), *key(2).public()).unwrap()),
            network: NetworkVersion {
                network: NetworkId([1; 32]),
                sequence: 1,
                hash: VersionHash([1; 32]),
            },
            reply_len: 528,
            max_slots: 1,
            silence: Duration::from_secs(1),
        }
    }

    async fn state_at(address: String) -> LinkState {
        look_onward(&onward(address), 0, 1, Duration::from_secs(1)).await.state
    }

    #[tokio::test]
    async fn ways_not_to_be_reached_are_told_apart() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        assert_eq!(state_at(address.to_string()).await, LinkState::Silent);

        let talking = tokio::spawn(async move {
            let (mut tcp, _) = silent.accept().await.unwrap();
            // The one before has given up.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, b"SSH-2.0-x\r\n").await;
            let (mut tcp, _) = silent.accept().await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut tcp, b"SSH-2.0-x\r\n").await;
            let _ = tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await;
        });
        assert_eq!(state_at(address.to_string()).await, LinkState::NoLink);
        talking.await.unwrap();
        assert_eq!(state_at(address.to_string()).await, LinkState::NobodyListens);
        assert_eq!(state_at("no such name:1".to_owned()).await, LinkState::NoAddress);
    }

    #[tokio::test]
    async fn keys_that_do_not_fit_are_told_apart() {
        for (server, takes, state, shown) in [
            (3, 1, LinkState::AnotherKey, Some(*key(3).public())),
            (2, 4, LinkState::KeyRefused, None),
        ] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let config = tls::link_server_config(&key(server), *key(takes).public()).unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            tokio::spawn(async move {
                let (tcp, _) = listener.accept().await.unwrap();
                assert!(acceptor.accept(tcp).await.is_err());
            });
            let sight = look_onward(&onward(address), 0, 1, Duration::from_secs(10)).await;
            assert_eq!((sight.state, sight.shown), (state, shown));
        }
    }
}
