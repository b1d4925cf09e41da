//! Whether the entry is there for clients: TLS under the network's authority, and that it asks for
//! a certificate, which operators do not have. What it would say in its greeting, the copy of the
//! network file that it made when it started says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore};
use talaria_wire::network_file::{Known, Network};
use talaria_wire::probe::LinkState;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::here::{local, not_here, taken};
use crate::net::link::{dial, state_of};
use crate::net::tls;
use talaria_mixnet::probe::diagnosis::{Check, Server};
use talaria_wire::tls_names::{ALPN_CLIENT, ENTRY_NAME};

/// A certificate that ends within this time is mentioned.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// Looks whether the entry listens on this machine, and serves clients as they expect it. `kept` is
/// the version of the network file that it ran with last.
///
/// # Errors
/// If TLS cannot be set up.
pub async fn own_entry(
    listen: SocketAddr,
    own: &Server,
    network: &Network,
    kept: Option<&Known>,
    limit: Duration,
) -> Result<Check, TlsError> {
    let authority = Authority::of(network)?;
    let tcp = match dial(&local(listen).to_string(), limit).await {
        Ok(tcp) => tcp,
        Err(error) => return Ok(not_here(own, listen, state_of(&error))),
    };
    let connector = TlsConnector::from(Arc::new(authority.config()?));
    let Ok(connected) = timeout(limit, connector.connect(authority.name.clone(), tcp)).await else {
        return Ok(not_here(own, listen, LinkState::Silent));
    };
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) => return Ok(bad_tls(own, listen, &error)),
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|all| all.first().cloned());
    if let Some(certificate) = certificate
        && authority.ends_soon(&certificate)
    {
        let finding = "its TLS certificate ends within two weeks".to_owned();
        return Ok(Check::fault(own, finding, renew()));
    }
    let Ok(read) = timeout(limit, stream.read_u8()).await else {
        return Ok(not_here(own, listen, LinkState::Silent));
    };
    Ok(match read {
        Err(error) if asks_for_a_certificate(&error) => running(own, listen, network, kept),
        _ => not_here(own, listen, LinkState::NoLink),
    })
}

/// In TLS 1.3 this comes after the handshake, to whoever has shown nothing.
fn asks_for_a_certificate(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    matches!(tls, Some(TlsError::AlertReceived(AlertDescription::CertificateRequired)))
}

/// The entry runs, and has kept the network file that it started with.
fn running(own: &Server, listen: SocketAddr, network: &Network, kept: Option<&Known>) -> Check {
    if kept.is_some_and(|kept| kept.version().sequence < network.version().sequence) {
        return Check::fault(
            own,
            "the running entry still has an older network file than the configuration".to_owned(),
            "restart it, so that it takes the new one".to_owned(),
        );
    }
    let operator = &own.operator;
    Check::ok(own, format!("{operator}, listens on {listen}, and its certificate is valid"))
}

/// The authority that clients go by.
struct Authority {
    roots: Arc<RootCertStore>,
    name: ServerName<'static>,
}

impl Authority {
    fn of(network: &Network) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(network.entry.ca.clone())?;
        let name = ServerName::try_from(ENTRY_NAME).expect("the constant is a DNS name");
        Ok(Self { roots: Arc::new(roots), name })
    }

    fn config(&self) -> Result<ClientConfig, TlsError> {
        let mut config = ClientConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
        config.enable_sni = false;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }

    /// Whether a certificate that is valid now will not be for much longer.
    fn ends_soon(&self, certificate: &CertificateDer<'_>) -> bool {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(self.roots.clone(), tls::provider());
        let Ok(verifier) = verifier.build() else { return false };
        let then = Duration::from_secs(UnixTime::now().as_secs()) + SOON;
        let then = UnixTime::since_unix_epoch(then);
        verifier.verify_server_cert(certificate, &[], &self.name, &[], then).is_err()
    }
}

fn bad_tls(own: &Server, listen: SocketAddr, error: &std::io::Error) -> Check {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match tls {
        Some(TlsError::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => Check::fault(own, "its TLS certificate has expired".to_owned(), renew()),
        Some(TlsError::InvalidCertificate(error)) => Check::fault(
            own,
            format!("clients do not take its TLS certificate: {error}"),
            "check `tls_certificate`: it has to be signed by the authority in the network file"
                .to_owned(),
        ),
        _ => {
            Check::fault(own, format!("what listens on {listen} is not this server"), taken(listen))
        }
    }
}

fn renew() -> String {
    "sign another certificate with the network's authority (`ca.key`) and restart the entry"
        .to_owned()
}
