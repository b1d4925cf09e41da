//! Contacts, and the card that introduces one: a line of text with a checksum.
//!
//! `talaria1:` and base64url of version u8, identity key 33, created round u64, first eight bytes
//! of the network id, name length u8, name, checksum 4. A card is not secret, but whoever hands
//! it over vouches for it: a card from the wrong hands introduces the wrong person.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use talaria_wire::codec::{DecodeError, Reader};
use talaria_wire::crypto::identity::IDENTITY_PUBLIC_LEN;
use talaria_wire::crypto::kdf::{Label, derive};
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::network_file::NetworkId;
use talaria_wire::{Round, UnixMillis};
use thiserror::Error;

/// What every card starts with.
pub const CARD_PREFIX: &str = "talaria1:";
/// The longest name, in characters.
pub const NAME_MAX_CHARS: usize = 32;

const CARD_VERSION: u8 = 1;
const CHECKSUM_LEN: usize = 4;
/// Longer than any card: the longest name has 128 bytes.
const CARD_MAX_CHARS: usize = 512;
/// How far ahead of the local clock a card may have been made.
const FUTURE_MS: u64 = 24 * 3600 * 1000;

/// A name to show: 1 to [`NAME_MAX_CHARS`] characters, none of which could deceive a reader.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a name was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("a name has at least one character")]
    Empty,
    /// More than [`NAME_MAX_CHARS`] characters.
    #[error("a name has at most {NAME_MAX_CHARS} characters, this has {0}")]
    TooLong(usize),
    /// A control character, or one that changes the direction of text.
    #[error("a name has no control characters")]
    Control,
}

impl Name {
    /// Takes a name, without the white space around it.
    ///
    /// # Errors
    /// [`NameError`], which says what to change.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        match text.chars().count() {
            0 => return Err(NameError::Empty),
            n if n > NAME_MAX_CHARS => return Err(NameError::TooLong(n)),
            _ => {}
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(NameError::Control);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Characters that have no shape of their own: line separators, direction marks, zero widths.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Somebody to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who it is.
    pub key: IdentityPublic,
    /// What to call them.
    pub name: Name,
    /// The round in which their identity was made.
    pub created: Round,
}

/// A contact card: a contact and the network in which they can be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    contact: Contact,
    network: NetworkTag,
}

/// The first bytes of a network id: enough to notice a card of another network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkTag(pub [u8; 8]);

impl From<NetworkId> for NetworkTag {
    fn from(id: NetworkId) -> Self {
        let mut tag = [0; 8];
        tag.copy_from_slice(&id.0[..8]);
        Self(tag)
    }
}

/// Why a card was not taken, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CardError {
    /// It does not start as cards do.
    #[error("not a contact card: a card is one line that starts with `{CARD_PREFIX}`")]
    NotACard,
    /// A character that is in no card.
    #[error("the card has a character that does not belong there: copy the whole line again")]
    BadCharacter,
    /// A part of it is missing.
    #[error("the card is incomplete: copy the whole line again")]
    Incomplete,
    /// A typing error, or a part of it is missing.
    #[error(
        "the checksum of the card does not fit: a character is wrong or missing, copy it again"
    )]
    Checksum,
    /// A version that this program does not know.
    #[error("the card has version {0}, this program knows {CARD_VERSION}: update this program")]
    Version(u8),
    /// A key that is none, with a checksum that fits.
    #[error("the card holds no usable key: ask for a new one")]
    BadKey,
    /// A name that is not allowed, with a checksum that fits.
    #[error("the name in the card cannot be used ({0}): ask for a new card")]
    BadName(NameError),
    /// One's own card.
    #[error("this is your own card: give it to somebody, and use the card they give you")]
    Own,
    /// A card of another network.
    #[error("the card belongs to another network: both of you need the same network file")]
    OtherNetwork,
    /// A card from the future.
    #[error("the card was made in the future: check the date and time of both computers")]
    Future,
}

impl Card {
    /// A card that introduces `contact`.
    #[must_use]
    pub fn new(contact: Contact, network: NetworkId) -> Self {
        let network = network.into();
        Self { contact, network }
    }

    /// The contact, if this card is of use to `own` at `now` in a network.
    ///
    /// # Errors
    /// [`CardError::Own`], [`CardError::OtherNetwork`] or [`CardError::Future`].
    pub fn check(
        self,
        own: &IdentitySecret,
        network: NetworkId,
        period_ms: NonZeroU64,
        now: UnixMillis,
    ) -> Result<Contact, CardError> {
        if self.contact.key == *own.public() {
            return Err(CardError::Own);
        }
        if self.network != network.into() {
            return Err(CardError::OtherNetwork);
        }
        if self.contact.created > Round::at(now.plus(FUTURE_MS), period_ms) {
            return Err(CardError::Future);
        }
        Ok(self.contact)
    }

    fn encode(&self) -> Vec<u8> {
        let name = self.contact.name.as_str().as_bytes();
        let mut out = vec![CARD_VERSION];
        out.extend_from_slice(&self.contact.key.to_bytes());
        out.extend_from_slice(&self.contact.created.to_be_bytes());
        out.extend_from_slice(&self.network.0);
        out.push(u8::try_from(name.len()).expect("a name has at most 128 bytes"));
        out.extend_from_slice(name);
        let checksum = checksum(&out);
        out.extend_from_slice(&checksum);
        out
    }

    fn decode(covered: &[u8]) -> Result<Self, CardError> {
        let mut reader = Reader::new(covered);
        match reader.u8()? {
            CARD_VERSION => {}
            version => return Err(CardError::Version(version)),
        }
        let key = reader.array::<IDENTITY_PUBLIC_LEN>()?;
        let created = Round(reader.u64()?);
        let network = NetworkTag(reader.array()?);
        let len = usize::from(reader.u8()?);
        let name = reader.bytes(len)?;
        reader.finish()?;
        let text = std::str::from_utf8(name).map_err(|_| CardError::BadName(NameError::Control))?;
        let name = Name::new(text).map_err(CardError::BadName)?;
        if name.as_str() != text {
            return Err(CardError::BadName(NameError::Control));
        }
        let key = IdentityPublic::from_bytes(&key).map_err(|_| CardError::BadKey)?;
        let contact = Contact { key, name, created };
        Ok(Self { contact, network })
    }
}

fn checksum(covered: &[u8]) -> [u8; CHECKSUM_LEN] {
    derive(Label::CardChecksum, &[covered])
}

impl From<DecodeError> for CardError {
    /// The checksum fits, so this was written by a program that does not keep the format.
    fn from(_: DecodeError) -> Self {
        Self::Incomplete
    }
}

impl fmt::Display for Card {
    /// The line of text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CARD_PREFIX}{}", BASE64URL_NOPAD.encode(&self.encode()))
    }
}

impl FromStr for Card {
    type Err = CardError;

    /// Parses the line of text; white space around it does not matter.
    fn from_str(text: &str) -> Result<Self, CardError> {
        let encoded = text.trim().strip_prefix(CARD_PREFIX).ok_or(CardError::NotACard)?;
        if encoded.len() > CARD_MAX_CHARS {
            return Err(CardError::Checksum);
        }
        if !encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err(CardError::BadCharacter);
        }
        // Only the length, or bits that belong to no byte, can be wrong now.
        let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| CardError::Checksum)?;
        let (covered, sum) =
            bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or(CardError::Incomplete)?;
        if checksum(covered) != *sum {
            return Err(CardError::Checksum);
        }
        Self::decode(covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;
    use proptest::prelude::*;

    const NETWORK: NetworkId = NetworkId([9; 32]);

    fn period() -> NonZeroU64 {
        NonZeroU64::new(2000).unwrap()
    }

    fn card() -> Card {
        identity(1, "Alice").0.card(NETWORK)
    }

    #[test]
    fn names_are_trimmed_and_limited() {
        assert_eq!(Name::new("  Zoë K. ").unwrap().as_str(), "Zoë K.");
        assert_eq!(Name::new(" \t "), Err(NameError::Empty));
        assert!(Name::new(&"ß".repeat(32)).is_ok());
        assert_eq!(Name::new(&"ß".repeat(33)), Err(NameError::TooLong(33)));
        for bad in ["a\u{1b}[2J", "a\nb", "a\u{202e}b", "a\u{200b}b"] {
            assert_eq!(Name::new(bad), Err(NameError::Control));
        }
    }

    #[test]
    fn cards_are_one_line_and_come_back() {
        let card = card();
        let line = card.to_string();
        assert!(line.starts_with(CARD_PREFIX) && !line.contains(char::is_whitespace));
        assert_eq!(format!(" {line}\n").parse(), Ok(card));
    }

    #[test]
    fn mistakes_have_their_own_errors() {
        let line = card().to_string();
        let cut = &line.as_bytes()[..line.len() - 3];
        let cut = std::str::from_utf8(cut).unwrap();
        assert_eq!(cut.parse::<Card>(), Err(CardError::Checksum));
        assert_eq!("hello".parse::<Card>(), Err(CardError::NotACard));
        assert_eq!("talaria1:".parse::<Card>(), Err(CardError::Incomplete));
        let spaced = format!("{line} x");
        assert_eq!(spaced.parse::<Card>(), Err(CardError::BadCharacter));
        let mut newer = card().encode();
        newer.truncate(newer.len() - CHECKSUM_LEN);
        newer[0] = 2;
        let sum = checksum(&newer);
        newer.extend_from_slice(&sum);
        let newer = format!("{CARD_PREFIX}{}", BASE64URL_NOPAD.encode(&newer));
        assert_eq!(newer.parse::<Card>(), Err(CardError::Version(2)));
    }

    #[test]
    fn cards_that_are_of_no_use_say_why() {
        let (alice, _) = identity(1, "Alice");
        let (bob, _) = identity(2, "Bob");
        let now = UnixMillis(4001 * 2000);
        let check = |own: &IdentitySecret, network, now| {
            alice.card(NETWORK).check(own, network, period(), now)
        };
        assert_eq!(check(&bob.secret, NETWORK, now), Ok(alice.contact()));
        assert_eq!(check(&alice.secret, NETWORK, now), Err(CardError::Own));
        let other = check(&bob.secret, NetworkId([8; 32]), now);
        assert_eq!(other, Err(CardError::OtherNetwork));
        let mut early = alice.contact();
        early.created = Round(4001 + FUTURE_MS / 2000 + 1);
        let early = Card::new(early, NETWORK);
        let early = early.check(&bob.secret, NETWORK, period(), now);
        assert_eq!(early, Err(CardError::Future));
    }

    proptest! {
        #[test]
        fn any_text_is_an_error_or_a_card(text: String, tail in "[A-Za-z0-9_-]{0,200}") {
            let _ = text.parse::<Card>();
            let card = format!("{CARD_PREFIX}{tail}");
            prop_assert!(card.parse::<Card>().is_err());
        }

        #[test]
        fn every_card_comes_back(seed: u64, created: u64, name in "\\PC{1,32}", network: [u8; 32]) {
            prop_assume!(Name::new(&name).is_ok());
            let mut contact = identity(seed % 1000, "x").0.contact();
            contact.name = Name::new(&name).unwrap();
            contact.created = Round(created);
            let card = Card::new(contact, NetworkId(network));
            prop_assert_eq!(card.to_string().parse(), Ok(card));
        }

        #[test]
        fn a_changed_character_is_noticed(at: prop::sample::Index, with in "[A-Za-z0-9_-]") {
            let line = card().to_string();
            let at = CARD_PREFIX.len() + at.index(line.len() - CARD_PREFIX.len());
            let mut changed = line.clone();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != line);
            prop_assert!(changed.parse::<Card>().is_err());
        }
    }
}
