//! What the directory says while a client runs: news are taken, and the partner looked at anew.

use rand::SeedableRng;
use rand::rngs::StdRng;
use talaria_account::Kept;
use talaria_client::contact::Trust;
use talaria_client::{Contact, Met, SafetyNumber};
use talaria_store::{Home, HomeError, Recorded};
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::identity::directory::{BadPage, Head, STALE_S};
use tracing::debug;

use super::Driver;
use super::following::Followed;
use crate::clock::now;
use crate::ledger::Sending;
use crate::net::identity::{Page, ServiceError};
use crate::run::{Asked, Event, RunError};

/// What became of pages.
struct Taken {
    /// Entries in the copy after them.
    entries: u64,
    /// There was something new.
    news: bool,
    /// They contradict what was there before.
    contradiction: Option<HomeError>,
    /// The newest head.
    head: Option<Head>,
}

impl Driver {
    /// Takes what the service has said, or lets go of it, and asks again later.
    pub(super) async fn take_followed(
        &mut self,
        followed: Result<Followed, ServiceError>,
    ) -> Result<(), RunError> {
        let Followed { pages, kept } = followed.unwrap_or_else(|error| {
            debug!(%error, "the directory was not to be had");
            Followed { pages: Vec::new(), kept: None }
        });
        self.take_record(kept).await?;
        let asked_in_vain = pages.is_empty();
        let heard = self.client.take_heads();
        let taken = self.home.with(move |home| append(home, &pages, &heard)).await?;
        if let Some(error) = taken.contradiction
            && !std::mem::replace(&mut self.contradicted, true)
        {
            self.show(Event::Directory(error.to_string()));
        }
        self.know_head(taken.head);
        // Another process may have accepted a key meanwhile.
        if taken.news || self.held_back && !asked_in_vain {
            self.look_at_partner().await?;
        }
        let mut drawing = StdRng::from_rng(&mut self.rng);
        let sending = self.home.with(move |home| Sending::next(home, true, &mut drawing)).await?;
        self.following.go_on(&self.source, taken.entries, sending);
        Ok(())
    }

    /// What is recorded may be charged. Another home's record is not: the entry will send this one away.
    async fn take_record(&mut self, kept: Option<Kept>) -> Result<(), RunError> {
        if let Some(Kept { number, record }) = kept {
            let answered = self.home.with(move |home| home.record_answered(number, &record));
            match answered.await? {
                Recorded::Own(reserved) => self.client.record(reserved.rounds(&self.partner)),
                other => debug!(number, ?other, "nothing was reserved"),
            }
        }
        let awaited = self.client.awaits_record();
        let told = std::mem::replace(&mut self.told_unrecorded, awaited);
        if awaited && !told {
            self.show(Event::Unrecorded);
        }
        Ok(())
    }

    /// The partner is told of it, and the person if it is old.
    pub(super) fn know_head(&mut self, head: Option<Head>) {
        self.client.know_head(head);
        let age_s = head.map(|head| head.age_s(now().0 / 1000));
        let stale = age_s.filter(|age_s| *age_s > STALE_S);
        let told = std::mem::replace(&mut self.told_stale, stale.is_some());
        if let Some(age_s) = stale.filter(|_| !told) {
            self.show(Event::DirectoryStale { age_s });
        }
    }

    /// What the directory says of the partner now: a new session, a key that nobody has accepted,
    /// or that there is nobody any more.
    pub(super) async fn look_at_partner(&mut self) -> Result<(), RunError> {
        let met = match self.meet().await {
            Ok(met) => met,
            Err(error @ (HomeError::Gone(_) | HomeError::UnknownName(_))) => {
                self.hold_back(Event::PartnerGone(error.to_string()));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if let Trust::Changed { verified, .. } = met.trust {
            let number = self.safety_number(&met.contact.key).await?;
            self.hold_back(Event::KeyChanged { number, verified });
            return Ok(());
        }
        self.remember(&met.contact).await?;
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
    pub(super) async fn accept_key(&mut self, asked: Asked) -> Result<(), RunError> {
        let met = self.meet().await?;
        if let Trust::Changed { .. } = met.trust {
            self.home.with(move |home| home.accept(&met.contact)).await?;
            self.look_at_partner().await?;
            self.show(Event::KeyAccepted(asked));
        }
        Ok(())
    }

    async fn meet(&mut self) -> Result<Met, HomeError> {
        let partner = self.partner.clone();
        self.home.with(move |home| home.meet(&partner, now())).await
    }

    async fn remember(&mut self, contact: &Contact) -> Result<(), HomeError> {
        let contact = contact.clone();
        self.home.with(move |home| home.remember(&contact)).await
    }

    async fn safety_number(&mut self, key: &IdentityPublic) -> Result<SafetyNumber, RunError> {
        let known = self.home.with(|home| home.known_network()).await?;
        let own = self.client.identity();
        let one = (&own.name, own.secret.public());
        Ok(SafetyNumber::of(&known.version().network, one, (&self.partner, key)))
    }
}

/// Takes what has come from the service, and then what the partner knows.
fn append(home: &mut Home, pages: &[Page], heard: &[Head]) -> Result<Taken, HomeError> {
    let before = home.directory()?.entries();
    let mut contradiction = None;
    for (entries, head) in pages {
        match home.append_directory(entries, head, now()) {
            Ok(_) => {}
            Err(error @ HomeError::Directory(_)) => {
                contradiction = Some(error);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    for head in heard {
        match home.hear_head(head, now()) {
            Ok(()) => {}
            Err(error @ HomeError::Directory(BadPage::TwoStories(_))) => {
                contradiction.get_or_insert(error);
            }
            // What somebody else says who may say anything.
            Err(HomeError::Directory(bad)) => debug!(%bad, "a partner's head does not count"),
            Err(error) => return Err(error),
        }
    }
    let copy = home.directory()?;
    let (entries, head) = (copy.entries(), copy.head().copied());
    Ok(Taken { entries, news: entries > before, contradiction, head })
}
