//! A home that the person in front of it has unlocked.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use talaria_api::words::describe_stale_directory;
use talaria_daemon::account::{Unlocked, sync};
use talaria_daemon::now;
use talaria_opaque::Stretch;
use talaria_store::{AccountFile, Home, HomeError};
use talaria_wire::identity::directory::{BadPage, STALE_S};
use tokio::runtime::Runtime;

use crate::advice;
use crate::error::CliError;
use crate::secret::Source;

/// How often a password may be typed.
const TRIES: u32 = 3;

/// An unlocked home, and what it takes to go on.
pub(crate) struct Session {
    pub(crate) runtime: Runtime,
    pub(crate) rng: StdRng,
    pub(crate) unlocked: Unlocked,
    pub(crate) home: Home,
}

impl Session {
    /// For this process alone, with everything up to date.
    pub(crate) fn alone(dir: &Path, source: &Source) -> Result<Self, CliError> {
        Home::require_unused(dir)?;
        let mut session = Self::unlock(dir, source, true)?;
        let Self { runtime, unlocked, home, rng } = &mut session;
        runtime.block_on(unlocked.refresh(home, rng))?;
        warn_of_directory(home)?;
        Ok(session)
    }

    /// To look at, also while another process uses the home. That the account goes on elsewhere is
    /// a warning then.
    pub(crate) fn look(dir: &Path, source: &Source) -> Result<Self, CliError> {
        let mut session = Self::unlock(dir, source, false)?;
        let Self { runtime, unlocked, home, .. } = &mut session;
        runtime.block_on(sync(&mut unlocked.connection, home))?;
        match home.require_current() {
            Err(warning @ (HomeError::Superseded(_) | HomeError::NotInDirectory)) => {
                eprintln!("warning: {}", advice::home(&warning));
            }
            other => other?,
        }
        warn_of_directory(home)?;
        Ok(session)
    }

    fn unlock(dir: &Path, source: &Source, alone: bool) -> Result<Self, CliError> {
        let name = AccountFile::read(dir)?.name;
        let (runtime, mut rng) = (runtime()?, generator()?);
        let mut tries = if source.is_terminal() { TRIES } else { 1 };
        let unlocked = loop {
            let password = source.ask(&format!("Password of {name}: "))?;
            tries -= 1;
            let opening = Unlocked::open(dir, password, Stretch::STRONG, &mut rng);
            match runtime.block_on(opening) {
                Err(error) if error.is_wrong_password() && tries > 0 => eprintln!("{error}"),
                other => break other?,
            }
        };
        let home = if alone {
            Home::open(dir, &unlocked.key)
        } else {
            Home::look_into(dir, &unlocked.key)
        };
        Ok(Self { runtime, rng, unlocked, home: home? })
    }
}

/// Says if the directory that has just come is old, or the service has ever contradicted itself.
fn warn_of_directory(home: &mut Home) -> Result<(), HomeError> {
    if let Some(heads) = home.contradiction()? {
        eprintln!("{}", HomeError::Directory(BadPage::TwoStories(Box::new(heads))));
    }
    match home.require_fresh(STALE_S, now()) {
        Err(HomeError::Stale { age_s: Some(age_s) }) => {
            eprintln!("warning: {}", describe_stale_directory(age_s));
            Ok(())
        }
        Err(HomeError::Stale { age_s: None }) => Ok(()),
        other => other,
    }
}

/// Threads for what needs the network.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().map_err(CliError::Runtime)
}

/// A generator seeded by the system.
pub(crate) fn generator() -> Result<StdRng, CliError> {
    StdRng::try_from_rng(&mut SysRng).map_err(|_| CliError::NoRandomness)
}
