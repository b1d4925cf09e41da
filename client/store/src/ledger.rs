//! The ledger of an account as one of its homes sees it: what it says to the service, and what it takes
//! over of homes before it.
//!
//! A record replaces only the one that this home knows as the newest. If another home has written since,
//! its record is [taken over](Home::take_over) first: of two counts of the same conversation the larger
//! holds, with all that the other home may have spent until it knew that it was over.

use rand::CryptoRng;
use talaria_client::conversation::budget::{Budget, Price};
use talaria_wire::identity::UserName;
use talaria_wire::identity::charge::Charge;
use talaria_wire::identity::ledger::{LEDGER_PLACES, Ledger, Partner};
use talaria_wire::network_file::NetworkId;

use crate::database::RecordMark;
use crate::error::HomeError;
use crate::home::Home;

/// Of what one side may spend, this part is reserved at once: enough for several records that do not
/// come, and not so much that a home which dies costs the next one the conversation.
const RESERVED_PART: u64 = 8;
/// Records that a home knows again of which it has not heard. An older one counts as another home's,
/// which is safe.
const UNANSWERED: usize = 64;

/// A record that is to replace the newest one.
#[derive(Clone, Debug)]
pub struct Record {
    /// The number of the one that it replaces.
    pub after: u64,
    /// What the service gets.
    pub bytes: Vec<u8>,
    /// Of the network whose service it is.
    pub network: NetworkId,
}

/// Whose record is the newest.
#[derive(Debug)]
pub enum Recorded {
    /// This home's: the one that was sent, or one before it of which it has not heard.
    Own(Reserved),
    /// One from before those that this home has written: the service was put back from a copy. There is
    /// nothing in it that is not known here; send another.
    Older,
    /// Another home's, or a copy's: it has to be taken over before anything is charged.
    Foreign,
}

/// How far a record lets conversations go.
#[derive(Debug)]
pub struct Reserved {
    ledger: Ledger,
    network: NetworkId,
}

impl Reserved {
    /// Rounds of the conversation with somebody that are charged in it, or reserved.
    #[must_use]
    pub fn rounds(&self, name: &UserName) -> u64 {
        self.ledger.taken_over(&Partner::of(&self.network, name)).charged
    }
}

impl Home {
    /// What is to replace the newest record. With `reserving`, conversations may go on after it.
    ///
    /// # Errors
    /// [`HomeError`] if the home cannot be read or written.
    pub fn next_record(
        &mut self,
        reserving: bool,
        rng: &mut impl CryptoRng,
    ) -> Result<Record, HomeError> {
        let price = self.price()?;
        let mut ledger = self.database.ledger(price.unwrap_or(Price::UNKNOWN))?;
        ledger.reserve = price.filter(|_| reserving).map(reserve).unwrap_or_default();
        make_room(&mut ledger);
        let local = self.database.local()?;
        let bytes = ledger.seal(&local.secret, rng);
        let RecordMark { number, mut sent } = self.database.record_mark()?;
        sent.push(*bytes.first_chunk().expect("a record begins with its salt"));
        let forgotten = sent.len().saturating_sub(UNANSWERED);
        self.database.record_sent(&sent[forgotten..])?;
        Ok(Record { after: number, bytes, network: local.network })
    }

    /// Takes the answer of the service to a record: the number of the newest one, and that one.
    ///
    /// # Errors
    /// [`HomeError`] if the home cannot be read or written.
    pub fn record_answered(&mut self, number: u64, newest: &[u8]) -> Result<Recorded, HomeError> {
        let mark = self.database.record_mark()?;
        let is_own = newest.first_chunk().is_some_and(|salt| mark.sent.contains(salt));
        if !is_own {
            if number >= mark.number {
                return Ok(Recorded::Foreign);
            }
            self.database.record_kept(number)?;
            return Ok(Recorded::Older);
        }
        let local = self.database.local()?;
        // One of an earlier key is replaced by the next.
        let ledger = Ledger::open(newest, &local.secret).unwrap_or_default();
        self.database.record_kept(number)?;
        Ok(Recorded::Own(Reserved { ledger, network: local.network }))
    }

    /// What homes before this one, or copies of it, have had charged counts here. A record that does not
    /// open may have said anything: then nothing is left of any budget.
    ///
    /// # Errors
    /// [`HomeError`] if the home cannot be read or written.
    pub fn take_over(&mut self, number: u64, newest: &[u8]) -> Result<(), HomeError> {
        let otherwise = self.price()?.unwrap_or(Price::UNKNOWN);
        let secret = self.database.local()?.secret;
        let ledger = Ledger::open(newest, &secret).unwrap_or_else(|_| unknown());
        self.database.take_over(&ledger, number, otherwise)
    }

    /// What one side of a conversation may spend under the noise in force.
    fn price(&self) -> Result<Option<Price>, HomeError> {
        Ok(Budget::of(&self.known_network()?.terms().noise).price())
    }
}

fn reserve(price: Price) -> Charge {
    Charge { charged: price.rounds.div_ceil(RESERVED_PART), at: price }
}

fn unknown() -> Ledger {
    Ledger { others: Charge { charged: 1, at: Price::UNKNOWN }, ..Ledger::default() }
}

/// Those with the fewest charged rounds go where everybody else is, who counts for more from then on.
fn make_room(ledger: &mut Ledger) {
    ledger.places.sort_by_key(|(_, charge)| std::cmp::Reverse(charge.charged));
    let cut = LEDGER_PLACES.min(ledger.places.len());
    for (_, charge) in ledger.places.split_off(cut) {
        ledger.others = ledger.others.worst(charge);
    }
}
