//! Registration: a name that is free, a password record, a key and its certificate.

use talaria_opaque::PasswordRecord;
use talaria_wire::UnixMillis;
use talaria_wire::identity::directory::Cause;
use talaria_wire::identity::{Refusal, Response, UserName};

use super::failure::Failure;
use super::session::{Phase, Session};
use super::{Draft, Registrations, Service, certified, check_wrapped_key, seconds};
use crate::certificate::Csr;
use crate::store::{NewUser, Store};
use crate::token::{Token, TokenHash};

impl<S: Store> Service<S> {
    /// The name is looked for before OPAQUE answers: with answers for a name that somebody has, its
    /// password could be guessed.
    pub(super) async fn register_start(
        &self,
        session: &mut Session,
        name: &str,
        request: &[u8],
        token: Option<String>,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        session.take();
        if self.config.registrations == Registrations::Closed {
            return Err(Refusal::RegistrationClosed.into());
        }
        let name = UserName::new(name).map_err(|_| Refusal::NameNotAllowed)?;
        self.gate.registration(&name, session.peer.origin, now)?;
        let token = self.check_token(token, now).await?;
        if !self.store.is_free(name.as_str(), &name.skeleton()).await? {
            return Err(Refusal::NameTaken.into());
        }
        let response = self.config.secrets.answer_registration(&name, request);
        let response = response.map_err(|_| Refusal::BadRequest)?;
        session.enter(Phase::Registering { name, token });
        Ok(Response::RegisterChallenge { response: response.into() })
    }

    /// A token is used up only when the name is registered.
    async fn check_token(
        &self,
        token: Option<String>,
        now: UnixMillis,
    ) -> Result<Option<TokenHash>, Failure> {
        if self.config.registrations == Registrations::Open {
            return Ok(None);
        }
        let token = token.and_then(|text| text.parse::<Token>().ok()).ok_or(Refusal::BadToken)?;
        let hash = token.hash();
        match self.store.token_is_valid(&hash.0, seconds(now)).await? {
            true => Ok(Some(hash)),
            false => Err(Refusal::BadToken.into()),
        }
    }

    pub(super) async fn register_finish(
        &self,
        session: &mut Session,
        upload: &[u8],
        csr: &[u8],
        wrapped_key: Vec<u8>,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let Phase::Registering { name, token } = session.take() else {
            return Err(Refusal::BadRequest.into());
        };
        let record = PasswordRecord::from_upload(upload).map_err(|_| Refusal::BadRequest)?;
        check_wrapped_key(&wrapped_key)?;
        let csr = Csr::parse(csr, &name)?;
        let certificate = self.issue(session, &name, &csr, now)?;
        let user = NewUser {
            name: name.as_str().to_owned(),
            skeleton: name.skeleton(),
            record: record.as_bytes().to_vec(),
            wrapped_key,
            key: csr.key().to_bytes(),
            certificate: certificate.clone(),
            token: token.map(|token| token.0),
            now_s: seconds(now),
        };
        let mut entry = Vec::new();
        let draft = Draft::new(Cause::Registered, &name, *csr.key(), &certificate);
        let tip = self.store.register(user, draft.append(now, &mut entry)).await?;
        self.advance(tip, now);
        self.gate.known(&name, session.peer.origin);
        Ok(certified(certificate, entry))
    }
}
