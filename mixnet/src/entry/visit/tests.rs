//! One client: what it is told, and when it has to go.

use super::*;
use talaria_wire::Hops;
use talaria_wire::frame::{HEADER_LEN, replies_len};

fn shape() -> RoundShape {
    RoundShape::new(Hops::new(1).unwrap(), 1).unwrap()
}

fn visit(client: u64) -> Visit {
    Visit::begin(ClientId(client), shape(), 1000, UnixMillis(0))
}

/// Submits at `now`, and gives the answer.
fn submit(visit: &mut Visit, now: u64, admitted: bool) -> Result<Vec<u8>, Farewell> {
    let onions = vec![7; shape().onions() * shape().onion_len()];
    let frame = Submission { round: RoundNumber(9), onions: &onions }.to_frame();
    let answer = if admitted { Ok(Seat(0)) } else { Err(NotAdmitted::NotOpen) };
    let mut out = Vec::new();
    let frame = (Kind::Submission, &frame[HEADER_LEN..]);
    visit.handle_frame(UnixMillis(now), frame, |_, _| answer, &mut out)?;
    Ok(out)
}

fn call(round: u64) -> Call {
    let frame = round.to_be_bytes().as_slice().into();
    Call { round: RoundNumber(round), frame }
}

#[test]
fn each_round_is_told_once_and_never_after_a_later_one() {
    let mut visit = visit(1);
    let mut out = Vec::new();
    for round in [5, 5, 7, 6, 7, 8] {
        visit.hear(&News::Called(call(round)), &mut out).unwrap();
    }
    assert_eq!(out, [5u64, 7, 8].map(u64::to_be_bytes).concat());
}

#[test]
fn replies_go_to_their_seats_with_the_next_round_and_to_nobody_else() {
    let (reply_len, onions) = (shape().reply_len(), shape().onions());
    let mut replies = Batch::zeroed(reply_len, 2 * onions);
    for (slot, byte) in replies.slots_mut().zip(1u8..) {
        slot.fill(byte);
    }
    let seats = Seats::from([(ClientId(1), Seat(onions)), (ClientId(2), Seat(0))]);
    let (round, next) = (RoundNumber(5), Some(call(6)));
    let over = RoundOver { round, seats, replies: Ok(replies.clone()), next };
    let news = News::Over(Arc::new(over));
    let told = |client| {
        let mut out = Vec::new();
        visit(client).hear(&news, &mut out).unwrap();
        out
    };
    let expected = |own: &[u8]| {
        let mut frame = Vec::new();
        Replies { round, outcome: Outcome::Delivered, replies: own }.put_frame(&mut frame);
        [frame, 6u64.to_be_bytes().to_vec()].concat()
    };
    let (second, first) = (&replies.as_bytes()[onions * reply_len..], replies.as_bytes());
    assert_eq!(told(1), expected(second));
    assert_eq!(told(2), expected(&first[..onions * reply_len]));
    assert_eq!(told(3), [0u8; 0], "it was not in the round, and hears of the next one in time");
}

#[test]
fn what_is_lost_and_what_is_late_is_answered_in_the_same_size() {
    let mut visit = visit(1);
    let late = submit(&mut visit, 1, false).unwrap();
    assert_eq!(late.len(), HEADER_LEN + replies_len(shape()));
    let seats = Seats::from([(ClientId(1), Seat(0))]);
    let (round, replies) = (RoundNumber(9), Err(AbortReason::TooSlow));
    let news = News::Over(Arc::new(RoundOver { round, seats, replies, next: None }));
    let mut failed = Vec::new();
    visit.hear(&news, &mut failed).unwrap();
    assert_eq!(failed.len(), late.len());
    for (frame, outcome) in [(&late, Outcome::Late), (&failed, Outcome::Failed)] {
        let replies = Replies::decode(&frame[HEADER_LEN..], shape()).unwrap();
        assert_eq!((replies.round, replies.outcome), (RoundNumber(9), outcome));
    }
    assert_eq!(submit(&mut visit, 2, true), Ok(vec![]), "the round answers that");
}

#[test]
fn whoever_misses_too_many_rounds_in_a_row_has_to_go() {
    let mut visit = visit(1);
    for _ in 0..3 {
        for _ in 0..MAX_REFUSED {
            assert!(submit(&mut visit, 1, false).is_ok());
        }
        assert!(submit(&mut visit, 1, true).is_ok());
    }
    for _ in 0..MAX_REFUSED {
        assert!(submit(&mut visit, 1, false).is_ok());
    }
    assert_eq!(submit(&mut visit, 1, false), Err(Farewell::Protocol));
}

#[test]
fn nothing_but_whole_submissions_may_come() {
    let mut out = Vec::new();
    let never = |_, _: Submission<'_>| panic!("nothing to submit");
    for frame in [(Kind::Control, &[][..]), (Kind::Submission, &[1, 2, 3])] {
        let handled = visit(1).handle_frame(UnixMillis(0), frame, never, &mut out);
        assert_eq!(handled, Err(Farewell::Protocol));
    }
    assert!(out.is_empty());
    assert_eq!(visit(1).hear(&News::Closing, &mut out), Err(Farewell::ShuttingDown));
}

#[test]
fn whoever_is_silent_for_a_minute_and_ten_rounds_is_forgotten() {
    let mut visit = visit(1);
    assert_eq!(visit.poll_timeout(), UnixMillis(60_000));
    assert_eq!(visit.handle_timeout(UnixMillis(59_999)), Ok(()));
    let mut out = Vec::new();
    (1..10).for_each(|round| visit.hear(&News::Called(call(round)), &mut out).unwrap());
    assert_eq!(visit.handle_timeout(UnixMillis(60_000)), Ok(()), "it was told of nine rounds");
    assert_eq!(visit.poll_timeout(), UnixMillis(120_000));
    visit.hear(&News::Called(call(10)), &mut out).unwrap();
    assert_eq!(visit.handle_timeout(UnixMillis(119_999)), Ok(()));
    assert_eq!(visit.handle_timeout(UnixMillis(120_000)), Err(Farewell::Idle));
    submit(&mut visit, 1000, false).unwrap();
    assert_eq!(visit.poll_timeout(), UnixMillis(61_000));
    assert_eq!(visit.handle_timeout(UnixMillis(61_000)), Ok(()), "it has answered");
    let slow = Visit::begin(ClientId(1), shape(), 60_000, UnixMillis(0));
    assert_eq!(slow.poll_timeout(), UnixMillis(600_000));
}
