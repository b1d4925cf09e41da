//! The directory: pages, a wait for the next entry, and single certificates.

use std::time::Duration;

use serde_bytes::ByteBuf;
use talaria_wire::UnixMillis;
use talaria_wire::identity::directory::{Head, PAGE_MAX};
use talaria_wire::identity::request::WAIT_MAX_MS;
use talaria_wire::identity::{Refusal, Response};
use tokio::time::timeout;

use super::failure::Failure;
use super::{Service, parse_name, sign};
use crate::store::{Store, StoreError};

impl<S: Store> Service<S> {
    /// Waits only for the entry that comes next: who asks for a later one has another directory,
    /// and sees so in the head.
    pub(super) async fn directory(
        &self,
        since: u64,
        wait_ms: u32,
        now: UnixMillis,
    ) -> Result<Response, Failure> {
        let mut heads = self.head.subscribe();
        self.refresh(now).await;
        let mut head = *heads.borrow_and_update();
        if head.entries == since && wait_ms > 0 {
            let wait = Duration::from_millis(wait_ms.min(WAIT_MAX_MS).into());
            let _ = timeout(wait, heads.wait_for(|head| head.entries > since)).await;
            head = *heads.borrow();
        }
        self.page(since, head).await
    }

    async fn page(&self, since: u64, head: Head) -> Result<Response, Failure> {
        let missing = head.entries.saturating_sub(since);
        if missing == 0 {
            return Ok(Response::page(&[], &head));
        }
        if missing > PAGE_MAX as u64 {
            return self.read_page(since, head).await;
        }
        self.last_pages.page(since, head, self.read_page(since, head)).await
    }

    /// With the head of exactly what it leads to: the newest one, or where a page does not get that
    /// far one as it was when its last entry was written. It is the same for everybody who asks.
    async fn read_page(&self, since: u64, newest: Head) -> Result<Response, Failure> {
        let count = newest.entries.saturating_sub(since).min(PAGE_MAX as u64);
        let head = match since.saturating_add(count) {
            until if until == newest.entries => newest,
            until => {
                let tip = self.store.tip_at(until).await?;
                sign(&self.config, tip, tip.time_s)
            }
        };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let entries = self.store.entries(since, count).await?;
        let entries = entries.into_iter().map(ByteBuf::from).collect();
        Ok(Response::Page { entries, head: ByteBuf::from(head.to_bytes()) })
    }

    pub(super) async fn fetch(&self, name: &str) -> Result<Response, Failure> {
        let name = parse_name(name, Refusal::UnknownName)?;
        let (user, _) = self.active(&name).await?;
        let entry = self.store.entries(user.newest, 1).await?.pop();
        let entry = entry.ok_or(StoreError::Damaged("an entry of the directory is missing"))?;
        Ok(super::certified(user.certificate, entry))
    }
}
