//! The entry's copy of the directory on disk, so that it knows its users without the identity
//! service.
//!
//! A file that only grows. Each page is its length (be32), its entries, each with its length
//! (be16) before it, and the hash of the directory after the last of them. What a crash has left
//! incomplete at the end does not fit its hash; it is cut off, and asked for again.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use talaria_wire::identity::directory::{ENTRY_MAX, Entry, EntryHash, PAGE_MAX};
use talaria_wire::network_file::NetworkId;

use talaria_mixnet::entry::members::Members;

/// The most bytes of the entries of a page.
const BODY_MAX: usize = PAGE_MAX * (2 + ENTRY_MAX);

/// Pages that were taken.
#[derive(Debug)]
pub(crate) struct DirectoryFile {
    path: PathBuf,
    file: File,
    /// Bytes that are whole and on disk.
    len: u64,
}

impl DirectoryFile {
    /// Opens the copy of the directory of `network` in `folder`, which is made if it is not there,
    /// and hands what is in it to `members`.
    pub(crate) fn open(
        folder: &Path,
        network: NetworkId,
        members: &mut Members,
    ) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let digits: String = network.to_string().chars().take(32).collect();
        let path = folder.join(format!("directory-{digits}"));
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = file.open(&path)?;
        let len = restore(&mut BufReader::new(&mut file), members)?;
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len))?;
        Ok(Self { path, file, len })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a page that was taken, after which the directory has `hash`. It is on disk when
    /// this returns; after an error the file is as it was.
    pub(crate) fn append(&mut self, entries: &[Entry], hash: EntryHash) -> io::Result<()> {
        let mut page = vec![0; 4];
        for entry in entries {
            let bytes = entry.to_bytes();
            let len = u16::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
            page.extend_from_slice(&len.to_be_bytes());
            page.extend_from_slice(&bytes);
        }
        let body = u32::try_from(page.len() - 4).map_err(|_| ErrorKind::InvalidInput)?;
        page[..4].copy_from_slice(&body.to_be_bytes());
        page.extend_from_slice(&hash.0);
        let written = self.file.write_all(&page).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.file.set_len(self.len)?;
            self.file.seek(SeekFrom::Start(self.len))?;
            return Err(error);
        }
        self.len += page.len() as u64;
        Ok(())
    }
}

/// Restores page after page, and gives the length of those that are whole.
fn restore(reader: &mut impl Read, members: &mut Members) -> io::Result<u64> {
    let mut whole = 0;
    while let Some((entries, hash, len)) = read_page(reader)? {
        let follows =
            entries.iter().fold(members.directory().hash(), |hash, entry| hash.then(entry));
        if follows != hash || members.restore(&entries).is_err() {
            tracing::warn!("the end of the copy of the directory is damaged, and fetched again");
            break;
        }
        whole += len;
    }
    Ok(whole)
}

/// The next page with the hash after it and its length in the file; `None` at the end, or where
/// what follows is no page.
fn read_page(reader: &mut impl Read) -> io::Result<Option<(Vec<Entry>, EntryHash, u64)>> {
    let mut length = [0; 4];
    if !filled(reader, &mut length)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > BODY_MAX {
        return Ok(None);
    }
    let (mut body, mut hash) = (vec![0; length], [0; 32]);
    if !filled(reader, &mut body)? || !filled(reader, &mut hash)? {
        return Ok(None);
    }
    let Some(entries) = parse(&body) else { return Ok(None) };
    Ok(Some((entries, EntryHash(hash), (4 + length + 32) as u64)))
}

fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn parse(mut body: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = body.split_first_chunk() {
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        entries.push(Entry::from_bytes(entry).ok()?);
        body = rest;
    }
    body.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;
    use talaria_wire::crypto::IdentitySecret;
    use talaria_wire::identity::UserName;
    use talaria_wire::identity::directory::{Cause, Head};

    const NETWORK: NetworkId = NetworkId([3; 32]);

    fn head_key() -> IdentitySecret {
        IdentitySecret::generate(&mut ChaCha20Rng::seed_from_u64(1))
    }

    fn nobody() -> Members {
        Members::new(NETWORK, *head_key().public())
    }

    /// An entry that is a page.
    fn page(index: u64, certificate: u8) -> Entry {
        let name = UserName::new(["anna", "berta", "carla"][usize::try_from(index).unwrap()]);
        let name = name.unwrap();
        Entry {
            index,
            time_s: index,
            cause: Cause::Registered,
            name,
            key: *head_key().public(),
            certificate_hash: [certificate; 32],
            signature: [0; 64],
        }
    }

    /// Takes pages of one entry each, and keeps them.
    fn take(file: &mut DirectoryFile, members: &mut Members, page: Entry) {
        let hash = members.directory().hash().then(&page);
        let head = Head::sign(&NETWORK, page.index + 1, hash, 0, &head_key());
        members.take(std::slice::from_ref(&page), &head).unwrap();
        file.append(&[page], hash).unwrap();
    }

    #[test]
    fn what_was_taken_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let mut members = nobody();
        let mut file = DirectoryFile::open(&folder, NETWORK, &mut members).unwrap();
        for (index, certificate) in [(0, 10), (1, 11), (2, 12)] {
            take(&mut file, &mut members, page(index, certificate));
            let mut again = nobody();
            file = DirectoryFile::open(&folder, NETWORK, &mut again).unwrap();
            assert_eq!(again.directory().hash(), members.directory().hash());
            assert!(again.admit(&[certificate; 32]).is_ok());
        }
        // Of another network it knows nothing.
        let mut other = nobody();
        DirectoryFile::open(&folder, NetworkId([4; 32]), &mut other).unwrap();
        assert_eq!(other.directory().entries(), 0);
    }

    #[test]
    fn whatever_is_damaged_is_cut_off_and_the_rest_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut members = nobody();
        let mut file = DirectoryFile::open(folder.path(), NETWORK, &mut members).unwrap();
        take(&mut file, &mut members, page(0, 10));
        let first = file.len;
        take(&mut file, &mut members, page(1, 11));
        let path = file.path().to_owned();
        let whole = fs::read(&path).unwrap();
        let second = first..whole.len() as u64;
        for at in second {
            let at = usize::try_from(at).unwrap();
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for damaged in [&whole[..at], &flipped] {
                fs::write(&path, damaged).unwrap();
                let mut again = nobody();
                let mut file = DirectoryFile::open(folder.path(), NETWORK, &mut again).unwrap();
                assert_eq!((again.directory().entries(), file.len), (1, first), "byte {at}");
                assert_eq!(fs::metadata(&path).unwrap().len(), first);
                take(&mut file, &mut again, page(1, 11));
                assert_eq!(fs::read(&path).unwrap(), whole);
            }
        }
    }
}
