//! The network file: everything that a client or a server needs to know of a network.
//!
//! TOML, read once into a [`Network`] that keeps every limit. The addresses may change while a
//! network stays the same; keys, period and shape may not, and [`NetworkId`] is their hash.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::crypto::identity::{BadKey, IDENTITY_PUBLIC_LEN, IdentityPublic};
use crate::crypto::kdf::{Label, derive};
use crate::crypto::onion_key::OnionPublic;
use crate::params::{Hops, MAX_HOPS, MAX_LANES, MAX_PERIOD_MS, MIN_PERIOD_MS, RoundShape};

/// Version of the file format.
pub const NETWORK_FILE_VERSION: u8 = 1;
/// A network file is not longer than this.
pub const NETWORK_FILE_MAX: usize = 64 * 1024;

/// The hash of everything in a network file but the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NetworkId(pub [u8; 32]);

/// The entry: where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryInfo {
    /// `host:port` of the clients' listener.
    pub address: String,
    /// The key that the entry shows to the first hop.
    pub identity: IdentityPublic,
    /// The certificate authority that signs the entry's TLS certificate.
    pub ca: CertificateDer<'static>,
}

/// One hop of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HopInfo {
    /// `host:port` of the hop's listener.
    pub address: String,
    /// The key that the hop shows on its links.
    pub identity: IdentityPublic,
    /// The key that its layer of every onion is sealed to.
    pub onion_key: OnionPublic,
}

/// A network, as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Length of a round in milliseconds.
    pub period_ms: NonZeroU64,
    /// The entry.
    pub entry: EntryInfo,
    shape: RoundShape,
    hops: Vec<HopInfo>,
}

/// Why a network file was not taken.
#[derive(Debug, Error)]
pub enum NetworkFileError {
    /// Longer than any network file.
    #[error("a network file has at most {NETWORK_FILE_MAX} bytes, this has {0}")]
    TooLong(usize),
    /// Not TOML, or not these fields.
    #[error("not a network file: {0}")]
    Syntax(#[from] toml::de::Error),
    /// A version that this program does not know.
    #[error(
        "the network file has version {0}, this program knows {NETWORK_FILE_VERSION}: update it"
    )]
    Version(u8),
    /// A number that is out of its range.
    #[error("`{field}` has to be {range}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What it may be.
        range: String,
    },
    /// A key that is not one.
    #[error("`{0}` is not a key")]
    BadKey(&'static str),
    /// An address without a port.
    #[error("`{0}` is not an address of the form host:port")]
    BadAddress(String),
    /// A key that names two servers, or that everybody can agree with.
    #[error("the key {0} stands twice, or is no key that keeps a secret")]
    UnfitKey(String),
    /// The certificate is not PEM.
    #[error("`ca` is not a certificate in PEM form")]
    BadCertificate,
}

impl Network {
    /// Describes a network.
    ///
    /// # Errors
    /// [`NetworkFileError`] if the period or the number of hops or lanes is out of range.
    pub fn new(
        period_ms: u64,
        lanes: u8,
        entry: EntryInfo,
        hops: Vec<HopInfo>,
    ) -> Result<Self, NetworkFileError> {
        let period_ms = NonZeroU64::new(period_ms)
            .filter(|ms| (MIN_PERIOD_MS..=MAX_PERIOD_MS).contains(&ms.get()))
            .ok_or_else(|| out_of_range("period_ms", MIN_PERIOD_MS, MAX_PERIOD_MS))?;
        let count = u8::try_from(hops.len())
            .ok()
            .and_then(Hops::new)
            .ok_or_else(|| out_of_range("hop", 1, MAX_HOPS.into()))?;
        let shape = RoundShape::new(count, lanes)
            .ok_or_else(|| out_of_range("lanes", 1, MAX_LANES.into()))?;
        check_keys(&entry, &hops)?;
        Ok(Self { period_ms, entry, shape, hops })
    }

    /// Parses a network file.
    ///
    /// # Errors
    /// [`NetworkFileError`], which says what to change.
    pub fn parse(text: &str) -> Result<Self, NetworkFileError> {
        if text.len() > NETWORK_FILE_MAX {
            return Err(NetworkFileError::TooLong(text.len()));
        }
        let file: File = toml::from_str(text)?;
        if file.version != NETWORK_FILE_VERSION {
            return Err(NetworkFileError::Version(file.version));
        }
        let ca = CertificateDer::from_pem_slice(file.entry.ca.as_bytes())
            .map_err(|_| NetworkFileError::BadCertificate)?;
        let entry = EntryInfo {
            address: address(file.entry.address)?,
            identity: identity(&file.entry.identity)?,
            ca,
        };
        let hops = file.hop.into_iter().map(HopFile::parse).collect::<Result<_, _>>()?;
        Self::new(file.period_ms, file.lanes, entry, hops)
    }

    /// The file, with comments for the people who open it.
    ///
    /// `ca_pem` is the certificate of [`EntryInfo::ca`] in PEM form.
    #[must_use]
    pub fn to_file(&self, ca_pem: &str) -> String {
        let entry = EntryFile {
            address: self.entry.address.clone(),
            identity: hex::encode(self.entry.identity.to_bytes()),
            ca: ca_pem.to_owned(),
        };
        let file = File {
            version: NETWORK_FILE_VERSION,
            period_ms: self.period_ms.get(),
            lanes: self.shape.lanes(),
            entry,
            hop: self.hops.iter().map(HopFile::from_info).collect(),
        };
        let body = toml::to_string_pretty(&file).expect("the file has only strings and integers");
        format!(
            "# A Talaria network. Give this file to everyone who should join; it holds no secret.\n\
             # Addresses may change; everything else is the identity of the network.\n\n{body}"
        )
    }

    /// Sizes that follow from the network.
    #[must_use]
    pub fn shape(&self) -> RoundShape {
        self.shape
    }

    /// The chain, first hop first.
    #[must_use]
    pub fn hops(&self) -> &[HopInfo] {
        &self.hops
    }

    /// Moves the hops to these addresses, first hop first. The network stays the same.
    pub fn set_hop_addresses(&mut self, addresses: impl IntoIterator<Item = String>) {
        for (hop, address) in self.hops.iter_mut().zip(addresses) {
            hop.address = address;
        }
    }

    /// The onion keys of the chain, first hop first.
    #[must_use]
    pub fn onion_keys(&self) -> Vec<OnionPublic> {
        self.hops.iter().map(|hop| hop.onion_key).collect()
    }

    /// The hash of everything but the addresses.
    #[must_use]
    pub fn id(&self) -> NetworkId {
        let mut bytes = vec![NETWORK_FILE_VERSION];
        bytes.extend_from_slice(&self.period_ms.get().to_be_bytes());
        bytes.extend_from_slice(&[self.shape.lanes(), self.shape.hops().get()]);
        bytes.extend_from_slice(&self.entry.identity.to_bytes());
        bytes.extend_from_slice(blake3::hash(&self.entry.ca).as_bytes());
        for hop in &self.hops {
            bytes.extend_from_slice(&hop.identity.to_bytes());
            bytes.extend_from_slice(&hop.onion_key.0);
        }
        NetworkId(derive(Label::NetworkId, &[&bytes]))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u8,
    period_ms: u64,
    lanes: u8,
    entry: EntryFile,
    #[serde(default)]
    hop: Vec<HopFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryFile {
    address: String,
    identity: String,
    ca: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HopFile {
    address: String,
    identity: String,
    onion_key: String,
}

impl HopFile {
    fn parse(self) -> Result<HopInfo, NetworkFileError> {
        Ok(HopInfo {
            address: address(self.address)?,
            identity: identity(&self.identity)?,
            onion_key: OnionPublic(
                key_bytes(&self.onion_key).map_err(|_| NetworkFileError::BadKey("onion_key"))?,
            ),
        })
    }

    fn from_info(info: &HopInfo) -> Self {
        Self {
            address: info.address.clone(),
            identity: hex::encode(info.identity.to_bytes()),
            onion_key: hex::encode(info.onion_key.0),
        }
    }
}

/// One key in two places would be one operator who looks like two; a low-order onion key would
/// make a layer that everybody can open.
fn check_keys(entry: &EntryInfo, hops: &[HopInfo]) -> Result<(), NetworkFileError> {
    let identities = std::iter::once(&entry.identity).chain(hops.iter().map(|hop| &hop.identity));
    let identities = identities.map(|key| hex::encode(key.to_bytes()));
    let onion_keys = hops.iter().map(|hop| hex::encode(hop.onion_key.0));
    let mut seen = BTreeSet::new();
    for key in identities.chain(onion_keys) {
        if !seen.insert(key.clone()) {
            return Err(NetworkFileError::UnfitKey(key));
        }
    }
    match hops.iter().find(|hop| !hop.onion_key.contributes()) {
        Some(hop) => Err(NetworkFileError::UnfitKey(hex::encode(hop.onion_key.0))),
        None => Ok(()),
    }
}

fn key_bytes<const N: usize>(text: &str) -> Result<[u8; N], BadKey> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| BadKey)?;
    Ok(bytes)
}

fn identity(text: &str) -> Result<IdentityPublic, NetworkFileError> {
    key_bytes::<IDENTITY_PUBLIC_LEN>(text)
        .and_then(|bytes| IdentityPublic::from_bytes(&bytes))
        .map_err(|_| NetworkFileError::BadKey("identity"))
}

fn address(text: String) -> Result<String, NetworkFileError> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
    // `parse` alone would take a plus sign.
    let digits = port.filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(|(_, port)| port.parse::<u16>()) {
        Some(Ok(_)) => Ok(text),
        _ => Err(NetworkFileError::BadAddress(text)),
    }
}

fn out_of_range(field: &'static str, low: u64, high: u64) -> NetworkFileError {
    NetworkFileError::OutOfRange { field, range: format!("{low} to {high}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{IdentitySecret, OnionSecret};
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAQIDBA==\n-----END CERTIFICATE-----\n";

    fn network() -> Network {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let mut identity = || *IdentitySecret::generate(&mut rng).public();
        let entry = EntryInfo {
            address: "127.0.0.1:7400".to_owned(),
            identity: identity(),
            ca: CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap(),
        };
        let hops = (1..=3)
            .map(|i| HopInfo {
                address: format!("[::1]:740{i}"),
                identity: identity(),
                onion_key: *OnionSecret::from_bytes(&[i; 32]).public(),
            })
            .collect();
        Network::new(2000, 1, entry, hops).unwrap()
    }

    #[test]
    fn files_round_trip_and_ids_ignore_addresses() {
        let network = network();
        let file = network.to_file(PEM);
        assert_eq!(Network::parse(&file).unwrap(), network);
        let moved = Network::parse(&file.replace(":7402", ":9999")).unwrap();
        assert_eq!(moved.id(), network.id());
        let slower = Network::parse(&file.replace("= 2000", "= 2001")).unwrap();
        assert_ne!(slower.id(), network.id());
    }

    #[test]
    fn mistakes_are_named() {
        let file = network().to_file(PEM);
        let mistakes = [
            ("period_ms = 2000", "period_ms = 10", "`period_ms` has to be 50 to 3600000"),
            ("lanes = 1", "lanes = 0", "`lanes` has to be 1 to 16"),
            ("version = 1", "version = 2", "version 2"),
            ("lanes = 1", "lanes = 1\ncolour = 3", "unknown field `colour`"),
            ("127.0.0.1:7400", "127.0.0.1", "not an address of the form host:port"),
            ("BEGIN", "START", "not a certificate"),
            ("onion_key = \"", "onion_key = \"zz", "`onion_key` is not a key"),
            ("identity = \"0", "identity = \"1", "`identity` is not a key"),
        ];
        for (from, to, message) in mistakes {
            let error = Network::parse(&file.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert!(Network::parse(&" ".repeat(NETWORK_FILE_MAX + 1)).is_err());
        assert!(Network::parse("").is_err());
    }

    #[test]
    fn keys_that_stand_twice_or_keep_no_secret_are_refused() {
        let network = network();
        let (entry, hops) = (network.entry.clone(), network.hops.clone());
        let refused = |change: &dyn Fn(&mut Vec<HopInfo>)| {
            let mut hops = hops.clone();
            change(&mut hops);
            let made = Network::new(2000, 1, entry.clone(), hops);
            matches!(made, Err(NetworkFileError::UnfitKey(_)))
        };
        assert!(!refused(&|_| ()));
        assert!(refused(&|hops| hops[1].onion_key = hops[0].onion_key));
        assert!(refused(&|hops| hops[1].identity = hops[2].identity));
        assert!(refused(&|hops| hops[1].identity = entry.identity));
        assert!(refused(&|hops| hops[1].onion_key = OnionPublic([0; 32])));
    }

    proptest! {
        #[test]
        fn any_text_is_an_error_or_a_network(text: String) {
            let _ = Network::parse(&text);
        }
    }
}
