//! Logging in: two requests, and the private key comes out. What needs a login comes after it.

use rand::CryptoRng;
use rustls_pki_types::CertificateDer;
use talaria_opaque::{Login, Password};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::directory::Cause;
use talaria_wire::identity::proof::Rotation;
use talaria_wire::identity::wrapping::WrappedThing;
use talaria_wire::identity::{ExportKey, Request, Response};
use zeroize::Zeroizing;

use talaria_client::certificate::signing_request;

use crate::error::{AccountError, unexpected};
use crate::issued::{Issued, Me};

/// The name and the first message of OPAQUE are at the service.
pub struct LoginSent {
    me: Me,
    login: Login,
}

/// The proof is at the service.
pub struct LoginProven {
    me: Me,
    export: ExportKey,
}

/// The password was right, and the connection is one that is logged in.
#[derive(Debug)]
pub struct LoggedIn {
    me: Me,
    /// What opens the home.
    pub export: ExportKey,
    /// The account's private key.
    pub secret: IdentitySecret,
    /// Its newest certificate.
    pub certificate: CertificateDer<'static>,
    key_since: u64,
}

impl LoginSent {
    /// Asks to be let in.
    ///
    /// # Errors
    /// [`AccountError::Wrong`] never for a [`Password`].
    pub fn start(
        me: Me,
        password: Password,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Request), AccountError> {
        let (login, request) =
            Login::start(password, rng).map_err(|_| AccountError::Wrong("password"))?;
        let name = me.name.as_str().to_owned();
        let request = Request::LoginStart { name, request: request.into() };
        Ok((Self { me, login }, request))
    }

    /// Takes the challenge. Takes as long as stretching the password does.
    ///
    /// # Errors
    /// [`AccountError::WrongNameOrPassword`] among others.
    pub fn prove(
        self,
        response: Response,
        rng: &mut impl CryptoRng,
    ) -> Result<(LoginProven, Request), AccountError> {
        let response = match response {
            Response::LoginChallenge { response } => response,
            other => return Err(unexpected(&other)),
        };
        let Self { me, login } = self;
        let (proof, export) = login
            .finish(&response, me.account(), me.stretch, rng)
            .map_err(|_| AccountError::WrongNameOrPassword)?;
        Ok((LoginProven { me, export }, Request::LoginFinish { proof: proof.into() }))
    }
}

impl LoginProven {
    /// Opens the private key.
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn finish(self, response: Response) -> Result<LoggedIn, AccountError> {
        let (wrapped, certificate, key_since) = match response {
            Response::LoggedIn { wrapped_key, certificate, key_since } => {
                (wrapped_key, certificate, key_since)
            }
            other => return Err(unexpected(&other)),
        };
        let Self { me, export } = self;
        let bytes = export.unwrap(WrappedThing::IdentityKey, &wrapped);
        let bytes = bytes.map_err(|_| AccountError::BadKey)?;
        let bytes: Zeroizing<[u8; 32]> =
            Zeroizing::new(bytes.as_slice().try_into().map_err(|_| AccountError::BadKey)?);
        let secret = IdentitySecret::from_bytes(&bytes).map_err(|_| AccountError::BadKey)?;
        let certificate = certificate.into_vec().into();
        Ok(LoggedIn { me, export, secret, certificate, key_since })
    }
}

impl LoggedIn {
    /// Who it is.
    #[must_use]
    pub fn me(&self) -> &Me {
        &self.me
    }

    /// Asks for a certificate for a home that begins now. Other homes of the account end with it.
    #[must_use]
    pub fn new_home(&self) -> Request {
        Request::NewHome { csr: signing_request(&self.me.name, &self.secret).into() }
    }

    /// Takes the answer to [`LoggedIn::new_home`].
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn home_made(&self, response: Response) -> Result<Issued, AccountError> {
        Issued::take(response, &self.me.name, self.secret.public(), Cause::NewHome)
    }

    /// Replaces the key pair by `new`.
    #[must_use]
    pub fn rotate(&self, new: &IdentitySecret, rng: &mut impl CryptoRng) -> Request {
        let Me { network, name, .. } = &self.me;
        let (old, since) = (self.secret.public(), self.key_since);
        let rotation = Rotation { network, name, since, old, new: new.public() };
        let signature = rotation.sign(&self.secret).to_vec().into();
        let wrapped = self.export.wrap(WrappedThing::IdentityKey, &*new.to_bytes(), rng);
        let csr = signing_request(name, new).into();
        Request::RotateKey { csr, signature, wrapped_key: wrapped.into() }
    }

    /// Takes the answer to [`LoggedIn::rotate`].
    ///
    /// # Errors
    /// [`AccountError`].
    pub fn rotated(
        &self,
        new: &IdentitySecret,
        response: Response,
    ) -> Result<Issued, AccountError> {
        Issued::take(response, &self.me.name, new.public(), Cause::Rotated)
    }
}
