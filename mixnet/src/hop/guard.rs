//! Replays of rounds: a round runs at most once.
//!
//! Running a round twice would let an adversary average the noise away and intersect the two
//! views, so a hop records a round before it works on it; after a crash the round in flight is
//! lost, never repeated. Across rounds a replayed onion fails to open, since the key derivation
//! binds the round.
//!
//! There are two halves, because a disk takes its time: a [`RoundGuard`] decides in memory, at once,
//! and a [`Record`] makes it durable, while everybody else goes on. In between there is a value that
//! is good for nothing but to be recorded, see [`Unrecorded`](super::node::Unrecorded).

use talaria_wire::Round;
use thiserror::Error;

/// A round may not run: it, or a later one, has run already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("round {round} does not come after round {last}")]
pub struct AlreadyRun {
    /// The round that was asked for.
    pub round: Round,
    /// The last round that ran.
    pub last: Round,
}

/// The record did not reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record did not reach the disk")]
pub struct NotRecorded;

/// Where the number of the last round is kept across restarts.
pub trait RoundLog {
    /// Records `round` in the place of what was there, so that it survives a crash that happens
    /// right after.
    ///
    /// # Errors
    /// [`NotRecorded`] if that cannot be promised.
    fn record(&mut self, round: Round) -> Result<(), NotRecorded>;
}

impl<L: RoundLog + ?Sized> RoundLog for Box<L> {
    fn record(&mut self, round: Round) -> Result<(), NotRecorded> {
        (**self).record(round)
    }
}

/// Lets every round run at most once, in rising order.
#[derive(Debug)]
pub struct RoundGuard {
    last: Option<Round>,
}

impl RoundGuard {
    /// A guard that knows from an earlier life that `last` has run.
    #[must_use]
    pub fn new(last: Option<Round>) -> Self {
        Self { last }
    }

    /// The last round that has run.
    #[must_use]
    pub fn last(&self) -> Option<Round> {
        self.last
    }

    /// Lets `round` run, once: when it has been recorded. It counts as run from here on, whatever
    /// becomes of that.
    ///
    /// # Errors
    /// [`AlreadyRun`]; the round must not be worked on then.
    pub fn admit(&mut self, round: Round) -> Result<(), AlreadyRun> {
        if let Some(last) = self.last.filter(|&last| round <= last) {
            return Err(AlreadyRun { round, last });
        }
        self.last = Some(round);
        Ok(())
    }
}

/// The record of rounds, which never goes back: rounds that were let in one after the other may
/// come to it in another order.
#[derive(Debug)]
pub struct Record<L> {
    /// The last one that is durable.
    last: Option<Round>,
    log: L,
}

impl<L: RoundLog> Record<L> {
    /// A record that says that `last` has run.
    pub fn new(last: Option<Round>, log: L) -> Self {
        Self { last, log }
    }

    /// Makes sure that after a crash neither `round` nor one before it runs again.
    ///
    /// # Errors
    /// [`NotRecorded`] if that cannot be promised.
    pub fn record(&mut self, round: Round) -> Result<(), NotRecorded> {
        if self.last.is_none_or(|last| last < round) {
            self.log.record(round)?;
            self.last = Some(round);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Vec<Round>, bool);

    impl RoundLog for Log {
        fn record(&mut self, round: Round) -> Result<(), NotRecorded> {
            self.0.push(round);
            if self.1 { Err(NotRecorded) } else { Ok(()) }
        }
    }

    #[test]
    fn a_round_runs_once_and_in_order() {
        let mut guard = RoundGuard::new(Some(Round(5)));
        assert_eq!(guard.admit(Round(5)), Err(AlreadyRun { round: Round(5), last: Round(5) }));
        assert_eq!(guard.admit(Round(6)), Ok(()));
        assert!(guard.admit(Round(6)).is_err() && guard.admit(Round(4)).is_err());
        assert_eq!(guard.admit(Round(9)), Ok(()));
    }

    #[test]
    fn the_record_never_goes_back() {
        let mut record = Record::new(Some(Round(5)), Log::default());
        for round in [7, 6, 7, 9] {
            assert_eq!(record.record(Round(round)), Ok(()));
        }
        assert_eq!(record.log.0, [Round(7), Round(9)]);
    }

    #[test]
    fn what_is_not_durable_is_not_taken_for_it() {
        let mut record = Record::new(None, Log(vec![], true));
        assert_eq!(record.record(Round(7)), Err(NotRecorded));
        assert_eq!(record.record(Round(6)), Err(NotRecorded));
        record.log.1 = false;
        assert_eq!(record.record(Round(6)), Ok(()));
    }
}
