//! Replays: a round runs at most once, and within it an onion counts at most once.
//!
//! Running a round twice would let an adversary average the noise away and intersect the two
//! views, so a hop records a round before it works on it; after a crash the round in flight is
//! lost, never repeated. Across rounds a replayed onion fails to open, since the key derivation
//! binds the round.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use rayon::prelude::*;
use talaria_wire::params::TAG_LEN;
use talaria_wire::{Batch, Round};
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

/// For each onion of a batch, whether it is the first with its ephemeral key and tag.
///
/// Keyed hashes are sorted, so the cost does not depend on what clients send; equal hashes are
/// compared in full.
#[must_use]
pub fn first_sightings(batch: &Batch) -> Vec<bool> {
    let keyed = RandomState::new();
    let mut sightings: Vec<(u64, u32)> = (0..batch.len())
        .into_par_iter()
        .map(|slot| {
            let number = u32::try_from(slot).expect("a batch has fewer than 2^32 slots");
            (keyed.hash_one(fingerprint(batch.slot(slot))), number)
        })
        .collect();
    sightings.par_sort_unstable();
    let mut first = vec![true; batch.len()];
    for same_hash in sightings.chunk_by_mut(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        same_hash.sort_unstable_by(|a, b| in_order(batch, a.1, b.1));
        for pair in same_hash.windows(2) {
            let [earlier, later] = [pair[0].1 as usize, pair[1].1 as usize];
            first[later] = fingerprint(batch.slot(earlier)) != fingerprint(batch.slot(later));
        }
    }
    first
}

fn in_order(batch: &Batch, a: u32, b: u32) -> Ordering {
    let of = |slot: u32| fingerprint(batch.slot(slot as usize));
    of(a).cmp(&of(b)).then(a.cmp(&b))
}

/// What makes an onion itself: its ephemeral key and its full tag.
fn fingerprint(onion: &[u8]) -> (&[u8], &[u8]) {
    (&onion[..32], &onion[onion.len() - TAG_LEN..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

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

    proptest! {
        #[test]
        fn the_first_of_equal_onions_is_kept(ids in prop::collection::vec((0u8..4, 0u8..4), 0..40)) {
            let mut batch = Batch::with_capacity(64, ids.len());
            for (key, tag) in &ids {
                let mut onion = [0; 64];
                onion[..32].fill(*key);
                onion[48..].fill(*tag);
                batch.push(&onion).unwrap();
            }
            let mut seen = BTreeSet::new();
            let expected: Vec<_> = ids.iter().map(|id| seen.insert(id)).collect();
            prop_assert_eq!(first_sightings(&batch), expected);
        }
    }
}
