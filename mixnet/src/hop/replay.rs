//! Replays: a round runs at most once, and within it an onion counts at most once.
//!
//! Running a round twice would let an adversary average the noise away and intersect the two
//! views, so a hop records a round before it works on it; after a crash the round in flight is
//! lost, never repeated. Across rounds a replayed onion fails to open, since the key derivation
//! binds the round.

use rayon::prelude::*;
use talaria_wire::onion::ephemeral_key;
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

/// By which repetitions of an onion are found: the front of its ephemeral key.
#[must_use]
pub fn mark(ephemeral_key: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*ephemeral_key.first_chunk().expect("32 bytes hold 8"))
}

/// Marks every sound onion that has the ephemeral key of an earlier one as not to be kept.
///
/// `order[j]` is the slot of `arrived` whose onion `keep[j]` and `marks[j]` belong to; numbers
/// beyond are noise, and are left alone. Two sound onions with one ephemeral key share all their
/// keys, so both come from one sender or the second is a copy; a bad onion that borrows somebody
/// else's ephemeral key drops nobody. Sorting costs the same whatever clients send; equal marks are compared in
/// full.
pub fn drop_repeated(arrived: &Batch, order: &[u32], marks: &[u64], keep: &mut [bool]) {
    let mut sightings: Vec<(u64, u32, u32)> = (0u32..)
        .zip(order.iter().zip(marks).zip(&*keep))
        .filter(|(_, ((from, _), keep))| **keep && (**from as usize) < arrived.len())
        .map(|(place, ((&from, &mark), _))| (mark, from, place))
        .collect();
    sightings.par_sort_unstable();
    let key = |from: u32| ephemeral_key(arrived.slot(from as usize));
    for same_mark in sightings.chunk_by_mut(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        same_mark.sort_unstable_by_key(|&(_, from, _)| (key(from), from));
        for [(_, earlier, _), (_, later, place)] in same_mark.array_windows() {
            keep[*place as usize] = key(*earlier) != key(*later);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hop::shuffle::shuffle;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;
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
        fn the_first_sound_onion_of_a_key_is_kept(
            onions in prop::collection::vec((0u8..4, 0u8..3, any::<bool>()), 0..40),
            noise in 0u32..4,
            seed: u64,
        ) {
            let mut arrived = Batch::with_capacity(64, onions.len());
            for (front, back, _) in &onions {
                let mut onion = [0; 64];
                onion[7] = *front;
                onion[31] = *back;
                arrived.push(&onion).unwrap();
            }
            let slots = u32::try_from(onions.len()).unwrap() + noise;
            let mut order: Vec<_> = (0..slots).collect();
            shuffle(&mut order, &mut ChaCha20Rng::seed_from_u64(seed));
            let of = |from: u32| onions.get(from as usize);
            let marks: Vec<_> =
                order.iter().map(|&from| of(from).map_or(0, |onion| onion.0.into())).collect();
            let mut keep: Vec<_> =
                order.iter().map(|&from| of(from).is_none_or(|onion| onion.2)).collect();
            drop_repeated(&arrived, &order, &marks, &mut keep);

            let mut seen = BTreeSet::new();
            let expected: Vec<_> = onions
                .iter()
                .map(|(front, back, sound)| *sound && seen.insert((front, back)))
                .collect();
            for (from, keep) in order.into_iter().zip(keep) {
                prop_assert_eq!(keep, *expected.get(from as usize).unwrap_or(&true));
            }
        }
    }
}
