//! What a face asks for.

use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::token::Token;

/// What a face asks for. A conversation is called by the partner's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Say this. [`Event::Sent`](crate::Event::Sent) follows, or an error with the same token.
    Say {
        /// For the answer.
        token: Token,
        /// To whom.
        conversation: String,
        /// What.
        text: Text,
    },
    /// Nothing more to say: end when the partner has ended too.
    End {
        /// For the answer.
        token: Token,
        /// Which conversation.
        conversation: String,
    },
    /// Nothing more to say: end when everything has arrived.
    Leave {
        /// For the answer.
        token: Token,
        /// Which conversation.
        conversation: String,
    },
    /// Go on with the partner's new key.
    AcceptKey {
        /// For the answer.
        token: Token,
        /// Which conversation.
        conversation: String,
    },
    /// Send again what may be lost, see [`Event::MayBeLost`](crate::Event::MayBeLost).
    Again {
        /// For the answer.
        token: Token,
        /// Which conversation.
        conversation: String,
    },
    /// Everything up to the message with this number has been shown. The face is told nothing
    /// more before it has asked this of a message, so that a kill in between is noticed.
    Shown {
        /// Which conversation.
        conversation: String,
        /// The number in [`Event::Message`](crate::Event::Message).
        number: u32,
    },
}

impl Request {
    /// Whom it concerns.
    #[must_use]
    pub fn conversation(&self) -> &str {
        match self {
            Self::Say { conversation, .. }
            | Self::End { conversation, .. }
            | Self::Leave { conversation, .. }
            | Self::AcceptKey { conversation, .. }
            | Self::Again { conversation, .. }
            | Self::Shown { conversation, .. } => conversation,
        }
    }

    /// How the face calls it, if an answer may follow.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        match self {
            Self::Say { token, .. }
            | Self::End { token, .. }
            | Self::Leave { token, .. }
            | Self::AcceptKey { token, .. }
            | Self::Again { token, .. } => Some(*token),
            Self::Shown { .. } => None,
        }
    }
}
