//! Registering a name: two requests, and a certificate comes out.

use rand::CryptoRng;
use talaria_opaque::{Password, Registration};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::directory::Cause;
use talaria_wire::identity::wrapping::WrappedThing;
use talaria_wire::identity::{ExportKey, Request, Response};

use talaria_client::certificate::signing_request;

use crate::error::{AccountError, unexpected};
use crate::issued::{Issued, Me};

/// The name and the first message of OPAQUE are at the service.
pub struct RegistrationSent {
    me: Me,
    secret: IdentitySecret,
    registration: Registration,
}

/// Everything is at the service.
pub struct RegistrationProven {
    me: Me,
    secret: IdentitySecret,
    export: ExportKey,
}

/// The account exists.
#[derive(Debug)]
pub struct Registered {
    /// The key pair that was made for it.
    pub secret: IdentitySecret,
    /// The certificate.
    pub issued: Issued,
    /// What wraps the key of the home.
    pub export: ExportKey,
}

impl RegistrationSent {
    /// Makes a key pair, and asks for the name.
    ///
    /// # Errors
    /// [`AccountError::Wrong`] never for a [`Password`].
    pub fn start(
        me: Me,
        password: Password,
        token: Option<String>,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Request), AccountError> {
        let secret = IdentitySecret::generate(rng);
        let (registration, request) =
            Registration::start(password, rng).map_err(|_| AccountError::Wrong("password"))?;
        let name = me.name.as_str().to_owned();
        let request = Request::RegisterStart { name, request: request.into(), token };
        Ok((Self { me, secret, registration }, request))
    }

    /// Takes the challenge. Takes as long as stretching the password does.
    ///
    /// # Errors
    /// [`AccountError`], such as that the name is taken.
    pub fn prove(
        self,
        response: Response,
        rng: &mut impl CryptoRng,
    ) -> Result<(RegistrationProven, Request), AccountError> {
        let response = match response {
            Response::RegisterChallenge { response } => response,
            other => return Err(unexpected(&other)),
        };
        let Self { me, secret, registration } = self;
        let (upload, export) = registration
            .finish(&response, me.account(), me.stretch, rng)
            .map_err(|_| AccountError::Wrong("challenge"))?;
        let wrapped = export.wrap(WrappedThing::IdentityKey, &*secret.to_bytes(), rng);
        let csr = signing_request(&me.name, &secret).into();
        let (upload, wrapped_key) = (upload.into(), wrapped.into());
        let request = Request::RegisterFinish { upload, csr, wrapped_key };
        Ok((RegistrationProven { me, secret, export }, request))
    }
}

impl RegistrationProven {
    /// Takes the certificate.
    ///
    /// # Errors
    /// [`AccountError`]; whether the name is registered a login shows then.
    pub fn finish(self, response: Response) -> Result<Registered, AccountError> {
        let Self { me, secret, export } = self;
        let issued = Issued::take(response, &me.name, secret.public(), Cause::Registered)?;
        Ok(Registered { secret, issued, export })
    }
}
