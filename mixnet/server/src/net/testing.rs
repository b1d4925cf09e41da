//! A made-up network, for the tests of its servers.

use rustls::pki_types::CertificateDer;
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, Network, NetworkFile, Terms, Validity,
};

/// The keys of entry, hop and directory.
pub(super) fn keys() -> [IdentitySecret; 3] {
    [1, 2, 3].map(|i| IdentitySecret::from_bytes(&[i; 32]).unwrap())
}

/// A network of one hop whose identity service is at `identity`.
pub(super) fn network(
    ca: &CertificateDer<'static>,
    [entry, hop, head]: [&IdentitySecret; 3],
    identity: String,
) -> Network {
    let address = "127.0.0.1:1".to_owned();
    let entry_info = EntryInfo {
        operator: "Eve".to_owned(),
        address: address.clone(),
        identity: *entry.public(),
        ca: ca.clone(),
    };
    let identity = IdentityInfo { address: identity, key: *head.public() };
    let operator = "Harry".to_owned();
    let hop_info = HopInfo { operator, address, identity: *hop.public() };
    let validity = Validity { from: UnixMillis(0), until: UnixMillis(4_000_000_000_000) };
    let terms = Terms::first("test", validity, entry_info, identity, vec![hop_info]);
    let mut file = NetworkFile::new(terms).unwrap();
    file.sign(entry);
    file.sign(hop);
    file.verify(UnixMillis(1_000_000_000_000), None).unwrap()
}
