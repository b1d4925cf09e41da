//! Following the directory while a client runs, and writing down what was charged: at fixed times,
//! whoever is talked to and whatever else is done, so that asking says nothing.

use std::time::Duration;

use talaria_account::Kept;
use talaria_store::NetworkSource;
use talaria_wire::identity::directory::PAGE_MAX;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::blocking::joined;
use crate::clock::now;
use crate::ledger::Sending;
use crate::net::identity::{IdentityConnection, Page, ServiceError};

/// Time from one look at the directory to the next.
const EVERY: Duration = Duration::from_secs(60);
/// Pages that are taken at once; what is left comes next time.
const PAGES_MAX: usize = 64;

/// What the service has said.
pub(super) struct Followed {
    pub(super) pages: Vec<Page>,
    /// The newest record, if it was to be had.
    pub(super) kept: Option<Kept>,
}

/// Who asks the service, in a task of its own: what the one of the client is busy with does not show in
/// when it asks.
pub(super) struct Following {
    due: Instant,
    asking: JoinSet<Result<Followed, ServiceError>>,
}

impl Following {
    /// Asks at once for what follows upon entry `since`, and sends a record.
    pub(super) fn begin(source: &NetworkSource, since: u64, sending: Sending) -> Self {
        let mut following = Self { due: Instant::now(), asking: JoinSet::new() };
        following.ask(source, since, sending);
        following
    }

    /// The same, at the next time that is due.
    pub(super) fn go_on(&mut self, source: &NetworkSource, since: u64, sending: Sending) {
        self.due = (self.due + EVERY).max(Instant::now());
        self.ask(source, since, sending);
    }

    fn ask(&mut self, source: &NetworkSource, since: u64, sending: Sending) {
        self.asking.spawn(ask_at(self.due, source.clone(), since, sending));
    }

    /// Asks no more.
    pub(super) fn end(&mut self) {
        self.asking.abort_all();
    }

    /// What has come. Can be dropped without losing anything.
    pub(super) async fn next(&mut self) -> Result<Followed, ServiceError> {
        joined(self.asking.join_next().await).await
    }
}

async fn ask_at(
    due: Instant,
    source: NetworkSource,
    since: u64,
    sending: Sending,
) -> Result<Followed, ServiceError> {
    sleep_until(due).await;
    let mut service = IdentityConnection::open(&source.load(now())?).await?;
    let kept = sending.send(&mut service).await;
    let kept = kept.inspect_err(|error| debug!(%error, "the record was not taken")).ok();
    Ok(Followed { pages: fetch(&mut service, since).await?, kept })
}

async fn fetch(
    service: &mut IdentityConnection,
    mut since: u64,
) -> Result<Vec<Page>, ServiceError> {
    let mut pages = Vec::new();
    loop {
        let (entries, head) = service.page(since).await?;
        since += entries.len() as u64;
        let last = entries.len() < PAGE_MAX || pages.len() + 1 == PAGES_MAX;
        pages.push((entries, head));
        if last {
            return Ok(pages);
        }
    }
}
