//! What users change about themselves, and certificates that are renewed.

use talaria_opaque::PasswordRecord;
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::identity::directory::Cause;
use talaria_wire::identity::proof::{Renewal, Rotation};
use talaria_wire::identity::{Refusal, Response, UserName};

use super::failure::Failure;
use super::session::{Login, Phase, Session};
use super::{Draft, Service, certified, check_wrapped_key, parse_name, parse_signature};
use crate::certificate::Csr;
use crate::store::{Guard, Store, StoreError, User, UserChange, UserStatus};

impl<S: Store> Service<S> {
    pub(super) async fn new_home(
        &self,
        session: &mut Session,
        csr: &[u8],
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let (login, user, key) = self.logged_in(session).await?;
        let csr = own_csr(csr, &login.name, &key)?;
        let guard = built_on(&login, &user);
        self.certify(session, Cause::NewHome, &login.name, guard, &csr, now).await
    }

    /// Needs no login: the key itself has signed, for this connection only.
    pub(super) async fn renew(
        &self,
        session: &mut Session,
        name: &str,
        csr: &[u8],
        signature: &[u8],
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let name = parse_name(name, Refusal::UnknownName)?;
        let (user, key) = self.active(&name).await?;
        let signature = parse_signature(signature)?;
        let exporter = &session.peer.exporter;
        let renewal = Renewal { network: &self.config.network, exporter, csr };
        renewal.verify(&key, &signature).map_err(|_| Refusal::BadSignature)?;
        let csr = own_csr(csr, &name, &key)?;
        // Nothing that a login gives goes into it.
        let guard = Guard { key_since: Some(user.key_since), ..Guard::ACTIVE };
        self.certify(session, Cause::Renewed, &name, guard, &csr, now).await
    }

    /// Another certificate for the key that the user has.
    async fn certify(
        &self,
        session: &mut Session,
        cause: Cause,
        name: &UserName,
        guard: Guard,
        csr: &Csr,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        self.gate.change(name)?;
        let certificate = self.issue(session, name, csr, now)?;
        let change = UserChange { certificate: Some(certificate.clone()), ..UserChange::default() };
        let draft = Draft::new(cause, name, *csr.key(), &certificate);
        let entry = self.change(name, guard, change, draft, now).await?;
        Ok(certified(certificate, entry))
    }

    pub(super) async fn rotate_key(
        &self,
        session: &mut Session,
        csr: &[u8],
        signature: &[u8],
        wrapped_key: Vec<u8>,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        check_wrapped_key(&wrapped_key)?;
        let (login, user, old) = self.logged_in(session).await?;
        let name = &login.name;
        let csr = Csr::parse(csr, name)?;
        if *csr.key() == old {
            return Err(Refusal::BadCsr.into());
        }
        let signature = parse_signature(signature)?;
        let rotation = Rotation {
            network: &self.config.network,
            name,
            since: user.key_since,
            old: &old,
            new: csr.key(),
        };
        rotation.verify(&signature).map_err(|_| Refusal::BadSignature)?;
        self.gate.change(name)?;
        let certificate = self.issue(session, name, &csr, now)?;
        let change = UserChange {
            key: Some(csr.key().to_bytes()),
            wrapped_key: Some(wrapped_key),
            certificate: Some(certificate.clone()),
            ..UserChange::default()
        };
        let draft = Draft::new(Cause::Rotated, name, *csr.key(), &certificate);
        let draft = Draft { signature, ..draft };
        // The key comes wrapped under the password of this login: if that is another one by now,
        // nobody could open it any more.
        let entry = self.change(name, built_on(&login, &user), change, draft, now).await?;
        session.enter(Phase::LoggedIn(login.raised()));
        Ok(certified(certificate, entry))
    }

    pub(super) async fn change_password_start(
        &self,
        session: &mut Session,
        request: &[u8],
    ) -> Result<Response, Failure> {
        let (login, ..) = self.logged_in(session).await?;
        let response = self.config.secrets.answer_registration(&login.name, request);
        let response = response.map_err(|_| Refusal::BadRequest)?;
        session.enter(Phase::ChangingPassword(login));
        Ok(Response::RegisterChallenge { response: response.into() })
    }

    pub(super) async fn change_password_finish(
        &self,
        session: &mut Session,
        upload: &[u8],
        wrapped_key: &[u8],
    ) -> Result<Response, Failure> {
        let Phase::ChangingPassword(login) = session.take() else {
            return Err(Refusal::BadRequest.into());
        };
        let record = PasswordRecord::from_upload(upload).map_err(|_| Refusal::BadRequest)?;
        check_wrapped_key(wrapped_key)?;
        let Login { name, credential } = &login;
        let (name, record) = (name.as_str(), record.as_bytes());
        self.store.change_password(name, *credential, record, wrapped_key).await?;
        session.enter(Phase::LoggedIn(login.raised()));
        Ok(Response::Done {})
    }

    /// What was kept of the user goes; the name stays taken, for contacts would take whoever has
    /// it next for the same person.
    pub(super) async fn delete(
        &self,
        session: &mut Session,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let (login, user, _) = self.logged_in(session).await?;
        let draft = Draft::about(Cause::Deleted, &login.name, &user)?;
        let guard = built_on(&login, &user);
        self.change(&login.name, guard, UserChange::deleted(), draft, now).await?;
        session.take();
        Ok(Response::Done {})
    }

    /// Makes a change if `guard` still holds; gives the entry.
    async fn change(
        &self,
        name: &UserName,
        guard: Guard,
        change: UserChange,
        draft: Draft,
        now: UnixMillis,
    ) -> Result<Vec<u8>, Failure> {
        let mut entry = Vec::new();
        let append = draft.append(now, &mut entry);
        let tip = self.store.change(name.as_str(), guard, change, append).await?;
        self.advance(tip, now);
        Ok(entry)
    }

    /// Whoever is logged in, if nothing of what they logged in with has changed since.
    async fn logged_in(&self, session: &Session) -> Result<(Login, User, IdentityPublic), Failure> {
        let login = session.login()?;
        let (user, key) = self.active(&login.name).await?;
        if user.credential != login.credential {
            return Err(Refusal::Unavailable.into());
        }
        Ok((login, user, key))
    }

    /// A user who may use the network, and the key.
    pub(super) async fn active(&self, name: &UserName) -> Result<(User, IdentityPublic), Failure> {
        let user = self.store.user(name.as_str()).await?.ok_or(Refusal::UnknownName)?;
        match user.status {
            UserStatus::Active => {}
            UserStatus::Disabled => return Err(Refusal::Disabled.into()),
            UserStatus::Deleted => return Err(Refusal::UnknownName.into()),
        }
        let key = IdentityPublic::from_bytes(&user.key);
        let key = key.map_err(|_| StoreError::Damaged("a user's key is none"))?;
        Ok((user, key))
    }
}

/// What a change builds on that needs a login: the user as they were looked at, and the login.
fn built_on(login: &Login, user: &User) -> Guard {
    Guard { key_since: Some(user.key_since), credential: Some(login.credential), ..Guard::ACTIVE }
}

/// A request for the key that is registered.
fn own_csr(der: &[u8], name: &UserName, key: &IdentityPublic) -> Result<Csr, Failure> {
    let csr = Csr::parse(der, name)?;
    if csr.key() == key { Ok(csr) } else { Err(Refusal::BadCsr.into()) }
}
