//! What the operator does to the running service.

use rand::CryptoRng;
use talaria_wire::UnixMillis;
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::Cause;
use thiserror::Error;
use tokio::sync::mpsc;

use super::{Draft, Service, bound, seconds, sign};
use crate::clock::ClockDoubt;
use crate::store::{Guard, Row, Store, StoreError, TokenRow, User, UserChange, UserStatus};
use crate::token::{Token, TokenHash};

/// Tokens that can be made at once.
pub const TOKENS_MAX: u32 = 10_000;
/// Users in one answer.
const USERS_AT_ONCE: u32 = 256;

/// Why the operator's wish is not done.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// Nobody has the name.
    #[error("there is no user {0:?}: `talariad user list` shows all")]
    NoSuchUser(String),
    /// The user is in another state.
    #[error("the user is {0}")]
    WrongState(&'static str),
    /// No such token.
    #[error("there is no token {0:?}: `talariad token list` shows all")]
    NoSuchToken(String),
    /// Several tokens.
    #[error("several tokens begin with {0:?}: give more of it")]
    AmbiguousToken(String),
    /// Too many tokens.
    #[error("1 to {TOKENS_MAX} tokens can be made at once")]
    TokenCount,
    /// The clock is doubted, and entries of the directory would be dated by it.
    #[error(
        "the clock of the service cannot be right: {0}. Set it; or, if it is right, say so with \
         `talariad clock --accept-clock`"
    )]
    Clock(ClockDoubt),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<S: Store> Service<S> {
    /// The users whose names follow upon `after`; none at the end.
    ///
    /// # Errors
    /// [`OperatorError::Store`].
    pub async fn users(&self, after: &str) -> Result<Vec<User>, OperatorError> {
        Ok(self.store.users(after, USERS_AT_ONCE).await?)
    }

    /// A user, with the name in any form.
    ///
    /// # Errors
    /// [`OperatorError::NoSuchUser`] or [`OperatorError::Store`].
    pub async fn user(&self, name: &str) -> Result<User, OperatorError> {
        Ok(self.named(name).await?.1)
    }

    async fn named(&self, text: &str) -> Result<(UserName, User), OperatorError> {
        let missing = || OperatorError::NoSuchUser(text.to_owned());
        let name = UserName::new(text).or_else(|_| UserName::registered(text));
        let name = name.map_err(|_| missing())?;
        let user = self.store.user(name.as_str()).await?.ok_or_else(missing)?;
        Ok((name, user))
    }

    /// Locks a user out, or lets one in again.
    ///
    /// # Errors
    /// [`OperatorError`], also if the user is disabled, enabled or deleted already.
    pub async fn set_enabled(
        &self,
        name: &str,
        enabled: bool,
        now: UnixMillis,
    ) -> Result<User, OperatorError> {
        self.clock_doubt().map_or(Ok(()), |doubt| Err(OperatorError::Clock(doubt)))?;
        let (name, user) = self.named(name).await?;
        let (cause, before, after) = if enabled {
            (Cause::Enabled, UserStatus::Disabled, UserStatus::Active)
        } else {
            (Cause::Disabled, UserStatus::Active, UserStatus::Disabled)
        };
        if user.status != before {
            return Err(OperatorError::WrongState(match user.status {
                UserStatus::Active => "enabled already",
                UserStatus::Disabled => "disabled already",
                UserStatus::Deleted => "deleted: the name is never used again",
            }));
        }
        let draft = Draft::about(cause, &name, &user)?;
        // Not the credential: nobody keeps the operator out by changing a password all the time.
        let guard = Guard { status: before, key_since: Some(user.key_since), credential: None };
        let change = UserChange { status: Some(after), ..UserChange::default() };
        let mut entry = Vec::new();
        let append = draft.append(now, &mut entry);
        let tip = self.store.change(name.as_str(), guard, change, append).await?;
        self.advance(tip, now);
        self.user(name.as_str()).await
    }

    /// Makes tokens that are valid until `expires_s`, in seconds since 1970.
    ///
    /// # Errors
    /// [`OperatorError::TokenCount`] or [`OperatorError::Store`].
    pub async fn new_tokens(
        &self,
        count: u32,
        expires_s: u64,
        now: UnixMillis,
        rng: &mut (impl CryptoRng + Send),
    ) -> Result<Vec<Token>, OperatorError> {
        if !(1..=TOKENS_MAX).contains(&count) {
            return Err(OperatorError::TokenCount);
        }
        let tokens: Vec<_> = (0..count).map(|_| Token::generate(rng)).collect();
        let hashes: Vec<_> = tokens.iter().map(|token| token.hash().0).collect();
        self.store.add_tokens(&hashes, seconds(now), expires_s).await?;
        Ok(tokens)
    }

    /// Every token that is kept.
    ///
    /// # Errors
    /// [`OperatorError::Store`].
    pub async fn tokens(&self) -> Result<Vec<TokenRow>, OperatorError> {
        Ok(self.store.tokens().await?)
    }

    /// Makes a token void: given itself, or the beginning of what it is called in lists.
    ///
    /// # Errors
    /// [`OperatorError`] if it is none, or not the only one.
    pub async fn revoke_token(&self, text: &str) -> Result<String, OperatorError> {
        let hash = match text.parse::<Token>() {
            Ok(token) => token.hash(),
            Err(_) => self.token_called(text).await?,
        };
        match self.store.revoke_token(&hash.0).await? {
            true => Ok(hash.id()),
            false => Err(OperatorError::NoSuchToken(text.to_owned())),
        }
    }

    async fn token_called(&self, text: &str) -> Result<TokenHash, OperatorError> {
        let tokens = self.store.tokens().await?;
        let ids = tokens.iter().map(|row| TokenHash(row.hash));
        let mut fitting = ids.filter(|hash| !text.is_empty() && hash.id().starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(hash), None) => Ok(hash),
            (None, _) => Err(OperatorError::NoSuchToken(text.to_owned())),
            (Some(_), Some(_)) => Err(OperatorError::AmbiguousToken(text.to_owned())),
        }
    }

    /// Sends every row, as all of them were at one moment.
    ///
    /// # Errors
    /// [`OperatorError::Store`].
    pub async fn export(&self, rows: mpsc::Sender<Row>) -> Result<(), OperatorError> {
        Ok(self.store.export(rows).await?)
    }

    /// Puts a backup in the place of everything, see [`Store::import`]; gives the number of
    /// entries.
    ///
    /// # Errors
    /// [`OperatorError::Store`]; nothing has changed then.
    pub async fn import(
        &self,
        rows: mpsc::Receiver<Option<Row>>,
        replace: bool,
        now: UnixMillis,
    ) -> Result<u64, OperatorError> {
        self.clock_doubt().map_or(Ok(()), |doubt| Err(OperatorError::Clock(doubt)))?;
        self.store.import(rows, replace).await?;
        let tip = bound(&self.store, &self.config).await?;
        self.store.note_signed(seconds(now)).await?;
        self.note_dated(seconds(now));
        let head = sign(&self.config, tip, seconds(now));
        self.last_pages.clear();
        self.head.send_replace(head);
        Ok(tip.entries)
    }
}
