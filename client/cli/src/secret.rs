//! Where passwords come from: the terminal without echo, a file, or an open file descriptor. Never
//! the command line, which other users of a machine can see.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use talaria_opaque::{BadPassword, PASSWORD_MAX, Password};
use talaria_wire::identity::UserName;
use thiserror::Error;
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

/// Why there is no password.
#[derive(Debug, Error)]
pub(crate) enum PasswordError {
    #[error("the password cannot be read from {0}: {1}")]
    Source(String, #[source] io::Error),
    #[error(
        "there is no terminal to ask for the password: give it with --password-file FILE or \
         --password-fd N"
    )]
    NoTerminal,
    #[error("the two passwords differ: nothing has changed, try again")]
    Differ,
    #[error("{0}")]
    Bad(#[from] BadPassword),
    #[error("the password is not UTF-8")]
    NotText,
    #[error(
        "the password is weak: {0}. Choose a better one, such as four or more random words, or add --force"
    )]
    Weak(String),
}

/// Where a password comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) file: Option<PathBuf>,
    pub(crate) descriptor: Option<u32>,
}

impl Source {
    /// Whether a person types it, and may try again.
    pub(crate) fn is_terminal(&self) -> bool {
        self.file.is_none() && self.descriptor.is_none()
    }

    /// A password that exists already.
    pub(crate) fn ask(&self, prompt: &str) -> Result<Password, PasswordError> {
        match (&self.file, self.descriptor) {
            (Some(path), _) => read(path),
            (None, Some(number)) => read(&Path::new("/dev/fd").join(number.to_string())),
            (None, None) => type_in(prompt),
        }
    }

    /// A password to be set: typed twice, and judged.
    pub(crate) fn choose(
        &self,
        prompt: &str,
        name: &UserName,
        force: bool,
    ) -> Result<Password, PasswordError> {
        let password = self.ask(prompt)?;
        let strength = Strength::of(&password, name);
        if self.is_terminal() {
            eprintln!("strength: {} of 4{}", strength.score, strength.advice_after(": "));
        }
        if strength.score < WANTED && !force {
            return Err(PasswordError::Weak(strength.describe()));
        }
        if self.is_terminal() && type_in("Once more: ")?.expose() != password.expose() {
            return Err(PasswordError::Differ);
        }
        Ok(password)
    }
}

/// Strengths below this need `--force`.
const WANTED: u8 = 3;

/// How long a password withstands guessing, from 0 to 4, and what zxcvbn advises.
struct Strength {
    score: u8,
    advice: Option<String>,
}

impl Strength {
    fn of(password: &Password, name: &UserName) -> Self {
        let judged = zxcvbn(password.expose(), &[name.as_str(), "talaria"]);
        let score = match judged.score() {
            Score::Zero => 0,
            Score::One => 1,
            Score::Two => 2,
            Score::Three => 3,
            _ => 4,
        };
        let advice = judged.feedback().map(|feedback| match feedback.warning() {
            Some(warning) => warning.to_string(),
            None => {
                feedback.suggestions().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }
        });
        Self { score, advice }
    }

    fn describe(&self) -> String {
        format!("{} of 4, and 3 are wanted{}", self.score, self.advice_after("; "))
    }

    fn advice_after(&self, separator: &str) -> String {
        let advice = self.advice.as_deref().map(|advice| advice.trim_end_matches('.'));
        advice.map_or_else(String::new, |advice| format!("{separator}{advice}"))
    }
}

fn type_in(prompt: &str) -> Result<Password, PasswordError> {
    if !io::stdin().is_terminal() {
        return Err(PasswordError::NoTerminal);
    }
    let typed = rpassword::prompt_password(prompt);
    let typed = typed.map_err(|error| PasswordError::Source("the terminal".to_owned(), error))?;
    Ok(Password::new(typed)?)
}

/// All of it but one line end.
fn read(path: &Path) -> Result<Password, PasswordError> {
    let failed = |error| PasswordError::Source(path.display().to_string(), error);
    // With room for all of it from the start, no copy is left behind by growing.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSWORD_MAX + 3));
    let limit = u64::try_from(PASSWORD_MAX + 3).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(failed)?;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotText)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Password::new(text.to_owned())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn source(dir: &TempDir, bytes: &[u8]) -> Source {
        let path = dir.path().join("password");
        std::fs::write(&path, bytes).unwrap();
        Source { file: Some(path), descriptor: None }
    }

    #[test]
    fn files_lose_one_line_end_and_nothing_else() {
        let dir = TempDir::new().unwrap();
        for (bytes, expected) in [("a b \r\n", "a b "), ("a\n\n", "a\n"), ("ä", "ä")] {
            assert_eq!(source(&dir, bytes.as_bytes()).ask("").unwrap().expose(), expected);
        }
        let long = vec![b'x'; PASSWORD_MAX + 1];
        for bad in [&b""[..], b"\n", &long, b"\xff"] {
            assert!(source(&dir, bad).ask("").is_err());
        }
    }

    #[test]
    fn weak_passwords_and_those_with_the_name_need_force() {
        let dir = TempDir::new().unwrap();
        let name = UserName::new("zanzibar-trumpet").unwrap();
        for (text, weak) in [
            ("hunter2", true),
            ("zanzibar-trumpet", true),
            ("correct horse battery staple orbit", false),
        ] {
            let source = source(&dir, text.as_bytes());
            let said = source.choose("", &name, false).map_err(|error| error.to_string());
            assert_eq!(said.is_err(), weak, "{text}");
            assert!(said.err().is_none_or(|said| said.contains("--force")));
            assert!(source.choose("", &name, true).is_ok());
        }
    }
}
