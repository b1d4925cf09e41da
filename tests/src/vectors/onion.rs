//! `onion-1-hop.json` and `onion-3-hops.json`: one onion out and its reply back, and bad ones.

use rand::Rng;
use serde::{Deserialize, Serialize};
use talaria_wire::crypto::kdf::{Label, derive};
use talaria_wire::crypto::{OnionPublic, OnionSecret};
use talaria_wire::onion::{self, PeelContext, ReplyKey, ReplyOpener, seal_reply};
use talaria_wire::params::{LAYER_LEN, TAG_LEN};
use talaria_wire::{DeadDropId, ExchangeRequest, HopIndex, Round};

use super::VectorFile;
use super::bytes::{Hex, Recorded, draw, seeded};

/// Encodings of points of low order (RFC 7748, section 6.1: the shared secret is all zero).
const LOW_ORDER: [(&str, &str); 6] = [
    ("zero", "0000000000000000000000000000000000000000000000000000000000000000"),
    ("one", "0100000000000000000000000000000000000000000000000000000000000000"),
    ("order 8", "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    ("order 8, its twin", "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    ("p - 1", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ("p, which is zero", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
];

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OneHop(Vectors);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ThreeHops(Vectors);

impl VectorFile for OneHop {
    const FILE: &'static str = "onion-1-hop.json";

    fn generate() -> Self {
        Self(Vectors::generate(1))
    }

    fn recompute(&self) -> Self {
        Self(self.0.recompute())
    }
}

impl VectorFile for ThreeHops {
    const FILE: &'static str = "onion-3-hops.json";

    fn generate() -> Self {
        Self(Vectors::generate(3))
    }

    fn recompute(&self) -> Self {
        Self(self.0.recompute())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    inputs: Inputs,
    hop_publics: Vec<Hex>,
    request: Hex,
    /// As it arrives at each hop, and at the exchange.
    onions: Vec<Hex>,
    /// Of each hop.
    reply_keys: Vec<Hex>,
    /// As it leaves the exchange, then the last hop, … the first hop.
    replies: Vec<Hex>,
    bad_onions: Vec<BadOnion>,
    bad_replies: Vec<BadReply>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    round: u64,
    hop_secrets: Vec<Hex>,
    ephemeral_secrets: Vec<Hex>,
    dead_drop: Hex,
    message: Hex,
    answer: Hex,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BadOnion {
    name: String,
    hop: u8,
    round: u64,
    hop_secret: Hex,
    /// The onion keys of the hops after this one, as it knows them.
    behind: Vec<Hex>,
    onion: Hex,
    sound: bool,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BadReply {
    name: String,
    reply: Hex,
    opens: bool,
}

impl Vectors {
    fn generate(hops: u8) -> Self {
        let mut rng = seeded(u64::from(hops));
        let mut secrets = || (0..hops).map(|_| Hex::from(draw::<32>(&mut rng))).collect();
        let (hop_secrets, ephemeral_secrets) = (secrets(), secrets());
        let inputs = Inputs {
            round: 900_000_000 + u64::from(hops),
            hop_secrets,
            ephemeral_secrets,
            dead_drop: draw::<16>(&mut rng).into(),
            message: draw::<512>(&mut rng).into(),
            answer: draw::<512>(&mut rng).into(),
        };
        let mut vectors = Self::of(&inputs);
        vectors.bad_onions = bad_onions(&vectors, &mut rng);
        vectors.bad_replies = bad_replies(&vectors);
        assert!(vectors.bad_onions.iter().all(|bad| !bad.sound));
        assert!(vectors.bad_replies.iter().all(|bad| !bad.opens));
        vectors
    }

    fn recompute(&self) -> Self {
        let mut vectors = Self::of(&self.inputs);
        vectors.bad_onions = self.bad_onions.iter().map(BadOnion::judged).collect();
        let judged = |bad: &BadReply| bad.judged(&self.inputs);
        vectors.bad_replies = self.bad_replies.iter().map(judged).collect();
        vectors
    }

    /// The way of the good onion.
    fn of(inputs: &Inputs) -> Self {
        let request = inputs.request();
        let (onion, opener) = inputs.seal();
        let (mut onions, mut keys) = (vec![Hex(onion)], vec![]);
        for (hop, secret) in (0..).zip(inputs.secrets()) {
            let mut slot = onions[usize::from(hop)].0.clone();
            let behind = &inputs.chain()[usize::from(hop) + 1..];
            let (key, sound) = peel(&mut slot, &secret, behind, inputs.round, hop);
            assert!(sound, "the good onion is sound at hop {hop}");
            onions.push(Hex::from(&slot[32..slot.len() - TAG_LEN]));
            keys.push(key);
        }
        assert_eq!(onions.last(), Some(&Hex::from(request.as_bytes())));
        let mut replies = vec![inputs.answer.clone()];
        for key in keys.iter().rev() {
            replies.push(sealed_reply(key, &replies[replies.len() - 1]));
        }
        let mut home = replies[replies.len() - 1].0.clone();
        assert_eq!(opener.open(&mut home), Ok(&inputs.answer.array()));
        Self {
            inputs: inputs.clone(),
            hop_publics: inputs.secrets().map(|secret| secret.public().0.into()).collect(),
            request: request.as_bytes().into(),
            onions,
            reply_keys: keys.iter_mut().map(|key| Hex::from(key.as_mut())).collect(),
            replies,
            bad_onions: vec![],
            bad_replies: vec![],
        }
    }
}

impl Inputs {
    fn secrets(&self) -> impl Iterator<Item = OnionSecret> {
        self.hop_secrets.iter().map(|secret| OnionSecret::from_bytes(&secret.array()))
    }

    fn chain(&self) -> Vec<OnionPublic> {
        self.secrets().map(|secret| *secret.public()).collect()
    }

    fn request(&self) -> ExchangeRequest {
        ExchangeRequest::new(DeadDropId(self.dead_drop.array()), &self.message.array())
    }

    fn seal(&self) -> (Vec<u8>, ReplyOpener) {
        let chain = self.chain();
        let request = self.request();
        let mut onion = vec![0; request.as_bytes().len() + chain.len() * LAYER_LEN];
        let mut rng = Recorded::new(&self.ephemeral_secrets);
        let opener = onion::seal(&request, &chain, Round(self.round), &mut rng, &mut onion);
        (onion, opener)
    }
}

impl BadOnion {
    fn judged(&self) -> Self {
        let secret = OnionSecret::from_bytes(&self.hop_secret.array());
        let behind: Vec<_> = self.behind.iter().map(|key| OnionPublic(key.array())).collect();
        let (_, sound) = peel(&mut self.onion.0.clone(), &secret, &behind, self.round, self.hop);
        Self { sound, ..self.clone() }
    }
}

impl BadReply {
    fn judged(&self, inputs: &Inputs) -> Self {
        let opens = inputs.seal().1.open(&mut self.reply.0.clone()).is_ok();
        Self { opens, ..self.clone() }
    }
}

fn peel(
    slot: &mut [u8],
    secret: &OnionSecret,
    behind: &[OnionPublic],
    round: u64,
    hop: u8,
) -> (ReplyKey, bool) {
    let context = PeelContext::new(secret, behind, Round(round), HopIndex(hop));
    onion::peel(slot, &context)
}

fn sealed_reply(key: &ReplyKey, inner: &Hex) -> Hex {
    let mut slot = inner.0.clone();
    slot.resize(slot.len() + TAG_LEN, 0);
    seal_reply(key, &mut slot);
    Hex(slot)
}

fn bad_onions(good: &Vectors, rng: &mut impl Rng) -> Vec<BadOnion> {
    let last = good.onions.len() - 2;
    let at = |name: &str, hop: usize, change: &dyn Fn(&mut BadOnion)| {
        let mut bad = BadOnion {
            name: name.to_owned(),
            hop: u8::try_from(hop).expect("a short chain"),
            round: good.inputs.round,
            hop_secret: good.inputs.hop_secrets[hop].clone(),
            behind: good.hop_publics[hop + 1..].to_vec(),
            onion: good.onions[hop].clone(),
            sound: true,
        };
        change(&mut bad);
        bad.judged()
    };
    let flip = |byte: usize, bit: u8| move |bad: &mut BadOnion| bad.onion.0[byte] ^= 1 << bit;
    let end = good.onions[last].0.len();
    let other: [u8; 32] = draw(rng);
    let mut bad = vec![
        at("another round", last, &|bad| bad.round += 1),
        at("another place in the chain", last, &|bad| bad.hop += 1),
        at("another hop's key", last, &|bad| bad.hop_secret = other.into()),
        at("a flipped bit in the ephemeral key", last, &flip(0, 0)),
        at("the ignored top bit of the ephemeral key", last, &flip(31, 7)),
        at("a flipped bit in the ciphertext", last, &flip(40, 3)),
        at("a flipped bit in the tag", last, &flip(end - 1, 0)),
    ];
    if last > 0 {
        let inner = good.onions[1].0.clone();
        let padded = [&inner[..], &[0; LAYER_LEN]].concat();
        bad.push(at("the onion of the next hop, padded", 0, &|bad| {
            bad.onion = padded.clone().into();
        }));
        bad.push(at("another key of a later hop", 0, &|bad| bad.behind[last - 1] = other.into()));
    }
    for (point, ephemeral) in LOW_ORDER {
        let ephemeral = hex::decode(ephemeral).expect("a constant");
        let name = format!("a low-order ephemeral key ({point}) with a tag that fits");
        bad.push(at(&name, last, &|bad| bad.onion = under_zero_secret(good, last, &ephemeral)));
    }
    bad
}

/// An onion whose sender knows the keys without knowing any secret: the shared one is zero.
fn under_zero_secret(good: &Vectors, hop: usize, ephemeral: &[u8]) -> Hex {
    let chain = &good.hop_publics[hop..];
    let places = [hop, chain.len()].map(|place| u8::try_from(place).expect("a short chain"));
    let keys: Vec<u8> = chain.iter().flat_map(|key| key.0.clone()).collect();
    let context: [u8; 32] =
        derive(Label::OnionContext, &[&good.inputs.round.to_be_bytes(), &places, &keys]);
    let keys: [u8; 64] = derive(Label::OnionLayer, &[&[0; 32], ephemeral, &context]);
    let mut request_key = ReplyKey::default();
    request_key.as_mut().copy_from_slice(&keys[..32]);
    let inner = &good.onions[hop + 1];
    Hex([ephemeral, &sealed_reply(&request_key, inner).0].concat())
}

fn bad_replies(good: &Vectors) -> Vec<BadReply> {
    let whole = &good.replies[good.replies.len() - 1].0;
    let bad = |name: &str, reply: Vec<u8>| {
        let bad = BadReply { name: name.to_owned(), reply: Hex(reply), opens: true };
        bad.judged(&good.inputs)
    };
    let flipped = |at: usize| {
        let mut reply = whole.clone();
        reply[at] ^= 1;
        reply
    };
    let mut replies = vec![
        bad("a flipped bit in the ciphertext", flipped(0)),
        bad("a flipped bit in the outer tag", flipped(whole.len() - 1)),
        bad("one byte short", whole[..whole.len() - 1].to_vec()),
        bad("one byte long", [&whole[..], &[0]].concat()),
        bad("never sealed", vec![0; whole.len()]),
    ];
    if good.reply_keys.len() > 1 {
        let mut reply = good.inputs.answer.clone();
        for key in &good.reply_keys {
            let mut sealing = ReplyKey::default();
            sealing.as_mut().copy_from_slice(&key.0);
            reply = sealed_reply(&sealing, &reply);
        }
        replies.push(bad("the layers in the wrong order", reply.0));
        let flipped = {
            let mut inner = good.replies[1].clone();
            inner.0[0] ^= 1;
            good.reply_keys.iter().rev().skip(1).fold(inner, |inner, key| {
                let mut sealing = ReplyKey::default();
                sealing.as_mut().copy_from_slice(&key.0);
                sealed_reply(&sealing, &inner)
            })
        };
        replies.push(bad("a bit flipped between the last hop and the one before", flipped.0));
    }
    replies
}
