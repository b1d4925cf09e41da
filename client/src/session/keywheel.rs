//! The keywheel: one step a round, so that yesterday's keys cannot be made from today's.
//!
//! Both members of a session know the round, so they need no header to agree on a key. The wheel
//! has three levels: a secret for every era of [`ERA_EPOCHS`] epochs, within an era one for every
//! epoch of [`EPOCH_ROUNDS`] rounds, and within an epoch one for every round. So it begins with round 0,
//! whenever the session did: a step for every era, and at most an era of epochs and an epoch of rounds.
//! `PROTOCOL.md`, section "Keywheel", has every derivation.

use talaria_wire::crypto::kdf::{Label, derive};
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::network_file::NetworkId;
use talaria_wire::params::ONIONS_PER_LANE;
use talaria_wire::peer_message::{Direction, MessageKeys, SessionId};
use talaria_wire::{DeadDropId, Round};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Rounds in an epoch.
pub const EPOCH_ROUNDS: u64 = 4096;
/// Epochs in an era.
pub const ERA_EPOCHS: u64 = 4096;

/// An era that no clock shows: with a round every 50 milliseconds it begins in the year 2190.
const LAST_ERA: u64 = 1 << 13;

/// The secret that two identities share, and the seed of their wheel.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SessionRoot([u8; 32]);

impl SessionRoot {
    /// The root of the session of `own` and `peer` in a network that begins with the entry `origin` of
    /// the directory: the same from both sides. One that begins anew is another session.
    #[must_use]
    pub fn agree(
        own: &IdentitySecret,
        peer: &IdentityPublic,
        network: NetworkId,
        origin: u64,
    ) -> Self {
        let shared = own.agree(peer);
        let (own, peer) = (own.public().to_bytes(), peer.to_bytes());
        let (lower, higher) = if own < peer { (own, peer) } else { (peer, own) };
        Self(derive(
            Label::SessionRoot,
            &[&*shared, &lower, &higher, &network.0, &origin.to_be_bytes()],
        ))
    }

    /// Names the session to its members.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        SessionId(derive(Label::SessionId, &[&self.0]))
    }
}

/// A secret of the wheel: of an era, of an epoch or of a round.
#[derive(Zeroize, ZeroizeOnDrop)]
struct WheelSecret([u8; 32]);

impl WheelSecret {
    fn derive(label: Label, from: &[u8; 32], number: u64) -> Self {
        Self(derive(label, &[from, &number.to_be_bytes()]))
    }
}

/// Why the wheel gives no keys for a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WheelError {
    /// The keys of the round are wiped.
    #[error("the keys of this round are gone")]
    Past,
    /// The round is further ahead than any clock.
    #[error("the round is too far in the future")]
    TooFar,
}

/// The wheel of a session, standing at the first round whose keys have not been taken.
pub struct Keywheel {
    era: u64,
    /// Secret of the era after `era`; that of `era` itself is wiped.
    next_era: WheelSecret,
    epoch: u64,
    /// Secret of the epoch after `epoch`, if it is of the same era; that of `epoch` itself is wiped.
    next_epoch: WheelSecret,
    round: u64,
    /// Secret of `round`; those of earlier rounds are wiped.
    turn: WheelSecret,
}

impl Keywheel {
    /// A wheel at round 0.
    #[must_use]
    pub fn new(root: &SessionRoot) -> Self {
        let secret = WheelSecret::derive(Label::WheelEra, &root.0, 0);
        let (next_era, first) = enter_era(&secret, 0);
        let (next_epoch, turn) = enter(&first, 0);
        Self { era: 0, next_era, epoch: 0, next_epoch, round: 0, turn }
    }

    /// The earliest round whose keys can still be taken.
    #[must_use]
    pub fn round(&self) -> Round {
        Round(self.round)
    }

    /// Turns to `round` and wipes what it leaves behind.
    ///
    /// # Errors
    /// [`WheelError`] if the round is behind the wheel or absurdly far ahead; the wheel stays.
    pub fn advance_to(&mut self, round: Round) -> Result<(), WheelError> {
        if round.0 < self.round {
            return Err(WheelError::Past);
        }
        let epoch = round.0 / EPOCH_ROUNDS;
        let era = epoch / ERA_EPOCHS;
        if era > LAST_ERA {
            return Err(WheelError::TooFar);
        }
        while self.era < era {
            self.enter_next_era();
        }
        while self.epoch < epoch {
            self.enter_next_epoch();
        }
        while self.round < round.0 {
            self.round += 1;
            self.turn = WheelSecret::derive(Label::WheelTurn, &self.turn.0, self.round);
        }
        Ok(())
    }

    /// The keys of `round`. The wheel moves on past it, so nobody can take them again.
    ///
    /// # Errors
    /// As [`Keywheel::advance_to`].
    pub fn take(&mut self, round: Round) -> Result<RoundKeys, WheelError> {
        self.advance_to(round)?;
        let keys = RoundKeys::derive(&self.turn, round);
        self.advance_to(round.next())?;
        Ok(keys)
    }

    fn enter_next_era(&mut self) {
        self.era += 1;
        let (next_era, first) = enter_era(&self.next_era, self.era);
        self.next_era = next_era;
        self.epoch = self.era * ERA_EPOCHS;
        self.stand(&first);
    }

    fn enter_next_epoch(&mut self) {
        self.epoch += 1;
        let secret = std::mem::replace(&mut self.next_epoch, WheelSecret([0; 32]));
        self.stand(&secret);
    }

    /// At the first round of the epoch with this secret.
    fn stand(&mut self, secret: &WheelSecret) {
        let (next_epoch, turn) = enter(secret, self.epoch);
        self.next_epoch = next_epoch;
        self.turn = turn;
        self.round = first_round(self.epoch);
    }
}

fn first_round(epoch: u64) -> u64 {
    epoch * EPOCH_ROUNDS
}

/// From the secret of an era: that of the next era, and that of its own first epoch.
fn enter_era(secret: &WheelSecret, era: u64) -> (WheelSecret, WheelSecret) {
    (
        WheelSecret::derive(Label::WheelEra, &secret.0, era + 1),
        WheelSecret::derive(Label::WheelEpoch, &secret.0, era * ERA_EPOCHS),
    )
}

/// From the secret of an epoch: that of the next epoch, and that of its own first round.
fn enter(secret: &WheelSecret, epoch: u64) -> (WheelSecret, WheelSecret) {
    (
        WheelSecret::derive(Label::WheelEpoch, &secret.0, epoch + 1),
        WheelSecret::derive(Label::WheelStart, &secret.0, first_round(epoch)),
    )
}

/// What one slot of a lane needs in one round.
pub struct SlotKeys {
    /// Where the two messages meet.
    pub dead_drop: DeadDropId,
    /// Keys of the message from the member with the lower key.
    pub from_lower: MessageKeys,
    /// Keys of the message from the member with the higher key.
    pub from_higher: MessageKeys,
}

impl SlotKeys {
    /// The keys for what `direction` sends, and those for what comes back.
    #[must_use]
    pub fn into_directions(self, direction: Direction) -> (MessageKeys, MessageKeys) {
        match direction {
            Direction::FromLower => (self.from_lower, self.from_higher),
            Direction::FromHigher => (self.from_higher, self.from_lower),
        }
    }
}

/// Everything that lane 0 needs in one round: slot 0, then slot 1.
pub struct RoundKeys {
    /// The round.
    pub round: Round,
    /// The slots of the lane.
    pub slots: [SlotKeys; ONIONS_PER_LANE],
}

impl RoundKeys {
    fn derive(turn: &WheelSecret, round: Round) -> Self {
        let of = round.to_be_bytes();
        let message_keys = |slot: u8, direction: Direction| {
            let fields: [&[u8]; 4] = [&turn.0, &of, &[slot], &[direction as u8]];
            let bytes = Zeroizing::new(derive::<64>(Label::MessageKeys, &fields));
            MessageKeys::from_bytes(&bytes)
        };
        let slots = [0, 1].map(|slot| SlotKeys {
            dead_drop: DeadDropId(derive(Label::DeadDrop, &[&turn.0, &of, &[slot]])),
            from_lower: message_keys(slot, Direction::FromLower),
            from_higher: message_keys(slot, Direction::FromHigher),
        });
        Self { round, slots }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use proptest::prelude::*;
    use rand::SeedableRng;

    /// A round of today.
    const NOW: Round = Round(EPOCH_ROUNDS * (ERA_EPOCHS * 53 + 5) + 17);

    fn root() -> SessionRoot {
        SessionRoot([7; 32])
    }

    fn drops(keys: &RoundKeys) -> [DeadDropId; 2] {
        [keys.slots[0].dead_drop, keys.slots[1].dead_drop]
    }

    fn drops_of(round: u64) -> [DeadDropId; 2] {
        drops(&Keywheel::new(&root()).take(Round(round)).unwrap())
    }

    #[test]
    fn both_members_have_the_same_root_and_other_sessions_another() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let alice = IdentitySecret::generate(&mut rng);
        let bob = IdentitySecret::generate(&mut rng);
        let network = NetworkId([1; 32]);
        let a = SessionRoot::agree(&alice, bob.public(), network, 9);
        let b = SessionRoot::agree(&bob, alice.public(), network, 9);
        let elsewhere = SessionRoot::agree(&bob, alice.public(), NetworkId([2; 32]), 9);
        let anew = SessionRoot::agree(&bob, alice.public(), network, 10);
        assert_eq!(a.session_id(), b.session_id());
        assert_ne!(a.session_id(), elsewhere.session_id());
        assert_ne!(a.session_id(), anew.session_id());
    }

    #[test]
    fn follows_the_specification_step_by_step() {
        let be = |n: u64| n.to_be_bytes();
        let step = |label, secret: &[u8; 32], n| derive::<32>(label, &[secret, &be(n)]);
        let mut era = step(Label::WheelEra, &[7; 32], 0);
        for next in 1..=53 {
            era = step(Label::WheelEra, &era, next);
        }
        let mut epoch = step(Label::WheelEpoch, &era, 53 * ERA_EPOCHS);
        for next in 1..=2 {
            epoch = step(Label::WheelEpoch, &epoch, 53 * ERA_EPOCHS + next);
        }
        let first = EPOCH_ROUNDS * (ERA_EPOCHS * 53 + 2);
        let start = step(Label::WheelStart, &epoch, first);
        let second = step(Label::WheelTurn, &start, first + 1);
        let expected = derive(Label::DeadDrop, &[&second, &be(first + 1), &[1]]);
        assert_eq!(drops_of(first + 1)[1], DeadDropId(expected));
        let start = step(
            Label::WheelStart,
            &step(Label::WheelEpoch, &step(Label::WheelEra, &[7; 32], 0), 0),
            0,
        );
        let expected = derive(Label::DeadDrop, &[&start, &be(0), &[0]]);
        assert_eq!(drops_of(0)[0], DeadDropId(expected));
    }

    #[test]
    fn keys_can_be_taken_once_and_only_forward() {
        let mut wheel = Keywheel::new(&root());
        assert!(wheel.take(NOW).is_ok());
        assert_eq!(wheel.take(NOW).err(), Some(WheelError::Past));
        assert_eq!(wheel.round(), NOW.next());
        assert_eq!(wheel.take(Round(u64::MAX)).err(), Some(WheelError::TooFar));
        assert!(wheel.take(NOW.next()).is_ok());
    }

    #[test]
    fn the_last_round_of_an_epoch_or_era_turns_into_the_next() {
        let ends = [EPOCH_ROUNDS * 6, EPOCH_ROUNDS * ERA_EPOCHS * 2];
        for first in ends {
            let mut stepped = Keywheel::new(&root());
            stepped.take(Round(first - 1)).unwrap();
            assert_eq!(drops(&stepped.take(Round(first)).unwrap()), drops_of(first));
        }
    }

    proptest! {
        #[test]
        fn any_steps_lead_to_the_same_keys(
            mut steps in prop::collection::vec(0u64..EPOCH_ROUNDS * 4, 0..6),
            target in EPOCH_ROUNDS * 4..EPOCH_ROUNDS * 6,
        ) {
            let base = EPOCH_ROUNDS * (ERA_EPOCHS - 3);
            steps.sort_unstable();
            steps.dedup();
            let mut wheel = Keywheel::new(&root());
            for step in steps {
                wheel.take(Round(base + step)).unwrap();
            }
            prop_assert_eq!(drops(&wheel.take(Round(base + target)).unwrap()), drops_of(base + target));
        }

        #[test]
        fn no_two_slots_or_rounds_share_a_dead_drop(a in 0u64..9000, b in 0u64..9000) {
            prop_assume!(a < b);
            let mut wheel = Keywheel::new(&root());
            let base = EPOCH_ROUNDS * 5;
            let a = drops(&wheel.take(Round(base + a)).unwrap());
            let b = drops(&wheel.take(Round(base + b)).unwrap());
            prop_assert!(a[0] != a[1] && a.iter().all(|drop| !b.contains(drop)));
        }
    }
}
