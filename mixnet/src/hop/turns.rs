//! Turns: rounds leave in the order in which they came, however long the work on each takes.
//!
//! The next hop refuses a round after a later one, so a round that is ready waits for those before
//! it until they have left, or will not.

use std::collections::BTreeMap;

use talaria_wire::Round as RoundNumber;

use crate::round::{Mixed, Round};

/// The rounds that have begun and not left. Rounds begin in rising order, so their numbers are
/// their order.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// `None`: they are still being worked on.
    rounds: BTreeMap<RoundNumber, Option<Round<Mixed>>>,
}

impl Turns {
    /// `round` takes the last turn.
    pub(super) fn take(&mut self, round: RoundNumber) {
        self.rounds.insert(round, None);
    }

    /// A round is ready to leave. One that has no turn any more is dropped.
    pub(super) fn ready(&mut self, mixed: Round<Mixed>) {
        if let Some(place) = self.rounds.get_mut(&mixed.number()) {
            *place = Some(mixed);
        }
    }

    /// `round` will not leave.
    pub(super) fn give_back(&mut self, round: RoundNumber) {
        self.rounds.remove(&round);
    }

    /// The round that leaves now, if the one whose turn it is is ready.
    pub(super) fn next(&mut self) -> Option<Round<Mixed>> {
        self.rounds.first_entry().filter(|first| first.get().is_some())?.remove()
    }
}
