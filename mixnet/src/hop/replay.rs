//! Replays: a round runs at most once, and within it an onion counts at most once.
//!
//! Running a round twice would let an adversary average the noise away and intersect the two
//! views, so a hop records a round before it works on it; after a crash the round in flight is
//! lost, never repeated. Across rounds a replayed onion fails to open, since the key derivation
//! binds the round.

use rayon::prelude::*;
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

/// Marks every sound onion that has the ephemeral key of an earlier one as not to be kept.
///
/// Two sound onions with one ephemeral key share all their keys, so both come from one sender or
/// the second is a copy; a bad onion that borrows somebody else's ephemeral key drops nobody.
/// Sorting costs the same whatever clients send; keys that begin alike are compared in full.
pub fn drop_repeated(ephemeral_keys: &[[u8; 32]], keep: &mut [bool]) {
    let mut sightings: Vec<(u64, u32)> = (0u32..)
        .zip(ephemeral_keys.iter().zip(&*keep))
        .filter_map(|(onion, (key, keep))| keep.then_some((front(key), onion)))
        .collect();
    sightings.par_sort_unstable();
    let key = |onion: u32| &ephemeral_keys[onion as usize];
    for same_front in sightings.chunk_by_mut(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
        same_front.sort_unstable_by_key(|&(_, onion)| (key(onion), onion));
        for [(_, earlier), (_, later)] in same_front.array_windows() {
            keep[*later as usize] = key(*earlier) != key(*later);
        }
    }
}

fn front(key: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*key.first_chunk().expect("32 bytes hold 8"))
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
        fn the_first_sound_onion_of_a_key_is_kept(
            onions in prop::collection::vec((0u8..4, 0u8..3, any::<bool>()), 0..40),
        ) {
            let keys: Vec<_> = (onions.iter())
                .map(|(front, back, _)| {
                    let mut key = [0; 32];
                    (key[7], key[31]) = (*front, *back);
                    key
                })
                .collect();
            let mut keep: Vec<_> = onions.iter().map(|onion| onion.2).collect();
            drop_repeated(&keys, &mut keep);

            let mut seen = BTreeSet::new();
            let expected: Vec<_> = onions
                .iter()
                .map(|(front, back, sound)| *sound && seen.insert((front, back)))
                .collect();
            prop_assert_eq!(keep, expected);
        }
    }
}
