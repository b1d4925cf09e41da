//! Backups: one file format for every database, a JSON object a line.
//!
//! First a header, then entries of the directory, users and tokens, and last the number of rows and
//! a checksum (BLAKE3) over everything before. Keys are not in it: the operator has them as files.

use serde::{Deserialize, Serialize};
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::crypto::identity_key::IDENTITY_PUBLIC_LEN;
use talaria_wire::identity::directory::{Entry, EntryHash};
use talaria_wire::network_file::NetworkId;
use thiserror::Error;

use super::store::Row;

/// Version of the format.
pub const BACKUP_VERSION: u8 = 2;
/// A line is not longer than this, in bytes.
pub const LINE_MAX: usize = 64 * 1024;

/// Whose directory it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The network.
    pub network: NetworkId,
    /// The key that signs the directory.
    pub head_key: IdentityPublic,
}

#[derive(PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    talaria_backup: u8,
    #[serde(with = "hex::serde")]
    network: [u8; 32],
    #[serde(with = "hex::serde")]
    head_key: [u8; IDENTITY_PUBLIC_LEN],
}

impl Header {
    fn of(owner: &Owner) -> Self {
        let (network, head_key) = (owner.network.0, owner.head_key.to_bytes());
        Self { talaria_backup: BACKUP_VERSION, network, head_key }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    rows: u64,
    #[serde(with = "hex::serde")]
    checksum: [u8; 32],
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Trailer(Trailer),
    Row(Row),
}

/// Why a file is not a backup of this directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadBackup {
    /// It does not begin as a backup does.
    #[error("this is not a backup, or one of another version of the program")]
    NoBackup,
    /// It is of another directory.
    #[error("this is the backup of another network, or of another head key")]
    OtherDirectory,
    /// A line cannot be read.
    #[error("line {0} of the backup is damaged")]
    Damaged(u64),
    /// The entries are not one directory.
    #[error("entry {0} of the backup does not follow upon the one before")]
    BrokenChain(u64),
    /// The checksum does not fit.
    #[error("the backup is damaged, or was cut short: its checksum does not fit")]
    Checksum,
}

/// Writes a backup, line by line.
#[derive(Debug)]
pub struct BackupWriter {
    sum: blake3::Hasher,
    rows: u64,
}

impl BackupWriter {
    /// Begins; gives the first line.
    #[must_use]
    pub fn new(owner: &Owner) -> (Self, String) {
        let mut writer = Self { sum: blake3::Hasher::new(), rows: 0 };
        let line = writer.line(&Header::of(owner));
        (writer, line)
    }

    /// The line of a row.
    pub fn row(&mut self, row: &Row) -> String {
        self.rows += 1;
        self.line(row)
    }

    /// The last line.
    #[must_use]
    pub fn finish(self) -> String {
        let trailer = Trailer { rows: self.rows, checksum: self.sum.finalize().into() };
        to_json(&trailer)
    }

    fn line(&mut self, value: &impl Serialize) -> String {
        let line = to_json(value);
        add(&mut self.sum, &line);
        line
    }
}

/// A line counts with its end.
fn add(sum: &mut blake3::Hasher, line: &str) {
    sum.update(line.as_bytes()).update(b"\n");
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("rows are made of text and numbers")
}

/// Reads a backup, line by line, and checks the directory's chain.
#[derive(Debug)]
pub struct BackupReader {
    sum: blake3::Hasher,
    rows: u64,
    entries: u64,
    hash: EntryHash,
}

impl BackupReader {
    /// Begins with the first line.
    ///
    /// # Errors
    /// [`BadBackup`] if it is not that of a backup of this owner.
    pub fn new(owner: &Owner, line: &str) -> Result<Self, BadBackup> {
        let header: Header = serde_json::from_str(line).map_err(|_| BadBackup::NoBackup)?;
        if !(1..=BACKUP_VERSION).contains(&header.talaria_backup) {
            return Err(BadBackup::NoBackup);
        }
        // Of an older version is missing only what has a default.
        let header = Header { talaria_backup: BACKUP_VERSION, ..header };
        if header != Header::of(owner) {
            return Err(BadBackup::OtherDirectory);
        }
        let (sum, hash) = (blake3::Hasher::new(), EntryHash::start(&owner.network));
        let mut reader = Self { sum, rows: 0, entries: 0, hash };
        add(&mut reader.sum, line);
        Ok(reader)
    }

    /// The row of the next line; `None` for the last line, once everything has come.
    ///
    /// # Errors
    /// [`BadBackup`].
    pub fn read(&mut self, line: &str) -> Result<Option<Row>, BadBackup> {
        let parsed = serde_json::from_str(line).map_err(|_| BadBackup::Damaged(self.rows + 2))?;
        match parsed {
            Line::Trailer(Trailer { rows, checksum }) => {
                let right = rows == self.rows && self.sum.finalize() == checksum;
                if right { Ok(None) } else { Err(BadBackup::Checksum) }
            }
            Line::Row(row) => {
                add(&mut self.sum, line);
                self.rows += 1;
                self.check_chain(&row)?;
                Ok(Some(row))
            }
        }
    }

    fn check_chain(&mut self, row: &Row) -> Result<(), BadBackup> {
        let Row::Entry { index, time_s, entry, hash } = row else { return Ok(()) };
        let broken = BadBackup::BrokenChain(*index);
        let entry = Entry::from_bytes(entry).map_err(|_| broken.clone())?;
        self.hash = self.hash.then(&entry);
        let place = (entry.index, entry.time_s, self.hash.0);
        if *index != self.entries || place != (*index, *time_s, *hash) {
            return Err(broken);
        }
        self.entries += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::TokenRow;
    use proptest::prelude::*;
    use talaria_wire::crypto::IdentitySecret;
    use talaria_wire::identity::{Cause, UserName};

    fn owner() -> Owner {
        let key = IdentitySecret::from_bytes(&[1; 32]).unwrap();
        Owner { network: NetworkId([3; 32]), head_key: *key.public() }
    }

    fn rows() -> Vec<Row> {
        let mut hash = EntryHash::start(&owner().network);
        let mut rows: Vec<_> = (0..3u64)
            .map(|index| {
                let name = UserName::new(&format!("user{index}")).unwrap();
                let entry = Entry {
                    index,
                    time_s: 7,
                    cause: Cause::Registered,
                    name,
                    key: owner().head_key,
                    certificate_hash: [8; 32],
                    signature: [0; 64],
                };
                hash = hash.then(&entry);
                Row::Entry { index, time_s: 7, entry: entry.to_bytes(), hash: hash.0 }
            })
            .collect();
        let token = TokenRow { hash: [5; 32], made_s: 1, expires_s: 2, used_s: None };
        rows.push(Row::Token(token));
        rows
    }

    fn written(rows: &[Row]) -> Vec<String> {
        let (mut writer, header) = BackupWriter::new(&owner());
        let mut lines = vec![header];
        lines.extend(rows.iter().map(|row| writer.row(row)));
        lines.push(writer.finish());
        lines
    }

    /// `None` in the place of an end.
    fn read(lines: &[String]) -> Result<Option<Vec<Row>>, BadBackup> {
        let mut reader = BackupReader::new(&owner(), &lines[0])?;
        let mut rows = vec![];
        for line in &lines[1..] {
            match reader.read(line)? {
                Some(row) => rows.push(row),
                None => return Ok(Some(rows)),
            }
        }
        Ok(None)
    }

    #[test]
    fn backups_are_read_as_they_were_written() {
        assert_eq!(read(&written(&rows())), Ok(Some(rows())));
        assert_eq!(read(&written(&[])), Ok(Some(vec![])));
    }

    #[test]
    fn older_versions_are_read_and_newer_ones_are_not() {
        let first = written(&rows())[0].clone();
        for (version, is_read) in [(0, false), (1, true), (2, true), (3, false)] {
            let line =
                first.replace(r#""talaria_backup":2"#, &format!(r#""talaria_backup":{version}"#));
            assert_eq!(BackupReader::new(&owner(), &line).is_ok(), is_read, "{version}");
        }
    }

    #[test]
    fn what_is_missing_or_foreign_is_noticed() {
        let lines = written(&rows());
        for gone in 1..lines.len() {
            let mut cut = lines.clone();
            cut.remove(gone);
            assert_ne!(read(&cut), Ok(Some(rows())), "line {gone}");
            assert!(!matches!(read(&cut), Ok(Some(_))), "line {gone}");
        }
        let other = Owner { network: NetworkId([4; 32]), ..owner() };
        let (_, header) = BackupWriter::new(&other);
        let refused = BackupReader::new(&owner(), &header).err();
        assert_eq!(refused, Some(BadBackup::OtherDirectory));
        assert_eq!(BackupReader::new(&owner(), "{}").err(), Some(BadBackup::NoBackup));
        let mut swapped = rows();
        swapped.swap(0, 1);
        assert_eq!(read(&written(&swapped)), Err(BadBackup::BrokenChain(1)));
    }

    proptest! {
        #[test]
        fn a_damaged_backup_is_not_read(line in 0usize..6, at: usize, bit in 0u8..7) {
            let mut lines = written(&rows());
            let mut bytes = lines[line].clone().into_bytes();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            lines[line] = String::from_utf8(bytes).unwrap();
            // Digits in another case are the same.
            if !lines[line].eq_ignore_ascii_case(&written(&rows())[line]) {
                prop_assert!(!matches!(read(&lines), Ok(Some(_))));
            }
        }
    }
}
