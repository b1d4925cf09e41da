//! `dead-drops-and-keywheel.json`: from two identities to the keys of a round.

use serde::{Deserialize, Serialize};
use talaria_client::session::keywheel::{
    EPOCH_ROUNDS, ERA_EPOCHS, Keywheel, RoundKeys, SessionRoot,
};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::crypto::kdf::{Label, derive};
use talaria_wire::network_file::NetworkId;
use talaria_wire::peer_message::{self, Content, Direction, MessageKeys, Place};
use talaria_wire::{Round, peer_message::SessionId};

use super::VectorFile;
use super::bytes::{Hex, Recorded, draw, seeded};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vectors {
    inputs: Inputs,
    lower_public: Hex,
    higher_public: Hex,
    ecdh_x: Hex,
    root: Hex,
    session_id: Hex,
    origin: u64,
    eras: Vec<Era>,
    epochs: Vec<Epoch>,
    rounds: Vec<Turn>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    /// In any order.
    secrets: [Hex; 2],
    /// The entries of the directory with which each began anew.
    since: [u64; 2],
    network: Hex,
    /// Rounds to give the keys of, rising.
    rounds: Vec<u64>,
}

/// An era in which a round lies.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Era {
    era: u64,
    secret: Hex,
}

/// An epoch in which a round lies.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    epoch: u64,
    secret: Hex,
    first_round: u64,
    start: Hex,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    round: u64,
    secret: Hex,
    slots: [Slot; 2],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Slot {
    dead_drop: Hex,
    from_lower: Keys,
    from_higher: Keys,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    encryption: Hex,
    authentication: Hex,
}

impl VectorFile for Vectors {
    const FILE: &'static str = "dead-drops-and-keywheel.json";

    fn generate() -> Self {
        let mut rng = seeded(20);
        let mut secret = || Hex::from(*IdentitySecret::generate(&mut rng).to_bytes());
        let secrets = [secret(), secret()];
        let first = EPOCH_ROUNDS * (ERA_EPOCHS * 53 + 2638);
        let next_era = EPOCH_ROUNDS * ERA_EPOCHS * 54;
        Self::of(&Inputs {
            secrets,
            since: [70, 4105],
            network: draw::<32>(&mut rng).into(),
            rounds: vec![0, first, first + 1, first + 4095, first + 4096, next_era - 1, next_era],
        })
    }

    fn recompute(&self) -> Self {
        Self::of(&self.inputs)
    }
}

impl Vectors {
    /// Computes by the page, and holds the client's own wheel to the result.
    fn of(inputs: &Inputs) -> Self {
        let identity = |i: usize| IdentitySecret::from_bytes(&inputs.secrets[i].array());
        let mut members = [0, 1].map(|i| identity(i).expect("a P-256 scalar"));
        members.sort_by_key(|member| member.public().to_bytes());
        let [lower, higher] = &members;
        let network = NetworkId(inputs.network.array());
        let (low, high) = (lower.public().to_bytes(), higher.public().to_bytes());
        let shared = lower.agree(higher.public());
        let origin = inputs.since[0].max(inputs.since[1]);
        let begins = origin.to_be_bytes();
        let root: [u8; 32] =
            derive(Label::SessionRoot, &[&*shared, &low, &high, &network.0, &begins]);
        let session_id: [u8; 32] = derive(Label::SessionId, &[&root]);
        let (eras, epochs) = wheel(&root, &inputs.rounds);
        let rounds: Vec<_> = inputs.rounds.iter().map(|round| Turn::of(&epochs, *round)).collect();

        let agreed = SessionRoot::agree(higher, lower.public(), network, origin);
        assert_eq!(agreed.session_id(), SessionId(session_id));
        let mut wheel = Keywheel::new(&agreed);
        for turn in &rounds {
            turn.hold(wheel.take(Round(turn.round)).expect("the rounds rise"), &members);
        }
        Self {
            inputs: inputs.clone(),
            lower_public: low.into(),
            higher_public: high.into(),
            ecdh_x: shared.as_slice().into(),
            root: root.into(),
            session_id: session_id.into(),
            origin,
            eras,
            epochs,
            rounds,
        }
    }
}

/// Eras and epochs in which the rounds lie, each once.
fn wheel(root: &[u8; 32], rounds: &[u64]) -> (Vec<Era>, Vec<Epoch>) {
    let step = |label, secret: &[u8; 32], n: u64| derive::<32>(label, &[secret, &n.to_be_bytes()]);
    let mut wanted: Vec<_> = rounds.iter().map(|round| round / EPOCH_ROUNDS).collect();
    wanted.dedup();
    let (mut eras, mut epochs) = (Vec::<Era>::new(), Vec::new());
    for epoch in wanted {
        let era = epoch / ERA_EPOCHS;
        let of_era = (0..=era).fold(*root, |secret, n| step(Label::WheelEra, &secret, n));
        let first = era * ERA_EPOCHS;
        let secret = (first..=epoch).fold(of_era, |secret, n| step(Label::WheelEpoch, &secret, n));
        let first_round = epoch * EPOCH_ROUNDS;
        let start = step(Label::WheelStart, &secret, first_round);
        epochs.push(Epoch { epoch, secret: secret.into(), first_round, start: start.into() });
        if eras.last().is_none_or(|last| last.era != era) {
            eras.push(Era { era, secret: of_era.into() });
        }
    }
    (eras, epochs)
}

impl Turn {
    fn of(epochs: &[Epoch], round: u64) -> Self {
        let epoch = epochs
            .iter()
            .find(|epoch| epoch.epoch == round / EPOCH_ROUNDS)
            .expect("the epoch of the round");
        let turn = |secret: [u8; 32], round: u64| {
            derive(Label::WheelTurn, &[&secret, &round.to_be_bytes()])
        };
        let secret = (epoch.first_round + 1..=round).fold(epoch.start.array(), turn);
        let slots = [0, 1].map(|slot| Slot::of(&secret, round, slot));
        Self { round, secret: secret.into(), slots }
    }

    /// The client's wheel gives the same dead drops, and keys that open what these seal.
    fn hold(&self, of_client: RoundKeys, members: &[IdentitySecret; 2]) {
        assert_eq!(of_client.round, Round(self.round));
        for (slot, (own, theirs)) in (0..).zip(self.slots.iter().zip(of_client.slots)) {
            assert_eq!(own.dead_drop, Hex::from(theirs.dead_drop.0));
            let of_directions = [
                (Direction::FromLower, &own.from_lower, theirs.from_lower),
                (Direction::FromHigher, &own.from_higher, theirs.from_higher),
            ];
            for (direction, own, theirs) in of_directions {
                assert!(open_each_other(own, &theirs, self.place(slot, direction), members));
            }
        }
    }

    fn place(&self, slot: u8, direction: Direction) -> Place {
        Place {
            session: SessionId([0; 32]),
            round: Round(self.round),
            slot,
            direction,
            network: NetworkId([0; 32]),
        }
    }
}

impl Slot {
    fn of(secret: &[u8; 32], round: u64, slot: u8) -> Self {
        let round = round.to_be_bytes();
        let dead_drop: [u8; 16] = derive(Label::DeadDrop, &[secret, &round, &[slot]]);
        let keys = |direction: Direction| {
            let fields: [&[u8]; 4] = [secret, &round, &[slot], &[direction as u8]];
            let keys: [u8; 64] = derive(Label::MessageKeys, &fields);
            Keys { encryption: (&keys[..32]).into(), authentication: (&keys[32..]).into() }
        };
        Self {
            dead_drop: dead_drop.into(),
            from_lower: keys(Direction::FromLower),
            from_higher: keys(Direction::FromHigher),
        }
    }
}

/// The implementation does not show its keys, but equal keys open each other's messages.
fn open_each_other(
    own: &Keys,
    theirs: &MessageKeys,
    place: Place,
    [lower, higher]: &[IdentitySecret; 2],
) -> bool {
    let bytes = [own.encryption.0.clone(), own.authentication.0.clone()].concat();
    let own = MessageKeys::from_bytes(&bytes.try_into().expect("64 bytes"));
    let mut iv = Recorded::new([&Hex(vec![0; 16])]);
    let content = Content::idle();
    let message = peer_message::seal(&content, &own, &place, lower, higher.public(), &mut iv);
    peer_message::open(&message, theirs, &place, lower.public(), higher.public()) == Ok(content)
}
