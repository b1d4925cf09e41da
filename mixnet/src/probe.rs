//! Probing a chain: what a hop passes on, and what an operator is told.
//!
//! A probe travels from hop to hop, and every hop's report comes back ([`Relay`] is one hop's part
//! in that); [`diagnosis`] turns what came back into a finding for every link.

pub mod diagnosis;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use talaria_wire::probe::HopStatus;

/// Probes that a hop takes in a second.
const A_SECOND: usize = 4;
/// Reports of later hops are passed on for so long.
const KEPT: Duration = Duration::from_secs(10);

/// The probes that a hop has passed on, each with whoever waits for the reports.
///
/// Time is counted from whenever the caller likes. At most four probes are taken in a second, and
/// each is forgotten after ten, so that it holds few at any time.
#[derive(Debug)]
pub struct Relay<A> {
    /// The hop right behind.
    first: u8,
    /// When the last probes were taken.
    recent: VecDeque<Duration>,
    open: BTreeMap<u64, Open<A>>,
}

#[derive(Debug)]
struct Open<A> {
    asker: A,
    since: Duration,
    /// The hop that reports next.
    next: u8,
}

impl<A> Relay<A> {
    /// For the server before the hop at place `first`.
    #[must_use]
    pub fn before(first: u8) -> Self {
        Self { first, recent: VecDeque::new(), open: BTreeMap::new() }
    }

    /// Takes a probe. `false`: it is to be ignored, because too many come or its number is in use.
    pub fn begin(&mut self, now: Duration, id: u64, asker: A) -> bool {
        self.open.retain(|_, open| now.saturating_sub(open.since) < KEPT);
        self.recent.retain(|&at| now.saturating_sub(at) < Duration::from_secs(1));
        if self.recent.len() >= A_SECOND || self.open.contains_key(&id) {
            return false;
        }
        self.recent.push_back(now);
        self.open.insert(id, Open { asker, since: now, next: self.first });
        true
    }

    /// A later hop has reported: to whom to pass what on, unless nobody waits for it.
    pub fn reported(&mut self, now: Duration, mut status: HopStatus) -> Option<(&A, HopStatus)> {
        let open = self.open.get_mut(&status.id)?;
        let waited = now.saturating_sub(open.since);
        if waited >= KEPT || status.hop != open.next {
            return None;
        }
        if status.hop == self.first {
            status.round_trip_us = micros(waited);
        }
        open.next = open.next.saturating_add(1);
        Some((&open.asker, status))
    }
}

/// As a report says it: at least one, since none means that it was not measured.
#[must_use]
pub fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use talaria_wire::network_file::VersionHash;
    use talaria_wire::probe::LinkState;

    fn status(id: u64, hop: u8) -> HopStatus {
        HopStatus {
            id,
            hop,
            round_trip_us: 0,
            round: 9,
            sequence: 1,
            version: VersionHash([1; 32]),
            program: "0.1.0".to_owned().try_into().unwrap(),
            link: LinkState::Up,
        }
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn reports_come_once_in_the_order_of_the_chain_and_the_next_hop_is_timed() {
        let mut relay = Relay::before(2);
        assert!(relay.begin(ms(0), 5, 'a') && !relay.begin(ms(1), 5, 'b'));
        assert_eq!(relay.reported(ms(3), status(6, 2)), None, "nobody asked");
        assert_eq!(relay.reported(ms(3), status(5, 3)), None, "hop 2 is the next");
        assert_eq!(relay.reported(ms(3), status(5, 1)), None, "that is this hop");
        let (asker, passed) = relay.reported(ms(3), status(5, 2)).unwrap();
        assert_eq!((*asker, passed.round_trip_us), ('a', 3000));
        assert_eq!(relay.reported(ms(3), status(5, 2)), None, "it has reported");
        let later = HopStatus { round_trip_us: 77, ..status(5, 3) };
        assert_eq!(relay.reported(ms(4), later.clone()), Some((&'a', later)));
        assert_eq!(relay.reported(KEPT, status(5, 4)), None, "too late");
    }

    proptest! {
        #[test]
        fn few_are_taken_and_few_are_held(steps in prop::collection::vec((0u64..400, 0u64..64), 0..200)) {
            let mut relay = Relay::before(1);
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for (pause, id) in steps {
                now += ms(pause);
                if relay.begin(now, id, ()) {
                    taken.push(now);
                }
                let lately = taken.iter().filter(|&&at| now - at < ms(1000)).count();
                prop_assert!(lately <= A_SECOND && relay.recent.len() == lately);
                prop_assert!(relay.open.len() <= 11 * A_SECOND);
            }
        }
    }
}
