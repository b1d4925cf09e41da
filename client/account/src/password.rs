//! Changing the password of an account that is logged in.

use rand::CryptoRng;
use talaria_opaque::{Password, Registration};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::wrapping::WrappedThing;
use talaria_wire::identity::{ExportKey, Request, Response};

use crate::error::{AccountError, unexpected};
use crate::issued::Me;

/// The first message for the new password is at the service.
pub struct PasswordChange {
    me: Me,
    registration: Registration,
}

/// The new password is ready: its home key has to be on disk, beside the old one, before the
/// request leaves, since nobody knows which of the two holds if the answer is lost.
#[derive(Debug)]
pub struct PasswordChanged {
    /// What opens the home if the service takes the request.
    pub export: ExportKey,
    /// What to send.
    pub request: Request,
}

impl PasswordChange {
    /// Begins.
    ///
    /// # Errors
    /// [`AccountError::Wrong`] never for a [`Password`].
    pub fn start(
        me: Me,
        new: Password,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Request), AccountError> {
        let (registration, request) =
            Registration::start(new, rng).map_err(|_| AccountError::Wrong("password"))?;
        let request = Request::ChangePasswordStart { request: request.into() };
        Ok((Self { me, registration }, request))
    }

    /// Takes the challenge. Takes as long as stretching the password does.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn prove(
        self,
        secret: &IdentitySecret,
        response: Response,
        rng: &mut impl CryptoRng,
    ) -> Result<PasswordChanged, AccountError> {
        let response = match response {
            Response::RegisterChallenge { response } => response,
            other => return Err(unexpected(&other)),
        };
        let Self { me, registration } = self;
        let (upload, export) = registration
            .finish(&response, me.account(), me.stretch, rng)
            .map_err(|_| AccountError::Wrong("challenge"))?;
        let wrapped = export.wrap(WrappedThing::IdentityKey, &*secret.to_bytes(), rng);
        let (upload, wrapped_key) = (upload.into(), wrapped.into());
        let request = Request::ChangePasswordFinish { upload, wrapped_key };
        Ok(PasswordChanged { export, request })
    }
}

impl PasswordChanged {
    /// Takes the answer to the request.
    ///
    /// # Errors
    /// [`AccountError`]: which password holds a login shows.
    pub fn finish(response: &Response) -> Result<(), AccountError> {
        match response {
            Response::Done {} => Ok(()),
            other => Err(unexpected(other)),
        }
    }
}
