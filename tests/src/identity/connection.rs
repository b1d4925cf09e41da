//! A blocking connection to the identity service.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use talaria_wire::identity::directory::PAGE_MAX;
use talaria_wire::identity::request::{LENGTH_LEN, body_len};
use talaria_wire::identity::{Copy, Entry, Request, Response};
use talaria_wire::network_file::{Network, NetworkId};

/// The identity service of a network.
#[derive(Clone, Debug)]
pub struct Service {
    address: String,
    tls: Arc<ClientConfig>,
    network: NetworkId,
    key: talaria_wire::crypto::IdentityPublic,
}

impl Service {
    /// The one that the network file names.
    ///
    /// # Panics
    /// If the authority of the network is none.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(network.entry.ca.clone()).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let address = network.identity.address.clone();
        Self { address, tls: Arc::new(tls), network: network.id(), key: network.identity.key }
    }

    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    ///
    /// # Panics
    /// Never: the name of the service is one.
    pub fn connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(&self.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(120)))?;
        let name = ServerName::try_from("talaria-identity").expect("a DNS name");
        let tls = ClientConnection::new(self.tls.clone(), name).map_err(io::Error::other)?;
        Ok(Connection(StreamOwned::new(tls, tcp)))
    }

    /// The whole directory, checked as a client checks it.
    ///
    /// # Errors
    /// If the connection breaks.
    ///
    /// # Panics
    /// If the directory is none.
    pub fn directory(&self) -> io::Result<(Copy, Vec<Entry>)> {
        let mut connection = self.connect()?;
        let mut copy = Copy::new(self.network, self.key);
        let mut all = vec![];
        loop {
            let request = Request::Directory { since: copy.entries(), wait_ms: 0 };
            let Response::Page { entries, head } = connection.ask(&request)? else {
                return Err(io::Error::other("no page"));
            };
            let (entries, head) = Response::parse_page(&entries, &head).expect("a page");
            let now_s = talaria_server::net::clock::now().0 / 1000;
            copy.append(&entries, &head, now_s).expect("the directory is one");
            let last = entries.len() < PAGE_MAX;
            all.extend(entries);
            if last {
                return Ok((copy, all));
            }
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// If the connection breaks, or the answer is none.
    pub fn ask(&mut self, request: &Request) -> io::Result<Response> {
        self.0.write_all(&request.to_message())?;
        self.0.flush()?;
        let mut length = [0; LENGTH_LEN];
        self.0.read_exact(&mut length)?;
        let mut body = vec![0; body_len(length).map_err(io::Error::other)?];
        self.0.read_exact(&mut body)?;
        Response::decode(&body).map_err(io::Error::other)
    }
}
