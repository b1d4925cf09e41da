//! The mark of what is being shown: a few bytes, overwritten before and after a text is printed.
//!
//! A commit takes milliseconds, and whoever reads what is printed may kill the program in that
//! time. Overwriting a few bytes takes a microsecond. After a kill between the two marks nobody
//! can know whether the text was printed; the caller is told, so that it is neither lost nor
//! taken for a new one. Marks survive a kill of the program; after a power failure a text may be
//! shown again.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rand::{CryptoRng, RngExt};

use crate::error::HomeError;
use crate::files;

const MARK_FILE: &str = "shown";
const TAG_LEN: usize = 16;
const MARK_LEN: usize = TAG_LEN + 5;

/// How far the showing of a text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    Begun = 1,
    Done = 2,
}

/// What hides of whom, and of how many texts, the file speaks. It is in the database only, and
/// another one in every run.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Disguise {
    pub(super) tag: [u8; TAG_LEN],
    pub(super) mask: u32,
}

impl Disguise {
    pub(super) fn draw(rng: &mut impl CryptoRng) -> Self {
        Self { tag: rng.random(), mask: rng.random() }
    }
}

impl fmt::Debug for Disguise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disguise(…)")
    }
}

/// Marks what is shown of one conversation.
#[derive(Debug)]
pub struct ShownMark {
    file: File,
    disguise: Disguise,
}

/// Removes the file.
pub(super) fn remove(dir: &Path) -> Result<(), HomeError> {
    files::remove(&dir.join(MARK_FILE))
}

impl ShownMark {
    pub(super) fn open(dir: &Path, disguise: Disguise) -> Result<Self, HomeError> {
        Ok(Self { file: files::open_private(&dir.join(MARK_FILE))?, disguise })
    }

    /// The text with this `number` ([`Notice::Message`](talaria_client::Notice)) is about to be shown, and
    /// all before it have been.
    ///
    /// # Errors
    /// An I/O error; the text may be shown again after a kill then, and nothing worse.
    pub fn begin(&self, number: u32) -> io::Result<()> {
        self.write(number, Step::Begun)
    }

    /// The text with this `number` has been shown.
    ///
    /// # Errors
    /// An I/O error; after a kill nobody knows then whether it was shown.
    pub fn done(&self, number: u32) -> io::Result<()> {
        self.write(number, Step::Done)
    }

    fn write(&self, number: u32, step: Step) -> io::Result<()> {
        let mut bytes = [0; MARK_LEN];
        let number = number.wrapping_add(self.disguise.mask);
        bytes[..TAG_LEN].copy_from_slice(&self.disguise.tag);
        bytes[TAG_LEN..MARK_LEN - 1].copy_from_slice(&number.to_be_bytes());
        bytes[MARK_LEN - 1] = step as u8;
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&bytes)
    }

    /// What was marked of this conversation, unless another one was shown since.
    pub(super) fn last(&self) -> Option<(u32, Step)> {
        let mut bytes = [0; MARK_LEN];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        let (tag, rest) = bytes.split_first_chunk()?;
        let (number, step) = rest.split_first_chunk()?;
        let step = match *step {
            [1] => Step::Begun,
            [2] => Step::Done,
            _ => return None,
        };
        let number = u32::from_be_bytes(*number).wrapping_sub(self.disguise.mask);
        (*tag == self.disguise.tag).then_some((number, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    #[test]
    fn a_disguise_does_not_print_itself() {
        let disguise = Disguise::draw(&mut ChaCha20Rng::seed_from_u64(1));
        insta::assert_snapshot!(format!("{disguise:?}"), @"Disguise(…)");
    }

    #[test]
    fn the_last_mark_is_found_again_and_says_nothing_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [own, other] = [(); 2].map(|()| Disguise::draw(&mut rng));
        let mark = || ShownMark::open(folder.path(), own.clone()).unwrap();
        assert_eq!(mark().last(), None);
        mark().begin(7).unwrap();
        assert_eq!(mark().last(), Some((7, Step::Begun)));
        mark().done(7).unwrap();
        assert_eq!(mark().last(), Some((7, Step::Done)));
        let bytes = std::fs::read(folder.path().join(MARK_FILE)).unwrap();
        assert!(!bytes.windows(4).any(|bytes| bytes == 7u32.to_be_bytes()));
        assert_eq!(ShownMark::open(folder.path(), other).unwrap().last(), None);
    }
}
