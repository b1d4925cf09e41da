//! What a hop takes on and what it refuses.

use super::*;
use crate::mix::noise::Noise;
use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_wire::Hops;
use talaria_wire::crypto::OnionSecret;
use talaria_wire::onion::PeelContext;

const LIMITS: HopLimits = HopLimits { max_slots: 4, max_rounds: 2, patience_ms: 1000 };

fn shape() -> RoundShape {
    RoundShape::new(Hops::new(1).unwrap(), 1).unwrap()
}

fn hop() -> Hop {
    Hop::new(HopIndex(0), shape(), LIMITS, RoundGuard::new(Some(RoundNumber(9))))
}

fn head(number: u64, batch: &Batch) -> BatchHead {
    BatchHead::of(RoundNumber(number), batch)
}

fn batch(slots: usize) -> Batch {
    Batch::zeroed(shape().onion_len(), slots)
}

/// A batch of bad onions on its way: nothing of it is sent on.
fn away(number: u64) -> Round<Away> {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let secret = OnionSecret::generate(&mut rng);
    let number = RoundNumber(number);
    let closed = Round::arrived(number, batch(2));
    let context = PeelContext::new(&secret, &[], number, HopIndex(0));
    closed.peel(&context, Noise::none(), &mut rng).mix().forward().1
}

#[test]
fn refuses_what_it_should_not_run() {
    let mut hop = hop();
    assert_eq!(hop.begin(head(9, &batch(1))), Err(AbortReason::AlreadyRun));
    assert_eq!(hop.begin(head(10, &batch(5))), Err(AbortReason::BadBatch));
    assert_eq!(hop.begin(head(10, &Batch::zeroed(7, 1))), Err(AbortReason::BadBatch));
    assert_eq!(hop.begin(head(10, &batch(1))), Ok(()));
    assert_eq!(hop.begin(head(10, &batch(1))), Err(AbortReason::AlreadyRun));
    assert_eq!(hop.begin(head(11, &batch(1))), Ok(()));
    assert_eq!(hop.begin(head(12, &batch(1))), Err(AbortReason::Busy));
    hop.drain();
    assert_eq!(hop.begin(head(13, &batch(1))), Err(AbortReason::ShuttingDown));
}

#[test]
fn replies_are_taken_once_and_only_if_they_fit() {
    let mut hop = hop();
    let now = UnixMillis(0);
    for (number, replies, expected) in [
        (10, Batch::zeroed(512, 1), Err(AbortReason::WrongCount)),
        (11, Batch::zeroed(99, 0), Err(AbortReason::BadBatch)),
        (12, Batch::zeroed(512, 0), Ok(true)),
    ] {
        hop.begin(head(number, &batch(2))).unwrap();
        hop.depart(now, away(number)).unwrap();
        let returned = hop.returned(RoundNumber(number), replies);
        assert_eq!(returned.map(|round| round.is_some()), expected);
        let again = hop.returned(RoundNumber(number), Batch::zeroed(512, 0));
        assert!(matches!(again, Ok(None)), "the ticket is spent");
    }
    assert_eq!(hop.rounds(), 0);
}

#[test]
fn gives_up_when_the_next_hop_is_slow() {
    let mut hop = hop();
    hop.begin(head(10, &batch(2))).unwrap();
    hop.depart(UnixMillis(500), away(10)).unwrap();
    assert_eq!(hop.poll_timeout(), Some(UnixMillis(1500)));
    assert!(hop.handle_timeout(UnixMillis(1499)).is_empty());
    assert_eq!(hop.handle_timeout(UnixMillis(1500)), [RoundNumber(10)]);
    assert!(matches!(hop.returned(RoundNumber(10), Batch::zeroed(512, 0)), Ok(None)));
}

#[test]
fn a_round_that_was_given_up_cannot_depart() {
    let mut hop = hop();
    hop.begin(head(10, &batch(2))).unwrap();
    assert!(hop.lost(RoundNumber(10)));
    assert_eq!(hop.depart(UnixMillis(0), away(10)), Err(AbortReason::Busy));
}
