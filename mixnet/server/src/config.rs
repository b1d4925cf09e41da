//! The configuration file of `talariad run`: which roles this process has, and their files.
//!
//! TOML. A key that is not known is an error. Paths are relative to the file that names them.

use crate::files::read_bounded;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;
use tracing_subscriber::EnvFilter;

use crate::files::network::Memory;
use talaria_identity::limits::IdentityLimits;
use talaria_identity::service::Registrations;
use talaria_identity::store::Database;

/// A configuration file is not longer than this.
pub const CONFIG_MAX: u64 = 64 * 1024;

/// What a process runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network file.
    pub network: PathBuf,
    /// The entry, if it runs here.
    #[serde(default)]
    pub entry: Option<EntrySection>,
    /// The identity service, if it runs here.
    #[serde(default)]
    pub identity: Option<IdentitySection>,
    /// The hops that run here.
    #[serde(default)]
    pub hop: Vec<HopSection>,
    /// What clients and peers may make this process hold.
    #[serde(default)]
    pub limits: Limits,
    /// What is logged, unless the environment says so.
    #[serde(default)]
    pub log: Option<LogFilter>,
}

/// What is logged: a level such as `info`, or several for parts of the program.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFilter(String);

impl LogFilter {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LogFilter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match EnvFilter::try_new(&text) {
            Ok(_) => Ok(Self(text)),
            Err(error) => Err(format!("`{text}` says not what is to be logged: {error}")),
        }
    }
}

/// The entry's part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntrySection {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The key that the entry shows to the first hop.
    pub identity: PathBuf,
    /// Its TLS certificate, signed by the network's authority.
    pub tls_certificate: PathBuf,
    /// The key to that certificate.
    pub tls_key: PathBuf,
    /// The folder with the newest network file that it ran with.
    pub state: PathBuf,
}

/// The identity service's part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySection {
    /// Where users connect.
    pub listen: SocketAddr,
    /// Where users are kept: an SQLite file, or a `postgres://` URL.
    pub database: Database,
    /// The network's authority.
    pub authority: PathBuf,
    /// Its key, which signs certificates of users.
    pub authority_key: PathBuf,
    /// The service's TLS certificate, signed by the network's authority.
    pub tls_certificate: PathBuf,
    /// The key to that certificate.
    pub tls_key: PathBuf,
    /// The key that signs the heads of the directory.
    pub head_key: PathBuf,
    /// What OPAQUE answers with: without it nobody can log in any more.
    pub opaque_key: PathBuf,
    /// The socket for `talariad user`, `token`, `backup` and `restore`.
    pub control: PathBuf,
    /// Who may register.
    #[serde(default = "everybody")]
    pub registrations: Registrations,
    /// What users may ask for.
    #[serde(default)]
    pub limits: IdentityLimits,
}

fn everybody() -> Registrations {
    Registrations::Open
}

impl IdentitySection {
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let file = match &mut self.database {
            Database::File(path) => Some(path),
            Database::Url(_) => None,
        };
        let others = [
            &mut self.authority,
            &mut self.authority_key,
            &mut self.tls_certificate,
            &mut self.tls_key,
            &mut self.head_key,
            &mut self.opaque_key,
            &mut self.control,
        ];
        others.into_iter().chain(file)
    }
}

/// A hop's part.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HopSection {
    /// Its place in the chain, counted from 1; the place that the network file has for its key if
    /// it is not given.
    #[serde(default)]
    pub place: Option<u8>,
    /// Where the server before it connects.
    pub listen: SocketAddr,
    /// The key that it shows on its links.
    pub identity: PathBuf,
    /// The folder with the record of the last round, and the newest network file that it ran with.
    pub rounds: PathBuf,
}

/// Limits, with defaults that suit a machine with two cores and a few gigabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Clients at once.
    pub max_clients: usize,
    /// Onions in a round.
    pub max_onions: usize,
    /// Threads for the heavy work; all cores if not given.
    pub threads: Option<NonZeroUsize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_clients: 20_000, max_onions: 1_000_000, threads: None }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Not TOML, or not these keys.
    #[error("{path}: {error}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        error: Box<toml::de::Error>,
    },
    /// Nothing to do.
    #[error("{0} names no role: add an [entry], an [identity] or a [[hop]] section")]
    NoRole(PathBuf),
}

impl Config {
    /// Parses a configuration whose paths are relative to `folder`.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, toml::de::Error> {
        let mut config: Self = toml::from_str(text)?;
        for path in config.paths() {
            *path = folder.join(&*path);
        }
        Ok(config)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], which says what to change.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = read_bounded(path, CONFIG_MAX)
            .map_err(|error| ConfigError::Io { path: path.to_owned(), error })?;
        let config = Self::parse(&text, folder).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            error: Box::new(error),
        })?;
        if config.entry.is_none() && config.identity.is_none() && config.hop.is_empty() {
            return Err(ConfigError::NoRole(path.to_owned()));
        }
        Ok(config)
    }

    /// Where each role of the process remembers the network file.
    pub fn memories(&self) -> impl Iterator<Item = Memory> {
        let entry = self.entry.iter().map(|entry| Memory::new(&entry.state));
        entry.chain(self.hop.iter().map(|hop| Memory::new(&hop.rounds)))
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let entry = self.entry.iter_mut();
        let entry = entry
            .flat_map(|e| [&mut e.identity, &mut e.tls_certificate, &mut e.tls_key, &mut e.state]);
        let identity = self.identity.iter_mut().flat_map(IdentitySection::paths);
        let hops = self.hop.iter_mut();
        let hops = hops.flat_map(|h| [&mut h.identity, &mut h.rounds]);
        std::iter::once(&mut self.network).chain(entry).chain(identity).chain(hops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"
        network = "network.toml"
        [entry]
        listen = "127.0.0.1:7400"
        identity = "entry/identity.key"
        tls_certificate = "entry/tls.pem"
        tls_key = "/etc/tls.key"
        state = "state"
        [identity]
        listen = "127.0.0.1:7401"
        database = "identity/users.db"
        authority = "ca.pem"
        authority_key = "ca.key"
        tls_certificate = "identity/tls.pem"
        tls_key = "identity/tls.key"
        head_key = "identity/head.key"
        opaque_key = "identity/opaque.key"
        control = "identity/control.sock"
        registrations = "token"
        limits = { idle_s = 5 }
        [[hop]]
        place = 1
        listen = "[::1]:7402"
        identity = "a"
        rounds = "c"
        [limits]
        max_clients = 10
    "#;

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = Config::parse(GOOD, Path::new("/srv")).unwrap();
        assert_eq!(config.network, Path::new("/srv/network.toml"));
        assert_eq!(config.entry.unwrap().tls_key, Path::new("/etc/tls.key"));
        assert_eq!(config.hop[0].rounds, Path::new("/srv/c"));
        let identity = config.identity.unwrap();
        assert_eq!(identity.control, Path::new("/srv/identity/control.sock"));
        assert_eq!(identity.database, Database::File("/srv/identity/users.db".into()));
        assert_eq!(identity.registrations, Registrations::Token);
        assert_eq!(identity.limits, IdentityLimits { idle_s: 5, ..IdentityLimits::default() });
        assert_eq!(config.limits, Limits { max_clients: 10, ..Limits::default() });
    }

    #[test]
    fn a_database_is_a_file_or_a_url_that_is_not_printed() {
        let url = "postgres://talaria:secret@localhost/users";
        let text = GOOD.replace("identity/users.db", url);
        let database = Config::parse(&text, Path::new("/srv")).unwrap().identity.unwrap().database;
        assert!(!format!("{database:?}").contains("secret"));
        assert_eq!(database, Database::Url(url.to_owned()));
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, message) in [
            ("place = 1", "place = 1\nplaec = 2", "unknown field `plaec`"),
            ("rounds = \"c\"", "rounds = \"c\"\nonion_key = \"b\"", "unknown field `onion_key`"),
            ("[limits]", "[limit]", "unknown field `limit`"),
            ("max_clients", "max_client", "unknown field `max_client`"),
            ("network = \"network.toml\"", "", "missing field `network`"),
            ("127.0.0.1:7400", "localhost", "invalid socket address"),
            ("place = 1", "place = 300", "300"),
            ("\"token\"", "\"tokens\"", "unknown variant `tokens`"),
            ("idle_s", "idle", "unknown field `idle`"),
            ("head_key", "head", "unknown field `head`"),
        ] {
            let error = Config::parse(&GOOD.replacen(from, to, 1), Path::new("")).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_error_or_a_configuration(text: String) {
            let _ = Config::parse(&text, Path::new("/"));
        }
    }
}
