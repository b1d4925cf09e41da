//! Following the directory while a client runs: at fixed times, whoever is talked to, so that
//! asking says nothing.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use talaria_wire::crypto::IdentityPublic;
use talaria_wire::network_file::Network;
use tokio::time::sleep;
use tracing::debug;

use super::Driver;
use crate::clock::now;
use crate::net::identity::{IdentityConnection, Page, ServiceError};
use crate::run::{Event, RunError};
use talaria_client::SafetyNumber;
use talaria_client::contact::Trust;
use talaria_store::{HomeError, NetworkSource};

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
        let last = entries.is_empty() || head.entries <= since || pages.len() + 1 == PAGES_MAX;
        pages.push((entries, head));
        if last {
            return Ok(pages);
        }
    }
}

impl Driver {
    /// Takes pages, or lets go of them, and asks again later.
    pub(super) fn take_pages(
        &mut self,
        pages: Result<Vec<Page>, ServiceError>,
    ) -> Result<(), RunError> {
        let news = match pages {
            Ok(pages) => self.append(&pages)?,
            Err(error) => {
                debug!(%error, "the directory was not to be had");
                false
            }
        };
        if news {
            self.look_at_partner()?;
        }
        let since = self.home.directory()?.entries();
        self.following = follow(&self.source, since, None);
        Ok(())
    }

    /// Whether there was anything new. A directory that contradicts itself is told, once.
    fn append(&mut self, pages: &[Page]) -> Result<bool, RunError> {
        let before = self.home.directory()?.entries();
        for (entries, head) in pages {
            match self.home.append_directory(entries, head) {
                Ok(_) => {}
                Err(error @ HomeError::Directory(_)) => {
                    if !std::mem::replace(&mut self.contradicted, true) {
                        self.show(Event::Directory(error.to_string()));
                    }
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        // Another process may have accepted a key meanwhile.
        Ok(self.home.directory()?.entries() > before || self.held_back)
    }

    /// What the directory says of the partner now: a new session, a key that nobody has accepted,
    /// or that there is nobody any more.
    pub(super) fn look_at_partner(&mut self) -> Result<(), RunError> {
        let met = match self.home.meet(&self.partner) {
            Ok(met) => met,
            Err(error @ (HomeError::Gone(_) | HomeError::UnknownName(_))) => {
                self.hold_back(Event::PartnerGone(error.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if let Trust::Changed { verified, .. } = met.trust {
            let number = self.safety_number(&met.contact.key)?;
            self.hold_back(Event::KeyChanged { number, verified });
            return Ok(());
        }
        self.home.remember(&met.contact)?;
        self.client.renew_session(&met.contact);
        self.client.hold_back(false);
        self.held_back = false;
        Ok(())
    }

    fn hold_back(&mut self, why: Event) {
        self.client.hold_back(true);
        if !std::mem::replace(&mut self.held_back, true) {
            self.show(why);
        }
    }

    /// The person has accepted the partner's new key.
    pub(super) fn accept_key(&mut self) -> Result<(), RunError> {
        let met = self.home.meet(&self.partner)?;
        if let Trust::Changed { .. } = met.trust {
            self.home.accept(&met.contact)?;
            self.look_at_partner()?;
            self.show(Event::KeyAccepted);
        }
        Ok(())
    }

    fn safety_number(&self, key: &IdentityPublic) -> Result<SafetyNumber, RunError> {
        let network = self.home.known_network()?.version().network;
        let own = self.client.identity();
        let one = (&own.name, own.secret.public());
        Ok(SafetyNumber::of(&network, one, (&self.partner, key)))
    }
}
