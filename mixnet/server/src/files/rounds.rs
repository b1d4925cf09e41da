//! The record of the last round that a hop has run, on disk.
//!
//! Round numbers count periods, so numbers of networks with different periods do not compare:
//! there is a record for each period that a hop has ever run with.

use crate::files::write_atomically;
use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::DirBuilderExt;
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
}

/// What stands before the number, in files that end with a check.
const WORD: &str = "round";

/// A line with the number, and the first 4 bytes of BLAKE3 over what stands before: half of a record is
/// none, and not that of an earlier round.
fn line(round: Round) -> String {
    let bare = format!("{WORD} {round}");
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
    (!is_checked || text == line(round)).then_some(round)
}

/// A file that holds the number of the last round, as text.
#[derive(Debug)]
pub struct RoundFile {
    path: PathBuf,
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
        let last = match fs::read_to_string(&path) {
            Ok(text) => match parse(&text) {
                None => return Err(BadRoundLog::Malformed(path)),
                round => round,
            },
            // Bytes that are no text.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(BadRoundLog::Malformed(path));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
        };
        Ok((last, Self { path }))
    }
}

impl RoundLog for RoundFile {
    fn record(&mut self, round: Round) -> Result<(), NotRecorded> {
        write_atomically(&self.path, line(round).as_bytes()).map_err(|error| {
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
    fn a_record_that_cannot_be_written_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let rounds = folder.path().join("rounds");
        let (_, mut log) = RoundFile::open(&rounds, PERIOD).unwrap();
        fs::remove_dir(&rounds).unwrap();
        assert_eq!(log.record(Round(1)), Err(NotRecorded));
    }
}
