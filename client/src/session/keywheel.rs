//! The keywheel: one step a round, so that yesterday's keys cannot be made from today's.
//!
//! Both members of a session know the round, so they need no header to agree on a key. The wheel
//! has two levels: a secret for every epoch of [`EPOCH_ROUNDS`] rounds, and within an epoch a
//! secret for every round. A long absence costs one step for every epoch and at most an epoch of
//! rounds. `PROTOCOL.md`, section "Keywheel", has every derivation.

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

/// More epochs than any clock can be ahead: at the shortest period, a hundred years.
const MAX_EPOCHS_AHEAD: u64 = 1 << 24;

/// The secret that two identities share, and the seed of their wheel.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SessionRoot([u8; 32]);

impl SessionRoot {
    /// The root of the session of `own` and `peer` in a network that begins at `origin`: the same
    /// from both sides. One that begins anew is another session.
    #[must_use]
    pub fn agree(
        own: &IdentitySecret,
        peer: &IdentityPublic,
        network: NetworkId,
        origin: Round,
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

/// A secret of the wheel: of an epoch or of a round.
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
    /// The session did not exist in this round.
    #[error("the session is younger than this round")]
    BeforeOrigin,
    /// The round is further ahead than any clock.
    #[error("the round is too far in the future")]
    TooFar,
}

/// The wheel of a session, standing at the first round whose keys have not been taken.
pub struct Keywheel {
    origin: Round,
    epoch: u64,
    /// Secret of the epoch after `epoch`; that of `epoch` itself is wiped.
    next_epoch: WheelSecret,
    round: u64,
    /// Secret of `round`; those of earlier rounds are wiped.
    turn: WheelSecret,
}

impl Keywheel {
    /// A wheel at the first round of the epoch in which the session began.
    ///
    /// `origin` is the later of the two members' `created` rounds.
    #[must_use]
    pub fn new(root: &SessionRoot, origin: Round) -> Self {
        let epoch = origin.0 / EPOCH_ROUNDS;
        let secret = WheelSecret::derive(Label::WheelEpoch, &root.0, epoch);
        let (next_epoch, turn) = enter(&secret, epoch);
        let round = first_round(epoch);
        Self { origin: Round(round), epoch, next_epoch, round, turn }
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
        if round < self.origin {
            return Err(WheelError::BeforeOrigin);
        }
        if round.0 < self.round {
            return Err(WheelError::Past);
        }
        let epoch = round.0 / EPOCH_ROUNDS;
        if epoch - self.epoch > MAX_EPOCHS_AHEAD {
            return Err(WheelError::TooFar);
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

    fn enter_next_epoch(&mut self) {
        self.epoch += 1;
        let (next_epoch, turn) = enter(&self.next_epoch, self.epoch);
        self.next_epoch = next_epoch;
        self.turn = turn;
        self.round = first_round(self.epoch);
    }
}

fn first_round(epoch: u64) -> u64 {
    epoch * EPOCH_ROUNDS
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

    const ORIGIN: Round = Round(EPOCH_ROUNDS * 5 + 17);

    fn root() -> SessionRoot {
        SessionRoot([7; 32])
    }

    fn drops(keys: &RoundKeys) -> [DeadDropId; 2] {
        [keys.slots[0].dead_drop, keys.slots[1].dead_drop]
    }

    #[test]
    fn both_members_have_the_same_root_and_other_sessions_another() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let alice = IdentitySecret::generate(&mut rng);
        let bob = IdentitySecret::generate(&mut rng);
        let network = NetworkId([1; 32]);
        let a = SessionRoot::agree(&alice, bob.public(), network, ORIGIN);
        let b = SessionRoot::agree(&bob, alice.public(), network, ORIGIN);
        let elsewhere = SessionRoot::agree(&bob, alice.public(), NetworkId([2; 32]), ORIGIN);
        let anew = SessionRoot::agree(&bob, alice.public(), network, ORIGIN.next());
        assert_eq!(a.session_id(), b.session_id());
        assert_ne!(a.session_id(), elsewhere.session_id());
        assert_ne!(a.session_id(), anew.session_id());
    }

    #[test]
    fn follows_the_specification_step_by_step() {
        let be = |n: u64| n.to_be_bytes();
        let e0 = ORIGIN.0 / EPOCH_ROUNDS;
        let epoch: [u8; 32] = derive(Label::WheelEpoch, &[&[7; 32], &be(e0)]);
        let first = e0 * EPOCH_ROUNDS;
        let start: [u8; 32] = derive(Label::WheelStart, &[&epoch, &be(first)]);
        let second: [u8; 32] = derive(Label::WheelTurn, &[&start, &be(first + 1)]);
        let expected = derive(Label::DeadDrop, &[&second, &be(first + 1), &[1]]);
        let mut wheel = Keywheel::new(&root(), ORIGIN);
        let keys = wheel.take(Round(first + 1)).unwrap();
        assert_eq!(keys.slots[1].dead_drop, DeadDropId(expected));

        let epoch: [u8; 32] = derive(Label::WheelEpoch, &[&epoch, &be(e0 + 1)]);
        let first = first + EPOCH_ROUNDS;
        let start: [u8; 32] = derive(Label::WheelStart, &[&epoch, &be(first)]);
        let expected = derive(Label::DeadDrop, &[&start, &be(first), &[0]]);
        let keys = wheel.take(Round(first)).unwrap();
        assert_eq!(keys.slots[0].dead_drop, DeadDropId(expected));
    }

    #[test]
    fn keys_can_be_taken_once_and_only_forward() {
        let mut wheel = Keywheel::new(&root(), ORIGIN);
        assert_eq!(wheel.take(Round(EPOCH_ROUNDS * 5 - 1)).err(), Some(WheelError::BeforeOrigin));
        // Rounds of the origin's epoch before the origin itself can be had: only epochs matter.
        assert!(wheel.take(Round(EPOCH_ROUNDS * 5)).is_ok());
        assert!(wheel.take(ORIGIN).is_ok());
        assert_eq!(wheel.take(ORIGIN).err(), Some(WheelError::Past));
        assert_eq!(wheel.round(), ORIGIN.next());
        assert_eq!(wheel.take(Round(u64::MAX)).err(), Some(WheelError::TooFar));
        assert!(wheel.take(ORIGIN.next()).is_ok());
    }

    #[test]
    fn the_last_round_of_an_epoch_turns_into_the_next() {
        let last = EPOCH_ROUNDS * 6 - 1;
        let mut stepped = Keywheel::new(&root(), ORIGIN);
        stepped.take(Round(last)).unwrap();
        let mut jumped = Keywheel::new(&root(), ORIGIN);
        let a = drops(&stepped.take(Round(last + 1)).unwrap());
        assert_eq!(a, drops(&jumped.take(Round(last + 1)).unwrap()));
    }

    proptest! {
        #[test]
        fn any_steps_lead_to_the_same_keys(
            mut steps in prop::collection::vec(0u64..EPOCH_ROUNDS * 4, 0..6),
            target in EPOCH_ROUNDS * 4..EPOCH_ROUNDS * 6,
        ) {
            let base = EPOCH_ROUNDS * 5;
            let mut straight = Keywheel::new(&root(), ORIGIN);
            let expected = drops(&straight.take(Round(base + target)).unwrap());
            steps.sort_unstable();
            steps.dedup();
            let mut wheel = Keywheel::new(&root(), ORIGIN);
            for step in steps {
                wheel.take(Round(base + step)).unwrap();
            }
            prop_assert_eq!(drops(&wheel.take(Round(base + target)).unwrap()), expected);
        }

        #[test]
        fn no_two_slots_or_rounds_share_a_dead_drop(a in 0u64..9000, b in 0u64..9000) {
            prop_assume!(a < b);
            let mut wheel = Keywheel::new(&root(), ORIGIN);
            let base = EPOCH_ROUNDS * 5;
            let a = drops(&wheel.take(Round(base + a)).unwrap());
            let b = drops(&wheel.take(Round(base + b)).unwrap());
            prop_assert!(a[0] != a[1] && a.iter().all(|drop| !b.contains(drop)));
        }
    }
}
