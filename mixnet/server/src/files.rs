//! What a server keeps in files: keys, network files, the record of rounds, the directory.

pub mod directory;
pub mod keys;
pub mod network;
pub mod rounds;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads a text file of at most `max` bytes.
///
/// # Errors
/// An I/O error; of kind `FileTooLarge` if it is longer.
pub fn read_bounded(path: &Path, max: u64) -> io::Result<String> {
    if fs::metadata(path)?.len() > max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than the {max} bytes that such a file has"),
        ));
    }
    fs::read_to_string(path)
}

/// Replaces a file so that it holds either the old or the new bytes, whatever happens.
///
/// The file is readable by its owner only.
///
/// # Errors
/// An I/O error; the file is then as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Takes the file `lock` in a folder, for as long as what it gives lives, or for as long as the process
/// does, however it ends; none if somebody else has it.
///
/// # Errors
/// An I/O error.
pub fn lock(folder: &Path) -> io::Result<Option<File>> {
    let mut options = File::options();
    let options = options.create(true).write(true).truncate(false).mode(0o600);
    let lock = options.open(folder.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
