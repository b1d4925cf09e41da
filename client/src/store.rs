//! The home of an identity on disk: key, network file, contacts, and what is under way.
//!
//! Only one process at a time uses a home: two would answer the same round twice, or say
//! different things under the same number. The lock is the operating system's, and vanishes with
//! the process, however it ends.

mod database;
mod files;
mod mark;
mod network;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rand::CryptoRng;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::network_file::{Known, Network, NetworkFileError, NetworkId};
use talaria_wire::{Round, UnixMillis};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::client::Change;
use crate::contact::{Contact, Name, NetworkTag};
use crate::conversation::state::{self, ConversationState, Received};
use crate::identity::Identity;
use database::{Database, Local};
use mark::Step;

pub use mark::ShownMark;
pub use network::NetworkSource;

const KEY_FILE: &str = "identity.key";
const NETWORK_FILE: &str = "network.toml";
const DATABASE_FILE: &str = "talaria.db";
const LOCK_FILE: &str = "lock";

/// What is wrong with a home, and what to do about it.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is no identity.
    #[error("no identity in {0}: make one with `talaria init --network FILE`")]
    NoIdentity(PathBuf),
    /// There is one already.
    #[error("{0} holds an identity already, and it is not replaced: choose another --home")]
    IdentityExists(PathBuf),
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
    /// The key file holds something else.
    #[error("{0} does not hold a key: restore it from a copy")]
    BadKey(PathBuf),
    /// The database cannot be used.
    #[error("the database of the home cannot be used: {0}")]
    Database(#[from] rusqlite::Error),
    /// The database was written by a newer program.
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
    /// The home belongs to another network than its database says.
    #[error("the network file of the home is another one: put it back with `talaria network FILE`")]
    OtherNetwork,
    /// A network file that was to follow upon the home's is of another network.
    #[error(
        "{path} is of another network, `{name}`: to leave yours and go there, add --switch (your \
         card changes then, and those of others have to be exchanged again)"
    )]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// What the network is called.
        name: String,
    },
    /// Nobody of this name is known.
    #[error("nobody called `{0}` is known: use their card once, then the name works")]
    UnknownContact(String),
    /// The name belongs to somebody else.
    #[error(
        "`{0}` is the name of somebody else already: ask whose card this is, then choose a name \
         with --as"
    )]
    NameTaken(Name),
    /// The contact's card is of another network.
    #[error("`{0}` was met in another network: ask for the card of this network")]
    ContactElsewhere(Name),
}

/// An identity's home directory, for this process alone.
pub struct Home {
    dir: PathBuf,
    database: Database,
    /// Held, not read: dropping it gives the home free.
    _lock: Option<File>,
}

impl Home {
    /// Makes an identity for the network that `network_file` describes.
    ///
    /// # Errors
    /// [`HomeError::IdentityExists`] if there is one; nothing is changed then.
    pub fn create(
        dir: &Path,
        network_file: &Path,
        name: Name,
        now: UnixMillis,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HomeError> {
        let network = network::read(network_file, now, None)?;
        files::make_dir(dir)?;
        let lock = lock(dir)?;
        let key_path = dir.join(KEY_FILE);
        if key_path.exists() {
            return Err(HomeError::IdentityExists(dir.to_owned()));
        }
        let secret = IdentitySecret::generate(rng);
        let created = Round::at(now, network.period_ms);
        let mut database = Database::open(&dir.join(DATABASE_FILE))?;
        let network_path = absolute(network_file);
        database.set_local(&Local { name, created, network: network.id(), network_path })?;
        files::write_private(&dir.join(NETWORK_FILE), network.file().to_toml().as_bytes())?;
        // Last: with the key, the home is complete.
        let hex = Zeroizing::new(HEXLOWER.encode(&*secret.to_bytes()));
        files::write_private(&key_path, hex.as_bytes())?;
        Ok(Self { dir: dir.to_owned(), database, _lock: Some(lock) })
    }

    /// Opens a home for this process alone.
    ///
    /// # Errors
    /// [`HomeError::NoIdentity`] or [`HomeError::InUse`] among others.
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        require_identity(dir)?;
        let lock = lock(dir)?;
        let database = Database::open(&dir.join(DATABASE_FILE))?;
        Ok(Self { dir: dir.to_owned(), database, _lock: Some(lock) })
    }

    /// Opens a home to look at the card and the contacts, even while another process uses it.
    ///
    /// # Errors
    /// [`HomeError::NoIdentity`] among others.
    pub fn look_into(dir: &Path) -> Result<Self, HomeError> {
        require_identity(dir)?;
        let database = Database::open(&dir.join(DATABASE_FILE))?;
        Ok(Self { dir: dir.to_owned(), database, _lock: None })
    }

    /// The identity.
    ///
    /// # Errors
    /// [`HomeError`] if the key cannot be read.
    pub fn identity(&self) -> Result<Identity, HomeError> {
        let path = self.dir.join(KEY_FILE);
        let text = std::fs::read_to_string(&path);
        let text = Zeroizing::new(text.map_err(files::failed("read", &path))?);
        let bytes = HEXLOWER.decode(text.trim().as_bytes()).map(Zeroizing::new);
        let secret = bytes.ok().and_then(|bytes| {
            let array: Zeroizing<[u8; 32]> = Zeroizing::new(bytes.as_slice().try_into().ok()?);
            IdentitySecret::from_bytes(&array).ok()
        });
        let secret = secret.ok_or(HomeError::BadKey(path))?;
        let Local { name, created, .. } = self.database.local()?;
        Ok(Identity { secret, name, created })
    }

    /// Where the network is described.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn network_source(&self) -> Result<NetworkSource, HomeError> {
        let Local { network, network_path, .. } = self.database.local()?;
        Ok(NetworkSource::new(&self.dir, network, network_path))
    }

    /// The network that the home belongs to, in whatever version.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn network_id(&self) -> Result<NetworkId, HomeError> {
        Ok(self.database.local()?.network)
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

    /// Takes another version of the network file, also while another process uses the home: that
    /// one goes on with it from its next connection on.
    ///
    /// # Errors
    /// [`HomeError`] if it does not follow upon the version that is known; the home is as before
    /// then.
    pub fn update_network(&mut self, file: &Path, now: UnixMillis) -> Result<Network, HomeError> {
        let network = self.network_source()?.update(file, now)?;
        let mut local = self.database.local()?;
        local.network_path = absolute(file);
        self.database.set_local(&local)?;
        Ok(network)
    }

    /// Leaves the network for another one: the card changes, and the contacts' cards of the old
    /// network are of no use any more. If the file is of the same network, it is an update.
    ///
    /// # Errors
    /// [`HomeError`]; the home is as before then.
    pub fn switch_network(&mut self, file: &Path, now: UnixMillis) -> Result<Network, HomeError> {
        let network = network::read(file, now, None)?;
        let mut local = self.database.local()?;
        if local.network == network.id() {
            return self.update_network(file, now);
        }
        local.network = network.id();
        local.created = Round::at(now, network.period_ms);
        local.network_path = absolute(file);
        self.network_source()?.replace(&network)?;
        self.database.set_local(&local)?;
        Ok(network)
    }

    /// Everybody known, by name.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn contacts(&self) -> Result<Vec<Contact>, HomeError> {
        self.database.contacts()
    }

    /// The contact of this name.
    ///
    /// # Errors
    /// [`HomeError::UnknownContact`], [`HomeError::ContactElsewhere`].
    pub fn contact(&self, name: &str) -> Result<Contact, HomeError> {
        let (contact, network) = self
            .database
            .contact_named(name.trim())?
            .ok_or_else(|| HomeError::UnknownContact(name.to_owned()))?;
        if network != NetworkTag::from(self.database.local()?.network) {
            return Err(HomeError::ContactElsewhere(contact.name));
        }
        Ok(contact)
    }

    /// Remembers a contact, or what has changed of one.
    ///
    /// # Errors
    /// [`HomeError::NameTaken`] if somebody else has the name.
    pub fn remember(&mut self, contact: &Contact) -> Result<(), HomeError> {
        if let Some((other, _)) = self.database.contact_named(contact.name.as_str())?
            && other.key != contact.key
        {
            return Err(HomeError::NameTaken(contact.name.clone()));
        }
        let network = self.database.local()?.network;
        self.database.put_contact(contact, network.into())
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
    ) -> Result<(ShownMark, Option<Received>), HomeError> {
        let mark = ShownMark::open(&self.dir, *partner)?;
        let Some((through, step)) = mark.last() else {
            return Ok((mark, None));
        };
        let mut unshown = self.conversation(partner)?.unshown.into_iter();
        let interrupted = unshown.find(|text| text.seq == through && step == Step::Begun);
        let shown = state::Change::Shown { through };
        self.commit(&[Change::Conversation(*partner, shown)])?;
        Ok((mark, interrupted))
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

fn require_identity(dir: &Path) -> Result<(), HomeError> {
    let complete = dir.join(KEY_FILE).exists();
    complete.then_some(()).ok_or_else(|| HomeError::NoIdentity(dir.to_owned()))
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
