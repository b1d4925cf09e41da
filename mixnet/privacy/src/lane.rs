//! Which rounds cost something: two people with a lane of two onions each, of which some are lost.
//!
//! The last hop counts the pairs. With nothing lost there are two, whether Alice and Bob talk or
//! each of them idles. This is the enumeration behind `mixnet/PRIVACY.md`, section 2.

/// Which of the two onions of a lane arrived, in the order of the lane.
pub type Arrived = [bool; 2];

/// Pairs that two people make who talk: each slot is a dead drop of both.
#[must_use]
pub fn pairs_talking(alice: Arrived, bob: Arrived) -> u8 {
    u8::from(alice[0] && bob[0]) + u8::from(alice[1] && bob[1])
}

/// Pairs that two people make who idle: each one's onions meet each other.
#[must_use]
pub fn pairs_idle(alice: Arrived, bob: Arrived) -> u8 {
    u8::from(alice == [true; 2]) + u8::from(bob == [true; 2])
}

/// Whether a round in which Alice lost so many of her onions, and her partner so many of theirs,
/// has to be charged to the privacy budget.
///
/// It depends on numbers only, which is all that clients may know: one onion lost on each side
/// costs nothing if they were of different slots, and is charged all the same.
#[must_use]
pub fn is_charged(lost_by_alice: u8, lost_by_partner: u8) -> bool {
    matches!((lost_by_alice, lost_by_partner), (2, 0) | (0, 2) | (1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANES: [Arrived; 4] = [[true, true], [true, false], [false, true], [false, false]];

    fn lost(lane: Arrived) -> u8 {
        lane.iter().map(|&arrived| u8::from(!arrived)).sum()
    }

    #[test]
    fn pairs_move_by_at_most_one_and_only_in_charged_rounds() {
        for alice in LANES {
            for bob in LANES {
                let moved = pairs_talking(alice, bob).abs_diff(pairs_idle(alice, bob));
                assert!(moved <= 1, "{alice:?} {bob:?}");
                assert!(moved == 0 || is_charged(lost(alice), lost(bob)), "{alice:?} {bob:?}");
            }
        }
    }

    #[test]
    fn every_kind_of_charged_round_can_move_the_pairs() {
        let (all, none) = ([true; 2], [false; 2]);
        let moved = |alice, bob| (pairs_talking(alice, bob), pairs_idle(alice, bob));
        assert_eq!(moved(none, all), (0, 1));
        assert_eq!(moved(all, none), (0, 1));
        assert_eq!(moved([true, false], [true, false]), (1, 0));
    }

    #[test]
    fn talking_to_another_person_moves_them_by_at_most_one() {
        for alice in LANES {
            for bob in LANES {
                for carol in LANES {
                    let idles = |lane| u8::from(lane == [true; 2]);
                    let with_bob = pairs_talking(alice, bob) + idles(carol);
                    let with_carol = pairs_talking(alice, carol) + idles(bob);
                    assert!(with_bob.abs_diff(with_carol) <= 1, "{alice:?} {bob:?} {carol:?}");
                }
            }
        }
    }

    #[test]
    fn a_partner_who_waits_in_vain_moves_them_by_one() {
        // Bob's onions go to their dead drops; Alice's meet each other instead.
        for alice in LANES {
            for bob in LANES {
                let in_vain = u8::from(alice == [true; 2]);
                assert!(pairs_talking(alice, bob).abs_diff(in_vain) <= 1, "{alice:?} {bob:?}");
            }
        }
    }
}
