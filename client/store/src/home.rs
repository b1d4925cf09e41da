//! The home of an account on disk: an encrypted database, and what has to be known to unlock it.
//!
//! The key pair, the certificate, contacts, conversations and the copy of the directory are in the
//! database. In plain text there are `account.toml`, `network.toml`, two locks without content,
//! and the mark of what was shown, which says nothing without the database.
//!
//! Only one process at a time uses a home: two would answer the same round twice, or say
//! different things under the same number. The lock is the operating system's, and vanishes with
//! the process, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use talaria_client::Change;
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::Copy;
use talaria_wire::network_file::{Known, Network};

use crate::account_file::AccountFile;
use crate::database::{self, Database, Local};
use crate::error::HomeError;
use crate::files::{self, ACCOUNT_FILE, DATABASE_FILE, NETWORK_FILE, absolute, lock};
use crate::key::HomeKey;
use crate::mark;
use crate::network::NetworkSource;

/// An identity's home directory, for this process alone.
pub struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) file: AccountFile,
    pub(crate) database: Database,
    /// The copy of the directory, once it was needed.
    pub(crate) directory: Option<Copy>,
    /// Held, not read: dropping it gives the home free.
    _lock: Option<File>,
}

/// What a registration or a login in a new home ends with.
#[derive(Debug)]
pub struct NewHome<'a> {
    /// Whose home it is.
    pub name: UserName,
    /// The key pair.
    pub secret: &'a IdentitySecret,
    /// The certificate for it.
    pub certificate: CertificateDer<'a>,
    /// The entry of the directory with which the home began.
    pub since: u64,
    /// The account had homes before.
    pub earlier: bool,
    /// The network.
    pub network: &'a Network,
    /// Where the network file came from.
    pub network_file: Option<&'a Path>,
    /// The key of the home.
    pub key: &'a HomeKey,
    /// The same, wrapped.
    pub wrapped_key: Vec<u8>,
}

impl Home {
    /// Makes sure that `dir` is free for an account, before one is made.
    ///
    /// # Errors
    /// [`HomeError::AccountExists`], [`HomeError::OldFormat`] or that nothing can be written there.
    pub fn require_free(dir: &Path) -> Result<(), HomeError> {
        match AccountFile::read(dir) {
            Err(HomeError::NoAccount(_)) => files::make_dir(dir),
            Err(error @ HomeError::OldFormat(_)) => Err(error),
            _ => Err(HomeError::AccountExists(dir.to_owned())),
        }
    }

    /// Makes the home of an account that exists at the service from here on. What is left of an
    /// attempt that was interrupted goes away.
    ///
    /// # Errors
    /// [`HomeError::AccountExists`] if there is one; nothing is changed then.
    pub fn create(dir: &Path, new: NewHome<'_>) -> Result<Self, HomeError> {
        files::make_dir(dir)?;
        let lock = lock(dir)?;
        Self::require_free(dir)?;
        database::remove(&dir.join(DATABASE_FILE))?;
        let mut database = Database::make(&dir.join(DATABASE_FILE), new.key)?;
        database.create_local(&Local {
            name: new.name.clone(),
            secret: IdentitySecret::from_bytes(&new.secret.to_bytes())
                .expect("the bytes of a key are a key"),
            certificate: new.certificate.into_owned(),
            since: new.since,
            network: new.network.id(),
            earlier: new.earlier,
        })?;
        let network = new.network.file().to_toml();
        files::write_private(&dir.join(NETWORK_FILE), network.as_bytes())?;
        let network_file = new.network_file.and_then(absolute);
        let file = AccountFile { name: new.name, wrapped: vec![new.wrapped_key], network_file };
        // Last: with it, the home is complete.
        file.write(dir)?;
        Ok(Self { dir: dir.to_owned(), file, database, directory: None, _lock: Some(lock) })
    }

    /// Opens a home for this process alone.
    ///
    /// # Errors
    /// [`HomeError::NoAccount`] or [`HomeError::InUse`] among others.
    pub fn open(dir: &Path, key: &HomeKey) -> Result<Self, HomeError> {
        let file = AccountFile::read(dir)?;
        let lock = lock(dir)?;
        Self::unlocked(dir, file, key, Some(lock))
    }

    /// Opens a home to look at it, even while another process uses it.
    ///
    /// # Errors
    /// [`HomeError::NoAccount`] among others.
    pub fn look_into(dir: &Path, key: &HomeKey) -> Result<Self, HomeError> {
        Self::unlocked(dir, AccountFile::read(dir)?, key, None)
    }

    /// Makes sure that no other process uses the home, before a password is asked for.
    ///
    /// # Errors
    /// [`HomeError::NoAccount`] or [`HomeError::InUse`] among others.
    pub fn require_unused(dir: &Path) -> Result<(), HomeError> {
        AccountFile::read(dir)?;
        lock(dir).map(drop)
    }

    fn unlocked(
        dir: &Path,
        file: AccountFile,
        key: &HomeKey,
        lock: Option<File>,
    ) -> Result<Self, HomeError> {
        let database = Database::open(&dir.join(DATABASE_FILE), key)?;
        if database.local()?.name != file.name {
            return Err(HomeError::Damaged("name"));
        }
        Ok(Self { dir: dir.to_owned(), file, database, directory: None, _lock: lock })
    }

    /// Removes a home with everything in it but the network file and the lock.
    ///
    /// # Errors
    /// [`HomeError::InUse`] or that a file cannot be removed; calling it again goes on then.
    pub fn remove(dir: &Path) -> Result<(), HomeError> {
        let _lock = lock(dir)?;
        // First: without it nobody can ever open the rest.
        files::remove(&dir.join(ACCOUNT_FILE))?;
        database::remove(&dir.join(DATABASE_FILE))?;
        mark::remove(dir)
    }

    /// What the home says of itself in plain text.
    #[must_use]
    pub fn file(&self) -> &AccountFile {
        &self.file
    }

    /// Replaces what unlocks the home.
    ///
    /// # Errors
    /// [`HomeError`]; what unlocked it before does so still then.
    pub fn set_wrapped(&mut self, wrapped: Vec<Vec<u8>>) -> Result<(), HomeError> {
        self.file = AccountFile::change(&self.dir, |file| file.wrapped = wrapped)?;
        Ok(())
    }

    /// Whether the account had homes before this one, of which this one knows nothing.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn has_earlier(&self) -> Result<bool, HomeError> {
        Ok(self.database.local()?.earlier)
    }

    /// Where the network is described.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn network_source(&self) -> Result<NetworkSource, HomeError> {
        let network = self.database.local()?.network;
        Ok(NetworkSource::new(&self.dir, network, self.file.network_file.clone()))
    }

    /// The newest version of the network that the home has taken, even if its time is over.
    ///
    /// # Errors
    /// [`HomeError`] if the file of the home is not that of its network.
    pub fn known_network(&self) -> Result<Known, HomeError> {
        self.network_source()?.known()
    }

    /// The network, in its newest version.
    ///
    /// # Errors
    /// [`HomeError`] if the file of the home is not that of its network, or its time is over.
    pub fn network(&self, now: UnixMillis) -> Result<Network, HomeError> {
        self.network_source()?.load(now)
    }

    /// Makes changes durable, all or none.
    ///
    /// # Errors
    /// [`HomeError`]; the client must not go on then.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), HomeError> {
        self.database.commit(changes)
    }
}
