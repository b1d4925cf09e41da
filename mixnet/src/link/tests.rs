//! What is said in which direction, and what is ignored there or ends the link.

use super::*;
use std::num::NonZeroU32;
use talaria_wire::HopIndex;
use talaria_wire::crypto::{IdentitySecret, OnionPublic};
use talaria_wire::epoch::{Epoch, KeyTerms, SignedKey};
use talaria_wire::frame::{Accepts, HEADER_LEN, Header};
use talaria_wire::network_file::VersionHash;
use talaria_wire::probe::LinkState;
use talaria_wire::reason::Farewell;

/// Reads a frame as a link in the direction of `W` does.
fn parse<W: Word>(frame: &[u8]) -> Result<Option<W>, Malformed> {
    let (head, body) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
    W::parse(Header::parse(*head, Accepts::OnLink).unwrap().kind, body)
}

fn status() -> HopStatus {
    HopStatus {
        id: 5,
        hop: 1,
        round_trip_us: 0,
        round: 9,
        sequence: 1,
        version: VersionHash([1; 32]),
        program: "0.1.0".to_owned().try_into().unwrap(),
        link: LinkState::Last,
    }
}

#[test]
fn aborts_go_both_ways_probes_onward_and_reports_back() {
    let (round, reason) = (Round(7), AbortReason::TooSlow);
    let abort = OnwardWord::Abort(round, reason).to_frame();
    assert_eq!(BackWord::Abort(round, reason).to_frame(), abort);
    assert_eq!(parse(&abort), Ok(Some(OnwardWord::Abort(round, reason))));
    assert_eq!(parse(&abort), Ok(Some(BackWord::Abort(round, reason))));

    let probe = OnwardWord::Probe(5).to_frame();
    assert_eq!(parse(&probe), Ok(Some(OnwardWord::Probe(5))));
    assert_eq!(parse::<BackWord>(&probe), Ok(None));

    let report = BackWord::Report(status());
    assert_eq!(parse::<OnwardWord>(&report.to_frame()), Ok(None));
    assert_eq!(parse(&report.to_frame()), Ok(Some(report)));
}

#[test]
fn keys_come_back_only_and_nothing_else_belongs_on_a_link() {
    let (network, hop, epoch) = (VersionHash([1; 32]), HopIndex(1), Epoch(3));
    let terms = KeyTerms { network, hop, epoch, epoch_rounds: NonZeroU32::MIN };
    let own = IdentitySecret::from_bytes(&[1; 32]).unwrap();
    let keys = vec![SignedKey::sign(OnionPublic([9; 32]), &terms, &own)];
    let announced = BackWord::Keys(EpochKeys { epoch, first: hop, keys });
    let frame = announced.to_frame();
    assert_eq!(parse(&frame), Ok(Some(announced)));
    assert_eq!(parse::<OnwardWord>(&frame), Err(Malformed));
    let goodbye = Control::Goodbye { reason: Farewell::Idle }.to_frame();
    assert_eq!(parse::<OnwardWord>(&goodbye), Err(Malformed));
    assert_eq!(parse::<BackWord>(&goodbye), Err(Malformed));
    assert_eq!(OnwardWord::parse(Kind::Submission, &[]), Err(Malformed));
}

#[test]
fn the_head_of_a_batch_is_its_first_frame() {
    let batch = Batch::zeroed(3, 2);
    let head = BatchHead::of(Round(8), &batch).to_frame();
    let onward: LinkMessage<OnwardWord> = LinkMessage::Batch(Round(8), batch.clone());
    let back: LinkMessage<BackWord> = LinkMessage::Batch(Round(8), batch);
    assert_eq!((onward.to_frame(), back.to_frame()), (head.clone(), head));
}
