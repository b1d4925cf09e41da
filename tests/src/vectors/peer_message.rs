//! `peer-message.json`: good messages with all their inputs, and bad ones with one fault each.

use serde::{Deserialize, Serialize};
use talaria_wire::Round;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::network_file::NetworkId;
use talaria_wire::peer_message::{
    self, Body, Content, Direction, Kind, MessageId, Place, SIGNED_LEN, SessionId, StreamDigest,
    StreamId,
};

use super::Sealer;
use super::bytes::{Hex, Recorded};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    pub(super) identities: Vec<Identity>,
    pub(super) good: Vec<Good>,
    pub(super) bad: Vec<Bad>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) secret: Hex,
    pub(super) public: Hex,
    pub(super) hash: Hex,
}

/// Where a message belongs and whose it is: everything that opening it needs.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Context {
    /// Public keys.
    pub(super) sender: Hex,
    pub(super) recipient: Hex,
    pub(super) session: Hex,
    pub(super) round: u64,
    pub(super) slot: u8,
    pub(super) direction: u8,
    pub(super) network: Hex,
    pub(super) encryption_key: Hex,
    pub(super) authentication_key: Hex,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Good {
    pub(super) name: String,
    pub(super) context: Context,
    pub(super) iv: Hex,
    pub(super) fields: Fields,
    pub(super) content: Hex,
    pub(super) signature: Hex,
    /// Of a stream with this unit alone.
    pub(super) digest: Hex,
    /// What the next stream begins with, of whoever has seven units.
    pub(super) base: Hex,
    pub(super) message: Hex,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bad {
    pub(super) name: String,
    pub(super) context: Context,
    pub(super) message: Hex,
    pub(super) opens: bool,
    pub(super) fails_at: Step,
}

/// The steps of opening, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Step {
    Mac,
    Signature,
    Content,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    pub(super) kind: u8,
    pub(super) done: bool,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) selective_ack: u32,
    pub(super) message_id: u32,
    pub(super) fragment_index: u16,
    pub(super) fragment_count: u16,
    pub(super) sent_ms: u64,
    pub(super) stream: u32,
    pub(super) ack_stream: u32,
    pub(super) ack_digest: Hex,
    pub(super) ratchet: Hex,
    pub(super) body: Hex,
}

impl Identity {
    pub(super) fn of(name: &str, secret: &Hex) -> Self {
        let key = key(secret);
        Self {
            name: name.to_owned(),
            secret: secret.clone(),
            public: key.public().to_bytes().into(),
            hash: key.public().hash().into(),
        }
    }

    pub(super) fn key(&self) -> IdentitySecret {
        key(&self.secret)
    }
}

impl Good {
    pub(super) fn of(
        identities: &[Identity],
        name: &str,
        context: &Context,
        iv: &Hex,
        fields: &Fields,
    ) -> Self {
        let (sealer, recipient) = (context.sealer(), public(&context.recipient));
        let sender = identities
            .iter()
            .find(|identity| identity.public == context.sender)
            .expect("the sender is one of the identities")
            .key();
        let keys = sealer.message_keys();
        let mut rng = Recorded::new([iv]);
        let content = fields.content();
        let message =
            peer_message::seal(&content, &keys, &sealer.place, &sender, &recipient, &mut rng);
        let opened =
            peer_message::open(&message, &keys, &sealer.place, sender.public(), &recipient);
        let digest = StreamDigest::default().and(&content);
        let base = digest.base(content.stream, 7);
        assert_eq!(opened, Ok(content), "{name}");

        let plaintext = sealer.decrypt(&message);
        let (content, signature) = plaintext.split_first_chunk::<SIGNED_LEN>().expect("464 bytes");
        assert_eq!(signature, sealer.sign(content, &sender, &recipient), "{name}");
        let signature = signature.try_into().expect("464 bytes");
        assert_eq!(sealer.seal(&iv.array(), content, signature), message, "{name}");
        Self {
            name: name.to_owned(),
            context: context.clone(),
            iv: iv.clone(),
            fields: fields.clone(),
            content: content.into(),
            signature: signature.into(),
            digest: digest.0.into(),
            base: base.0.into(),
            message: message.into(),
        }
    }
}

impl Bad {
    pub(super) fn judged(&self) -> Self {
        let (sealer, message) = (self.context.sealer(), self.message.array());
        let (sender, recipient) = (public(&self.context.sender), public(&self.context.recipient));
        let keys = sealer.message_keys();
        let opened = peer_message::open(&message, &keys, &sealer.place, &sender, &recipient);
        let (content, signature) = sealer.decrypt(&message).split_first_chunk().map_or_else(
            || unreachable!("464 bytes"),
            |(content, signature): (&[u8; SIGNED_LEN], _)| (*content, signature.to_vec()),
        );
        let signature = signature.try_into().expect("464 bytes");
        let fits = sender.verify(&sealer.signed(&content, &sender, &recipient), &signature);
        let fails_at = if !sealer.authenticates(&message) {
            Step::Mac
        } else if fits.is_err() {
            Step::Signature
        } else {
            Step::Content
        };
        Self { opens: opened.is_ok(), fails_at, ..self.clone() }
    }
}

impl Context {
    pub(super) fn sealer(&self) -> Sealer {
        let mut keys = [0; 64];
        keys[..32].copy_from_slice(&self.encryption_key.array::<32>());
        keys[32..].copy_from_slice(&self.authentication_key.array::<32>());
        let place = Place {
            session: SessionId(self.session.array()),
            round: Round(self.round),
            slot: self.slot,
            direction: match self.direction {
                0 => Direction::FromLower,
                1 => Direction::FromHigher,
                other => panic!("direction {other}"),
            },
            network: NetworkId(self.network.array()),
        };
        Sealer { keys, place }
    }
}

impl Fields {
    fn content(&self) -> Content {
        Content {
            kind: match self.kind {
                0 => Kind::Idle,
                1 => Kind::Data,
                2 => Kind::Begin,
                3 => Kind::End,
                4 => Kind::Head,
                other => panic!("kind {other}"),
            },
            done: self.done,
            seq: self.seq,
            ack: self.ack,
            selective_ack: self.selective_ack,
            message_id: MessageId(self.message_id),
            fragment_index: self.fragment_index,
            fragment_count: self.fragment_count,
            sent_ms: self.sent_ms,
            stream: StreamId::new(self.stream).expect("a stream has a number"),
            ack_stream: StreamId::new(self.ack_stream),
            ack_digest: StreamDigest(self.ack_digest.array()),
            ratchet: self.ratchet.array(),
            body: Body::new(&self.body.0).expect("a body of at most 320 bytes"),
        }
    }
}

fn key(secret: &Hex) -> IdentitySecret {
    IdentitySecret::from_bytes(&secret.array()).expect("a P-256 scalar")
}

pub(super) fn public(key: &Hex) -> IdentityPublic {
    IdentityPublic::from_bytes(&key.array()).expect("a P-256 point")
}
