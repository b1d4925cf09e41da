//! The entry's round clock: when a round opens, closes and is given up.
//!
//! Pure: it is told what time it is and what happened, and says what to do. Round numbers come
//! from the clock and only ever rise, so that a clock that is set back costs rounds and never
//! repeats one. A round collects while the one before it travels.
//!
//! A chain that is given more rounds than it has time for would return none of them in time. So
//! half of those that travel when one takes too long may travel from then on, and one more again
//! when eight in a row have returned (as TCP's congestion window does, RFC 5681); meanwhile rounds
//! are left out. Rounds that had opened before it halved are one flight: that more of them are late
//! says nothing new, and halves nothing again (RFC 6582, section 3.2).
//!
//! While the chain cannot be reached no round opens: one that is bound to fail would cost
//! everybody who is in it, and help nobody.

use std::collections::VecDeque;
use std::num::NonZeroU64;

use talaria_wire::{Round, UnixMillis};

use crate::underway::Underway;

/// Rounds that return in a row before one more may travel.
const GROWS_AFTER: usize = 8;

/// What the schedule goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// Length of a round in milliseconds.
    pub period_ms: NonZeroU64,
    /// How long the chain may take for a round, in milliseconds.
    pub patience_ms: u64,
    /// The most rounds that travel at once.
    pub max_rounds: usize,
}

impl ScheduleConfig {
    /// Patience of three periods and at least five seconds, and room for as many rounds.
    #[must_use]
    pub fn for_period(period_ms: NonZeroU64) -> Self {
        let patience_ms = (3 * period_ms.get()).max(5000);
        let rounds = patience_ms / period_ms.get() + 2;
        let max_rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
        Self { period_ms, patience_ms, max_rounds }
    }
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its replies are back.
    Returned,
    /// The chain has too much to do.
    Overloaded,
    /// It is lost for another reason.
    Lost,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Announce a round and collect for it.
    Open {
        /// The round.
        round: Round,
        /// When it closes at the latest.
        closes_at: UnixMillis,
    },
    /// This round is left out, since it could not travel.
    Pass(Round),
    /// Stop collecting for this round and send it off.
    Close(Round),
    /// Nobody waits for this round any more.
    GiveUp(Round),
    /// Every round is over and no further one will open.
    Drained,
}

#[derive(Debug, PartialEq, Eq)]
enum Mode {
    Running,
    Draining,
    Drained,
}

/// The round clock.
#[derive(Debug)]
pub struct Scheduler {
    config: ScheduleConfig,
    mode: Mode,
    /// Whether a round could travel.
    ready: bool,
    /// The earliest round that may still open.
    next: Round,
    open: Option<(Round, UnixMillis)>,
    travelling: Underway<()>,
    /// How many rounds may travel at once for now.
    window: usize,
    /// Rounds before this one opened before the window was last halved.
    flight: Round,
    /// How many have returned in a row.
    returned: usize,
    steps: VecDeque<Step>,
}

impl Scheduler {
    /// Starts with the first round that begins after `now`: the present one may have run before
    /// a restart. None opens before [`Scheduler::set_ready`].
    #[must_use]
    pub fn new(config: ScheduleConfig, now: UnixMillis) -> Self {
        Self {
            config,
            mode: Mode::Running,
            ready: false,
            next: Round::at(now, config.period_ms).next(),
            open: None,
            travelling: Underway::new(config.max_rounds),
            window: config.max_rounds,
            flight: Round(0),
            returned: 0,
            steps: VecDeque::new(),
        }
    }

    /// Whether a round that opens now could travel.
    pub fn set_ready(&mut self, ready: bool) {
        self.ready = ready;
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: UnixMillis) {
        let travelling = self.travelling.len();
        for (round, ()) in self.travelling.expire(now) {
            self.narrow(round, travelling);
            self.steps.push_back(Step::GiveUp(round));
        }
        if self.open.is_some_and(|(_, closes_at)| closes_at <= now) {
            self.close(now);
        }
        let current = Round::at(now, self.config.period_ms);
        if self.mode == Mode::Running && self.open.is_none() && current >= self.next {
            if !self.ready {
                self.next = current.next();
                self.steps.push_back(Step::Pass(current));
            } else if self.travelling.len() < self.window {
                self.open(current);
            } else {
                self.next = current.next();
            }
        }
        self.check_drained();
    }

    /// Everybody who is waited for has submitted: the open round need not wait longer.
    pub fn handle_complete(&mut self, now: UnixMillis) {
        self.close(now);
    }

    /// `round` is over. Says whether it was still waited for.
    pub fn handle_over(&mut self, round: Round, ending: Ending) -> bool {
        let travelling = self.travelling.len();
        let waited = self.travelling.arrive(round).is_some();
        match ending {
            Ending::Returned if waited => self.widen(),
            Ending::Overloaded if waited => self.narrow(round, travelling),
            _ => {}
        }
        self.check_drained();
        waited
    }

    /// Closes the open round at once and opens no other.
    pub fn drain(&mut self, now: UnixMillis) {
        if self.mode == Mode::Running {
            self.mode = Mode::Draining;
            self.close(now);
            self.check_drained();
        }
    }

    /// What to do next.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// When [`Scheduler::handle_timeout`] has to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        let opens_at = match (&self.mode, self.open) {
            (Mode::Running, None) => Some(self.next.starts_at(self.config.period_ms)),
            (_, open) => open.map(|(_, closes_at)| closes_at),
        };
        opens_at.into_iter().chain(self.travelling.poll_timeout()).min()
    }

    /// The round that will open next, if none collects now, and when.
    #[must_use]
    pub fn upcoming(&self) -> Option<(Round, UnixMillis)> {
        let waits = self.mode == Mode::Running && self.open.is_none() && self.ready;
        waits.then(|| (self.next, self.next.starts_at(self.config.period_ms)))
    }

    /// The round that collects now.
    #[must_use]
    pub fn open_round(&self) -> Option<Round> {
        self.open.map(|(round, _)| round)
    }

    fn widen(&mut self) {
        self.returned += 1;
        if self.returned >= GROWS_AFTER {
            self.returned = 0;
            self.window = self.config.max_rounds.min(self.window + 1);
        }
    }

    /// `late` took too long, when so many were travelling: half of those is what the chain gets
    /// from now on (RFC 5681, equation 4).
    fn narrow(&mut self, late: Round, travelling: usize) {
        self.returned = 0;
        if late >= self.flight {
            self.flight = self.next;
            self.window = (self.window.min(travelling) / 2).max(1);
        }
    }

    fn open(&mut self, round: Round) {
        let closes_at = round.next().starts_at(self.config.period_ms);
        self.open = Some((round, closes_at));
        self.next = round.next();
        self.steps.push_back(Step::Open { round, closes_at });
    }

    fn close(&mut self, now: UnixMillis) {
        let Some((round, _)) = self.open.take() else {
            return;
        };
        let deadline = now.plus(self.config.patience_ms);
        self.steps.push_back(Step::Close(round));
        if self.travelling.depart(round, deadline, ()).is_err() {
            self.steps.push_back(Step::GiveUp(round));
        }
    }

    fn check_drained(&mut self) {
        if self.mode == Mode::Draining && self.travelling.is_empty() {
            self.mode = Mode::Drained;
            self.steps.push_back(Step::Drained);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scheduler(period: u64, max_rounds: usize, now: u64) -> Scheduler {
        let period_ms = NonZeroU64::new(period).unwrap();
        let config = ScheduleConfig { period_ms, patience_ms: 3 * period, max_rounds };
        let mut scheduler = Scheduler::new(config, UnixMillis(now));
        scheduler.set_ready(true);
        scheduler
    }

    fn steps(scheduler: &mut Scheduler) -> Vec<Step> {
        std::iter::from_fn(|| scheduler.poll_step()).collect()
    }

    fn open(round: u64) -> Step {
        Step::Open { round: Round(round), closes_at: UnixMillis((round + 1) * 100) }
    }

    #[test]
    fn rounds_follow_each_other_and_travel_while_the_next_collects() {
        let mut s = scheduler(100, 8, 250);
        s.handle_timeout(UnixMillis(250));
        assert_eq!(steps(&mut s), []);
        assert_eq!(s.poll_timeout(), Some(UnixMillis(300)));
        s.handle_timeout(UnixMillis(300));
        assert_eq!(steps(&mut s), [open(3)]);
        s.handle_timeout(UnixMillis(401));
        assert_eq!(steps(&mut s), [Step::Close(Round(3)), open(4)]);
        assert!(s.handle_over(Round(3), Ending::Returned));
        assert!(!s.handle_over(Round(3), Ending::Returned));
    }

    #[test]
    fn a_complete_round_closes_early_and_does_not_open_again() {
        let mut s = scheduler(100, 8, 0);
        s.handle_timeout(UnixMillis(100));
        s.handle_complete(UnixMillis(110));
        s.handle_timeout(UnixMillis(120));
        assert_eq!(steps(&mut s), [open(1), Step::Close(Round(1))]);
        assert_eq!(s.poll_timeout(), Some(UnixMillis(200)));
        assert_eq!(s.upcoming(), Some((Round(2), UnixMillis(200))));
        s.handle_timeout(UnixMillis(200));
        assert_eq!(s.upcoming(), None);
    }

    #[test]
    fn slow_rounds_are_given_up() {
        let mut s = scheduler(100, 8, 0);
        s.handle_timeout(UnixMillis(100));
        s.handle_complete(UnixMillis(150));
        s.handle_timeout(UnixMillis(450));
        assert!(steps(&mut s).contains(&Step::GiveUp(Round(1))));
        assert!(!s.handle_over(Round(1), Ending::Returned));
    }

    #[test]
    fn no_more_rounds_travel_than_allowed() {
        let mut s = scheduler(100, 1, 0);
        s.handle_timeout(UnixMillis(100));
        s.handle_timeout(UnixMillis(200));
        s.handle_timeout(UnixMillis(300));
        assert_eq!(steps(&mut s), [open(1), Step::Close(Round(1))]);
        assert!(s.handle_over(Round(1), Ending::Returned));
        s.handle_timeout(UnixMillis(350));
        assert_eq!((steps(&mut s), s.poll_timeout()), (vec![], Some(UnixMillis(400))));
        s.handle_timeout(UnixMillis(400));
        assert_eq!(steps(&mut s), [open(4)]);
    }

    /// A chain that works on one round at a time, for `work_ms` each, and does not stop to work on
    /// rounds that nobody waits for any more. Gives how many came back in time.
    fn returned_from_slow_chain(work_ms: u64, until: u64) -> usize {
        let mut s = scheduler(100, 8, 0);
        let (mut busy_until, mut returned) = (0, 0);
        let mut at_work = VecDeque::new();
        for now in (0..until).map(UnixMillis) {
            while let Some(&(round, _)) = at_work.front().filter(|&&(_, done)| done <= now) {
                at_work.pop_front();
                returned += usize::from(s.handle_over(round, Ending::Returned));
            }
            s.handle_timeout(now);
            for step in steps(&mut s) {
                if let Step::Close(round) = step {
                    busy_until = busy_until.max(now.0) + work_ms;
                    at_work.push_back((round, UnixMillis(busy_until)));
                }
            }
        }
        returned
    }

    #[test]
    fn a_chain_that_is_too_slow_gets_fewer_rounds_and_returns_them() {
        assert_eq!(returned_from_slow_chain(90, 10_000), 98);
        for work_ms in [110, 150, 250] {
            let could = usize::try_from(10_000 / work_ms).unwrap();
            let returned = returned_from_slow_chain(work_ms, 10_000);
            assert!(returned > could / 3, "{returned} of {could} at {work_ms} ms");
        }
    }

    #[test]
    fn a_flight_of_late_rounds_halves_the_window_once() {
        let period_ms = NonZeroU64::new(100).unwrap();
        let config = ScheduleConfig { period_ms, patience_ms: 1000, max_rounds: 64 };
        let mut s = Scheduler::new(config, UnixMillis(0));
        s.set_ready(true);
        let mut now = 0;
        let mut late_until = |until: u64| {
            let mut late = 0;
            while now < until {
                now += 100;
                s.handle_timeout(UnixMillis(now));
                late += steps(&mut s).iter().filter(|s| matches!(s, Step::GiveUp(_))).count();
            }
            (late, s.window)
        };
        // Nothing comes back. The first round closes at 200, and is late when ten are travelling.
        assert_eq!(late_until(1100), (0, 64));
        assert_eq!(late_until(1200), (1, 5));
        // So are all that had opened by then; and then the first one that opened afterwards.
        assert_eq!(late_until(2800), (10, 5));
        assert_eq!(late_until(2900), (1, 2));
    }

    #[test]
    fn no_round_opens_that_could_not_travel() {
        let mut s = scheduler(100, 8, 0);
        s.set_ready(false);
        s.handle_timeout(UnixMillis(100));
        assert_eq!(steps(&mut s), [Step::Pass(Round(1))]);
        assert_eq!((s.upcoming(), s.poll_timeout()), (None, Some(UnixMillis(200))));
        s.set_ready(true);
        s.handle_timeout(UnixMillis(150));
        assert_eq!(steps(&mut s), [], "it has begun, and was left out");
        s.handle_timeout(UnixMillis(200));
        assert_eq!(steps(&mut s), [open(2)]);
        // One that is open closes as ever.
        s.set_ready(false);
        s.handle_timeout(UnixMillis(300));
        assert_eq!(steps(&mut s), [Step::Close(Round(2)), Step::Pass(Round(3))]);
    }

    #[test]
    fn a_clock_that_is_set_back_repeats_no_round() {
        let mut s = scheduler(100, 8, 0);
        s.handle_timeout(UnixMillis(500));
        s.handle_timeout(UnixMillis(600));
        let _ = steps(&mut s);
        s.handle_complete(UnixMillis(100));
        s.handle_timeout(UnixMillis(100));
        assert_eq!(steps(&mut s), [Step::Close(Round(6))]);
        assert!(s.poll_timeout().is_some_and(|at| at <= UnixMillis(700)));
    }

    #[test]
    fn draining_finishes_what_travels_and_says_so_once() {
        let mut s = scheduler(100, 8, 0);
        s.handle_timeout(UnixMillis(100));
        s.drain(UnixMillis(110));
        s.drain(UnixMillis(111));
        assert_eq!(steps(&mut s), [open(1), Step::Close(Round(1))]);
        s.handle_timeout(UnixMillis(200));
        assert_eq!(steps(&mut s), []);
        s.handle_over(Round(1), Ending::Returned);
        assert_eq!(steps(&mut s), [Step::Drained]);
        s.handle_timeout(UnixMillis(300));
        assert_eq!((steps(&mut s), s.poll_timeout()), (vec![], None));
    }

    proptest! {
        #[test]
        fn whatever_happens_rounds_open_once_close_once_and_rise(
            events in prop::collection::vec((0u8..4, 0u64..250), 1..80),
        ) {
            let mut s = scheduler(100, 3, 0);
            let (mut now, mut last_open, mut opened, mut closed) = (0u64, None, 0, 0);
            let mut travelling = Vec::new();
            for (event, delta) in events {
                // Time mostly goes on, and sometimes back.
                now = if event == 3 { now.saturating_sub(delta) } else { now + delta };
                match event {
                    0 => s.handle_complete(UnixMillis(now)),
                    1 if !travelling.is_empty() => { s.handle_over(travelling.remove(0), Ending::Lost); }
                    _ => s.handle_timeout(UnixMillis(now)),
                }
                for step in steps(&mut s) {
                    match step {
                        Step::Open { round, .. } => {
                            prop_assert!(last_open < Some(round));
                            prop_assert_eq!(opened, closed);
                            last_open = Some(round);
                            opened += 1;
                        }
                        Step::Close(round) => {
                            prop_assert_eq!(Some(round), last_open);
                            closed += 1;
                            travelling.push(round);
                        }
                        Step::GiveUp(round) => travelling.retain(|r| *r != round),
                        Step::Pass(_) => prop_assert!(false, "it was ready all the time"),
                        Step::Drained => prop_assert!(false, "nobody asked to drain"),
                    }
                    prop_assert!(travelling.len() <= 4);
                }
            }
        }
    }
}
