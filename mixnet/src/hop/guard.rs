//! Replays of rounds: a round runs at most once.
//!
//! Running a round twice would let an adversary average the noise away and intersect the two
//! views, so a hop records a round before it works on it; after a crash the round in flight is
//! lost, never repeated. Across rounds a replayed onion fails to open, since the key derivation
//! binds the round.

use talaria_wire::Round;
use thiserror::Error;

/// Why a round may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MayNotRun {
    /// It, or a later one, has run already.
    #[error("round {round} does not come after round {last}")]
    AlreadyRun {
        /// The round that was asked for.
        round: Round,
        /// The last round that ran.
        last: Round,
    },
    /// It could not be recorded that it runs.
    #[error("the round could not be recorded")]
    NotRecorded,
}

/// The record did not reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the record did not reach the disk")]
pub struct NotRecorded;

/// Where the number of the last round is kept across restarts.
pub trait RoundLog {
    /// Records `round` so that it survives a crash that happens right after.
    ///
    /// # Errors
    /// [`NotRecorded`] if that cannot be promised.
    fn record(&mut self, round: Round) -> Result<(), NotRecorded>;
}

/// Lets every round run at most once, in rising order.
#[derive(Debug)]
pub struct RoundGuard<L> {
    last: Option<Round>,
    log: L,
}

impl<L: RoundLog> RoundGuard<L> {
    /// A guard that knows from `log`'s earlier life that `last` has run.
    pub fn new(last: Option<Round>, log: L) -> Self {
        Self { last, log }
    }

    /// The last round that has run.
    #[must_use]
    pub fn last(&self) -> Option<Round> {
        self.last
    }

    /// Lets `round` run, once.
    ///
    /// # Errors
    /// [`MayNotRun`]; the round must not be worked on then.
    pub fn admit(&mut self, round: Round) -> Result<(), MayNotRun> {
        if let Some(last) = self.last.filter(|&last| round <= last) {
            return Err(MayNotRun::AlreadyRun { round, last });
        }
        // Even if the record fails half way the round counts as run: it may be on the disk.
        self.last = Some(round);
        self.log.record(round).map_err(|NotRecorded| MayNotRun::NotRecorded)
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
        let mut guard = RoundGuard::new(Some(Round(5)), Log::default());
        assert!(matches!(guard.admit(Round(5)), Err(MayNotRun::AlreadyRun { .. })));
        assert_eq!(guard.admit(Round(6)), Ok(()));
        assert!(guard.admit(Round(6)).is_err() && guard.admit(Round(4)).is_err());
        assert_eq!(guard.admit(Round(9)), Ok(()));
        assert_eq!(guard.log.0, [Round(6), Round(9)]);
    }

    #[test]
    fn a_round_whose_record_failed_is_not_tried_again() {
        let mut guard = RoundGuard::new(None, Log(vec![], true));
        assert_eq!(guard.admit(Round(1)), Err(MayNotRun::NotRecorded));
        assert!(matches!(guard.admit(Round(1)), Err(MayNotRun::AlreadyRun { .. })));
    }
}
