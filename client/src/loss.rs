//! For whom a round was lost, as far as a client can know.
//!
//! All that it hears of a round that brings no replies it hears from the entry, which may lie: it can
//! leave out one client and say that the round failed for everybody. So what is known here is for
//! people, who have to know whether to look at their own connection or to ask an operator. Of what a
//! round costs it changes nothing ([`budget`](crate::conversation::budget)).

use talaria_wire::frame::Outcome;

/// Lost rounds in a row, of one kind, that are told to the person.
const TOLD_AT: u64 = 5;

/// For whom a round was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// For this client: the entry says that its submission was not in the round.
    Own,
    /// For everybody, the entry says.
    Everybody,
    /// Nobody has said anything.
    Unknown,
}

/// How a round ended for this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundEnd {
    /// It brought replies.
    Delivered,
    /// It did not.
    Lost(Loss),
}

impl RoundEnd {
    /// What the entry says of it.
    #[must_use]
    pub fn said(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Late => Self::Lost(Loss::Own),
            Outcome::Failed => Self::Lost(Loss::Everybody),
        }
    }
}

/// Rounds that were lost one after the other, all in the same way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Streak {
    loss: Option<Loss>,
    rounds: u64,
}

impl Streak {
    /// A round has ended. Gives what there is to tell: once for each streak.
    pub(crate) fn note(&mut self, end: RoundEnd) -> Option<(Loss, u64)> {
        let RoundEnd::Lost(loss) = end else {
            *self = Self::default();
            return None;
        };
        if self.loss != Some(loss) {
            *self = Self { loss: Some(loss), rounds: 0 };
        }
        self.rounds = self.rounds.saturating_add(1);
        (self.rounds == TOLD_AT).then_some((loss, self.rounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unbroken_streak_of_one_kind_is_told_and_only_once() {
        let mut streak = Streak::default();
        let mut told = |ends: &[RoundEnd]| -> Vec<_> {
            ends.iter().filter_map(|end| streak.note(*end)).collect()
        };
        let [own, everybody] = [Loss::Own, Loss::Everybody].map(RoundEnd::Lost);
        assert_eq!(told(&[own, own, own, own, everybody, own, own, own, own]), []);
        assert_eq!(told(&[RoundEnd::Delivered, own, own, own, own]), []);
        assert_eq!(told(&[own, own, own]), [(Loss::Own, TOLD_AT)]);
        assert_eq!(told(&[everybody; 9]), [(Loss::Everybody, TOLD_AT)]);
        assert_eq!(told(&[RoundEnd::Delivered]), []);
        assert_eq!(told(&[everybody; 9]), [(Loss::Everybody, TOLD_AT)]);
    }
}
