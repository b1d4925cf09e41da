//! The service itself: what it answers to each request, and what has to come before.
//!
//! It never sees a password or a private key: logins are OPAQUE, and the private key comes wrapped
//! under a key that only the password gives.

mod account;
mod clock;
mod directory;
mod failure;
mod last_pages;
mod ledger;
mod login;
pub mod operator;
mod register;
mod session;

use std::sync::Mutex;
use std::time::Duration;

use talaria_opaque::{Account, ServerSecrets};
use talaria_wire::UnixMillis;
use talaria_wire::crypto::identity_key::SIGNATURE_LEN;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::identity::directory::{Cause, Entry, EntryHash, Head};
use talaria_wire::identity::wrapping::WRAPPING_LEN;
use talaria_wire::identity::{Refusal, Request, Response, UserName};
use talaria_wire::network_file::NetworkId;
use tokio::sync::watch;

use super::backup::Owner;
use super::certificate::{Authority, Csr, SERIAL_LEN, certificate_hash};
use super::clock::Reading;
use super::limits::{Gate, IdentityLimits};
use super::store::{Append, Appended, Store, StoreError, Tip, User};

use clock::Clocks;
use failure::Failure;
use last_pages::LastPages;
pub use session::{Peer, Session};

/// Bytes of a private key that is wrapped.
const WRAPPED_KEY_LEN: usize = 32 + WRAPPING_LEN;

/// Who may register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registrations {
    /// Everybody.
    Open,
    /// Who has a one-time token.
    Token,
    /// Nobody.
    Closed,
}

/// What a service needs beside its store.
#[derive(Debug)]
pub struct ServiceConfig {
    /// The network.
    pub network: NetworkId,
    /// The key that signs the heads of the directory.
    pub head_key: IdentitySecret,
    /// What OPAQUE answers with.
    pub secrets: ServerSecrets,
    /// What signs certificates.
    pub authority: Authority,
    /// The key of the entry, which says what time it is.
    pub entry: IdentityPublic,
    /// Who may register.
    pub registrations: Registrations,
    /// How much may be asked for.
    pub limits: IdentityLimits,
}

/// The identity service.
#[derive(Debug)]
pub struct Service<S> {
    store: S,
    config: ServiceConfig,
    gate: Gate,
    /// The newest head; who waits for an entry waits for it.
    head: watch::Sender<Head>,
    /// Held while the head is signed anew.
    signing: tokio::sync::Mutex<()>,
    clocks: Mutex<Clocks>,
    last_pages: LastPages,
}

impl<S: Store> Service<S> {
    /// A service over a store, which is bound to the network and the head key. From here on
    /// monotonic time counts, see [`Service::observe`].
    ///
    /// # Errors
    /// [`StoreError`] if the store belongs to another one, or fails.
    pub async fn new(store: S, config: ServiceConfig, now: UnixMillis) -> Result<Self, StoreError> {
        let tip = bound(&store, &config).await?;
        let signed_s = store.signed_s().await?;
        // Who asks first has it signed anew, if the clock is right.
        let head = watch::Sender::new(sign(&config, tip, signed_s));
        let clocks = Clocks::new(Reading { wall: now, monotonic: Duration::ZERO }, signed_s);
        Ok(Self {
            store,
            gate: Gate::new(&config.limits),
            config,
            head,
            signing: tokio::sync::Mutex::default(),
            clocks: Mutex::new(clocks),
            last_pages: LastPages::default(),
        })
    }

    /// The limits that it runs with.
    #[must_use]
    pub fn limits(&self) -> &IdentityLimits {
        &self.config.limits
    }

    /// Whose directory it keeps.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner { network: self.config.network, head_key: *self.config.head_key.public() }
    }

    /// Forgets whom it has not heard of in a while.
    pub fn tidy(&self) {
        self.gate.tidy();
    }

    /// Answers a request. After a refusal that [ends](Refusal::ends) the connection the session is
    /// of no more use.
    pub async fn answer(
        &self,
        session: &mut Session,
        request: Request,
        now: UnixMillis,
    ) -> Response {
        let answer = self.try_answer(session, request, now).await;
        answer.unwrap_or_else(|failure| Response::Refused { reason: failure.refusal() })
    }

    async fn try_answer(
        &self,
        session: &mut Session,
        request: Request,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let origin = session.peer.origin;
        match request {
            Request::Directory { .. } | Request::Follow { .. } | Request::Ledger { .. } => {
                self.gate.page(origin)?;
            }
            _ => self.gate.request(origin)?,
        }
        if clock::writes(&request) {
            self.require_clock()?;
        }
        match request {
            Request::RegisterStart { name, request, token } => {
                self.register_start(session, &name, &request, token, now).await
            }
            Request::RegisterFinish { upload, csr, wrapped_key } => {
                self.register_finish(session, &upload, &csr, wrapped_key.into_vec(), now).await
            }
            Request::LoginStart { name, request } => {
                self.login_start(session, &name, &request, now).await
            }
            Request::LoginFinish { proof } => self.login_finish(session, &proof).await,
            Request::NewHome { csr } => self.new_home(session, &csr, now).await,
            Request::ChangePasswordStart { request } => {
                self.change_password_start(session, &request).await
            }
            Request::ChangePasswordFinish { upload, wrapped_key } => {
                self.change_password_finish(session, &upload, &wrapped_key).await
            }
            Request::RotateKey { csr, signature, wrapped_key } => {
                self.rotate_key(session, &csr, &signature, wrapped_key.into_vec(), now).await
            }
            Request::Delete {} => self.delete(session, now).await,
            Request::Renew { name, csr, signature } => {
                self.renew(session, &name, &csr, &signature, now).await
            }
            Request::Fetch { name } => self.fetch(&name).await,
            Request::Ledger { name, after, record, signature } => {
                self.replace_record(session, &name, after, &record, &signature).await
            }
            Request::Directory { since, wait_ms } => self.directory(since, wait_ms, now).await,
            follow @ Request::Follow { .. } => self.follow(session, &follow, now).await,
        }
    }

    fn account<'a>(&'a self, name: &'a UserName) -> Account<'a> {
        Account { network: &self.config.network, name }
    }

    /// Tells everybody who waits that the directory has grown. Of two changes at once the later one
    /// may come first.
    fn advance(&self, tip: Tip, now: UnixMillis) {
        self.note_dated(tip.time_s);
        self.head.send_if_modified(|head| {
            let grown = tip.entries > head.entries;
            if grown {
                *head = sign(&self.config, tip, seconds(now).max(head.time_s));
            }
            grown
        });
    }
}

/// The end of the directory, which is then bound.
async fn bound(store: &impl Store, config: &ServiceConfig) -> Result<Tip, StoreError> {
    let owner = [&config.network.0[..], &config.head_key.public().to_bytes()].concat();
    store.bind(&owner, &EntryHash::start(&config.network).0).await?;
    store.tip().await
}

fn sign(config: &ServiceConfig, tip: Tip, now_s: u64) -> Head {
    let now_s = now_s.max(tip.time_s);
    Head::sign(&config.network, tip.entries, EntryHash(tip.hash), now_s, &config.head_key)
}

fn seconds(now: UnixMillis) -> u64 {
    now.0 / 1000
}

/// A name that somebody may have. One that was registered is looked for as it is, even if the tables
/// of this program would not let it be registered any more.
fn parse_name(name: &str, otherwise: Refusal) -> Result<UserName, Failure> {
    let name = UserName::new(name).or_else(|_| UserName::registered(name));
    name.map_err(|_| otherwise.into())
}

fn parse_signature(bytes: &[u8]) -> Result<[u8; SIGNATURE_LEN], Failure> {
    bytes.try_into().map_err(|_| Refusal::BadSignature.into())
}

fn check_wrapped_key(wrapped: &[u8]) -> Result<(), Failure> {
    if wrapped.len() == WRAPPED_KEY_LEN { Ok(()) } else { Err(Refusal::BadRequest.into()) }
}

/// An entry whose place in the directory is not known yet.
#[derive(Clone, Debug)]
struct Draft {
    cause: Cause,
    name: UserName,
    key: IdentityPublic,
    certificate_hash: [u8; 32],
    signature: [u8; SIGNATURE_LEN],
}

impl Draft {
    fn new(cause: Cause, name: &UserName, key: IdentityPublic, certificate: &[u8]) -> Self {
        let certificate_hash = certificate_hash(certificate);
        Self { cause, name: name.clone(), key, certificate_hash, signature: [0; SIGNATURE_LEN] }
    }

    /// What the operator says of a user, whose key and certificate stay.
    fn about(cause: Cause, name: &UserName, user: &User) -> Result<Self, StoreError> {
        let key = IdentityPublic::from_bytes(&user.key);
        let key = key.map_err(|_| StoreError::Damaged("a user's key is none"))?;
        Ok(Self::new(cause, name, key, &user.certificate))
    }

    fn entry(self, tip: Tip, now_s: u64) -> Entry {
        let Self { cause, name, key, certificate_hash, signature } = self;
        // Clocks that are set back do not set the directory back.
        let time_s = now_s.max(tip.time_s);
        Entry { index: tip.entries, time_s, cause, name, key, certificate_hash, signature }
    }

    /// Appends the entry, and leaves a copy in `copy`.
    fn append(self, now: UnixMillis, copy: &mut Vec<u8>) -> impl Append {
        move |tip: Tip| {
            let entry = self.entry(tip, seconds(now));
            let hash = EntryHash(tip.hash).then(&entry).0;
            let (bytes, time_s) = (entry.to_bytes(), entry.time_s);
            copy.clone_from(&bytes);
            Appended { entry: bytes, hash, time_s }
        }
    }
}

/// A certificate that answers a request, with its entry.
fn certified(certificate: Vec<u8>, entry: Vec<u8>) -> Response {
    Response::Certificate { certificate: certificate.into(), entry: entry.into() }
}

impl<S: Store> Service<S> {
    fn issue(
        &self,
        session: &mut Session,
        name: &UserName,
        csr: &Csr,
        now: UnixMillis,
    ) -> Result<Vec<u8>, Failure> {
        let mut serial = [0; SERIAL_LEN];
        rand::Rng::fill_bytes(&mut session.rng, &mut serial);
        Ok(self.config.authority.issue(name, csr, seconds(now), serial)?)
    }
}

#[cfg(test)]
mod tests;
