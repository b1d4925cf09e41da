//! What users change about themselves, and certificates that are renewed.

use talaria_opaque::PasswordRecord;
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::identity::directory::Cause;
use talaria_wire::identity::proof::{Renewal, Rotation};
use talaria_wire::identity::{Refusal, Response, UserName};

use super::failure::Failure;
use super::session::{Phase, Session};
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
        let name = session.user()?;
        let (user, key) = self.active(&name).await?;
        let csr = own_csr(csr, &name, &key)?;
        self.certify(session, Cause::NewHome, &name, &user, &csr, now).await
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
        self.certify(session, Cause::Renewed, &name, &user, &csr, now).await
    }

    /// Another certificate for the key that the user has.
    async fn certify(
        &self,
        session: &mut Session,
        cause: Cause,
        name: &UserName,
        user: &User,
        csr: &Csr,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        self.gate.change(name)?;
        let certificate = self.issue(session, name, csr, now)?;
        let change = UserChange { certificate: Some(certificate.clone()), ..UserChange::default() };
        let draft = Draft::new(cause, name, *csr.key(), &certificate);
        let entry = self.change(name, user, change, draft, now).await?;
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
        let name = session.user()?;
        check_wrapped_key(&wrapped_key)?;
        let csr = Csr::parse(csr, &name)?;
        let (user, old) = self.active(&name).await?;
        if *csr.key() == old {
            return Err(Refusal::BadCsr.into());
        }
        let signature = parse_signature(signature)?;
        let rotation = Rotation {
            network: &self.config.network,
            name: &name,
            since: user.key_since,
            old: &old,
            new: csr.key(),
        };
        rotation.verify(&signature).map_err(|_| Refusal::BadSignature)?;
        self.gate.change(&name)?;
        let certificate = self.issue(session, &name, &csr, now)?;
        let change = UserChange {
            key: Some(csr.key().to_bytes()),
            wrapped_key: Some(wrapped_key),
            certificate: Some(certificate.clone()),
            ..UserChange::default()
        };
        let draft = Draft::new(Cause::Rotated, &name, *csr.key(), &certificate);
        let draft = Draft { signature, ..draft };
        let entry = self.change(&name, &user, change, draft, now).await?;
        Ok(certified(certificate, entry))
    }

    pub(super) fn change_password_start(
        &self,
        session: &mut Session,
        request: &[u8],
    ) -> Result<Response, Failure> {
        let name = session.user()?;
        let response = self.config.secrets.answer_registration(&name, request);
        let response = response.map_err(|_| Refusal::BadRequest)?;
        session.enter(Phase::ChangingPassword { name });
        Ok(Response::RegisterChallenge { response: response.into() })
    }

    pub(super) async fn change_password_finish(
        &self,
        session: &mut Session,
        upload: &[u8],
        wrapped_key: &[u8],
    ) -> Result<Response, Failure> {
        let Phase::ChangingPassword { name } = session.take() else {
            return Err(Refusal::BadRequest.into());
        };
        let record = PasswordRecord::from_upload(upload).map_err(|_| Refusal::BadRequest)?;
        check_wrapped_key(wrapped_key)?;
        self.store.change_password(name.as_str(), record.as_bytes(), wrapped_key).await?;
        session.enter(Phase::LoggedIn { name });
        Ok(Response::Done {})
    }

    /// What was kept of the user goes; the name stays taken, for contacts would take whoever has
    /// it next for the same person.
    pub(super) async fn delete(
        &self,
        session: &mut Session,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let name = session.user()?;
        let (user, _) = self.active(&name).await?;
        let draft = Draft::about(Cause::Deleted, &name, &user)?;
        self.change(&name, &user, UserChange::deleted(), draft, now).await?;
        session.take();
        Ok(Response::Done {})
    }

    /// Makes a change to what `user` was when it was looked at; gives the entry.
    async fn change(
        &self,
        name: &UserName,
        user: &User,
        change: UserChange,
        draft: Draft,
        now: UnixMillis,
    ) -> Result<Vec<u8>, Failure> {
        let mut entry = Vec::new();
        let guard = Guard { key_since: Some(user.key_since), ..Guard::ACTIVE };
        let append = draft.append(now, &mut entry);
        let tip = self.store.change(name.as_str(), guard, change, append).await?;
        self.advance(tip, now);
        Ok(entry)
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

/// A request for the key that is registered.
fn own_csr(der: &[u8], name: &UserName, key: &IdentityPublic) -> Result<Csr, Failure> {
    let csr = Csr::parse(der, name)?;
    if csr.key() == key { Ok(csr) } else { Err(Refusal::BadCsr.into()) }
}
