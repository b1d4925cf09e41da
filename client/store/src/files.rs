//! Files that nobody else may read, written so that a crash leaves the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::HomeError;

pub(crate) const ACCOUNT_FILE: &str = "account.toml";
pub(crate) const NETWORK_FILE: &str = "network.toml";
pub(crate) const DATABASE_FILE: &str = "talaria.db";
const LOCK_FILE: &str = "lock";
/// Held while the plain files are compared and replaced.
const HOLD_FILE: &str = "network.lock";
/// Where homes that were not encrypted had their key.
pub(crate) const OLD_KEY_FILE: &str = "identity.key";

/// Makes a directory for the owner alone.
pub(super) fn make_dir(dir: &Path) -> Result<(), HomeError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).and_then(|()| own_alone(dir)).map_err(failed("create", dir))
}

/// The directory may have been there before.
#[cfg(unix)]
fn own_alone(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn own_alone(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens a file to read and write, and makes it for the owner alone if it is not there.
pub(super) fn open_private(path: &Path) -> Result<File, HomeError> {
    options().create(true).truncate(false).read(true).open(path).map_err(failed("open", path))
}

/// Writes a whole file for the owner alone, in place of any other.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    replace(path, bytes).map_err(failed("write", path))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), HomeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A running client and a command may write the same file.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = options().create(true).truncate(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Says which file it was.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HomeError {
    let path = path.to_owned();
    move |source| HomeError::File { action, path, source }
}

/// The program may be started from elsewhere next time.
pub(crate) fn absolute(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()
}

/// Takes the lock of a home.
pub(crate) fn lock(dir: &Path) -> Result<File, HomeError> {
    let path = dir.join(LOCK_FILE);
    let file = open_private(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(HomeError::InUse(dir.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
    }
}

/// Keeps other processes from changing the plain files of a home, until it is dropped.
pub(super) fn hold(dir: &Path) -> Result<File, HomeError> {
    hold_file(&hold_path(dir))
}

/// Where that is held.
pub(super) fn hold_path(dir: &Path) -> PathBuf {
    dir.join(HOLD_FILE)
}

/// The same, of a file that is known.
pub(super) fn hold_file(path: &Path) -> Result<File, HomeError> {
    let file = open_private(path)?;
    file.lock().map_err(failed("lock", path))?;
    Ok(file)
}
