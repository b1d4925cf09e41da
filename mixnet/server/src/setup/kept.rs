//! What a folder has once had is not made anew: it is put back, or somebody says that it is over.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use talaria_identity::store::Database;
use talaria_wire::network_file::Known;
use talaria_wire::params::MAX_HOPS;

use super::{DataFolder, Listen, SetupError, hop_name};
use crate::config::{Config, HopSection};
use crate::files::keys;

/// Files that cannot be made again, and what they are needed for.
const KEPT: [(&str, &str); 5] = [
    ("ca.key", "it signs the certificates of users and servers"),
    ("ca.pem", "clients and servers know the network by it"),
    ("entry/identity.key", "the network file names it"),
    ("identity/head.key", "it signs the directory, and the network file names it"),
    ("identity/opaque.key", "without it no user can log in ever again"),
];
const HOP_KEY: &str = "the network file names it";
const NETWORK: &str = "every client has a copy of it in its home, and each operator has one";
const USERS: &str = "it holds every user and the directory";

/// Something is gone that once was there.
#[derive(Debug)]
pub struct Gone(Vec<(PathBuf, &'static str)>);

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, meaning) in &self.0 {
            writeln!(f, "{} is gone: {meaning}", path.display())?;
        }
        f.write_str(
            "Nothing was changed. Put it back from a backup and start again. If there is none, this \
             network is over: begin another one with --data in another folder",
        )
    }
}

impl DataFolder {
    /// Makes sure that nothing is gone of a network that was described here, or that has run.
    pub(super) fn require_whole(&self, known: Option<&Known>) -> Result<(), SetupError> {
        let has_run =
            (1..=MAX_HOPS).any(|place| self.path.join(hop_name(place)).join("rounds").exists());
        if known.is_none() && !has_run {
            return Ok(());
        }
        let hops = known.map_or(0, |known| known.terms().hops.len());
        let hops =
            (1..).take(hops).map(|place| self.path.join(hop_name(place)).join("identity.key"));
        let mut needed: Vec<_> =
            KEPT.iter().map(|(name, why)| (self.path.join(name), *why)).collect();
        needed.extend(hops.map(|path| (path, HOP_KEY)));
        if has_run {
            needed.push((self.network_file(), NETWORK));
            needed.extend(self.users()?.map(|path| (path, USERS)));
        }
        needed.retain(|(path, _)| !path.exists());
        if !needed.is_empty() {
            return Err(SetupError::Gone(Gone(needed)));
        }
        // Whoever prepares a folder reads all the others.
        keys::read_authority(&self.path.join("ca.key"), &self.path.join("ca.pem"))?;
        keys::read_opaque_secrets(&self.path.join("identity/opaque.key"))?;
        Ok(())
    }

    /// The file in which users are kept, if it is one.
    fn users(&self) -> Result<Option<PathBuf>, SetupError> {
        let section = self.written("entry")?.and_then(|config| config.identity);
        let database = section.map(|section| section.database);
        Ok(match database {
            None => Some(self.path.join("identity/users.db")),
            Some(Database::File(path)) => Some(path),
            Some(Database::Url(_)) => None,
        })
    }

    /// Before anything has run there is a file of users, if users are in one, so that it can be missed when it is gone.
    pub(super) fn make_users(&self) -> Result<(), SetupError> {
        let Some(path) = self.users()? else { return Ok(()) };
        let made = File::options().create(true).append(true).mode(0o600).open(&path);
        made.map(drop).map_err(|error| SetupError::Io { path, error })
    }

    /// Where the configuration of a role is.
    pub(super) fn config_file(&self, role: &str) -> PathBuf {
        self.path.join(role).with_extension("toml")
    }

    /// The configuration of a role, if somebody has written one.
    fn written(&self, role: &str) -> Result<Option<Config>, SetupError> {
        let path = self.config_file(role);
        if path.exists() { Ok(Some(Config::load(&path)?)) } else { Ok(None) }
    }

    /// One configuration with every role of the network: what the files of the roles say, but for the
    /// addresses, on which it listens already.
    ///
    /// # Errors
    /// [`SetupError`] if one of them cannot be read, or lacks its role.
    pub fn obeyed(&self, listen: &Listen) -> Result<Config, SetupError> {
        let mut config = self.config(listen);
        if let Some(written) = self.written("entry")? {
            let (Some(mut entry), Some(mut identity)) = (written.entry, written.identity) else {
                return Err(SetupError::NoRole(self.config_file("entry")));
            };
            (entry.listen, identity.listen) = (listen.entry, listen.identity);
            (config.entry, config.identity) = (Some(entry), Some(identity));
            (config.limits, config.log) = (written.limits, written.log);
        }
        for (place, (hop, listen)) in (1..).zip(config.hop.iter_mut().zip(&listen.hops)) {
            let name = hop_name(place);
            if let Some(written) = self.written(&name)? {
                let [section] = <[HopSection; 1]>::try_from(written.hop)
                    .map_err(|_| SetupError::NoRole(self.config_file(&name)))?;
                *hop = HopSection { listen: *listen, ..section };
            }
        }
        Ok(config)
    }
}
