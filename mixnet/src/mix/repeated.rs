//! Replays within a round: an onion counts at most once.

use rayon::prelude::*;

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
