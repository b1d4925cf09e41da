//! What is wrong with a home. What to do about it depends on the commands or buttons that there are:
//! whoever tells it to a person adds that.

use std::io;
use std::path::PathBuf;

use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::BadPage;
use talaria_wire::network_file::NetworkFileError;
use thiserror::Error;

/// What is wrong with a home.
#[derive(Debug, Error)]
pub enum HomeError {
    /// There is no account.
    #[error("no account in {0}")]
    NoAccount(PathBuf),
    /// There is one already.
    #[error("{0} holds an account already, and it is not replaced")]
    AccountExists(PathBuf),
    /// The home is of a version that did not encrypt.
    #[error(
        "{0} is of an older version, which had contact cards and did not encrypt, and cannot be \
         taken over"
    )]
    OldFormat(PathBuf),
    /// `account.toml` cannot be understood.
    #[error(
        "{0} is damaged: put a copy of this file back, or of the whole home; without one what this \
         home remembers is lost"
    )]
    BadAccountFile(PathBuf),
    /// The login was right, and does not open this home.
    #[error("the password is right, but does not open this home: it was changed from another one")]
    OtherPassword,
    /// Another process uses the home.
    #[error("another talaria uses {0}")]
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
    Database(#[source] rusqlite::Error),
    /// There is an account, and no database.
    #[error(
        "{0} is gone, and with it the key and what this home remembers: put the newest copy of the whole \
         home back, if there is one"
    )]
    NoDatabase(PathBuf),
    /// The home was written by a newer program.
    #[error("the home was written by a newer talaria (format {0}): update this program")]
    NewerFormat(i64),
    /// The database holds something that no program has written.
    #[error(
        "the database of the home is damaged ({0}): put the newest copy of the whole home back, if \
         there is one; what came after it is missing then, and where that is in doubt you are told"
    )]
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
    #[error("no network is known yet")]
    NoNetwork,
    /// The home belongs to another network than its network file says.
    #[error("the network file of the home is another one: put it back from a copy")]
    OtherNetwork,
    /// A network file that was to follow upon the home's is of another network.
    #[error("{path} is of another network, `{name}`: an account belongs to one network")]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// What the network is called.
        name: String,
    },
    /// The account goes on in another home, or with another key.
    #[error("this account goes on in another home, or its key was replaced there")]
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
    #[error("`{0}` has another key than before")]
    KeyChanged(UserName),
    /// Two people with one key: what one says could be taken for the other's.
    #[error(
        "`{0}` has the same key as `{1}`, whom you know: it is the same person, or somebody who deceives you"
    )]
    SharedKey(UserName, UserName),
    /// The directory is old, and somebody is to be met for the first time.
    #[error(
        "the newest directory that the identity service has signed is {}: somebody may be keeping \
         news from you, and nobody is met for the first time on a directory of more than an \
         hour. See that the clock of this machine is right and try again; if it stays like this, ask \
         the operator", age(*.age_s)
    )]
    Stale {
        /// How old it is, in seconds; `None` if there is none.
        age_s: Option<u64>,
    },
    /// The service contradicts itself.
    #[error("WARNING: {0}. Nothing of it was taken. The identity service may be lying to you")]
    Directory(#[from] BadPage),
}

impl From<rusqlite::Error> for HomeError {
    /// What SQLite finds damaged is damaged: of an error in the tables nothing else is known.
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::Damaged("a row is missing"),
            rusqlite::Error::SqliteFailure(failure, _)
                if matches!(
                    failure.code,
                    rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt
                ) =>
            {
                Self::Damaged("its pages do not fit the key")
            }
            error => Self::Database(error),
        }
    }
}

fn age(age_s: Option<u64>) -> String {
    age_s.map_or_else(|| "not here yet".to_owned(), |age_s| format!("{} minutes old", age_s / 60))
}
