//! The privacy budget of a conversation: which rounds are charged to it, and what is left.
//!
//! Noise hides for so many *charged* rounds whether two people talk (`mixnet/PRIVACY.md`): rounds
//! in which (2, 0), (0, 2) or (1, 1) of their onions were lost. A client cannot see which of these
//! it was. If one of its slots came back empty, its own onion or the partner's may be gone, or one
//! of each; if both did, so may the partner be, whose absence moves the count of pairs as well; a
//! reply that was not sealed by the chain, or is not from the partner, may hide any of them. So
//! whatever is not known to be harmless is charged, and harmless is one case only: both slots
//! brought the partner's message, so all four onions arrived.
//!
//! A submission that was [too late](Loss::Own) is two onions lost of this side, while the
//! partner's wait in vain: (2, 0). Who delays a submission on its way removes it. So it is charged.
//! A round that [failed for everybody](Loss::Everybody) is charged no less: that it did only the entry
//! says, and a hop behind the honest one may have looked at the exchange before it failed the round. Of
//! what nobody says anything the worse is taken. Which of these it was is [counted](Causes), for people.
//!
//! What is counted is therefore at least what the attacker has gained from rounds in which this
//! client talked. Rounds in which only the partner's lane talked, with this client away, are
//! counted by the partner, and neither side knows what the other has counted. So each may spend
//! [half of the budget](Budget::rounds): every charged round is counted by at least one of them,
//! and two halves are no more than the whole, whatever the two have in common.

use talaria_wire::network_file::{Noise, NoiseGoal};
use talaria_wire::params::ONIONS_PER_LANE;

use crate::loss::Loss;

/// A conversation has two sides, and each counts for itself.
const SIDES: u64 = 2;

/// How a round ended in which the lane talked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It came back.
    Back {
        /// The slots that brought an authentic message of the partner.
        met: [bool; ONIONS_PER_LANE],
    },
    /// It did not.
    Lost(Loss),
}

impl Ended {
    /// Whether it has to be charged to the budget of the conversation.
    #[must_use]
    pub fn is_charged(self) -> bool {
        match self {
            Self::Back { met } => met != [true; ONIONS_PER_LANE],
            Self::Lost(_) => true,
        }
    }
}

/// What the noise of a network is worth to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Hops add no noise: whoever removes an onion may learn something from a single round.
    NoNoise,
    /// Hops add noise, and the network file does not say what for.
    NoGoal,
    /// The goal holds for so many charged rounds.
    Goal(NoiseGoal),
}

impl Budget {
    /// The budget that `noise` gives.
    #[must_use]
    pub fn of(noise: &Noise) -> Self {
        match noise.goal {
            _ if noise.onions == 0 => Self::NoNoise,
            None => Self::NoGoal,
            Some(goal) => Self::Goal(goal),
        }
    }

    /// Charged rounds that one side of a conversation may have, if anything is known of it: half
    /// of those that the goal holds for.
    #[must_use]
    pub fn rounds(self) -> Option<u64> {
        match self {
            Self::NoNoise | Self::NoGoal => None,
            Self::Goal(goal) => Some(goal.charged_rounds / SIDES),
        }
    }
}

/// How much of the budget is gone, when that is worth a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BudgetStage {
    /// Half of it.
    Half,
    /// All of it, and the lane idles from now on.
    Spent,
    /// All of it, and the conversation goes on without the protection, as it was told to.
    Beyond,
}

/// Why rounds were charged, in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// They came back without both messages of the partner.
    pub unmet: u64,
    /// They were lost for this client.
    pub own: u64,
    /// They were lost for everybody, the entry says.
    pub everybody: u64,
    /// Nobody has said anything.
    pub unknown: u64,
}

impl Causes {
    fn note(&mut self, ended: Ended) {
        let count = match ended {
            _ if !ended.is_charged() => return,
            Ended::Back { .. } => &mut self.unmet,
            Ended::Lost(Loss::Own) => &mut self.own,
            Ended::Lost(Loss::Everybody) => &mut self.everybody,
            Ended::Lost(Loss::Unknown) => &mut self.unknown,
        };
        *count = count.saturating_add(1);
    }
}

/// When a conversation has to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Charged rounds that it may have; `None` for any number.
    pub(crate) rounds: Option<u64>,
    /// Go on when they are used up.
    pub(crate) beyond: bool,
}

/// The charged rounds of one conversation, those included of which nothing is known yet.
#[derive(Debug)]
pub(crate) struct Ledger {
    limit: Limit,
    /// Rounds that have ended and were charged.
    settled: u64,
    /// Rounds that have not ended: charged until they turn out to be harmless.
    away: u64,
    causes: Causes,
}

impl Ledger {
    pub(crate) fn new(limit: Limit, charged: u64) -> Self {
        Self { limit, settled: charged, away: 0, causes: Causes::default() }
    }

    pub(crate) fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
    }

    pub(crate) fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether the lane may talk in one more round, however it ends.
    pub(crate) fn allows_one_more(&self) -> bool {
        self.limit.beyond || self.limit.rounds.is_none_or(|rounds| self.charged() < rounds)
    }

    /// The lane talks in a round. A crash right now would leave it unknown for ever.
    pub(crate) fn depart(&mut self) {
        self.away = self.away.saturating_add(1);
    }

    /// A round that departed never left: nobody saw its onions.
    pub(crate) fn withdraw(&mut self) {
        self.away = self.away.saturating_sub(1);
    }

    pub(crate) fn settle(&mut self, ended: Ended) {
        self.away = self.away.saturating_sub(1);
        self.settled = self.settled.saturating_add(u64::from(ended.is_charged()));
        self.causes.note(ended);
    }

    /// Why rounds were charged since this was made.
    pub(crate) fn causes(&self) -> Causes {
        self.causes
    }

    /// What has to be on disk.
    pub(crate) fn charged(&self) -> u64 {
        self.settled.saturating_add(self.away)
    }

    /// Charged rounds that have ended.
    pub(crate) fn settled(&self) -> u64 {
        self.settled
    }

    /// How far it has come, by what is settled.
    pub(crate) fn stage(&self) -> Option<BudgetStage> {
        let rounds = self.limit.rounds?;
        match self.settled {
            settled if settled >= rounds && self.limit.beyond => Some(BudgetStage::Beyond),
            settled if settled >= rounds => Some(BudgetStage::Spent),
            settled if settled >= rounds.div_ceil(2) => Some(BudgetStage::Half),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_round_is_free_only_if_both_slots_met() {
        for met in [[false, false], [true, false], [false, true]] {
            assert!(Ended::Back { met }.is_charged());
        }
        assert!(!Ended::Back { met: [true; 2] }.is_charged());
        let losses = [Loss::Own, Loss::Everybody, Loss::Unknown].map(Ended::Lost);
        assert!(losses.iter().all(|ended| ended.is_charged()));
    }

    #[test]
    fn without_noise_or_goal_there_is_no_budget() {
        let goal =
            NoiseGoal { epsilon_millionths: 693_147, delta_billionths: 1, charged_rounds: 19 };
        let noise = |onions, goal| Budget::of(&Noise { onions, goal, ..Noise::NONE });
        assert_eq!(noise(0, Some(goal)), Budget::NoNoise);
        assert_eq!(noise(2, None), Budget::NoGoal);
        assert_eq!(noise(2, Some(goal)).rounds(), Some(9));
        assert_eq!(Budget::NoNoise.rounds().or(Budget::NoGoal.rounds()), None);
    }

    fn ended() -> impl Strategy<Value = Ended> {
        prop_oneof![
            prop::array::uniform2(any::<bool>()).prop_map(|met| Ended::Back { met }),
            Just(Ended::Back { met: [true; 2] }),
            Just(Ended::Lost(Loss::Own)),
            Just(Ended::Lost(Loss::Everybody)),
            Just(Ended::Lost(Loss::Unknown)),
        ]
    }

    /// A round departs, the oldest one ends, or the program is killed.
    #[derive(Clone, Debug)]
    enum Step {
        Depart,
        End(Ended),
        Kill,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Depart),
            4 => ended().prop_map(Step::End),
            1 => Just(Step::Kill),
        ]
    }

    proptest! {
        #[test]
        fn the_budget_is_never_exceeded_and_no_charged_round_is_forgotten(
            steps in prop::collection::vec(step(), 0..120),
            rounds in 1u64..20,
        ) {
            let limit = Limit { rounds: Some(rounds), beyond: false };
            let mut ledger = Ledger::new(limit, 0);
            let (mut disk, mut away, mut truth) = (0, 0u64, 0);
            for step in steps {
                match step {
                    Step::Depart if ledger.allows_one_more() => {
                        ledger.depart();
                        away += 1;
                        disk = ledger.charged();
                    }
                    Step::End(ended) if away > 0 => {
                        ledger.settle(ended);
                        away -= 1;
                        truth += u64::from(ended.is_charged());
                    }
                    Step::Kill => {
                        // What was away is lost without a word, and may all have been charged.
                        truth += away;
                        away = 0;
                        ledger = Ledger::new(limit, disk);
                    }
                    _ => {}
                }
                prop_assert!(truth + away <= ledger.charged() && ledger.charged() <= rounds);
                prop_assert_eq!(ledger.stage() == Some(BudgetStage::Spent), ledger.settled() == rounds);
            }
        }

        #[test]
        fn who_goes_beyond_is_never_stopped_and_still_counts(ends in prop::collection::vec(ended(), 1..50)) {
            let mut ledger = Ledger::new(Limit { rounds: Some(1), beyond: true }, 0);
            for ended in &ends {
                prop_assert!(ledger.allows_one_more());
                ledger.depart();
                ledger.settle(*ended);
            }
            let charged = ends.iter().filter(|ended| ended.is_charged()).count();
            prop_assert_eq!(ledger.charged(), charged as u64);
            let Causes { unmet, own, everybody, unknown } = ledger.causes();
            prop_assert_eq!(unmet + own + everybody + unknown, charged as u64);
            prop_assert_eq!(ledger.stage() == Some(BudgetStage::Beyond), charged > 0);
        }
    }
}
