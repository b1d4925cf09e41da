//! Rounds that are with the rest of the chain: how many, and for how long.

use std::collections::BTreeMap;

use talaria_wire::{Round, UnixMillis};
use thiserror::Error;

/// No further round may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("as many rounds are under way as may be")]
pub struct Full;

/// Rounds that have left and are waited for, each with a deadline and what it left behind.
#[derive(Debug)]
pub struct Underway<T> {
    rounds: BTreeMap<Round, (UnixMillis, T)>,
    max: usize,
}

impl<T> Underway<T> {
    /// At most `max` rounds at once.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { rounds: BTreeMap::new(), max }
    }

    /// `round` leaves, is waited for until `deadline`, and leaves `what` behind.
    ///
    /// # Errors
    /// [`Full`] if there is no room, or the round has left already; `what` is dropped.
    pub fn depart(&mut self, round: Round, deadline: UnixMillis, what: T) -> Result<(), Full> {
        if self.rounds.len() >= self.max || self.rounds.contains_key(&round) {
            return Err(Full);
        }
        self.rounds.insert(round, (deadline, what));
        Ok(())
    }

    /// `round` is back (or lost): what it left behind, unless nobody waits for it.
    pub fn arrive(&mut self, round: Round) -> Option<T> {
        self.rounds.remove(&round).map(|(_, what)| what)
    }

    /// Stops to wait for the rounds whose deadline has come.
    pub fn expire(&mut self, now: UnixMillis) -> Vec<(Round, T)> {
        self.rounds
            .extract_if(.., |_, (deadline, _)| *deadline <= now)
            .map(|(round, (_, what))| (round, what))
            .collect()
    }

    /// Stops to wait for all of them.
    pub fn drain(&mut self) -> Vec<Round> {
        std::mem::take(&mut self.rounds).into_keys().collect()
    }

    /// The next deadline.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.rounds.values().map(|(deadline, _)| *deadline).min()
    }

    /// How many rounds are waited for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rounds.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_leave_once_and_come_back_once() {
        let mut underway = Underway::new(2);
        assert_eq!(underway.depart(Round(1), UnixMillis(10), 'a'), Ok(()));
        assert_eq!(underway.depart(Round(1), UnixMillis(10), 'b'), Err(Full));
        assert_eq!(underway.depart(Round(2), UnixMillis(5), 'b'), Ok(()));
        assert_eq!(underway.depart(Round(3), UnixMillis(5), 'c'), Err(Full));
        assert_eq!(underway.poll_timeout(), Some(UnixMillis(5)));
        assert_eq!(underway.expire(UnixMillis(5)), [(Round(2), 'b')]);
        assert_eq!(underway.arrive(Round(2)), None);
        assert_eq!(underway.arrive(Round(1)), Some('a'));
        assert!(underway.is_empty());
    }
}
