//! TLS to the entry: version 1.3 only, a post-quantum key exchange first, one authority.
//!
//! The certificate of the entry is checked against the authority in the network file and against
//! nothing else: no public authority can vouch for a mix-net. The name in it is the same for
//! every entry, and is not sent (no SNI), so the connection does not say what it is for.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use talaria_wire::network_file::Network;

/// The name in the certificate of every entry.
pub const SERVER_NAME: &str = "entry.talaria";
/// The protocol that is spoken inside, as TLS negotiates it.
pub const ALPN: &[u8] = b"talaria/1";

/// How to connect to the entry of a network.
///
/// # Errors
/// If the certificate in the network file is none.
pub fn client_config(network: &Network) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(network.entry.ca.clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    // A ticket would let the network link two connections of one client.
    config.resumption = Resumption::disabled();
    Ok(config)
}

pub(super) fn server_name() -> ServerName<'static> {
    ServerName::try_from(SERVER_NAME).expect("the name is a DNS name")
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    #[test]
    fn the_first_key_exchange_is_post_quantum() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        assert_eq!(provider.kx_groups[0].name(), NamedGroup::X25519MLKEM768);
    }
}
