//! User names: one form for all ways of writing a name, and none that looks like a mix of scripts.
//!
//! A name is normalised as Unicode's caseless identifiers are (NFKC and case folding, Unicode 5.18.4
//! and UAX #31), has only characters that are recommended for identifiers (UTS #39, section 3.1) or
//! one of `-`, `_` and `.` inside, and belongs to one script or to a combination that is in use
//! (UTS #39, section 5.2, "highly restrictive").

use std::fmt;
use std::str::FromStr;

use caseless::Caseless;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_security::GeneralSecurityProfile;
use unicode_security::confusable_detection::skeleton;
use unicode_security::restriction_level::{RestrictionLevel, RestrictionLevelDetection};

/// The fewest characters of a name.
pub const NAME_MIN_CHARS: usize = 3;
/// The most characters of a name.
pub const NAME_MAX_CHARS: usize = 32;
/// The most bytes that are looked at: more than any name of that many characters has.
const INPUT_MAX: usize = 512;

/// A name that can be registered, in its one form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// Why a name cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadUserName {
    /// Too few characters, or too many.
    #[error("a name has {NAME_MIN_CHARS} to {NAME_MAX_CHARS} characters, this has {0}")]
    Length(usize),
    /// A character that names do not have.
    #[error("a name has letters and digits, and `-`, `_` or `.` between them; not {0:?}")]
    Character(char),
    /// `-`, `_` or `.` where it cannot be, or two of them together.
    #[error("`-`, `_` and `.` stand between letters or digits")]
    Punctuation,
    /// Letters of scripts that nobody writes together.
    #[error("a name does not mix scripts, since letters of different ones look alike")]
    MixedScripts,
}

impl UserName {
    /// Brings a name to its one form.
    ///
    /// # Errors
    /// [`BadUserName`], which says what to change.
    pub fn new(text: &str) -> Result<Self, BadUserName> {
        let text = text.trim();
        if text.len() > INPUT_MAX {
            return Err(BadUserName::Length(text.chars().count()));
        }
        let name = normalised(text);
        let length = name.chars().count();
        if !(NAME_MIN_CHARS..=NAME_MAX_CHARS).contains(&length) {
            return Err(BadUserName::Length(length));
        }
        check_characters(&name)?;
        if name.as_str().detect_restriction_level() > RestrictionLevel::HighlyRestrictive {
            return Err(BadUserName::MixedScripts);
        }
        Ok(Self(name))
    }

    /// A name that was registered, as the directory has it.
    ///
    /// Whether it is one must not depend on the tables of this program: it was checked when it was
    /// registered, perhaps by tables of another year. What is looked at here never changes.
    ///
    /// # Errors
    /// [`BadUserName`] if it can be no name under any tables.
    pub fn registered(text: &str) -> Result<Self, BadUserName> {
        let length = text.chars().count();
        if !(NAME_MIN_CHARS..=NAME_MAX_CHARS).contains(&length) {
            return Err(BadUserName::Length(length));
        }
        match text.chars().find(|c| never_in_a_name(*c)) {
            Some(c) => Err(BadUserName::Character(c)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the name looks like: two names with the same skeleton can be taken for each other
    /// (UTS #39, section 4). For comparisons only, never to be shown.
    #[must_use]
    pub fn skeleton(&self) -> String {
        skeleton(&self.0).collect()
    }
}

/// Of ASCII all but small letters, digits, `-`, `_` and `.`; and what controls, separates or hides.
fn never_in_a_name(c: char) -> bool {
    match c {
        'a'..='z' | '0'..='9' | '-' | '_' | '.' => false,
        '\0'..='\u{7f}' => true,
        _ => matches!(
            c,
            '\u{80}'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
                | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}'
        ),
    }
}

/// NFKC and case folding, repeated until nothing changes: either can undo the other.
fn normalised(text: &str) -> String {
    let mut name: String = text.nfkc().collect();
    for _ in 0..4 {
        let next: String = name.chars().default_case_fold().nfkc().collect();
        if next == name {
            break;
        }
        name = next;
    }
    name
}

fn check_characters(name: &str) -> Result<(), BadUserName> {
    let is_joint = |c: char| matches!(c, '-' | '_' | '.');
    let mut before_is_joint = true;
    for c in name.chars() {
        let is_letter = (c.is_alphanumeric() || is_mark(c)) && c.identifier_allowed();
        if !(is_letter || is_joint(c)) {
            return Err(BadUserName::Character(c));
        }
        if before_is_joint && (is_joint(c) || is_mark(c)) {
            return Err(BadUserName::Punctuation);
        }
        before_is_joint = is_joint(c);
    }
    if before_is_joint { Err(BadUserName::Punctuation) } else { Ok(()) }
}

fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for UserName {
    type Err = BadUserName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_ways_of_writing_a_name_are_one() {
        for (written, name) in [
            ("Alice", "alice"),
            ("  ALICE ", "alice"),
            ("ａｌｉｃｅ", "alice"),
            ("Straße", "strasse"),
            ("José", "jose\u{301}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("ﬁnn", "finn"),
            ("Zoë.van-dyk_2", "zoë.van-dyk_2"),
            ("Анна", "анна"),
            ("山田太郎", "山田太郎"),
        ] {
            let expected = UserName::new(name).unwrap();
            assert_eq!(UserName::new(written), Ok(expected), "{written}");
        }
    }

    #[test]
    fn names_that_could_deceive_are_refused() {
        use BadUserName::{Character, Length, MixedScripts, Punctuation};
        for (written, why) in [
            ("al", Length(2)),
            ("", Length(0)),
            (&"a".repeat(33), Length(33)),
            (&"a".repeat(600), Length(600)),
            ("al ice", Character(' ')),
            ("al\u{200b}ice", Character('\u{200b}')),
            ("al\u{202e}ice", Character('\u{202e}')),
            ("alice!", Character('!')),
            ("alice😀", Character('😀')),
            ("-alice", Punctuation),
            ("alice.", Punctuation),
            ("al..ice", Punctuation),
            ("\u{301}alice", Punctuation),
            ("аlice", MixedScripts),
            ("pаypal", MixedScripts),
        ] {
            assert_eq!(UserName::new(written), Err(why), "{written}");
        }
    }

    #[test]
    fn names_of_one_script_that_look_like_another_have_its_skeleton() {
        let skeleton = |name: &str| UserName::new(name).unwrap().skeleton();
        assert_eq!(skeleton("сосо"), skeleton("coco"));
        assert_ne!(skeleton("alice"), skeleton("alicia"));
    }

    #[test]
    fn registered_names_are_judged_by_what_never_changes() {
        // Not a name by the tables of this program, and perhaps by those of another year.
        for odd in ["аlice", "\u{378}\u{379}\u{380}", "ａｌｉｃｅ", "\u{301}bob"] {
            assert_ne!(UserName::new(odd).map(|name| name.as_str() == odd), Ok(true), "{odd}");
            assert_eq!(UserName::registered(odd).unwrap().as_str(), odd);
        }
        for never in ["Alice", "al ice", "al", "al\u{202e}ice", "al\nice", "al\u{85}ice", "al/ice"]
        {
            assert!(UserName::registered(never).is_err(), "{never:?}");
        }
        assert_eq!(UserName::registered(&"я".repeat(33)), Err(BadUserName::Length(33)));
    }

    proptest! {
        #[test]
        fn a_name_is_its_own_form(text in "\\PC{0,40}") {
            if let Ok(name) = UserName::new(&text) {
                prop_assert_eq!(UserName::registered(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(UserName::new(name.as_str()), Ok(name));
            }
        }
    }
}
