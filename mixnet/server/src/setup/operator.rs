//! One server of a network that several operators run: its keys, its configuration, and the
//! public part that goes into the network file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{EntryInfo, HopInfo, PublicPart, Role};

use super::templates::{entry_toml, hop_toml};
use super::{DataFolder, SetupError};
use crate::files::keys::{self, CertificatePaths, KeyError};
use crate::files::network::in_file;

/// What an operator says of a server.
#[derive(Clone, Debug)]
pub struct Operated {
    /// The operator's name, in the network file.
    pub operator: String,
    /// `host:port` under which others reach the server.
    pub address: String,
    /// Where it listens.
    pub listen: SocketAddr,
}

/// Files that a set-up has written.
#[derive(Clone, Debug)]
pub struct Made {
    /// The public part, to be handed to whoever makes the network file.
    pub public_part: PathBuf,
    /// The configuration for `talariad run`.
    pub config: PathBuf,
    /// What the public part says.
    pub part: PublicPart,
    /// Whether there was a key, which was kept.
    pub kept_key: bool,
    /// Whether there was a configuration, which was kept.
    pub kept_config: bool,
}

impl DataFolder {
    /// Makes a hop: keys and a configuration that are there are kept, the public part is written
    /// anew.
    ///
    /// # Errors
    /// [`SetupError`] if a file cannot be written, or a name or an address has not its form.
    pub fn init_hop(&self, operated: Operated) -> Result<Made, SetupError> {
        let (kept_key, own) = self.own_identity()?;
        let Operated { operator, address, listen } = operated;
        let role = Role::Hop(HopInfo { operator, address, identity: *own.public() });
        let public_part = self.path.join("hop-public.toml");
        let part = PublicPart::sign(role, &own).map_err(in_file(&public_part))?;
        let config = hop_toml("hop", None, listen, "");
        let (config, kept_config) = self.write_new("hop.toml", &config)?;
        keys::write_file(&public_part, part.to_toml().as_bytes())?;
        Ok(Made { public_part, config, part, kept_key, kept_config })
    }

    /// Makes an entry, with the authority for its certificate, and the key of the directory of the
    /// identity service beside it, which others reach at `identity`.
    ///
    /// # Errors
    /// [`SetupError`] if a file cannot be written, or a name or an address has not its form.
    pub fn init_entry(&self, operated: Operated, identity: String) -> Result<Made, SetupError> {
        let (kept_key, own) = self.own_identity()?;
        let Operated { operator, address, listen } = operated;
        let ca = self.certificates(&self.path)?;
        let entry = EntryInfo { operator, address, identity: *own.public(), ca };
        let role = Role::Entry(entry, self.identity_info(identity)?);
        let public_part = self.path.join("entry-public.toml");
        let part = PublicPart::sign(role, &own).map_err(in_file(&public_part))?;
        let beside = listen.port().checked_add(1).ok_or(SetupError::NoPort)?;
        let beside = SocketAddr::new(listen.ip(), beside);
        let config = entry_toml(listen, beside, "");
        let (config, kept_config) = self.write_new("entry.toml", &config)?;
        keys::write_file(&public_part, part.to_toml().as_bytes())?;
        Ok(Made { public_part, config, part, kept_key, kept_config })
    }

    /// The authority, with the entry's certificate in `folder`.
    pub(super) fn certificates(
        &self,
        folder: &Path,
    ) -> Result<CertificateDer<'static>, SetupError> {
        let (key, certificate) = (self.path.join("ca.key"), self.path.join("ca.pem"));
        keys::authority(&key, &certificate)?;
        keys::entry_certificate(&CertificatePaths {
            authority_key: &key,
            authority: &certificate,
            server_key: &folder.join("tls.key"),
            server: &folder.join("tls.pem"),
        })?;
        let pem = std::fs::read(&certificate)
            .map_err(|error| SetupError::Io { path: certificate.clone(), error })?;
        let ca = CertificateDer::from_pem_slice(&pem);
        Ok(ca.map_err(|_| KeyError::Malformed(certificate))?)
    }

    /// The identity key, and whether it was there before.
    fn own_identity(&self) -> Result<(bool, IdentitySecret), SetupError> {
        let path = self.path.join("identity.key");
        Ok((path.exists(), keys::identity(&path)?))
    }

    /// Writes a file unless it is there; gives its path, and whether it was.
    fn write_new(&self, name: &str, text: &str) -> Result<(PathBuf, bool), SetupError> {
        let path = self.path.join(name);
        let there = path.exists();
        if !there {
            keys::write_file(&path, text.as_bytes())?;
        }
        Ok((path, there))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn operated(operator: &str) -> Operated {
        Operated {
            operator: operator.to_owned(),
            address: "hop.example:7401".to_owned(),
            listen: SocketAddr::from(([0, 0, 0, 0], 7401)),
        }
    }

    #[test]
    fn keys_are_kept_and_the_public_part_follows() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let first = data.init_hop(operated("Alice")).unwrap();
        let first_kept = first.kept_key || first.kept_config;
        let moved = Operated { address: "other.example:1".to_owned(), ..operated("Alice") };
        let second = data.init_hop(moved).unwrap();
        let hops = [first, second.clone()].map(|made| made.part.into_hop().unwrap());
        assert!(!first_kept && second.kept_key && second.kept_config);
        assert_eq!(hops[0].identity, hops[1].identity);
        assert_eq!(hops[1].address, "other.example:1");
        let config = Config::load(&second.config).unwrap();
        assert_eq!((config.hop.len(), config.hop[0].place), (1, None));
        assert!(keys::read_identity(&config.hop[0].identity).is_ok());
        let read = crate::files::network::read_public_part(&second.public_part).unwrap();
        assert_eq!(read, second.part);
        assert!(matches!(data.init_hop(operated("\n")), Err(SetupError::Network(_))));
    }

    #[test]
    fn an_entry_has_what_its_configuration_names() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let made = data.init_entry(operated("Eve"), "hop.example:7402".to_owned()).unwrap();
        let entry = Config::load(&made.config).unwrap().entry.unwrap();
        assert!(keys::read_tls(&entry.tls_certificate, &entry.tls_key).is_ok());
        let again = data.init_entry(operated("Eve"), "hop.example:7402".to_owned()).unwrap();
        assert_eq!(again.part, made.part);
        let moved = data.init_entry(operated("Eve"), "other.example:1".to_owned()).unwrap();
        let [(_, first), (_, moved)] = [made, moved].map(|made| made.part.into_entry().unwrap());
        assert_eq!((moved.address.as_str(), moved.key), ("other.example:1", first.key));
        let head = keys::read_identity(&folder.path().join("identity/head.key")).unwrap();
        assert_eq!(*head.public(), first.key);
    }
}
