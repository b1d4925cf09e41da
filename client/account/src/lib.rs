//! What an account says to the identity service, step by step.
//!
//! Pure: every step gives the next [`Request`] and takes the [`Response`] to it, and is used up by
//! that. The private key is made here and leaves only wrapped under what the password gives;
//! neither that nor the password leaves at all.

mod login;
mod password;
mod registration;

use rustls_pki_types::CertificateDer;
use talaria_client::certificate::{hash_of, signing_request};
use talaria_opaque::{Account, Stretch};
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::identity::directory::{Cause, Entry};
use talaria_wire::identity::proof::{EXPORTER_LEN, Renewal};
use talaria_wire::identity::{Refusal, Request, Response, UserName};
use talaria_wire::network_file::NetworkId;
use thiserror::Error;

pub use login::{LoggedIn, LoginProven, LoginSent};
pub use password::{PasswordChange, PasswordChanged};
pub use registration::{Registered, RegistrationProven, RegistrationSent};

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

/// Who logs in where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// The network.
    pub network: NetworkId,
    /// The name.
    pub name: UserName,
    /// How much work one try of a password is.
    pub stretch: Stretch,
}

impl Me {
    fn account(&self) -> Account<'_> {
        Account { network: &self.network, name: &self.name }
    }
}

/// A certificate, and the entry of the directory that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// The entry.
    pub entry: Entry,
}

impl Issued {
    /// What the service has issued for `name` and `key`, because of `cause`.
    fn take(
        response: Response,
        name: &UserName,
        key: &IdentityPublic,
        cause: Cause,
    ) -> Result<Self, AccountError> {
        let (certificate, entry) = match response {
            Response::Certificate { certificate, entry } => (certificate.into_vec(), entry),
            other => return Err(unexpected(&other)),
        };
        let entry = Entry::from_bytes(&entry).map_err(|_| AccountError::Wrong("entry"))?;
        let fits = entry.name == *name && entry.key == *key && entry.cause == cause;
        if !fits || entry.certificate_hash != hash_of(&certificate) {
            return Err(AccountError::Wrong("entry"));
        }
        Ok(Self { certificate: certificate.into(), entry })
    }
}

/// Asks for another certificate for the same key, on the connection whose TLS exporter gives
/// `exporter`. No password is needed.
///
/// # Panics
/// Never: see [`signing_request`].
#[must_use]
pub fn renew(me: &Me, secret: &IdentitySecret, exporter: &[u8; EXPORTER_LEN]) -> Request {
    let csr = signing_request(&me.name, secret);
    let renewal = Renewal { network: &me.network, exporter, csr: &csr };
    let signature = renewal.sign(secret).to_vec().into();
    Request::Renew { name: me.name.as_str().to_owned(), csr: csr.into(), signature }
}

/// Takes the answer to [`renew`].
///
/// # Errors
/// [`AccountError`] if the service has refused.
pub fn renewed(
    me: &Me,
    secret: &IdentitySecret,
    response: Response,
) -> Result<Issued, AccountError> {
    Issued::take(response, &me.name, secret.public(), Cause::Renewed)
}

fn unexpected(response: &Response) -> AccountError {
    match response {
        Response::Refused { reason: Refusal::WrongNameOrPassword } => {
            AccountError::WrongNameOrPassword
        }
        Response::Refused { reason } => AccountError::Refused(*reason),
        other => AccountError::Unexpected(other.kind()),
    }
}

#[cfg(test)]
mod tests;
