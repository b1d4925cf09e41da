//! One good onion, reply and message, for targets that change them.

use std::sync::LazyLock;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_identity::backup::Owner;
use talaria_wire::crypto::{IdentitySecret, OnionSecret};
use talaria_wire::identity::charge::{Charge, Price};
use talaria_wire::identity::directory::TwoHeads;
use talaria_wire::identity::ledger::{Ledger, Partner};
use talaria_wire::identity::{EntryHash, Head, UserName};
use talaria_wire::network_file::NetworkId;
use talaria_wire::onion::{self, PeelContext, ReplyOpener, seal_reply};
use talaria_wire::params::{PEER_MESSAGE_LEN, TAG_LEN};
use talaria_wire::peer_message::{self, Content, Direction, NotAuthentic, Place, SessionId};
use talaria_wire::{ExchangeRequest, HopIndex, Hops, Round, RoundShape};

use crate::identity::User;
use crate::vectors::Sealer;

/// What the targets need of keys and good bytes.
pub(super) struct Fixtures {
    pub(super) hops: Vec<OnionSecret>,
    pub(super) onion: Vec<u8>,
    pub(super) opener: ReplyOpener,
    pub(super) reply: Vec<u8>,
    pub(super) sender: IdentitySecret,
    pub(super) recipient: IdentitySecret,
    pub(super) sealer: Sealer,
    pub(super) message: [u8; PEER_MESSAGE_LEN],
    pub(super) user: UserName,
    pub(super) csr: Vec<u8>,
    two_heads: Vec<u8>,
    /// A record of the sender's ledger.
    pub(super) ledger: Vec<u8>,
}

/// Two hops and one lane.
pub(super) fn shape() -> RoundShape {
    Hops::new(2).and_then(|hops| RoundShape::new(hops, 1)).expect("2 hops and 1 lane are possible")
}

impl Fixtures {
    /// Made once: a fuzzer calls its target millions of times.
    pub(super) fn shared() -> &'static Self {
        static SHARED: LazyLock<Fixtures> = LazyLock::new(Fixtures::new);
        &SHARED
    }

    pub(super) fn open(&self, message: &[u8; PEER_MESSAGE_LEN]) -> Result<Content, NotAuthentic> {
        let (sender, recipient) = (self.sender.public(), self.recipient.public());
        let keys = self.sealer.message_keys();
        peer_message::open(message, &keys, &self.sealer.place, sender, recipient)
    }

    /// Whose backups are read.
    pub(super) fn owner(&self) -> Owner {
        Owner { network: NetworkId([2; 32]), head_key: *self.sender.public() }
    }

    /// Two heads that the sender has signed, as a proof.
    pub(super) fn two_heads(&self) -> Vec<u8> {
        self.two_heads.clone()
    }

    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(70);
        let sender = IdentitySecret::generate(&mut rng);
        let recipient = IdentitySecret::generate(&mut rng);
        let place = Place {
            session: SessionId([1; 32]),
            round: Round(5),
            slot: 0,
            direction: Direction::FromLower,
            network: NetworkId([2; 32]),
        };
        let sealer = Sealer { keys: [3; 64], place };
        let (keys, place, idle) = (sealer.message_keys(), &sealer.place, Content::idle());
        let to = recipient.public();
        let message = peer_message::seal(&idle, &keys, place, &sender, to, &mut rng);
        let hops: Vec<_> = shape().hops().iter().map(|_| OnionSecret::generate(&mut rng)).collect();
        let (onion, opener) = sealed_onion(&hops, &mut rng);
        let reply = reply_to(&onion, &hops);
        let user = User::new(NetworkId([2; 32]), "alice", 1);
        let (csr, user) = (user.csr(), user.name);
        let head = |entries: u64, hash| {
            Head::sign(&NetworkId([2; 32]), entries, EntryHash([hash; 32]), 9, &sender)
        };
        let two_heads = TwoHeads { known: head(3, 1), other: head(3, 2) }.to_bytes().to_vec();
        let ledger = ledger(&sender, &mut rng);
        Self {
            hops,
            onion,
            opener,
            reply,
            sender,
            recipient,
            sealer,
            message,
            user,
            csr,
            two_heads,
            ledger,
        }
    }
}

/// One conversation that was charged.
fn ledger(own: &IdentitySecret, rng: &mut ChaCha20Rng) -> Vec<u8> {
    let at = Price { rounds: 9000, epsilon_millionths: 500_000, delta_billionths: 100 };
    let charge = Charge { charged: 70, at };
    let name = UserName::new("bob").expect("a good name");
    let places = vec![(Partner::of(&NetworkId([2; 32]), &name), charge)];
    Ledger { reserve: charge, others: Charge::default(), places }.seal(own, rng)
}

fn sealed_onion(hops: &[OnionSecret], rng: &mut ChaCha20Rng) -> (Vec<u8>, ReplyOpener) {
    let chain: Vec<_> = hops.iter().map(|hop| *hop.public()).collect();
    let mut onion = vec![0; shape().onion_len()];
    let request = ExchangeRequest::cover(rng);
    let opener = onion::seal(&request, &chain, Round(5), rng, &mut onion);
    (onion, opener)
}

/// The empty reply, as it comes home.
fn reply_to(onion: &[u8], hops: &[OnionSecret]) -> Vec<u8> {
    let mut onion = onion.to_vec();
    let mut keys = vec![];
    for (hop, secret) in (0..).zip(hops) {
        let behind: Vec<_> = hops[usize::from(hop) + 1..].iter().map(|hop| *hop.public()).collect();
        let context = PeelContext::new(secret, &behind, Round(5), HopIndex(hop));
        keys.push(onion::peel(&mut onion, &context).0);
        onion = onion[32..onion.len() - TAG_LEN].to_vec();
    }
    let mut reply = vec![0; PEER_MESSAGE_LEN];
    for key in keys.iter().rev() {
        reply.extend_from_slice(&[0; TAG_LEN]);
        seal_reply(key, &mut reply);
    }
    reply
}
