//! What a home holds of conversations, and the mark of what was shown.

use rand::CryptoRng;
use talaria_client::Change;
use talaria_client::conversation::budget::Price;
use talaria_client::conversation::state::{self, ConversationState, Received};
use talaria_wire::Round;
use talaria_wire::crypto::IdentityPublic;

use crate::error::HomeError;
use crate::home::Home;
use crate::mark::{self, ShownMark, Step};

impl Home {
    /// The newest round that was answered.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn last_round(&self) -> Result<Option<Round>, HomeError> {
        self.database.last_round()
    }

    /// What was committed of the conversation with a contact.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn conversation(&self, partner: &IdentityPublic) -> Result<ConversationState, HomeError> {
        self.database.conversation(partner)
    }

    /// Rounds charged to the privacy budget of the conversation with a contact, and the worst price of
    /// one of them.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn charged(&self, partner: &IdentityPublic) -> Result<(u64, Option<Price>), HomeError> {
        self.database.charged(partner)
    }

    /// Idle pairs that did not meet in the newest run.
    ///
    /// # Errors
    /// [`HomeError`] if the database cannot be read.
    pub fn idle_pairs_unmet(&self) -> Result<u64, HomeError> {
        self.database.idle_pairs_unmet()
    }

    /// What marks, faster than a commit, that something of this conversation is shown; and the
    /// text of which nobody knows whether it was shown when an earlier run was killed.
    ///
    /// What was marked and not committed is committed first: it will not be notified again.
    ///
    /// # Errors
    /// [`HomeError`] if the mark's file or the database cannot be used.
    pub fn shown_mark(
        &mut self,
        partner: &IdentityPublic,
        rng: &mut impl CryptoRng,
    ) -> Result<(ShownMark, Option<Received>), HomeError> {
        let mut interrupted = None;
        if let Some(disguise) = self.database.disguise(partner)?
            && let Some((through, step)) = ShownMark::open(&self.dir, disguise)?.last()
        {
            let mut unshown = self.conversation(partner)?.unshown.into_iter();
            interrupted = unshown.find(|text| text.number == through && step == Step::Begun);
            let shown = state::Change::Shown { through };
            self.commit(&[Change::Conversation(*partner, shown)])?;
        }
        let disguise = mark::Disguise::draw(rng);
        self.database.set_disguise(partner, &disguise)?;
        Ok((ShownMark::open(&self.dir, disguise)?, interrupted))
    }
}
