//! The entry's copy of the directory on disk, so that it knows its users without the identity
//! service.
//!
//! A file that only grows. Each page is its length (be32), its entries, each with its length
//! (be16) before it, and the head that is signed for the directory up to the last of them. What a
//! crash has left incomplete at the end does not fit its head; it is cut off, and asked for again. A
//! head without entries stands at the end, and the next page takes its place.
//!
//! Beside it lies the proof, if the service has signed two stories: as text, for people.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use talaria_wire::identity::directory::{ENTRY_MAX, Entry, HEAD_LEN, Head, PAGE_MAX, TwoHeads};
use talaria_wire::network_file::NetworkId;

use talaria_mixnet::entry::members::Members;

/// The most bytes of the entries of a page.
const BODY_MAX: usize = PAGE_MAX * (2 + ENTRY_MAX);

/// Pages that were taken.
#[derive(Debug)]
pub(crate) struct DirectoryFile {
    path: PathBuf,
    file: File,
    /// Bytes of the pages that have entries, whole and on disk: the next page comes after them.
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
        let path = copy_in(folder, &network);
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = file.open(&path)?;
        let covered = covered(&mut file, members)?;
        file.seek(SeekFrom::Start(0))?;
        let (len, end) = restore(&mut BufReader::new((&mut file).take(covered)), members)?;
        file.set_len(end)?;
        Ok(Self { path, file, len })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a page that was taken with `head`. It is on disk when this returns; after an error
    /// the file is as it was, but for a head without entries.
    pub(crate) fn append(&mut self, entries: &[Entry], head: &Head) -> io::Result<()> {
        let mut page = vec![0; 4];
        for entry in entries {
            let bytes = entry.to_bytes();
            let len = u16::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
            page.extend_from_slice(&len.to_be_bytes());
            page.extend_from_slice(&bytes);
        }
        let body = u32::try_from(page.len() - 4).map_err(|_| ErrorKind::InvalidInput)?;
        page[..4].copy_from_slice(&body.to_be_bytes());
        page.extend_from_slice(&head.to_bytes());
        let written = self.write(&page);
        if written.is_err() {
            self.file.set_len(self.len)?;
        } else if !entries.is_empty() {
            self.len += page.len() as u64;
        }
        written
    }

    fn write(&mut self, page: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(page)?;
        self.file.sync_data()
    }

    /// Keeps the proof that the service has signed two stories, unless there is one already.
    pub(crate) fn keep_proof(&self, heads: &TwoHeads) -> io::Result<()> {
        let path = proof_beside(&self.path);
        let mut options = File::options();
        let mut file = match options.write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            file => file?,
        };
        let [known, other] = [&heads.known, &heads.other].map(|head| hex::encode(head.to_bytes()));
        let text = format!(
            "The identity service has signed two directories that cannot both be true: of {} and of \
             {} entries.\nknown = {known}\nother = {other}\n",
            heads.known.entries, heads.other.entries,
        );
        file.write_all(text.as_bytes())?;
        file.sync_data()
    }

    /// The proof that the service has signed two stories, if there is one.
    pub(crate) fn proof(&self) -> Option<PathBuf> {
        Some(proof_beside(&self.path)).filter(|path| path.exists())
    }
}

fn proof_beside(copy: &Path) -> PathBuf {
    let mut name = copy.as_os_str().to_owned();
    name.push("-contradiction");
    name.into()
}

/// The proof that lies in a folder with copies of the directory of `network`, if there is one.
#[must_use]
pub fn proof_in(folder: &Path, network: &NetworkId) -> Option<PathBuf> {
    Some(proof_beside(&copy_in(folder, network))).filter(|path| path.exists())
}

fn copy_in(folder: &Path, network: &NetworkId) -> PathBuf {
    let digits: String = network.to_string().chars().take(32).collect();
    folder.join(format!("directory-{digits}"))
}

/// How far pages go whose last head the service has signed. One signature is enough: every hash is
/// made of the one before.
fn covered(file: &mut File, members: &Members) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut ends, mut end) = (vec![], 0);
    while let Some((_, head, len)) = read_page(&mut reader)? {
        end += len;
        ends.push((head, end));
    }
    let last = ends.iter().rfind(|(head, _)| members.directory().is_signed(head));
    Ok(last.map_or(0, |(_, end)| *end))
}

/// Restores page after page. Gives the length of those that are whole and have entries, and the
/// same with a head that has none.
fn restore(reader: &mut impl Read, members: &mut Members) -> io::Result<(u64, u64)> {
    let (mut len, mut end, mut newest) = (0, 0, None);
    while let Some((entries, head, page)) = read_page(reader)? {
        let before = members.directory().hash();
        let follows = entries.iter().fold(before, |hash, entry| hash.then(entry));
        if follows != head.hash || members.restore(&entries).is_err() {
            tracing::warn!("the end of the copy of the directory is damaged, and fetched again");
            break;
        }
        end += page;
        len = if entries.is_empty() { len } else { end };
        newest = Some(head);
    }
    if newest.is_some_and(|head| members.restore_head(&head).is_err()) {
        tracing::warn!("the head of the copy of the directory is damaged, and fetched again");
    }
    Ok((len, end))
}

/// The next page with its head and its length in the file; `None` at the end, or where what follows
/// is no page.
fn read_page(reader: &mut impl Read) -> io::Result<Option<(Vec<Entry>, Head, u64)>> {
    let mut length = [0; 4];
    if !filled(reader, &mut length)? {
        return Ok(None);
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > BODY_MAX {
        return Ok(None);
    }
    let (mut body, mut head) = (vec![0; length], [0; HEAD_LEN]);
    if !filled(reader, &mut body)? || !filled(reader, &mut head)? {
        return Ok(None);
    }
    let (Some(entries), Ok(head)) = (parse(&body), Head::from_bytes(&head)) else {
        return Ok(None);
    };
    Ok(Some((entries, head, (4 + length + HEAD_LEN) as u64)))
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
    use talaria_wire::UnixMillis;
    use talaria_wire::crypto::IdentitySecret;
    use talaria_wire::identity::UserName;
    use talaria_wire::identity::directory::Cause;

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
        let head = Head::sign(&NETWORK, page.index + 1, hash, page.index, &head_key());
        members.take(std::slice::from_ref(&page), &head, UnixMillis(0)).unwrap();
        file.append(&[page], &head).unwrap();
    }

    /// Takes a head that says nothing new but when.
    fn refresh(file: &mut DirectoryFile, members: &mut Members, time_s: u64) {
        let (entries, hash) = (members.directory().entries(), members.directory().hash());
        let head = Head::sign(&NETWORK, entries, hash, time_s, &head_key());
        members.take(&[], &head, UnixMillis(0)).unwrap();
        file.append(&[], &head).unwrap();
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
            assert_eq!(again.directory().head(), members.directory().head());
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

    #[test]
    fn a_head_without_entries_is_kept_and_takes_no_more_room_than_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut members = nobody();
        let mut file = DirectoryFile::open(folder.path(), NETWORK, &mut members).unwrap();
        take(&mut file, &mut members, page(0, 10));
        let before = file.len;
        for time_s in 10..20 {
            refresh(&mut file, &mut members, time_s);
            let len = fs::metadata(file.path()).unwrap().len();
            assert_eq!((file.len, len), (before, before + 4 + HEAD_LEN as u64));
            let mut again = nobody();
            file = DirectoryFile::open(folder.path(), NETWORK, &mut again).unwrap();
            assert_eq!(again.directory().head().map(|head| head.time_s), Some(time_s));
        }
        take(&mut file, &mut members, page(1, 11));
        assert_eq!(fs::metadata(file.path()).unwrap().len(), file.len);
        let mut again = nobody();
        DirectoryFile::open(folder.path(), NETWORK, &mut again).unwrap();
        assert_eq!(again.directory().hash(), members.directory().hash());
    }

    #[test]
    fn the_first_proof_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut members = nobody();
        let file = DirectoryFile::open(folder.path(), NETWORK, &mut members).unwrap();
        assert_eq!(file.proof(), None);
        let head =
            |entries| Head::sign(&NETWORK, entries, members.directory().hash(), 0, &head_key());
        for entries in [7, 8] {
            file.keep_proof(&TwoHeads { known: head(entries), other: head(3) }).unwrap();
            let text = fs::read_to_string(file.proof().unwrap()).unwrap();
            assert!(text.contains("of 7 and of 3 entries"), "{text}");
            assert!(text.contains(&hex::encode(head(7).to_bytes())));
        }
        assert_eq!(proof_in(folder.path(), &NETWORK), file.proof());
    }
}
