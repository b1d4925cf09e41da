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
//! [half of the budget](Budget::price): every charged round is counted by at least one of them,
//! and two halves are no more than the whole, whatever the two have in common.
//!
//! All homes of an account share one budget: what was charged in one of them is in a record of the
//! account that the next one begins with, and nothing is charged that is not recorded ahead.

pub use talaria_wire::identity::charge::Price;
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

    /// What one side of a conversation may have, if anything is known of it: half of the charged rounds
    /// that the goal holds for.
    #[must_use]
    pub fn price(self) -> Option<Price> {
        match self {
            Self::NoNoise | Self::NoGoal => None,
            Self::Goal(goal) => Some(Price {
                rounds: goal.charged_rounds / SIDES,
                epsilon_millionths: goal.epsilon_millionths,
                delta_billionths: goal.delta_billionths,
            }),
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
    /// What the noise in force is worth; `None` if there is no budget, and nothing stops.
    pub(crate) price: Option<Price>,
    /// Go on when it is used up.
    pub(crate) beyond: bool,
    /// So many rounds are in the account's record, charged or reserved, and no more may be charged before
    /// there is another; `None` if none is kept.
    pub(crate) recorded: Option<u64>,
}

/// The charged rounds of one conversation, those included of which nothing is known yet.
#[derive(Debug)]
pub(crate) struct Ledger {
    limit: Limit,
    /// Rounds that have ended and were charged.
    settled: u64,
    /// The worst price of one of them.
    settled_at: Option<Price>,
    /// Rounds that have not ended: charged until they turn out to be harmless.
    away: u64,
    /// The worst price at which one of them has left.
    away_at: Option<Price>,
    causes: Causes,
}

impl Ledger {
    /// Of `charged` rounds, the worst at this price; an older program has not said at which.
    pub(crate) fn new(limit: Limit, charged: u64, at: Option<Price>) -> Self {
        let settled_at =
            at.or_else(|| (charged > 0).then(|| limit.price.unwrap_or(Price::UNKNOWN)));
        let causes = Causes::default();
        Self { limit, settled: charged, settled_at, away: 0, away_at: None, causes }
    }

    pub(crate) fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
    }

    /// Charged rounds that this side may have, in all; `None` for any number.
    pub(crate) fn rounds(&self) -> Option<u64> {
        let now = self.limit.price?;
        Some(self.at().unwrap_or(now).rounds_for(now))
    }

    /// Whether the lane may talk in one more round, however it ends.
    pub(crate) fn allows_one_more(&self) -> bool {
        let is_spent = self.rounds().is_some_and(|rounds| self.charged() >= rounds);
        if is_spent { self.limit.beyond } else { !self.awaits_record() }
    }

    /// Whether there is something of the budget left, and nothing of what is recorded. What is charged
    /// beyond the budget makes nothing worse that a record could say.
    pub(crate) fn awaits_record(&self) -> bool {
        let is_left = self.rounds().is_some_and(|rounds| self.charged() < rounds);
        is_left && self.limit.recorded.is_some_and(|recorded| self.charged() >= recorded)
    }

    /// The lane talks in a round, which has the price of this moment however it ends. A crash right
    /// now would leave it unknown for ever.
    pub(crate) fn depart(&mut self) {
        self.away = self.away.saturating_add(1);
        self.away_at = worst(self.away_at, Some(self.limit.price.unwrap_or(Price::UNKNOWN)));
    }

    /// A round that departed never left: nobody saw its onions.
    pub(crate) fn withdraw(&mut self) {
        self.away = self.away.saturating_sub(1);
        if self.away == 0 {
            self.away_at = None;
        }
    }

    pub(crate) fn settle(&mut self, ended: Ended) {
        if ended.is_charged() {
            self.settled = self.settled.saturating_add(1);
            self.settled_at = worst(self.settled_at, self.away_at);
        }
        self.withdraw();
        self.causes.note(ended);
    }

    /// The worst price of all that is charged, on disk as well.
    pub(crate) fn at(&self) -> Option<Price> {
        worst(self.settled_at, self.away_at)
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
        let rounds = self.rounds()?;
        match self.settled {
            settled if settled >= rounds && self.limit.beyond => Some(BudgetStage::Beyond),
            settled if settled >= rounds => Some(BudgetStage::Spent),
            settled if settled >= rounds.div_ceil(2) => Some(BudgetStage::Half),
            _ => None,
        }
    }
}

fn worst(one: Option<Price>, other: Option<Price>) -> Option<Price> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.worst(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(rounds: u64) -> Price {
        Price { rounds, epsilon_millionths: 693_147, delta_billionths: 100_000 }
    }

    fn limit(price: Option<Price>) -> Limit {
        Limit { price, ..Limit::default() }
    }

    #[test]
    fn a_new_network_file_makes_no_old_charge_cheaper() {
        let lost = Ended::Lost(Loss::Unknown);
        let mut ledger = Ledger::new(limit(Some(price(10))), 0, None);
        assert_eq!(ledger.rounds(), Some(10));
        for _ in 0..4 {
            ledger.depart();
            ledger.settle(lost);
        }
        // More noise: these four were not made under it.
        ledger.set_limit(limit(Some(price(1000))));
        assert_eq!(ledger.rounds(), Some(10));
        // Less noise: what is charged counts as if all had been made under it.
        ledger.set_limit(limit(Some(price(5))));
        assert_eq!(ledger.rounds(), Some(5));
        ledger.depart();
        assert!(!ledger.allows_one_more());
        // A round that is away keeps the price at which it left, and so does what is on disk.
        ledger.set_limit(limit(Some(price(1000))));
        assert_eq!((ledger.charged(), ledger.at()), (5, Some(price(5))));
        ledger.settle(Ended::Back { met: [true; 2] });
        assert_eq!((ledger.charged(), ledger.at()), (4, Some(price(10))));
        let again = Ledger::new(limit(Some(price(1000))), 4, ledger.at());
        assert_eq!(again.rounds(), Some(10));
    }

    #[test]
    fn charges_without_noise_or_for_a_weaker_goal_leave_nothing_of_a_budget() {
        let lost = Ended::Lost(Loss::Unknown);
        let weaker = [
            None,
            Some(Price { epsilon_millionths: 693_148, ..price(9) }),
            Some(Price { delta_billionths: 100_001, ..price(9) }),
        ];
        for then in weaker {
            let mut ledger = Ledger::new(limit(then), 0, None);
            ledger.depart();
            ledger.settle(lost);
            assert_eq!(ledger.rounds(), then.map(|then| then.rounds));
            ledger.set_limit(limit(Some(price(1000))));
            assert_eq!((ledger.rounds(), ledger.allows_one_more()), (Some(0), false));
        }
        // Nothing was charged: nothing is worth less.
        let mut ledger = Ledger::new(limit(None), 0, None);
        ledger.depart();
        ledger.settle(Ended::Back { met: [true; 2] });
        ledger.set_limit(limit(Some(price(1000))));
        assert_eq!(ledger.rounds(), Some(1000));
        // An older program has not said at which price.
        assert_eq!(Ledger::new(limit(Some(price(7))), 3, None).at(), Some(price(7)));
    }

    #[test]
    fn no_more_is_charged_than_is_recorded_but_what_is_beyond_the_budget() {
        let recorded = |recorded| Limit { recorded: Some(recorded), ..limit(Some(price(10))) };
        let mut ledger = Ledger::new(recorded(3), 2, None);
        assert!(ledger.allows_one_more());
        ledger.depart();
        assert!(!ledger.allows_one_more() && ledger.awaits_record());
        ledger.set_limit(Limit { beyond: true, ..recorded(3) });
        assert!(!ledger.allows_one_more(), "who comes after would not know of it");
        ledger.settle(Ended::Back { met: [true; 2] });
        assert!(ledger.allows_one_more() && !ledger.awaits_record());
        ledger.set_limit(recorded(20));
        for _ in 2..10 {
            assert!(ledger.allows_one_more());
            ledger.depart();
        }
        assert!(!ledger.allows_one_more() && !ledger.awaits_record(), "the budget is used up");
        ledger.set_limit(Limit { beyond: true, ..recorded(0) });
        assert!(ledger.allows_one_more());
        // Where nothing stops, nothing has to be recorded.
        let nothing = Limit { recorded: Some(0), ..Limit::default() };
        assert!(Ledger::new(nothing, 5, None).allows_one_more());
    }

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
        assert_eq!(noise(2, Some(goal)).price().map(|price| price.rounds), Some(9));
        assert_eq!(Budget::NoNoise.price().or(Budget::NoGoal.price()), None);
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
            let limit = limit(Some(price(rounds)));
            let mut ledger = Ledger::new(limit, 0, None);
            let mut at = None;
            let (mut disk, mut away, mut truth) = (0, 0u64, 0);
            for step in steps {
                match step {
                    Step::Depart if ledger.allows_one_more() => {
                        ledger.depart();
                        away += 1;
                        (disk, at) = (ledger.charged(), ledger.at());
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
                        ledger = Ledger::new(limit, disk, at);
                    }
                    _ => {}
                }
                prop_assert!(truth + away <= ledger.charged() && ledger.charged() <= rounds);
                prop_assert_eq!(ledger.stage() == Some(BudgetStage::Spent), ledger.settled() == rounds);
            }
        }

        #[test]
        fn who_goes_beyond_is_never_stopped_and_still_counts(ends in prop::collection::vec(ended(), 1..50)) {
            let mut ledger = Ledger::new(Limit { beyond: true, ..limit(Some(price(1))) }, 0, None);
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
