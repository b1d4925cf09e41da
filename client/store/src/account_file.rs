//! `account.toml`: whose home it is, and the key of the home under what only the password gives.
//!
//! It is not secret. Whoever has it and not the password can try passwords only by asking the
//! identity service.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use talaria_wire::identity::{ExportKey, UserName};

use crate::error::HomeError;
use crate::files::{self, ACCOUNT_FILE, OLD_KEY_FILE};
use crate::key::HomeKey;

/// Version of the home's files. Homes up to 2 were not encrypted; up to 3 this file had no check.
const FORMAT: u32 = 4;
const WITHOUT_CHECK: u32 = 3;
/// More than any program writes.
const LEN_MAX: u64 = 16 * 1024;

/// What a home says of itself before it is unlocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFile {
    /// Whose it is.
    pub name: UserName,
    /// The key of the home, wrapped: once, or under the old and the new password while one
    /// replaces the other.
    pub wrapped: Vec<Vec<u8>>,
    /// Where newer versions of the network file may come to lie.
    pub network_file: Option<PathBuf>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: u32,
    name: String,
    home_key: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network_file: Option<PathBuf>,
    /// Of all the others: whoever damages the file by accident does not hit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

impl Text {
    /// The first 8 bytes of BLAKE3 over the file without this line.
    fn checked(self) -> Self {
        let bare = Self { check: None, ..self };
        let text = toml::to_string(&bare).expect("strings and numbers make TOML");
        let check = HEXLOWER.encode(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
        Self { check: Some(check), ..bare }
    }

    fn is_sound(&self) -> bool {
        match &self.check {
            None => self.format == WITHOUT_CHECK,
            check => *check == self.clone().checked().check,
        }
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl AccountFile {
    /// Reads the file of a home.
    ///
    /// # Errors
    /// [`HomeError::NoAccount`], [`HomeError::OldFormat`] or another [`HomeError`].
    pub fn read(dir: &Path) -> Result<Self, HomeError> {
        let path = dir.join(ACCOUNT_FILE);
        let len = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(_) if dir.join(OLD_KEY_FILE).exists() => {
                return Err(HomeError::OldFormat(dir.to_owned()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(HomeError::NoAccount(dir.to_owned()));
            }
            Err(error) => return Err(files::failed("read", &path)(error)),
        };
        if len > LEN_MAX {
            return Err(HomeError::BadAccountFile(path));
        }
        let text = std::fs::read_to_string(&path).map_err(files::failed("read", &path))?;
        Self::parse(&text).map_err(|error| error.unwrap_or(HomeError::BadAccountFile(path)))
    }

    fn parse(text: &str) -> Result<Self, Option<HomeError>> {
        let FormatOnly { format } = toml::from_str(text).map_err(|_| None)?;
        if format > FORMAT {
            return Err(Some(HomeError::NewerFormat(format.into())));
        }
        let text: Text = toml::from_str(text).map_err(|_| None)?;
        if !text.is_sound() {
            return Err(None);
        }
        let key = |hex: &String| HEXLOWER.decode(hex.as_bytes());
        let wrapped: Result<Vec<_>, _> = text.home_key.iter().map(key).collect();
        Ok(Self {
            name: UserName::registered(&text.name).map_err(|_| None)?,
            wrapped: wrapped.map_err(|_| None)?,
            network_file: text.network_file,
        })
    }

    /// Puts it in place of the one that is there, durably and all at once.
    ///
    /// # Errors
    /// [`HomeError`]; the old one is there as before then.
    pub(super) fn write(&self, dir: &Path) -> Result<(), HomeError> {
        let text = Text {
            format: FORMAT,
            name: self.name.as_str().to_owned(),
            home_key: self.wrapped.iter().map(|key| HEXLOWER.encode(key)).collect(),
            network_file: self.network_file.clone(),
            check: None,
        };
        let text = toml::to_string(&text.checked()).expect("strings and numbers make TOML");
        files::write_private(&dir.join(ACCOUNT_FILE), text.as_bytes())
    }

    /// Changes the file of a home, one process at a time.
    pub(super) fn change(dir: &Path, change: impl FnOnce(&mut Self)) -> Result<Self, HomeError> {
        let _held = files::hold(dir)?;
        let mut file = Self::read(dir)?;
        change(&mut file);
        file.write(dir)?;
        Ok(file)
    }

    /// The key of the home.
    ///
    /// # Errors
    /// [`HomeError::OtherPassword`] if the login was not that of this home.
    pub fn unlock(&self, export: &ExportKey) -> Result<HomeKey, HomeError> {
        let keys = self.wrapped.iter();
        let key = keys.filter_map(|wrapped| HomeKey::unwrap(export, wrapped).ok()).next();
        key.ok_or(HomeError::OtherPassword)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;
    use tempfile::TempDir;

    #[test]
    fn what_is_written_is_read_and_opens_with_every_password_that_may_hold() {
        let dir = TempDir::new().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let key = HomeKey::generate(&mut rng);
        let [old, new, other] = [1, 2, 3].map(|byte| ExportKey::from_bytes([byte; 64]));
        let mut file = AccountFile {
            name: UserName::new("alice").unwrap(),
            wrapped: vec![key.wrap(&old, &mut rng)],
            network_file: Some(PathBuf::from("/x/network.toml")),
        };
        // While a password is changed, the service may have taken the new one or not.
        file.write(dir.path()).unwrap();
        assert_eq!(AccountFile::read(dir.path()).unwrap(), file);
        file.wrapped.push(key.wrap(&new, &mut rng));
        file.write(dir.path()).unwrap();
        let read = AccountFile::read(dir.path()).unwrap();
        for export in [&old, &new] {
            assert_eq!(*read.unlock(export).unwrap().pragma(), *key.pragma());
        }
        assert!(matches!(read.unlock(&other), Err(HomeError::OtherPassword)));
    }

    #[test]
    fn damaged_newer_and_missing_files_are_told_apart() {
        let dir = TempDir::new().unwrap();
        let read = || AccountFile::read(dir.path()).unwrap_err().to_string();
        assert!(read().contains("no account"));
        let put = |text: &str| std::fs::write(dir.path().join(ACCOUNT_FILE), text).unwrap();
        put("format = 5\ncolour = 3");
        assert!(read().contains("update this program"));
        let long = "x".repeat(20_000);
        for bad in ["", "format = 3", "format = 3\nname = \"a\"\nhome_key = []", &long] {
            put(bad);
            assert!(read().contains("is damaged"), "{}", read());
        }
        put("format = 3\nname = \"alice\"\nhome_key = [\"0g\"]");
        assert!(read().contains("account.toml"));
    }

    /// One wrong digit is no changed password.
    #[test]
    fn whatever_is_altered_is_told_as_damage_and_files_without_a_check_are_still_read() {
        let dir = TempDir::new().unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let export = ExportKey::from_bytes([1; 64]);
        let file = AccountFile {
            name: UserName::new("alice").unwrap(),
            wrapped: vec![HomeKey::generate(&mut rng).wrap(&export, &mut rng)],
            network_file: None,
        };
        file.write(dir.path()).unwrap();
        let path = dir.path().join(ACCOUNT_FILE);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            let is_good = |said: Result<AccountFile, HomeError>| match said {
                // Blanks and the way a string is written may change.
                Ok(read) => read == file,
                Err(error) => !matches!(error, HomeError::OtherPassword),
            };
            assert!(is_good(AccountFile::read(dir.path())), "byte {at}");
            std::fs::write(&path, &good[..at]).unwrap();
            match AccountFile::read(dir.path()) {
                Ok(read) => assert!(read == file && at == good.len() - 1, "{at} bytes"),
                Err(error) => assert!(error.to_string().contains("is damaged"), "{at}: {error}"),
            }
        }
        let text = String::from_utf8(good).unwrap();
        let older: Vec<_> = text.lines().filter(|line| !line.starts_with("check")).collect();
        std::fs::write(&path, older.join("\n").replace("format = 4", "format = 3")).unwrap();
        assert_eq!(AccountFile::read(dir.path()).unwrap(), file);
    }

    #[test]
    fn homes_that_were_not_encrypted_are_refused() {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("identity.key"), "00").unwrap();
        let said = AccountFile::read(dir.path()).unwrap_err().to_string();
        assert!(said.contains("older version"), "{said}");
    }
}
