//! How a lane looks for a partner who is not there, without spending the budget on it.
//!
//! A round in which one waits for the other in vain is charged. So a conversation talks in every
//! round at first, and after [`PATIENCE`] rounds without the partner in every
//! [`SEARCH_EVERY`]th round only; else the lane idles, which looks the same from outside. Which
//! rounds these are follows from the session, so both members know, and different pairs do not
//! all search in the same rounds. Whoever is not met talks in these rounds at least, so two who
//! search, or one who searches and one who does not, meet in the first of them that is not lost.

use talaria_wire::Round;
use talaria_wire::peer_message::SessionId;

/// Rounds without the partner after which the lane talks in fewer rounds.
pub(crate) const PATIENCE: u32 = 8;
/// Distance of the rounds in which it talks then.
pub(crate) const SEARCH_EVERY: u64 = 8;

#[derive(Debug)]
pub(crate) struct Search {
    /// Searching rounds leave this when divided by [`SEARCH_EVERY`].
    offset: u64,
    /// Rounds in which the lane has talked since the partner was met, or since the start.
    unmet: u32,
}

impl Search {
    pub(crate) fn new(session: &SessionId) -> Self {
        Self { offset: u64::from(session.0[0]) % SEARCH_EVERY, unmet: 0 }
    }

    /// Whether the lane talks in `round`.
    pub(crate) fn talks_in(&self, round: Round) -> bool {
        self.unmet < PATIENCE || round.0 % SEARCH_EVERY == self.offset
    }

    /// A round in which it talked has ended, for whatever reason without the partner if not `met`.
    pub(crate) fn ended(&mut self, met: bool) {
        self.unmet = if met { 0 } else { self.unmet.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One member: searches from the round `from` on, and learns of a round one round later.
    struct Member {
        search: Search,
        from: u64,
        away: Option<bool>,
        talked: u64,
    }

    impl Member {
        fn new(session: &SessionId, from: u64) -> Self {
            Self { search: Search::new(session), from, away: None, talked: 0 }
        }

        fn talks_in(&mut self, round: u64) -> bool {
            let talks = round >= self.from && self.search.talks_in(Round(round));
            self.talked += u64::from(talks);
            talks
        }

        fn learn(&mut self, met: Option<bool>) {
            if let Some(met) = std::mem::replace(&mut self.away, met) {
                self.search.ended(met);
            }
        }
    }

    /// Runs both; gives the rounds in which they met.
    fn run(members: &mut [Member; 2], rounds: std::ops::Range<u64>, lost: &[bool]) -> Vec<u64> {
        let mut meetings = Vec::new();
        for round in rounds {
            let talk = [0, 1].map(|i: usize| members[i].talks_in(round));
            let lost = usize::try_from(round).ok().and_then(|at| lost.get(at)).copied();
            let met = talk == [true; 2] && !lost.unwrap_or(false);
            if met {
                meetings.push(round);
            }
            for (member, talks) in members.iter_mut().zip(talk) {
                member.learn(talks.then_some(met));
            }
        }
        meetings
    }

    proptest! {
        #[test]
        fn two_who_come_at_any_time_meet_in_the_first_searching_round_that_is_not_lost(
            byte in any::<u8>(),
            from in prop::array::uniform2(0u64..200),
            lost in prop::collection::vec(prop::bool::weighted(0.4), 260),
        ) {
            let session = SessionId([byte; 32]);
            let mut members = from.map(|from| Member::new(&session, from));
            let both = from[0].max(from[1]);
            let meetings = run(&mut members, 0..300, &lost);
            let search = |round: &u64| {
                let at = usize::try_from(*round).unwrap();
                round % 8 == u64::from(byte) % 8 && !lost.get(at).copied().unwrap_or(false)
            };
            let first = (both..).find(search).unwrap();
            prop_assert!(meetings[0] <= first, "met in {} instead of {first}", meetings[0]);
            // Having met they talk in every round again, from the one after they have learnt it.
            for round in 262..300 {
                let after = meetings.iter().any(|met| met + 2 <= round && *met >= 256);
                prop_assert!(!after || meetings.contains(&round));
            }
        }
    }

    #[test]
    fn who_waits_alone_talks_in_one_round_of_eight() {
        let session = SessionId([5; 32]);
        let mut members = [0, 10_000].map(|from| Member::new(&session, from));
        assert!(run(&mut members, 0..800, &[]).is_empty());
        // Eight at first, and one more while the eighth is away.
        assert!((100..=110).contains(&members[0].talked), "{}", members[0].talked);
    }

    #[test]
    fn different_sessions_search_in_different_rounds() {
        let offset = |byte| Search::new(&SessionId([byte; 32])).offset;
        assert_eq!((0..8).map(offset).collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    }
}
