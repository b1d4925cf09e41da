//! The home of an account on disk: an encrypted database, and what has to be known to unlock it.
//!
//! The key pair, the certificate, contacts, conversations and the copy of the directory are in the
//! database. In plain text there are `account.toml`, `network.toml`, two locks without content,
//! and the mark of what was shown, which says nothing without the database.
//!
//! Only one process at a time uses a home: two would answer the same round twice, or say
//! different things under the same number. The lock is the operating system's, and vanishes with
//! the process, however it ends.

mod account_file;
mod database;
mod directory;
mod files;
mod key;
mod mark;
mod network;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rand::CryptoRng;
use rustls::pki_types::CertificateDer;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::{BadPage, Copy};
use talaria_wire::network_file::{Known, Network, NetworkFileError};
use talaria_wire::{Round, UnixMillis};
use thiserror::Error;

use crate::account::Credentials;
use crate::client::Change;
use crate::conversation::state::{self, ConversationState, Received};
use crate::identity::{Identity, start_of};
use database::{Database, Local};
use mark::Step;

pub use account_file::AccountFile;
pub use key::HomeKey;
pub use mark::ShownMark;
pub use network::{NetworkSource, read as read_network, update as update_network};

const ACCOUNT_FILE: &str = "account.toml";
const NETWORK_FILE: &str = "network.toml";
const DATABASE_FILE: &str = "talaria.db";
const LOCK_FILE: &str = "lock";
/// Where homes that were not encrypted had their key.
const OLD_KEY_FILE: &str = "identity.key";

/// What is wrong with a home, and what to do about it.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is no account.
    #[error(
        "no account in {0}: make one with `talaria register NAME --network FILE`, or bring yours \
         here with `talaria login NAME --network FILE`"
    )]
    NoAccount(PathBuf),
    /// There is one already.
    #[error(
        "{0} holds an account already, and it is not replaced: choose another --home, or `talaria logout` first"
    )]
    AccountExists(PathBuf),
    /// The home is of a version that did not encrypt.
    #[error(
        "{0} is of an older version, which had contact cards and did not encrypt, and cannot be \
         taken over: use another --home, or remove it, and then `talaria register NAME --network \
         FILE`"
    )]
    OldFormat(PathBuf),
    /// `account.toml` cannot be understood.
    #[error(
        "{0} is damaged: restore it from a copy; without one what this home remembers is lost, \
         and `talaria login NAME` in another --home gets the account itself back"
    )]
    BadAccountFile(PathBuf),
    /// The login was right, and does not open this home.
    #[error(
        "the password is right, but does not open this home: it was changed from another one. \
         `talaria logout` here, then `talaria login NAME`; what this home remembers is lost with it"
    )]
    OtherPassword,
    /// Another process uses the home.
    #[error("another talaria uses {0}: end it first, or choose another --home")]
    InUse(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("the database of the home cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// The home was written by a newer program.
    #[error("the home was written by a newer talaria (format {0}): update this program")]
    NewerFormat(i64),
    /// The database holds something that no program has written.
    #[error("the database of the home is damaged ({0}): restore it from a copy")]
    Damaged(&'static str),
    /// The network file is wrong.
    #[error("{path}: {source}")]
    Network {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: NetworkFileError,
    },
    /// There is no network file to go by.
    #[error(
        "no network is known yet: add --network FILE, which the operator of the network gives out"
    )]
    NoNetwork,
    /// The home belongs to another network than its network file says.
    #[error("the network file of the home is another one: put it back from a copy")]
    OtherNetwork,
    /// A network file that was to follow upon the home's is of another network.
    #[error(
        "{path} is of another network, `{name}`: an account belongs to one network, so register \
         there in another --home"
    )]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// What the network is called.
        name: String,
    },
    /// The account goes on in another home, or with another key.
    #[error(
        "this account goes on in another home, or its key was replaced there: to go on here, \
         `talaria logout` and then `talaria login {0}`; what this home remembers is lost with that"
    )]
    Superseded(UserName),
    /// The directory does not have this account as the home does.
    #[error(
        "WARNING: the directory of the network has another key for you than the identity service \
         gives out, or none: somebody may be trying to pass for you. Tell the operator, and \
         compare safety numbers with your contacts"
    )]
    NotInDirectory,
    /// Nobody of this name is in the directory.
    #[error("nobody called `{0}` is in the directory of this network: check the spelling")]
    UnknownName(UserName),
    /// The name has been given up, or the operator has locked it out.
    #[error("`{0}` takes no part in the network any more")]
    Gone(UserName),
    /// One's own name.
    #[error("`{0}` is you: choose somebody else")]
    Oneself(UserName),
    /// The contact's key is not the one that was known.
    #[error(
        "`{0}` has another key than before: ask them, then compare the safety number with \
         `talaria verify {0}` and accept it with `talaria verify {0} --accept`"
    )]
    KeyChanged(UserName),
    /// Two people with one key: what one says could be taken for the other's.
    #[error(
        "`{0}` has the same key as `{1}`, whom you know: it is the same person, or somebody who deceives you"
    )]
    SharedKey(UserName, UserName),
    /// The service contradicts itself.
    #[error(
        "WARNING: {0}. Nothing of it was taken. The identity service may be lying to you: compare \
         `talaria whoami` with others, and do not trust new keys until its operator has explained \
         this"
    )]
    Directory(#[from] BadPage),
}

/// An identity's home directory, for this process alone.
pub struct Home {
    dir: PathBuf,
    file: AccountFile,
    database: Database,
    /// The copy of the directory, once it was needed.
    directory: Option<Copy>,
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
    /// When the home began, by the directory, in seconds since 1970.
    pub since_s: u64,
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
        let mut database = Database::open(&dir.join(DATABASE_FILE), new.key)?;
        database.create_local(&Local {
            name: new.name.clone(),
            secret: IdentitySecret::from_bytes(&new.secret.to_bytes())
                .expect("the bytes of a key are a key"),
            certificate: new.certificate.into_owned(),
            since_s: new.since_s,
            network: new.network.id(),
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

    /// The identity.
    ///
    /// # Errors
    /// [`HomeError`] if the database or the network file cannot be read.
    pub fn identity(&self) -> Result<Identity, HomeError> {
        let Local { name, secret, since_s, .. } = self.database.local()?;
        let period_ms = self.known_network()?.terms().period_ms;
        Ok(Identity { secret, name, created: start_of(since_s, period_ms) })
    }

    /// The certificate that was issued last.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn certificate(&self) -> Result<CertificateDer<'static>, HomeError> {
        Ok(self.database.local()?.certificate)
    }

    /// When this home began, or its key, by the directory, in seconds since 1970.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn since_s(&self) -> Result<u64, HomeError> {
        Ok(self.database.local()?.since_s)
    }

    /// Goes on with another certificate for the same key.
    ///
    /// # Errors
    /// [`HomeError`]; the old one is kept then.
    pub fn set_certificate(&mut self, certificate: &CertificateDer<'_>) -> Result<(), HomeError> {
        self.database.set_certificate(certificate)
    }

    /// Writes a key down that is to replace the present one.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be written.
    pub fn prepare_key(&mut self, secret: &IdentitySecret) -> Result<(), HomeError> {
        self.database.prepare_key(secret)
    }

    /// Whether this is the key that was written down to replace the present one.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn has_prepared(&self, secret: &IdentitySecret) -> Result<bool, HomeError> {
        let prepared = self.database.prepared()?;
        Ok(prepared.is_some_and(|key| *key == *secret.to_bytes()))
    }

    /// What is shown to the entry.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn credentials(&self) -> Result<Credentials, HomeError> {
        let Local { secret, certificate, .. } = self.database.local()?;
        Ok(Credentials { certificate, secret })
    }

    /// Goes on with another key pair, from `since_s` on.
    ///
    /// # Errors
    /// [`HomeError`]; the old one is kept then.
    pub fn set_key(
        &mut self,
        secret: &IdentitySecret,
        certificate: &CertificateDer<'_>,
        since_s: u64,
    ) -> Result<(), HomeError> {
        self.database.set_key(secret, certificate, since_s)
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

    /// The newest round that was answered.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn last_round(&self) -> Result<Option<Round>, HomeError> {
        self.database.last_round()
    }

    /// What was committed of the conversation with a contact.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn conversation(&self, partner: &IdentityPublic) -> Result<ConversationState, HomeError> {
        self.database.conversation(partner)
    }

    /// Rounds charged to the privacy budget of the conversation with a contact.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn charged(&self, partner: &IdentityPublic) -> Result<u64, HomeError> {
        self.database.charged(partner)
    }

    /// Idle pairs that did not meet in the newest run.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn idle_pairs_unmet(&self) -> Result<u64, HomeError> {
        self.database.idle_pairs_unmet()
    }

    /// What marks, faster than a commit, that something of this conversation is shown; and the
    /// text of which nobody knows whether it was shown when an earlier run was killed.
    ///
    /// What was marked and not committed is committed first: it will not be notified again.
    ///
    /// # Errors
    /// [`HomeError`] if the mark's file or the database cannot be used.
    pub fn shown_mark(
        &mut self,
        partner: &IdentityPublic,
        rng: &mut impl CryptoRng,
    ) -> Result<(ShownMark, Option<Received>), HomeError> {
        let mut interrupted = None;
        if let Some(disguise) = self.database.disguise(partner)?
            && let Some((through, step)) = ShownMark::open(&self.dir, disguise)?.last()
        {
            let mut unshown = self.conversation(partner)?.unshown.into_iter();
            interrupted = unshown.find(|text| text.number == through && step == Step::Begun);
            let shown = state::Change::Shown { through };
            self.commit(&[Change::Conversation(*partner, shown)])?;
        }
        let disguise = mark::Disguise::draw(rng);
        self.database.set_disguise(partner, &disguise)?;
        Ok((ShownMark::open(&self.dir, disguise)?, interrupted))
    }

    /// Makes changes durable, all or none.
    ///
    /// # Errors
    /// [`HomeError`]; the client must not go on then.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), HomeError> {
        self.database.commit(changes)
    }
}

/// The program may be started from elsewhere next time.
fn absolute(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

fn lock(dir: &Path) -> Result<File, HomeError> {
    let path = dir.join(LOCK_FILE);
    let file = files::open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(HomeError::InUse(dir.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(files::failed("lock", &path)(source)),
    }
}

#[cfg(test)]
mod tests;
