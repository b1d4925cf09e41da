//! The record of the last round that a hop has run, on disk.
//!
//! Round numbers count periods, so numbers of networks with different periods do not compare:
//! there is a record for each period that a hop has ever run with.
//!
//! The file is written where it lies and stays open: whoever has used up the descriptors of the process,
//! or the disk, stops no round. All of it is in one sector, which a disk writes whole or not at all.

use crate::files::{lock, write_atomically};
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use talaria_wire::Round;
use thiserror::Error;

use talaria_mixnet::hop::guard::{NotRecorded, RoundLog};

/// The record cannot be read.
#[derive(Debug, Error)]
pub enum BadRoundLog {
    /// The file is there but cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file does not hold a round number.
    #[error(
        "{0} does not hold a round number, or only a part of one; a hop that forgot its last round could \
         run it twice. If you are sure that it has been down for longer than a round, delete the file"
    )]
    Malformed(PathBuf),
    /// Another process runs with the same record.
    #[error(
        "another talariad runs a hop with the rounds in {0}: two would run the same round twice. End it \
         first, or give this hop a folder of its own"
    )]
    InUse(PathBuf),
}

/// What stands before the number, in files that end with a check.
const WORD: &str = "round";

/// Every line has this length, with zeros before the number, so that a longer one takes no more of the disk.
const DIGITS: usize = 20;

/// A line with the number, and the first 4 bytes of BLAKE3 over what stands before: half of a record is
/// none, and not that of an earlier round.
fn line(round: Round) -> String {
    checked(&format!("{WORD} {:0DIGITS$}", round.0))
}

fn checked(bare: &str) -> String {
    let [a, b, c, d, ..] = *blake3::hash(bare.as_bytes()).as_bytes();
    format!("{bare} {}\n", hex::encode([a, b, c, d]))
}

fn parse(text: &str) -> Option<Round> {
    let (number, is_checked) = match text.strip_prefix(WORD) {
        Some(rest) => (rest.split(' ').nth(1)?, true),
        // Older programs wrote the number and a line break.
        None => (text.strip_suffix('\n')?, false),
    };
    let round = Round(number.parse().ok()?);
    // Older ones wrote no zeros before it.
    let is_whole = text == line(round) || text == checked(&format!("{WORD} {round}"));
    (!is_checked || is_whole).then_some(round)
}

/// The round in a record; none if there is no record.
fn read(path: &Path) -> Result<Option<Round>, BadRoundLog> {
    let malformed = || BadRoundLog::Malformed(path.to_owned());
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).map(Some).ok_or_else(malformed),
        // Bytes that are no text.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(malformed()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BadRoundLog::Io { path: path.to_owned(), error }),
    }
}

/// A file that holds the number of the last round, as text.
#[derive(Debug)]
pub struct RoundFile {
    path: PathBuf,
    /// Open, once it has its length.
    file: Option<File>,
}

impl RoundFile {
    /// Opens the record for rounds of `period_ms` in `folder`, which is made if it is not there,
    /// and reads the last round; a missing file means that none has run.
    ///
    /// # Errors
    /// [`BadRoundLog`] if the file cannot be read or understood.
    pub fn open(
        folder: &Path,
        period_ms: NonZeroU64,
    ) -> Result<(Option<Round>, Self), BadRoundLog> {
        let path = folder.join(format!("{period_ms}ms"));
        let io = |error| BadRoundLog::Io { path: path.clone(), error };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        let last = read(&path)?;
        Ok((last, Self { path, file: None }))
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps other processes from running with this record until the lock that it gives is dropped, and
    /// opens the file for good. The last round is read again, since another process may have run until
    /// now; if there is none, the round of 1970 counts as run.
    ///
    /// # Errors
    /// [`BadRoundLog::InUse`] if one does; [`BadRoundLog`] if the file cannot be read or written.
    pub fn hold(&mut self) -> Result<(Round, File), BadRoundLog> {
        let lock = self.lock()?;
        let last = read(&self.path)?.unwrap_or(Round(0));
        let written = self.write(&line(last));
        written.map_err(|error| BadRoundLog::Io { path: self.path.clone(), error })?;
        Ok((last, lock))
    }

    fn lock(&self) -> Result<File, BadRoundLog> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let locked =
            lock(folder).map_err(|error| BadRoundLog::Io { path: folder.join("lock"), error });
        locked?.ok_or_else(|| BadRoundLog::InUse(folder.to_owned()))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        // A file that somebody has deleted is no record any more.
        let file = self.file.take().filter(|file| file.metadata().is_ok_and(|it| it.nlink() > 0));
        let Some(file) = file else {
            write_atomically(&self.path, line.as_bytes())?;
            self.file = Some(File::options().write(true).open(&self.path)?);
            return Ok(());
        };
        let written = file.write_all_at(line.as_bytes(), 0).and_then(|()| file.sync_data());
        self.file = Some(file);
        written
    }
}

impl RoundLog for RoundFile {
    fn record(&mut self, round: Round) -> Result<(), NotRecorded> {
        self.write(&line(round)).map_err(|error| {
            tracing::error!(path = %self.path.display(), %error, "cannot record the round");
            NotRecorded
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: NonZeroU64 = NonZeroU64::new(2000).unwrap();

    #[test]
    fn the_last_round_survives_for_each_period() {
        let folder = tempfile::tempdir().unwrap();
        let rounds = folder.path().join("rounds");
        let (last, mut log) = RoundFile::open(&rounds, PERIOD).unwrap();
        assert_eq!(last, None);
        log.record(Round(41)).unwrap();
        log.record(Round(42)).unwrap();
        assert_eq!(RoundFile::open(&rounds, PERIOD).unwrap().0, Some(Round(42)));
        assert_eq!(RoundFile::open(&rounds, NonZeroU64::MIN).unwrap().0, None);
        fs::write(rounds.join("2000ms"), "41\n").unwrap();
        assert_eq!(RoundFile::open(&rounds, PERIOD).unwrap().0, Some(Round(41)), "as it was");
    }

    #[test]
    fn a_part_of_a_record_is_not_that_of_an_earlier_round() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2000ms");
        let (_, mut log) = RoundFile::open(folder.path(), PERIOD).unwrap();
        log.record(Round(7_183_164_637)).unwrap();
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            matches!(RoundFile::open(folder.path(), PERIOD), Err(BadRoundLog::Malformed(_)))
        };
        for at in 0..whole.len() {
            assert!(refused(&whole[..at]), "{at} bytes");
            let mut other = whole.clone();
            other[at] ^= 1;
            assert!(refused(&other), "byte {at}");
        }
        for bad in [&b"4x"[..], b"41", b"\n", b"\xff\xfe", b"round", b"-1\n"] {
            assert!(refused(bad), "{bad:?}");
        }
        fs::write(&path, &whole).unwrap();
        let last = RoundFile::open(folder.path(), PERIOD).unwrap().0;
        assert_eq!(last, Some(Round(7_183_164_637)));
    }

    #[test]
    fn the_record_is_written_where_it_lies_and_needs_no_more_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("2000ms");
        fs::write(&path, checked("round 999")).unwrap();
        let (last, mut log) = RoundFile::open(folder.path(), PERIOD).unwrap();
        assert_eq!(last, Some(Round(999)), "as older programs wrote it");
        log.record(Round(1000)).unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let before = inode(&path);
        for round in [1001, u64::MAX] {
            log.record(Round(round)).unwrap();
            let last = RoundFile::open(folder.path(), PERIOD).unwrap().0;
            assert_eq!((last, inode(&path)), (Some(Round(round)), before));
        }
        fs::remove_file(&path).unwrap();
        log.record(Round(7)).unwrap();
        assert_eq!(RoundFile::open(folder.path(), PERIOD).unwrap().0, Some(Round(7)), "made again");
    }

    #[test]
    fn two_do_not_run_with_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RoundFile::open(folder.path(), PERIOD).unwrap().1;
        let (mut first, mut second) = (open(), open());
        let (last, held) = first.hold().unwrap();
        assert_eq!(last, Round(0));
        assert!(matches!(second.hold(), Err(BadRoundLog::InUse(_))));
        first.record(Round(8)).unwrap();
        drop(held);
        let (last, _held) = second.hold().unwrap();
        assert_eq!(last, Round(8), "what ran after it was opened is not forgotten");
    }

    #[test]
    fn a_record_that_cannot_be_written_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let rounds = folder.path().join("rounds");
        let (_, mut log) = RoundFile::open(&rounds, PERIOD).unwrap();
        fs::remove_dir(&rounds).unwrap();
        assert_eq!(log.record(Round(1)), Err(NotRecorded));
    }
}
