//! What the service writes while its clock is doubted: nothing.

use std::sync::PoisonError;

use talaria_wire::UnixMillis;
use talaria_wire::identity::proof::EntryTime;
use talaria_wire::identity::{Refusal, Request, Response};
use tracing::{error, info, warn};

use super::failure::Failure;
use super::session::Session;
use super::{Service, parse_signature, sign};
use crate::clock::{ClockDoubt, ClockGuard, Reading};
use crate::store::{Store, Tip};

/// A head is signed anew when it is older than this.
const FRESH_S: u64 = 60;

/// What is known of the clock.
#[derive(Debug)]
pub(super) struct Clocks {
    guard: ClockGuard,
    now: Reading,
    doubt: Option<ClockDoubt>,
}

impl Clocks {
    pub(super) fn new(now: Reading, head_s: u64) -> Self {
        let mut clocks = Self { guard: ClockGuard::new(now, head_s), now, doubt: None };
        clocks.judge();
        clocks
    }

    /// Looks at the clock anew; says so when it is doubted, and when it is not any more.
    fn judge(&mut self) {
        let doubt = self.guard.check(self.now).err();
        let kind = |doubt: &Option<ClockDoubt>| doubt.as_ref().map(std::mem::discriminant);
        if kind(&doubt) != kind(&self.doubt) {
            tell(doubt.as_ref());
        }
        self.doubt = doubt;
    }
}

fn tell(doubt: Option<&ClockDoubt>) {
    match doubt {
        None => {
            info!(event = "clock_trusted", "the clock of the identity service is believed again");
        }
        Some(ClockDoubt::Unconfirmed { .. }) => info!(
            event = "clock_unconfirmed",
            "nothing is written before the entry has said what time it is, for no head was signed \
             lately; `talariad clock --accept-clock` says that the clock is right"
        ),
        Some(doubt) => error!(
            event = "clock_doubted",
            %doubt,
            "the clock of the identity service cannot be right: nothing is written before it is set, or \
             `talariad clock --accept-clock` says that it is right"
        ),
    }
}

impl<S: Store> Service<S> {
    fn with_clocks<T>(&self, look: impl FnOnce(&mut Clocks) -> T) -> T {
        look(&mut self.clocks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the clocks show: to be told before every request, and once in a while.
    pub fn observe(&self, now: Reading) {
        self.with_clocks(|clocks| {
            clocks.now = now;
            clocks.judge();
        });
    }

    /// Why nothing is written, if the clock is doubted.
    #[must_use]
    pub fn clock_doubt(&self) -> Option<ClockDoubt> {
        self.with_clocks(|clocks| clocks.doubt)
    }

    /// The operator says that the clock is right as it is. Gives why it is doubted all the same.
    pub fn accept_clock(&self, now: Reading) -> Option<ClockDoubt> {
        self.with_clocks(|clocks| {
            clocks.now = now;
            clocks.guard.accept(now);
            clocks.judge();
            warn!(event = "clock_accepted", "the operator says that the clock is right");
            clocks.doubt
        })
    }

    /// Something was dated: from now on the clock should not show less.
    pub(super) fn note_dated(&self, time_s: u64) {
        self.with_clocks(|clocks| clocks.guard.signed(time_s));
    }

    /// Whatever is dated, or depends on what day it is, waits until the clock is right.
    pub(super) fn require_clock(&self) -> Result<(), Failure> {
        match self.clock_doubt() {
            None => Ok(()),
            Some(_) => Err(Refusal::Clock.into()),
        }
    }

    /// The entry follows the directory, and says what time it is.
    pub(super) async fn follow(
        &self,
        session: &Session,
        request: &Request,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let Request::Follow { since, wait_ms, time_ms, signature } = request else {
            return Err(Refusal::BadRequest.into());
        };
        let (network, exporter) = (&self.config.network, &session.peer.exporter);
        let said = EntryTime { network, exporter, time_ms: *time_ms };
        let signature = parse_signature(signature)?;
        said.verify(&self.config.entry, &signature).map_err(|_| Refusal::BadSignature)?;
        self.with_clocks(|clocks| {
            clocks.guard.hear(UnixMillis(*time_ms), clocks.now);
            clocks.judge();
        });
        self.directory(*since, *wait_ms, now).await
    }

    /// Signs an old head anew: it says that the service stands by it now. While the clock is
    /// doubted, or if it cannot be noted when, the old one stays.
    pub(super) async fn refresh(&self, now: UnixMillis) {
        let now_s = now.0 / 1000;
        let is_old = || now_s.saturating_sub(self.head.borrow().time_s) >= FRESH_S;
        if !is_old() || self.clock_doubt().is_some() {
            return;
        }
        // One of those who ask is enough.
        let _signing = self.signing.lock().await;
        if !is_old() {
            return;
        }
        if let Err(error) = self.store.note_signed(now_s).await {
            warn!(%error, "the head of the directory could not be signed anew");
            return;
        }
        self.note_dated(now_s);
        self.head.send_if_modified(|head| {
            let tip = Tip { entries: head.entries, hash: head.hash.0, time_s: head.time_s };
            *head = sign(&self.config, tip, now_s);
            // Nobody waits for a signature.
            false
        });
    }
}

/// Whether a request leads to something that is kept with a date.
pub(super) fn writes(request: &Request) -> bool {
    match request {
        Request::RegisterStart { .. }
        | Request::RegisterFinish { .. }
        | Request::NewHome { .. }
        | Request::ChangePasswordStart { .. }
        | Request::ChangePasswordFinish { .. }
        | Request::RotateKey { .. }
        | Request::Delete {}
        | Request::Renew { .. } => true,
        Request::LoginStart { .. }
        | Request::LoginFinish { .. }
        | Request::Ledger { .. }
        | Request::Directory { .. }
        | Request::Follow { .. }
        | Request::Fetch { .. } => false,
    }
}
