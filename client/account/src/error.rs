//! Why a step with the identity service did not work out.

use talaria_wire::identity::{Refusal, Response};
use thiserror::Error;

/// Why a step with the identity service did not work out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AccountError {
    /// The service has refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The name or the password is wrong: one cannot tell which.
    #[error("the name or the password is wrong")]
    WrongNameOrPassword,
    /// An answer to something else.
    #[error("the identity service answered with {0}, which does not belong there")]
    Unexpected(&'static str),
    /// An answer that contradicts what was asked for.
    #[error("the identity service answered with a wrong {0}: ask its operator")]
    Wrong(&'static str),
    /// The private key that the service keeps is not one, or of somebody else.
    #[error("the private key that the identity service keeps does not open: ask its operator")]
    BadKey,
}

/// An answer that does not belong there.
pub(crate) fn unexpected(response: &Response) -> AccountError {
    match response {
        Response::Refused { reason: Refusal::WrongNameOrPassword } => {
            AccountError::WrongNameOrPassword
        }
        Response::Refused { reason } => AccountError::Refused(*reason),
        other => AccountError::Unexpected(other.kind()),
    }
}
