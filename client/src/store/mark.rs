//! The mark of what is being shown: a few bytes, overwritten before and after a text is printed.
//!
//! A commit takes milliseconds, and whoever reads what is printed may kill the program in that
//! time. Overwriting a few bytes takes a microsecond. After a kill between the two marks nobody
//! can know whether the text was printed; the caller is told, so that it is neither lost nor
//! taken for a new one. Marks survive a kill of the program; after a power failure a text may be
//! shown again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use talaria_wire::crypto::IdentityPublic;
use talaria_wire::crypto::identity::IDENTITY_PUBLIC_LEN;

use super::HomeError;
use super::files;

const MARK_FILE: &str = "shown";
const MARK_LEN: usize = IDENTITY_PUBLIC_LEN + 5;

/// How far the showing of a text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    Begun = 1,
    Done = 2,
}

/// Marks what is shown of one conversation.
#[derive(Debug)]
pub struct ShownMark {
    file: File,
    partner: IdentityPublic,
}

impl ShownMark {
    pub(super) fn open(dir: &Path, partner: IdentityPublic) -> Result<Self, HomeError> {
        Ok(Self { file: files::open_private(&dir.join(MARK_FILE))?, partner })
    }

    /// The text with this `seq` ([`Notice::Message`](crate::Notice)) is about to be shown, and
    /// all before it have been.
    ///
    /// # Errors
    /// An I/O error; the text may be shown again after a kill then, and nothing worse.
    pub fn begin(&self, seq: u32) -> io::Result<()> {
        self.write(seq, Step::Begun)
    }

    /// The text with this `seq` has been shown.
    ///
    /// # Errors
    /// An I/O error; after a kill nobody knows then whether it was shown.
    pub fn done(&self, seq: u32) -> io::Result<()> {
        self.write(seq, Step::Done)
    }

    fn write(&self, seq: u32, step: Step) -> io::Result<()> {
        let mut bytes = [0; MARK_LEN];
        bytes[..IDENTITY_PUBLIC_LEN].copy_from_slice(&self.partner.to_bytes());
        bytes[IDENTITY_PUBLIC_LEN..MARK_LEN - 1].copy_from_slice(&seq.to_be_bytes());
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
        let (partner, rest) = bytes.split_first_chunk()?;
        let (seq, step) = rest.split_first_chunk()?;
        let step = match *step {
            [1] => Step::Begun,
            [2] => Step::Done,
            _ => return None,
        };
        (*partner == self.partner.to_bytes()).then(|| (u32::from_be_bytes(*seq), step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;
    use talaria_wire::crypto::IdentitySecret;

    #[test]
    fn the_last_mark_of_the_conversation_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let partner = *IdentitySecret::generate(&mut rng).public();
        let bob = || ShownMark::open(folder.path(), partner).unwrap();
        assert_eq!(bob().last(), None);
        bob().begin(7).unwrap();
        assert_eq!(bob().last(), Some((7, Step::Begun)));
        bob().done(7).unwrap();
        assert_eq!(bob().last(), Some((7, Step::Done)));
    }

    #[test]
    fn a_mark_of_another_conversation_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let [bob, carol] = [(); 2].map(|()| *IdentitySecret::generate(&mut rng).public());
        ShownMark::open(folder.path(), bob).unwrap().done(3).unwrap();
        assert_eq!(ShownMark::open(folder.path(), carol).unwrap().last(), None);
    }
}
