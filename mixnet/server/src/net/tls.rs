//! TLS 1.3 for both kinds of connection, with one key exchange: X25519MLKEM768. Both ends are programs
//! of ours, so there is nobody who could not do it, and nothing to talk them down to: what is recorded
//! today stays closed when X25519 does not.
//!
//! Clients know the entry and the identity service by certificates under the network's own
//! authority, and show the entry one of theirs. Servers know each
//! other by raw public keys (RFC 7250) that the network file pins: there is no certificate to
//! parse, to expire or to mis-issue.

use std::sync::{Arc, PoisonError, RwLock};

use p256::pkcs8::{DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
    UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    InconsistentKeys, OtherError, RootCertStore, ServerConfig, SignatureScheme,
};
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::tls_names::{ALPN_CLIENT, ALPN_LINK, IDENTITY_NAME, LINK_NAME};
use thiserror::Error;

/// The server side for clients, who have to show a certificate that `ca` has signed for clients,
/// and that has not expired. Whether it is still the newest one of its user is not looked at here.
///
/// # Errors
/// If `ca` cannot be an authority.
pub fn entry_config(shown: Arc<Shown>, ca: CertificateDer<'static>) -> Result<ServerConfig, Error> {
    let clients = WebPkiClientVerifier::builder_with_provider(roots(ca)?, provider())
        .build()
        .map_err(|error| Error::Other(OtherError(Arc::new(error))))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(shown);
    config.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
    without_resumption(&mut config);
    Ok(config)
}

/// The client side towards the identity service, for whoever only reads there: shows nothing.
///
/// # Errors
/// If `ca` cannot be an authority.
pub fn identity_client_config(ca: CertificateDer<'static>) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The name to pass when somebody connects to the identity service.
#[must_use]
pub fn identity_name() -> ServerName<'static> {
    ServerName::try_from(IDENTITY_NAME).expect("the constant is a DNS name")
}

/// The server side of the identity service: it asks nobody for a certificate.
///
/// # Errors
/// If TLS 1.3 cannot be had, which it can.
pub fn identity_config(shown: Arc<Shown>) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(shown);
    without_resumption(&mut config);
    Ok(config)
}

/// The server side of a link: shows `own`, lets in only `peer`.
///
/// # Errors
/// If the key cannot be used.
pub fn link_server_config(
    own: &IdentitySecret,
    peer: IdentityPublic,
) -> Result<ServerConfig, Error> {
    let resolver = rustls::server::AlwaysResolvesServerRawPublicKeys::new(raw_key(own)?);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(Pinned::new(peer)?))
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![ALPN_LINK.to_vec()];
    without_resumption(&mut config);
    Ok(config)
}

/// The client side of a link: shows `own`, talks only to `peer`.
///
/// # Errors
/// If the key cannot be used.
pub fn link_client_config(
    own: &IdentitySecret,
    peer: IdentityPublic,
) -> Result<ClientConfig, Error> {
    let resolver = rustls::client::AlwaysResolvesClientRawPublicKeys::new(raw_key(own)?);
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned::new(peer)?))
        .with_client_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![ALPN_LINK.to_vec()];
    config.enable_sni = false;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// The name to pass when a link connects.
#[must_use]
pub fn link_name() -> ServerName<'static> {
    ServerName::try_from(LINK_NAME).expect("the constant is a DNS name")
}

fn roots(ca: CertificateDer<'static>) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    Ok(Arc::new(roots))
}

/// Tickets would be secrets to keep, and records of another size than the rest.
fn without_resumption(config: &mut ServerConfig) {
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    let kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    Arc::new(CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() })
}

/// A certificate and its key. What parses the key takes it by reference: a builder that is given it
/// would drop the bytes without wiping them. Its own copy aws-lc wipes when it frees it.
fn certified(
    certificate: CertificateDer<'static>,
    key: &PrivateKeyDer<'_>,
) -> Result<CertifiedKey, Error> {
    let certified = CertifiedKey::new(vec![certificate], aws_lc_rs::sign::any_supported_type(key)?);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(error),
    }
}

/// The certificate that a server shows, which can be replaced while it runs: whoever is connected
/// stays so.
#[derive(Debug)]
pub struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    /// Shows `certificate`, whose key is `key`.
    ///
    /// # Errors
    /// If they do not belong together or are of a kind that is not supported.
    pub fn new(
        certificate: CertificateDer<'static>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self(RwLock::new(Arc::new(certified(certificate, key)?)))))
    }

    /// Shows another one from now on.
    ///
    /// # Errors
    /// The same; the old one is shown then.
    pub fn replace(
        &self,
        certificate: CertificateDer<'static>,
        key: &PrivateKeyDer<'_>,
    ) -> Result<(), Error> {
        let certified = Arc::new(certified(certificate, key)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn raw_key(own: &IdentitySecret) -> Result<Arc<CertifiedKey>, Error> {
    let der = own.as_p256().to_pkcs8_der().map_err(|_| bad_key())?;
    // The document is wiped, and nobody copies it.
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der.as_bytes()));
    let key = aws_lc_rs::sign::any_supported_type(&der)?;
    let public = CertificateDer::from(spki(own.public())?);
    Ok(Arc::new(CertifiedKey::new(vec![public], key)))
}

fn spki(key: &IdentityPublic) -> Result<Vec<u8>, Error> {
    Ok(key.as_p256().to_public_key_der().map_err(|_| bad_key())?.into_vec())
}

fn bad_key() -> Error {
    Error::General("the identity key cannot be encoded".to_owned())
}

/// The peer's key is not the one that the network file has for it. In a [`rustls::Error`] it is the
/// source of [`CertificateError::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the peer does not show the key that the network file has for it")]
pub struct AnotherKey {
    /// The key that it shows, if it is an identity key at all.
    pub shown: Option<IdentityPublic>,
}

impl AnotherKey {
    fn of(shown: &CertificateDer<'_>) -> Self {
        let key = p256::PublicKey::from_public_key_der(shown.as_ref()).ok();
        let bytes = key.map(|key| p256::CompressedPoint::from(key).into());
        Self { shown: bytes.and_then(|bytes| IdentityPublic::from_bytes(&bytes).ok()) }
    }
}

/// Takes exactly one key, from either side of a link.
#[derive(Debug)]
struct Pinned {
    spki: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn new(peer: IdentityPublic) -> Result<Self, Error> {
        let algorithms = provider().signature_verification_algorithms;
        Ok(Self { spki: spki(&peer)?, algorithms })
    }

    fn check(&self, shown: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        if shown.as_ref() == self.spki && chain.is_empty() {
            Ok(())
        } else {
            Err(CertificateError::Other(OtherError(Arc::new(AnotherKey::of(shown)))).into())
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        rustls::crypto::verify_tls13_signature_with_raw_key(
            message,
            &key,
            signature,
            &self.algorithms,
        )
    }
}

/// What both sides of a link do alike when they verify the other's key.
macro_rules! verify_raw_keys {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::General("links speak TLS 1.3 only".to_owned()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.check_signature(message, key, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ECDSA_NISTP256_SHA256]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    verify_raw_keys!();
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    verify_raw_keys!();
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{NamedGroup, ProtocolVersion};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    fn key() -> IdentitySecret {
        IdentitySecret::generate(&mut rand::rng())
    }

    /// Whether a server that expects `client` and one who is `client_is` come together, and the
    /// same the other way round.
    async fn come_together(
        (server, server_is): (&IdentitySecret, &IdentitySecret),
        (client, client_is): (&IdentitySecret, &IdentitySecret),
    ) -> bool {
        let listening = link_server_config(server_is, *client.public()).unwrap();
        let connecting = link_client_config(client_is, *server.public()).unwrap();
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connect = TlsConnector::from(Arc::new(connecting)).connect(link_name(), near);
        let accept = TlsAcceptor::from(Arc::new(listening)).accept(far);
        let (near, far) = tokio::join!(connect, accept);
        let Ok(far) = far else { return false };
        let (_, session) = far.get_ref();
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let group = session.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, NamedGroup::X25519MLKEM768);
        assert_eq!(session.alpn_protocol(), Some(ALPN_LINK));
        near.is_ok()
    }

    /// Who can only do X25519 comes together with nobody, whichever side it is on.
    #[tokio::test]
    async fn nobody_is_talked_down_to_a_key_exchange_that_is_not_hybrid() {
        let (server, client) = (key(), key());
        let ca = rcgen::CertificateParams::new([IDENTITY_NAME.to_owned()]).unwrap();
        let own = rcgen::KeyPair::generate().unwrap();
        let certificate = ca.self_signed(&own).unwrap().der().clone();
        let secret = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
        let servers = || {
            [
                link_server_config(&server, *client.public()).unwrap(),
                identity_config(Shown::new(certificate.clone(), &secret).unwrap()).unwrap(),
                entry_config(
                    Shown::new(certificate.clone(), &secret).unwrap(),
                    certificate.clone(),
                )
                .unwrap(),
            ]
        };
        let clients = || {
            [
                link_client_config(&client, *server.public()).unwrap(),
                identity_client_config(certificate.clone()).unwrap(),
                link_client_config(&client, *server.public()).unwrap(),
            ]
        };
        let kx_groups = vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
        let weak = Arc::new(CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() });
        for (listening, connecting) in servers().into_iter().zip(clients()) {
            for config in [listening.crypto_provider(), connecting.crypto_provider()] {
                let groups: Vec<_> = config.kx_groups.iter().map(|group| group.name()).collect();
                assert_eq!(groups, [NamedGroup::X25519MLKEM768]);
            }
        }
        // A client of the one kind and a server of the other, which else would come together.
        let mut weak_client = ClientConfig::builder_with_provider(weak.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots(certificate.clone()).unwrap())
            .with_no_client_auth();
        weak_client.alpn_protocols = vec![ALPN_LINK.to_vec(), ALPN_CLIENT.to_vec()];
        for listening in servers() {
            let error = refusal_by_server(listening, weak_client.clone()).await;
            assert!(error.contains("NoKxGroupsInCommon"), "{error}");
        }
        let weak_server = ServerConfig::builder_with_provider(weak)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Shown::new(certificate.clone(), &secret).unwrap());
        for connecting in clients() {
            let error = refusal_by_server(weak_server.clone(), connecting).await;
            assert!(error.contains("NoKxGroupsInCommon"), "{error}");
        }
    }

    /// Why a server does not take a client.
    async fn refusal_by_server(server: ServerConfig, client: ClientConfig) -> String {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let connect = TlsConnector::from(Arc::new(client)).connect(identity_name(), near);
        let accept = TlsAcceptor::from(Arc::new(server)).accept(far);
        let (near, far) = tokio::join!(connect, accept);
        assert!(near.is_err());
        format!("{:?}", far.expect_err("it has no such key exchange"))
    }

    #[tokio::test]
    async fn only_the_pinned_keys_come_together() {
        let (server, client, stranger) = (key(), key(), key());
        assert!(come_together((&server, &server), (&client, &client)).await);
        assert!(!come_together((&server, &stranger), (&client, &client)).await);
        assert!(!come_together((&server, &server), (&client, &stranger)).await);
    }
}
