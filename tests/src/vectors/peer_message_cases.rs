//! The cases of `peer-message.json`: what is said in the good ones, what is wrong in the bad ones.

use chacha20::ChaCha20Rng;
use p256::ecdsa::Signature;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::peer_message::SIGNED_LEN;

use super::VectorFile;
use super::bytes::{Hex, draw, seeded};
use super::peer_message::{Bad, Context, Fields, Good, Identity, Step, Vectors};

impl VectorFile for Vectors {
    const FILE: &'static str = "peer-message.json";

    fn generate() -> Self {
        let vectors = generate();
        assert!(vectors.bad.iter().all(|bad| !bad.opens));
        vectors
    }

    fn recompute(&self) -> Self {
        let identities: Vec<_> = self
            .identities
            .iter()
            .map(|identity| Identity::of(&identity.name, &identity.secret))
            .collect();
        let good = self.good.iter();
        Self {
            good: good
                .map(|good| {
                    Good::of(&identities, &good.name, &good.context, &good.iv, &good.fields)
                })
                .collect(),
            bad: self.bad.iter().map(Bad::judged).collect(),
            identities,
        }
    }
}

fn generate() -> Vectors {
    let mut rng = seeded(10);
    let identities = ["alice", "bob", "carol"].map(|name| {
        let secret = IdentitySecret::generate(&mut rng);
        Identity::of(name, &Hex::from(*secret.to_bytes()))
    });
    let good = good(&identities, &mut rng);
    let bad = Faults { identities: &identities, good: &good[0] }.all();
    Vectors { identities: identities.to_vec(), good, bad }
}

fn good(identities: &[Identity], rng: &mut ChaCha20Rng) -> Vec<Good> {
    let context = Context {
        sender: identities[0].public.clone(),
        recipient: identities[1].public.clone(),
        session: draw::<32>(rng).into(),
        round: 900_000_010,
        slot: 0,
        direction: u8::from(identities[0].public.0 > identities[1].public.0),
        network: draw::<32>(rng).into(),
        encryption_key: draw::<32>(rng).into(),
        authentication_key: draw::<32>(rng).into(),
    };
    let back = Context {
        sender: context.recipient.clone(),
        recipient: context.sender.clone(),
        direction: 1 - context.direction,
        slot: 1,
        encryption_key: draw::<32>(rng).into(),
        authentication_key: draw::<32>(rng).into(),
        ..context.clone()
    };
    let mut case = |name: &str, context: &Context, fields: Fields| {
        Good::of(identities, name, context, &draw::<16>(rng).into(), &fields)
    };
    let text = Fields {
        seq: 5,
        ack: 3,
        selective_ack: 0b101,
        message_id: 4,
        fragment_count: 1,
        body: b"Meet me at the fountain.".into(),
        ..fields(1)
    };
    let fragment = Fields {
        seq: u32::MAX,
        message_id: 7,
        fragment_index: 203,
        fragment_count: 205,
        ratchet: [0xa5; 32].into(),
        body: [0x7a; 320].into(),
        ..fields(1)
    };
    let empty = Fields { seq: 2, fragment_count: 1, ..fields(1) };
    vec![
        case("a text in one fragment", &context, text),
        case("one of many fragments, with a full body, the other way", &back, fragment),
        case("a text without bytes", &context, empty),
        case("an acknowledgement only", &context, Fields { ack: 9, ..fields(0) }),
        case("the begin of a stream", &back, Fields { seq: 0, ..fields(2) }),
        case("the end of a stream, done", &context, Fields { done: true, seq: 9, ..fields(3) }),
        case("a head of the directory", &back, Fields { body: [0x3c; 112].into(), ..fields(4) }),
    ]
}

fn fields(kind: u8) -> Fields {
    Fields {
        kind,
        done: false,
        seq: 0,
        ack: 0,
        selective_ack: 0,
        message_id: 0,
        fragment_index: 0,
        fragment_count: 0,
        sent_ms: 1_800_000_020_123,
        stream: 0x5eed_0001,
        ack_stream: 0x5eed_0002,
        ack_digest: [0xd1; 8].into(),
        ratchet: [0; 32].into(),
        body: Hex(vec![]),
    }
}

/// Makes a bad message out of a good one, one fault at a time.
struct Faults<'a> {
    identities: &'a [Identity],
    good: &'a Good,
}

impl Faults<'_> {
    fn all(&self) -> Vec<Bad> {
        let mut all = self.of_mac();
        all.extend(self.of_signature());
        all.extend(self.of_content());
        all
    }

    /// Altered after sealing, or looked for in the wrong place.
    fn of_mac(&self) -> Vec<Bad> {
        let altered = |name: &str, byte: usize| {
            let mut message = self.good.message.clone();
            message.0[byte] ^= 1;
            self.bad(name, Step::Mac, message, |_| {})
        };
        let moved = |name: &str, change: fn(&mut Context)| {
            self.bad(name, Step::Mac, self.good.message.clone(), change)
        };
        let empty = Hex(vec![0; 512]);
        vec![
            altered("a flipped bit in the IV", 0),
            altered("a flipped bit in the ciphertext", 16 + 64),
            altered("a flipped bit in the MAC", 511),
            moved("opened in another round", |c| c.round += 1),
            moved("opened in another slot", |c| c.slot ^= 1),
            moved("opened in the other direction", |c| c.direction ^= 1),
            moved("opened in another session", |c| c.session.0[0] ^= 1),
            moved("opened in another network", |c| c.network.0[31] ^= 1),
            moved("opened under another key", |c| c.authentication_key.0[0] ^= 1),
            self.bad("the empty reply", Step::Mac, empty, |_| {}),
        ]
    }

    /// Sealed by somebody who has the session's keys, so the MAC fits: the signature does not.
    fn of_signature(&self) -> Vec<Bad> {
        let [alice, bob, carol] = [0, 1, 2].map(|i| self.identities[i].key());
        let signed = |name: &str, change: fn(&mut Context)| {
            let mut elsewhere = self.good.context.clone();
            change(&mut elsewhere);
            let signature = elsewhere.sealer().sign(&self.content(), &alice, bob.public());
            self.sealed(name, Step::Signature, &self.content(), &signature, |_| {})
        };
        let here = self.good.context.sealer();
        let by_bob = here.sign(&self.content(), &bob, bob.public());
        let to_bob = here.sign(&self.content(), &alice, bob.public());
        let case = |name: &str, signature: &[u8; 64]| {
            self.sealed(name, Step::Signature, &self.content(), signature, |_| {})
        };
        let carol = Hex::from(carol.public().to_bytes());
        vec![
            signed("signed for another round", |c| c.round -= 1),
            signed("signed for another slot", |c| c.slot ^= 1),
            signed("signed for the other direction", |c| c.direction ^= 1),
            signed("signed for another session", |c| c.session.0[0] ^= 1),
            self.sealed("passed on to carol", Step::Signature, &self.content(), &to_bob, |c| {
                c.recipient = carol.clone();
            }),
            self.sealed("shown as carol's", Step::Signature, &self.content(), &to_bob, |c| {
                c.sender = carol.clone();
            }),
            case("signed by the recipient", &by_bob),
            case("the high-S twin of the signature", &high_s(&to_bob)),
            case("r and s are zero", &[0; 64]),
            case("r and s are swapped", &swapped(&to_bob)),
            self.bad(
                "encrypted under another key",
                Step::Signature,
                self.good.message.clone(),
                |c| {
                    c.encryption_key.0[0] ^= 1;
                },
            ),
        ]
    }

    /// Sealed and signed by the sender itself, but not in the one form that is allowed.
    fn of_content(&self) -> Vec<Bad> {
        let [alice, bob] = [0, 1].map(|i| self.identities[i].key());
        let case = |name: &str, change: fn(&mut [u8; SIGNED_LEN])| {
            let mut content = self.content();
            change(&mut content);
            let signature = self.good.context.sealer().sign(&content, &alice, bob.public());
            self.sealed(name, Step::Content, &content, &signature, |_| {})
        };
        vec![
            case("a byte after the body", |c| c[SIGNED_LEN - 1] = 1),
            case("a body that is longer than its field", |c| c[2..4].copy_from_slice(&[1, 0x41])),
            case("an unknown kind", |c| c[0] = 5),
            case("a head of another length", |c| c[0] = 4),
            case("an unknown flag", |c| c[1] = 2),
            case("no stream", |c| c[32..36].fill(0)),
            case("an acknowledgement of no stream", |c| c[36..40].fill(0)),
            case("a fragment past the last", |c| c[21] = 1),
            case("a fragment of none", |c| c[23] = 0),
            case("an acknowledgement with a body", |c| (c[0], c[23]) = (0, 0)),
            case("a begin that counts fragments", |c| {
                (c[0], c[3]) = (2, 0);
                c[80..].fill(0);
            }),
        ]
    }

    fn sealed(
        &self,
        name: &str,
        step: Step,
        content: &[u8; SIGNED_LEN],
        signature: &[u8; 64],
        opened_in: impl Fn(&mut Context),
    ) -> Bad {
        let message = self.good.context.sealer().seal(&self.good.iv.array(), content, signature);
        self.bad(name, step, message.into(), opened_in)
    }

    fn bad(&self, name: &str, step: Step, message: Hex, opened_in: impl Fn(&mut Context)) -> Bad {
        let mut context = self.good.context.clone();
        opened_in(&mut context);
        let name = name.to_owned();
        let bad = Bad { name, context, message, opens: true, fails_at: step }.judged();
        assert_eq!(bad.fails_at, step, "{}", bad.name);
        bad
    }

    fn content(&self) -> [u8; SIGNED_LEN] {
        self.good.content.array()
    }
}

fn high_s(signature: &[u8; 64]) -> [u8; 64] {
    let low = Signature::from_slice(signature).expect("a signature");
    let high = Signature::from_scalars(low.r(), -low.s()).expect("not zero");
    high.to_bytes().into()
}

fn swapped(signature: &[u8; 64]) -> [u8; 64] {
    let mut swapped = *signature;
    swapped.rotate_left(32);
    swapped
}
