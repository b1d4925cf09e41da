//! One-time tokens, with which an operator lets somebody register.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use rand::CryptoRng;
use talaria_wire::identity::request::TOKEN_MAX;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::certificate::sha256;

/// Random bytes of a token: 32 characters.
const TOKEN_LEN: usize = 20;
/// Digits by which a token is named where it is not to be shown.
const ID_DIGITS: usize = 16;

/// A token. Whoever has it can register one name.
#[derive(PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; TOKEN_LEN]);

/// Not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a token has 32 letters and digits")]
pub struct BadToken;

impl Token {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; TOKEN_LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// What is kept of it. It needs no salt: there are 2¹⁶⁰ tokens.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(sha256(&self.0))
    }

    /// The text to hand out.
    #[must_use]
    pub fn reveal(&self) -> String {
        BASE32_NOPAD.encode(&self.0).to_ascii_lowercase()
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        if text.len() > TOKEN_MAX {
            return Err(BadToken);
        }
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(BadToken)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The hash of a token, which gives nobody the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// How a token is called in lists.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.0).chars().take(ID_DIGITS).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;

    #[test]
    fn tokens_survive_being_typed() {
        let token = Token::generate(&mut ChaCha20Rng::seed_from_u64(1));
        let text = token.reveal();
        assert_eq!(text.len(), 32);
        assert!(text.parse() == Ok(Token(token.0)));
        assert!(format!(" {}\n", text.to_uppercase()).parse() == Ok(Token(token.0)));
        assert_eq!(token.hash().id().len(), ID_DIGITS);
        for bad in ["", "abc", &"a".repeat(31), &format!("{text}a"), &"a".repeat(65), "ä"] {
            assert!(bad.parse::<Token>().is_err());
        }
        assert!(!format!("{token:?}").contains(&text));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_one_token(text: String) {
            if let Ok(token) = text.parse::<Token>() {
                prop_assert_eq!(token.reveal(), text.trim().to_ascii_lowercase());
            }
        }
    }
}
