//! `frames.json`: data frames of every kind, and frames that are refused.

use serde::{Deserialize, Serialize};
use talaria_wire::batch::Batch;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::frame::{
    Accepts, Announcement, HEADER_LEN, Header, Kind, Outcome, Replies, Submission,
};
use talaria_wire::frame::{EPOCH_KEYS_HEAD_LEN, SIGNED_KEY_LEN};
use talaria_wire::link::{BatchHead, chunks};
use talaria_wire::{Hops, Round, RoundShape};

use super::VectorFile;
use super::bytes::{Hex, draw, seeded};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    hops: u8,
    lanes: u8,
    good: Vec<Good>,
    bad: Vec<Bad>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Good {
    from: From,
    fields: Fields,
    frame: Hex,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    name: String,
    from: From,
    frame: Hex,
    refused_by: RefusedBy,
}

/// Who sent the frame: a client or the entry on a client's connection, or an end of a link.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Client,
    Entry,
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RefusedBy {
    Header,
    Body,
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
enum Fields {
    Announcement { round: u64, opens_in_ms: u32, closes_in_ms: u32 },
    Submission { round: u64, onions: Hex },
    Replies { round: u64, outcome: u8, replies: Hex },
    BatchHead { round: u64, slots: u32, slot_len: u16 },
    Chunk { piece: Hex },
    EpochKeys { epoch: u64, first: u8, keys: Vec<Hex> },
}

impl VectorFile for Vectors {
    const FILE: &'static str = "frames.json";

    fn generate() -> Self {
        let (hops, lanes) = (1, 1);
        let shape = shape(hops, lanes);
        let good: Vec<_> =
            fields(shape).into_iter().map(|(from, fields)| Good::of(shape, from, fields)).collect();
        let bad = bad(shape, &good);
        assert!(bad.iter().all(|bad| bad.refused_by != RefusedBy::Nothing));
        Self { hops, lanes, good, bad }
    }

    fn recompute(&self) -> Self {
        let shape = shape(self.hops, self.lanes);
        let good = self.good.iter();
        Self {
            hops: self.hops,
            lanes: self.lanes,
            good: good.map(|good| Good::of(shape, good.from, good.fields.clone())).collect(),
            bad: self.bad.iter().map(|bad| bad.judged(shape)).collect(),
        }
    }
}

impl Good {
    fn of(shape: RoundShape, from: From, fields: Fields) -> Self {
        let frame = fields.to_frame(shape);
        assert_eq!(parse(&frame, from, shape), Ok(fields.clone()));
        Self { from, fields, frame: Hex(frame) }
    }
}

impl Bad {
    fn judged(&self, shape: RoundShape) -> Self {
        let refused_by = parse(&self.frame.0, self.from, shape).err();
        Self { refused_by: refused_by.unwrap_or(RefusedBy::Nothing), ..self.clone() }
    }
}

impl Fields {
    fn to_frame(&self, shape: RoundShape) -> Vec<u8> {
        match self {
            Self::Announcement { round, opens_in_ms, closes_in_ms } => Announcement {
                round: Round(*round),
                opens_in_ms: *opens_in_ms,
                closes_in_ms: *closes_in_ms,
            }
            .to_frame(),
            Self::Submission { round, onions } => {
                Submission { round: Round(*round), onions: &onions.0 }.to_frame()
            }
            Self::Replies { round, outcome, replies } => {
                let (round, outcome) = (Round(*round), outcome_of(*outcome));
                let mut frame = vec![];
                if outcome == Outcome::Delivered {
                    Replies { round, outcome, replies: &replies.0 }.put_frame(&mut frame);
                } else {
                    Replies::put_without(round, outcome, shape, &mut frame);
                }
                frame
            }
            Self::BatchHead { round, slots, slot_len } => {
                BatchHead { round: Round(*round), slots: *slots, slot_len: *slot_len }.to_frame()
            }
            Self::EpochKeys { epoch, first, keys } => {
                let count = u8::try_from(keys.len()).expect("a short chain");
                let mut body = [&epoch.to_be_bytes()[..], &[*first, count]].concat();
                keys.iter().for_each(|key| body.extend_from_slice(&key.0));
                EpochKeys::decode(&body).expect("keys of their length").to_frame()
            }
            Self::Chunk { piece } => {
                let batch = Batch::from_bytes(1, piece.0.clone()).expect("slots of one byte");
                chunks(batch.as_bytes()).flatten().collect()
            }
        }
    }
}

fn parse(frame: &[u8], from: From, shape: RoundShape) -> Result<Fields, RefusedBy> {
    let accepts = match from {
        From::Client => Accepts::FromClient(shape),
        From::Entry => Accepts::FromEntry(shape),
        From::Link => Accepts::OnLink,
    };
    let (head, body) = frame.split_first_chunk::<HEADER_LEN>().ok_or(RefusedBy::Header)?;
    let header = Header::parse(*head, accepts).map_err(|_| RefusedBy::Header)?;
    if header.len != body.len() {
        return Err(RefusedBy::Body);
    }
    let fields = match header.kind {
        Kind::Announcement => Announcement::decode(body).map(|it| Fields::Announcement {
            round: it.round.0,
            opens_in_ms: it.opens_in_ms,
            closes_in_ms: it.closes_in_ms,
        }),
        Kind::Submission => Submission::decode(body, shape)
            .map(|it| Fields::Submission { round: it.round.0, onions: it.onions.into() }),
        Kind::Replies => Replies::decode(body, shape).map(|it| Fields::Replies {
            round: it.round.0,
            outcome: it.outcome as u8,
            replies: it.replies.into(),
        }),
        Kind::BatchHead => BatchHead::decode(body).map(|it| Fields::BatchHead {
            round: it.round.0,
            slots: it.slots,
            slot_len: it.slot_len,
        }),
        Kind::EpochKeys => EpochKeys::decode(body).map(|it| Fields::EpochKeys {
            epoch: it.epoch.0,
            first: it.first.0,
            keys: body[EPOCH_KEYS_HEAD_LEN..].chunks(SIGNED_KEY_LEN).map(Hex::from).collect(),
        }),
        Kind::Chunk => Ok(Fields::Chunk { piece: body.into() }),
        Kind::Control => return Err(RefusedBy::Body),
    };
    fields.map_err(|_| RefusedBy::Body)
}

fn shape(hops: u8, lanes: u8) -> RoundShape {
    let hops = Hops::new(hops).expect("1 to 16 hops");
    RoundShape::new(hops, lanes).expect("1 to 16 lanes")
}

fn outcome_of(byte: u8) -> Outcome {
    [Outcome::Delivered, Outcome::Late, Outcome::Failed][usize::from(byte)]
}

fn fields(shape: RoundShape) -> Vec<(From, Fields)> {
    let mut rng = seeded(50);
    let round = 900_000_050;
    let onions = draw::<1152>(&mut rng);
    let replies = draw::<1056>(&mut rng);
    assert_eq!(onions.len(), shape.onions() * shape.onion_len());
    assert_eq!(replies.len(), shape.onions() * shape.reply_len());
    let without =
        |outcome| Fields::Replies { round, outcome, replies: Hex(vec![0; replies.len()]) };
    vec![
        (From::Entry, Fields::Announcement { round, opens_in_ms: 0, closes_in_ms: 1999 }),
        (From::Client, Fields::Submission { round, onions: onions.into() }),
        (From::Entry, Fields::Replies { round, outcome: 0, replies: replies.into() }),
        (From::Entry, without(1)),
        (From::Entry, without(2)),
        (From::Link, Fields::BatchHead { round, slots: 0, slot_len: 576 }),
        (From::Link, Fields::BatchHead { round, slots: 70_000, slot_len: 672 }),
        (From::Link, Fields::Chunk { piece: draw::<40>(&mut rng).into() }),
        (From::Entry, Fields::Announcement { round, opens_in_ms: 1505, closes_in_ms: 3500 }),
        (From::Entry, keys(14_062_501, 0, 1, &mut rng)),
        (From::Link, keys(14_062_502, 1, 2, &mut rng)),
    ]
}

fn keys(epoch: u64, first: u8, count: usize, rng: &mut impl rand::Rng) -> Fields {
    let keys = (0..count).map(|_| draw::<SIGNED_KEY_LEN>(rng).into()).collect();
    Fields::EpochKeys { epoch, first, keys }
}

fn bad(shape: RoundShape, good: &[Good]) -> Vec<Bad> {
    let bad = |name: &str, from: From, frame: Vec<u8>| {
        let nothing = RefusedBy::Nothing;
        Bad { name: name.to_owned(), from, frame: Hex(frame), refused_by: nothing }.judged(shape)
    };
    let changed = |index: usize, at: usize, value: u8| {
        let mut frame = good[index].frame.0.clone();
        frame[at] = value;
        frame
    };
    let short = |index: usize| {
        let mut frame = changed(index, 3, good[index].frame.0[3] - 1);
        frame.pop();
        frame
    };
    vec![
        bad("a kind that does not exist", From::Link, vec![7, 0, 0, 0]),
        bad("a control frame that is too long", From::Client, vec![0, 0, 0x10, 1]),
        bad("an announcement from a client", From::Client, good[0].frame.0.clone()),
        bad("a submission from the entry", From::Entry, good[1].frame.0.clone()),
        bad("a chunk from a client", From::Client, good[7].frame.0.clone()),
        bad("a submission on a link", From::Link, good[1].frame.0.clone()),
        bad("an announcement that is too short", From::Entry, short(0)),
        bad("a submission that is too short", From::Client, short(1)),
        bad("replies that are too short", From::Entry, short(2)),
        bad("a batch head that is too short", From::Link, short(5)),
        bad("a chunk without bytes", From::Link, vec![5, 0, 0, 0]),
        bad("a chunk that is too long", From::Link, vec![5, 1, 0, 1]),
        bad("a number of keys that does not fit", From::Link, changed(9, 13, 2)),
        bad("keys of no hop", From::Link, changed(9, 13, 0)),
        bad("keys of more hops than there are", From::Entry, good[10].frame.0.clone()),
        bad("keys from a client", From::Client, good[9].frame.0.clone()),
        bad("an outcome that does not exist", From::Entry, changed(2, 12, 3)),
        bad("a reserved byte that is not zero", From::Entry, changed(2, 19, 1)),
    ]
}
