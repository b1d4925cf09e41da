//! Following the directory while a client runs: at fixed times, whoever is talked to, so that
//! asking says nothing.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use talaria_store::NetworkSource;
use talaria_wire::identity::directory::PAGE_MAX;
use talaria_wire::network_file::Network;
use tokio::time::sleep;

use crate::clock::now;
use crate::net::identity::{IdentityConnection, Page, ServiceError};

/// Time from one look at the directory to the next.
const EVERY: Duration = Duration::from_secs(60);
/// Pages that are taken at once; what is left comes next time.
const PAGES_MAX: usize = 64;

/// Pages under way.
pub(super) type Following = Pin<Box<dyn Future<Output = Result<Vec<Page>, ServiceError>> + Send>>;

/// Pages from entry `since` on, after the usual time or sooner.
pub(super) fn follow(source: &NetworkSource, since: u64, sooner: Option<Duration>) -> Following {
    let source = source.clone();
    Box::pin(async move {
        sleep(sooner.unwrap_or(EVERY)).await;
        fetch(&source.load(now())?, since).await
    })
}

async fn fetch(network: &Network, mut since: u64) -> Result<Vec<Page>, ServiceError> {
    let mut service = IdentityConnection::open(network).await?;
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
