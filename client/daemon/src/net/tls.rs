//! TLS to the entry and the identity service: version 1.3 and the key exchange X25519MLKEM768 only,
//! one authority.
//!
//! The certificate of a server is checked against the authority in the network file and against
//! nothing else: no public authority can vouch for a mix-net. The names in them are the same in
//! every network, and are not sent (no SNI), so the connection does not say what it is for.

use std::sync::Arc;

use p256::pkcs8::EncodePrivateKey;
use rustls::client::{Resumption, WantsClientCert};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use talaria_wire::network_file::Network;
use talaria_wire::tls_names::ALPN_CLIENT;

use talaria_client::certificate::Credentials;

/// How to connect to the entry of a network.
///
/// # Errors
/// If the authority in the network file, or the client's own certificate, is none.
pub fn client_config(network: &Network, own: &Credentials) -> Result<ClientConfig, rustls::Error> {
    let bad_key = |_| rustls::Error::General("the private key cannot be encoded".to_owned());
    let key = own.secret.as_p256().to_pkcs8_der().map_err(bad_key)?;
    // By reference: the document is wiped, and a builder that is given the key would not do so.
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.as_bytes()));
    let key = aws_lc_rs::sign::any_supported_type(&key)?;
    let certified = CertifiedKey::new(vec![own.certificate.clone()], key);
    certified.keys_match()?;
    let own = Arc::new(SingleCertAndKey::from(certified));
    let mut config = builder(network)?.with_client_cert_resolver(own);
    config.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
    restrict(&mut config);
    Ok(config)
}

/// How to connect to the identity service of a network: without saying who one is.
///
/// # Errors
/// If the authority in the network file is none.
pub(super) fn identity_config(network: &Network) -> Result<ClientConfig, rustls::Error> {
    let mut config = builder(network)?.with_no_client_auth();
    restrict(&mut config);
    Ok(config)
}

fn builder(
    network: &Network,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(network.entry.ca.clone())?;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    Ok(builder.with_root_certificates(roots))
}

/// Entry and identity service are programs of ours: nobody needs anything but the hybrid.
fn provider() -> CryptoProvider {
    let kx_groups = vec![aws_lc_rs::kx_group::X25519MLKEM768];
    CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() }
}

fn restrict(config: &mut ClientConfig) {
    config.enable_sni = false;
    // A ticket would let the network link two connections of one client.
    config.resumption = Resumption::disabled();
}

pub(super) fn server_name(name: &'static str) -> ServerName<'static> {
    ServerName::try_from(name).expect("the name is a DNS name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::NamedGroup;

    #[test]
    fn the_only_key_exchange_is_post_quantum() {
        let groups: Vec<_> = provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(groups, [NamedGroup::X25519MLKEM768]);
    }
}
