//! The identity service in memory, behind TLS.

use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use talaria_wire::identity::Request;
use talaria_wire::identity::proof::EXPORTER_LABEL;
use talaria_wire::identity::request::{LENGTH_LEN, body_len};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::service::{Connection, Service};

/// What the listener and a test share.
pub(crate) type Shared = Arc<Mutex<Service>>;

/// TLS as a server of this name does it; `clients` have to show a certificate.
pub(crate) fn acceptor(
    service: &Service,
    name: &str,
    alpn: Option<&[u8]>,
    clients: bool,
) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(service.ca()).unwrap();
    let builder = if clients {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let (certificate, key) = service.server(name);
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Answers whoever comes, until the listener is dropped with its task.
pub(crate) async fn serve(service: Shared, listener: TcpListener) {
    let acceptor = acceptor(&service.lock().unwrap(), "talaria-identity", None, false);
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(service.clone(), acceptor.clone(), stream));
    }
}

async fn converse(service: Shared, acceptor: TlsAcceptor, stream: TcpStream) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut connection = Connection::default();
    let (_, tls) = stream.get_ref();
    connection.exporter = tls.export_keying_material([0; 32], EXPORTER_LABEL, None).ok()?;
    while !connection.closed {
        let mut length = [0; LENGTH_LEN];
        stream.read_exact(&mut length).await.ok()?;
        let mut body = vec![0; body_len(length).ok()?];
        stream.read_exact(&mut body).await.ok()?;
        let request = Request::decode(&body).ok()?;
        let response = service.lock().unwrap().answer(&mut connection, request);
        stream.write_all(&response.to_message()).await.ok()?;
        stream.flush().await.ok()?;
    }
    stream.shutdown().await.ok()
}
