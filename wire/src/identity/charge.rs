//! What is charged to privacy budgets, and at which price.

/// Bytes of a price.
const PRICE_LEN: usize = 8 + 4 + 4;
/// Bytes of a charge.
pub(crate) const CHARGE_LEN: usize = 8 + PRICE_LEN;

/// What the noise was worth to one side of a conversation when rounds were charged.
///
/// Charges under different noises do not add up as shares of their goals: nothing proves it. But a
/// round under one noise tells no more than a round under another that is nowhere harder to see
/// through (`mixnet/PRIVACY.md`, section 10). So all of them count as if they had been made under the
/// [worst](Self::worst), and a new network file makes no old charge cheaper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// So many rounds one side could have had.
    pub rounds: u64,
    /// For this goal.
    pub epsilon_millionths: u32,
    /// For this goal.
    pub delta_billionths: u32,
}

impl Price {
    /// No noise, or noise of which nobody says what it is worth.
    pub const UNKNOWN: Self =
        Self { rounds: 0, epsilon_millionths: u32::MAX, delta_billionths: u32::MAX };

    /// What both are worth at least.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        Self {
            rounds: self.rounds.min(other.rounds),
            epsilon_millionths: self.epsilon_millionths.max(other.epsilon_millionths),
            delta_billionths: self.delta_billionths.max(other.delta_billionths),
        }
    }

    /// Rounds that one side may have for the goal of `now`, if some were charged at this price. None
    /// if what was promised then is less than what is promised now.
    #[must_use]
    pub fn rounds_for(self, now: Self) -> u64 {
        let is_weaker = self.epsilon_millionths > now.epsilon_millionths
            || self.delta_billionths > now.delta_billionths;
        if is_weaker { 0 } else { self.rounds.min(now.rounds) }
    }

    /// Rounds 8 ‖ epsilon 4 ‖ delta 4, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PRICE_LEN] {
        let mut bytes = [0; PRICE_LEN];
        bytes[..8].copy_from_slice(&self.rounds.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.epsilon_millionths.to_be_bytes());
        bytes[12..].copy_from_slice(&self.delta_billionths.to_be_bytes());
        bytes
    }

    /// The price with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; PRICE_LEN]) -> Self {
        let [r0, r1, r2, r3, r4, r5, r6, r7, e0, e1, e2, e3, d0, d1, d2, d3] = bytes;
        Self {
            rounds: u64::from_be_bytes([r0, r1, r2, r3, r4, r5, r6, r7]),
            epsilon_millionths: u32::from_be_bytes([e0, e1, e2, e3]),
            delta_billionths: u32::from_be_bytes([d0, d1, d2, d3]),
        }
    }
}

/// Rounds that were charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// How many.
    pub charged: u64,
    /// The worst price of one of them; without any it means nothing.
    pub at: Price,
}

impl Charge {
    /// Both, one after the other, as if all had been at the worse price.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { charged: self.charged.saturating_add(other.charged), ..self.worst(other) }
    }

    /// At least what either says of the same rounds.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        match (self.charged, other.charged) {
            (_, 0) => self,
            (0, _) => other,
            (one, two) => Self { charged: one.max(two), at: self.at.worst(other.at) },
        }
    }

    /// Rounds 8, big-endian ‖ price 16.
    #[must_use]
    pub fn to_bytes(self) -> [u8; CHARGE_LEN] {
        let mut bytes = [0; CHARGE_LEN];
        bytes[..8].copy_from_slice(&self.charged.to_be_bytes());
        bytes[8..].copy_from_slice(&self.at.to_bytes());
        bytes
    }

    /// The charge with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; CHARGE_LEN]) -> Self {
        let [c0, c1, c2, c3, c4, c5, c6, c7, at @ ..] = bytes;
        let charged = u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]);
        Self { charged, at: Price::from_bytes(at) }
    }
}
