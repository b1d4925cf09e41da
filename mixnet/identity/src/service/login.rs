//! Login: whoever knows the password gets the wrapped private key and the certificate.
//!
//! A login holds for what the user had when it began. If that has changed before it ends it is
//! refused: the password that was proved may be one that was given up because somebody knew it.

use talaria_opaque::PasswordRecord;
use talaria_wire::UnixMillis;
use talaria_wire::identity::{Refusal, Response};

use super::failure::Failure;
use super::session::{Login, Phase, Session};
use super::{Service, parse_name};
use crate::store::{Store, StoreError, User, UserStatus};

impl<S: Store> Service<S> {
    /// For a name that nobody has OPAQUE invents a record. What takes time is the same: one look
    /// into the database and one answer.
    pub(super) async fn login_start(
        &self,
        session: &mut Session,
        name: &str,
        request: &[u8],
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        session.take();
        let name = parse_name(name, Refusal::WrongNameOrPassword)?;
        self.gate.login(&name, session.peer.origin, now)?;
        let user = self.store.user(name.as_str()).await?;
        let user = user.filter(|user| user.status != UserStatus::Deleted);
        let user = user.map(|user| Box::new(user.without_ledger()));
        let record = user.as_deref().map(record_of).transpose()?;
        let begun = self.config.secrets.begin_login(
            self.account(&name),
            record.as_ref(),
            request,
            &mut session.rng,
        );
        let (pending, response) = begun.map_err(|_| Refusal::BadRequest)?;
        let pending = Box::new(pending);
        session.enter(Phase::LoggingIn { name, pending, user });
        Ok(Response::LoginChallenge { response: response.into() })
    }

    /// One look into the database here too, whether or not there is such a user.
    pub(super) async fn login_finish(
        &self,
        session: &mut Session,
        proof: &[u8],
    ) -> Result<Response, Failure> {
        let Phase::LoggingIn { name, pending, user } = session.take() else {
            return Err(Refusal::BadRequest.into());
        };
        let found = self.store.user(name.as_str()).await?;
        let right = pending.finish(proof, self.account(&name));
        let (Ok(()), Some(began), Some(user)) = (right, user, found) else {
            return Err(Refusal::WrongNameOrPassword.into());
        };
        // Who is locked out is told what those are told who guess, and so is who has proved a
        // password that has been changed since.
        if user.status != UserStatus::Active || user.record != began.record {
            return Err(Refusal::WrongNameOrPassword.into());
        }
        // The password holds, but something else was changed.
        if user.credential != began.credential {
            return Err(Refusal::Unavailable.into());
        }
        self.gate.known(&name, session.peer.origin);
        session.enter(Phase::LoggedIn(Login { name, credential: user.credential }));
        Ok(Response::LoggedIn {
            wrapped_key: user.wrapped_key.into(),
            certificate: user.certificate.into(),
            key_since: user.key_since,
        })
    }
}

fn record_of(user: &User) -> Result<PasswordRecord, StoreError> {
    PasswordRecord::from_bytes(&user.record)
        .map_err(|_| StoreError::Damaged("a password record is none"))
}
