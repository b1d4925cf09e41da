//! The copy of the directory in a home, and what it says of contacts.

use talaria_wire::UnixMillis;
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::{
    BadPage, Copy, Entry, FIRST_CONTACT_S, Head, PAGE_MAX, TwoHeads, User,
};

use crate::error::HomeError;
use crate::home::Home;
use talaria_client::contact::{Contact, Met, Trust};

impl Home {
    /// The copy of the directory, as far as it has come.
    ///
    /// # Errors
    /// [`HomeError::Damaged`] if what is in the database is none.
    pub fn directory(&mut self) -> Result<&Copy, HomeError> {
        Ok(self.copy()?)
    }

    fn copy(&mut self) -> Result<&mut Copy, HomeError> {
        let copy = match self.directory.take() {
            Some(copy) => copy,
            None => self.read_directory()?,
        };
        Ok(self.directory.insert(copy))
    }

    fn read_directory(&self) -> Result<Copy, HomeError> {
        let known = self.known_network()?;
        let mut copy = Copy::new(known.version().network, known.terms().identity.key);
        let step = u64::try_from(PAGE_MAX).expect("a page is small") * 16;
        loop {
            let entries = self.database.directory(copy.entries(), step)?;
            if entries.is_empty() {
                break;
            }
            copy.restore(&entries).map_err(|_| HomeError::Damaged("directory"))?;
        }
        for head in self.database.heads(copy.entries())? {
            copy.restore_head(&head).map_err(|_| HomeError::Damaged("head"))?;
        }
        if copy.entries() > 0 && copy.head().is_none() {
            return Err(HomeError::Damaged("head"));
        }
        Ok(copy)
    }

    /// Takes a page of the directory with the head that is signed for just what it leads to, all of
    /// it or nothing. Gives whether more is to be asked for.
    ///
    /// # Errors
    /// [`HomeError::Directory`] if it does not follow upon what is known. If the service has signed
    /// two stories, the proof is kept.
    pub fn append_directory(
        &mut self,
        entries: &[Entry],
        head: &Head,
        now: UnixMillis,
    ) -> Result<bool, HomeError> {
        let copy = self.copy()?;
        let before = copy.entries();
        if let Err(bad) = copy.append(entries, head, seconds(now)) {
            return Err(self.keep_proof(bad));
        }
        let more = entries.len() == PAGE_MAX;
        match self.database.append_directory(entries, head) {
            Ok(()) => Ok(more),
            Err(error) => {
                // Another process may have written the same: what is in memory does not count.
                self.directory = None;
                if self.copy()?.entries() > before { Ok(true) } else { Err(error) }
            }
        }
    }

    /// Hears of a head that somebody else knows: what comes from the service has to lead there.
    ///
    /// # Errors
    /// [`HomeError::Directory`] if it is not signed, or it and what is known cannot both be true:
    /// then the proof is kept.
    pub fn hear_head(&mut self, head: &Head, now: UnixMillis) -> Result<(), HomeError> {
        match self.copy()?.hear(head, seconds(now)) {
            Ok(true) => self.database.add_head(head),
            Ok(false) => Ok(()),
            Err(bad) => Err(self.keep_proof(bad)),
        }
    }

    /// That it could not be kept is worse than what is wrong.
    fn keep_proof(&mut self, bad: BadPage) -> HomeError {
        let kept = bad.proof().map_or(Ok(()), |heads| self.database.keep_contradiction(heads));
        kept.err().unwrap_or(HomeError::Directory(bad))
    }

    /// Two heads that prove that the service has signed two stories, if there ever were such.
    ///
    /// # Errors
    /// [`HomeError::Damaged`] if what is kept is no proof.
    pub fn contradiction(&self) -> Result<Option<TwoHeads>, HomeError> {
        let Some(bytes) = self.database.contradiction()? else { return Ok(None) };
        let known = self.known_network()?;
        let (network, service) = (known.version().network, known.terms().identity.key);
        let heads = TwoHeads::from_bytes(&bytes, &network, &service);
        heads.map(Some).ok_or(HomeError::Damaged("contradiction"))
    }

    /// Makes sure that the copy of the directory is not older than `most_s`, in seconds: whoever
    /// keeps news from this home could also keep from it that a name has another key.
    ///
    /// # Errors
    /// [`HomeError::Stale`] if it is, or there is none.
    pub fn require_fresh(&mut self, most_s: u64, now: UnixMillis) -> Result<(), HomeError> {
        match self.copy()?.head().map(|head| head.age_s(seconds(now))) {
            Some(age_s) if age_s <= most_s => Ok(()),
            age_s => Err(HomeError::Stale { age_s }),
        }
    }

    /// Makes sure that this home is the account's newest, and its key the one that holds.
    ///
    /// # Errors
    /// [`HomeError::Superseded`]; [`HomeError::Gone`] if the account takes no part any more.
    pub fn require_current(&mut self) -> Result<(), HomeError> {
        let name = self.file.name.clone();
        let own = *self.identity()?.secret.public();
        let since = self.since()?;
        match self.own_user()? {
            Some(user) if user.key != own || user.session_since > since => {
                Err(HomeError::Superseded(name))
            }
            Some(user) if !user.active => Err(HomeError::Gone(name)),
            // The service gave out an entry that is not in the directory: with a later one it could
            // hide that the account goes on elsewhere.
            Some(user) if user.session_since < since => Err(HomeError::NotInDirectory),
            Some(_) => Ok(()),
            None => Err(HomeError::NotInDirectory),
        }
    }

    /// What the directory says of this account.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn own_user(&mut self) -> Result<Option<User>, HomeError> {
        let name = self.file.name.clone();
        Ok(self.copy()?.user(&name).cloned())
    }

    /// Whoever has this name now, and what is known of them.
    ///
    /// # Errors
    /// [`HomeError::UnknownName`], [`HomeError::Gone`], [`HomeError::Oneself`]; and
    /// [`HomeError::Stale`] if nobody here has met them and the directory is older than an hour.
    pub fn meet(&mut self, name: &UserName, now: UnixMillis) -> Result<Met, HomeError> {
        if *name == self.file.name {
            return Err(HomeError::Oneself(name.clone()));
        }
        let user = self.copy()?.user(name).cloned();
        let user = user.ok_or_else(|| HomeError::UnknownName(name.clone()))?;
        if !user.active {
            return Err(HomeError::Gone(name.clone()));
        }
        let contact = Contact { key: user.key, name: name.clone(), since: user.session_since };
        let trust = match self.database.contact_named(name)? {
            None => {
                self.require_fresh(FIRST_CONTACT_S, now)?;
                Trust::New
            }
            Some((known, verified)) if known.key != contact.key => {
                Trust::Changed { from: known.key, verified }
            }
            Some((_, true)) => Trust::Verified,
            Some((_, false)) => Trust::Unverified,
        };
        Ok(Met { contact, trust })
    }

    /// Everybody who was ever talked to, by name, and what is known of them now.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn contacts(&mut self) -> Result<Vec<(Contact, Trust)>, HomeError> {
        self.copy()?;
        let directory = self.directory.as_ref();
        let known = self.database.contacts()?.into_iter();
        let judged = known.map(|(contact, verified)| {
            let now = directory.and_then(|copy| copy.user(&contact.name));
            let trust = match now {
                Some(user) if user.key != contact.key => {
                    Trust::Changed { from: contact.key, verified }
                }
                _ if verified => Trust::Verified,
                _ => Trust::Unverified,
            };
            (contact, trust)
        });
        Ok(judged.collect())
    }

    /// Remembers a contact, or that a new session with it has begun.
    ///
    /// # Errors
    /// [`HomeError::KeyChanged`] if another key is known: it has to be [accepted](Self::accept).
    pub fn remember(&mut self, contact: &Contact) -> Result<(), HomeError> {
        match self.database.contact_named(&contact.name)? {
            Some((known, _)) if known.key != contact.key => {
                Err(HomeError::KeyChanged(contact.name.clone()))
            }
            Some(_) => self.database.put_contact(contact),
            None => {
                self.require_own_key(contact)?;
                self.database.put_contact(contact)
            }
        }
    }

    /// Goes on with a contact's new key. That the old one was compared counts no more.
    ///
    /// # Errors
    /// [`HomeError`]; the old key stays then.
    pub fn accept(&mut self, contact: &Contact) -> Result<(), HomeError> {
        self.require_own_key(contact)?;
        self.database.accept_key(contact)
    }

    /// Nobody else who is known may have the key.
    fn require_own_key(&self, contact: &Contact) -> Result<(), HomeError> {
        let known = self.database.contacts()?.into_iter();
        let mut others = known.filter(|(known, _)| known.name != contact.name);
        match others.find(|(known, _)| known.key == contact.key) {
            Some((other, _)) => Err(HomeError::SharedKey(contact.name.clone(), other.name)),
            None => Ok(()),
        }
    }

    /// Remembers that the safety number with this contact was compared.
    ///
    /// # Errors
    /// [`HomeError::KeyChanged`] if another key is known.
    pub fn mark_verified(&mut self, contact: &Contact) -> Result<(), HomeError> {
        self.remember(contact)?;
        self.database.mark_verified(contact)
    }

    /// Texts that contacts are not known to have, by name.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn undelivered(&mut self) -> Result<Vec<(UserName, usize)>, HomeError> {
        let mut waiting = Vec::new();
        for (contact, _) in self.database.contacts()? {
            match self.conversation(&contact.key)?.unacknowledged() {
                0 => {}
                texts => waiting.push((contact.name, texts)),
            }
        }
        Ok(waiting)
    }
}

fn seconds(now: UnixMillis) -> u64 {
    now.0 / 1000
}
