//! Which units travel, and when one has to travel again.
//!
//! A unit that certainly did not arrive (its round failed, or nobody met it) is sent again at
//! once. One that was swapped has probably arrived, and its acknowledgement is on its way through
//! rounds that overlap: it is sent again only when a message of a clearly later round does not
//! acknowledge it, and each time with more patience.

use std::collections::BTreeMap;

use talaria_wire::Round;

/// Units past the partner's cumulative acknowledgement that may be under way.
pub(crate) const WINDOW: u32 = 32;

/// Rounds after a swap before silence about it counts as loss; doubled with every try.
const PATIENCE: u64 = 4;
const MAX_DOUBLINGS: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Known to be lost.
    Lost,
    /// In a round that has not come back.
    Away,
    /// Met the partner's message in this round.
    Swapped(Round),
    /// The partner says that it has it, but may still forget it.
    Held,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    status: Status,
    doublings: u8,
}

/// What the partner says it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledgement {
    pub(crate) ack: u32,
    pub(crate) selective: u32,
}

impl Acknowledgement {
    /// Says of nothing that it is there.
    pub(crate) const NONE: Self = Self { ack: 0, selective: 0 };

    fn has(self, seq: u32) -> bool {
        seq < self.ack
            || match seq - self.ack {
                0 => false,
                ahead => ahead <= WINDOW && self.selective >> (ahead - 1) & 1 == 1,
            }
    }
}

/// Units between the acknowledged and the unsent ones.
#[derive(Debug)]
pub(crate) struct Outbox {
    flights: BTreeMap<u32, Flight>,
    /// The first unit that has not been sent since the program started.
    unsent: u32,
}

impl Outbox {
    /// After a start, everything from `acked` on counts as unsent.
    pub(crate) fn new(acked: u32) -> Self {
        Self { flights: BTreeMap::new(), unsent: acked }
    }

    /// The next unit to travel, of those below `end`; it is away from here on.
    pub(crate) fn next(&mut self, acked: u32, end: u32) -> Option<u32> {
        let lost = self.flights.iter_mut().find(|(_, flight)| flight.status == Status::Lost);
        if let Some((&seq, flight)) = lost {
            flight.status = Status::Away;
            return Some(seq);
        }
        let seq = self.unsent;
        if seq >= end || seq - acked >= WINDOW {
            return None;
        }
        self.unsent += 1;
        self.flights.insert(seq, Flight { status: Status::Away, doublings: 0 });
        Some(seq)
    }

    /// The unit met the partner's message in `round`.
    pub(crate) fn swapped(&mut self, seq: u32, round: Round) {
        self.came_back(seq, Status::Swapped(round));
    }

    /// The unit met nobody, or its round was lost.
    pub(crate) fn lost(&mut self, seq: u32) {
        self.came_back(seq, Status::Lost);
    }

    fn came_back(&mut self, seq: u32, status: Status) {
        if let Some(flight) = self.flights.get_mut(&seq)
            && flight.status == Status::Away
        {
            flight.status = status;
        }
    }

    /// Everything below `ack` has arrived for good.
    pub(crate) fn acknowledged(&mut self, ack: u32) {
        self.flights = self.flights.split_off(&ack);
        self.unsent = self.unsent.max(ack);
    }

    /// Judges what is under way by the newest message of the partner, from `round`.
    pub(crate) fn heard(&mut self, round: Round, said: Acknowledgement) {
        for (&seq, flight) in &mut self.flights {
            match flight.status {
                _ if said.has(seq) => flight.status = Status::Held,
                // The partner has restarted, and has forgotten what it had not committed.
                Status::Held => flight.status = Status::Lost,
                Status::Swapped(sent) if round.0 >= sent.0 + (PATIENCE << flight.doublings) => {
                    flight.status = Status::Lost;
                    flight.doublings = (flight.doublings + 1).min(MAX_DOUBLINGS);
                }
                Status::Swapped(_) | Status::Lost | Status::Away => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Acknowledgement = Acknowledgement::NONE;

    #[test]
    fn units_go_out_in_order_up_to_the_window() {
        let mut outbox = Outbox::new(0);
        let sent: Vec<_> = std::iter::from_fn(|| outbox.next(0, 100)).collect();
        assert_eq!(sent, (0..WINDOW).collect::<Vec<_>>());
        outbox.acknowledged(3);
        assert_eq!(outbox.next(3, 100), Some(32));
        assert_eq!(Outbox::new(5).next(5, 5), None);
    }

    #[test]
    fn lost_units_go_first_and_at_once() {
        let mut outbox = Outbox::new(0);
        for _ in 0..4 {
            outbox.next(0, 9);
        }
        outbox.lost(2);
        outbox.lost(1);
        assert_eq!(outbox.next(0, 9), Some(1));
        assert_eq!(outbox.next(0, 9), Some(2));
        assert_eq!(outbox.next(0, 9), Some(4));
    }

    #[test]
    fn swapped_units_are_given_time_and_then_more_time() {
        let mut outbox = Outbox::new(0);
        let mut at = 10;
        outbox.next(0, 1);
        for patience in [4, 8, 16, 16] {
            outbox.swapped(0, Round(at));
            outbox.heard(Round(at + patience - 1), NONE);
            assert_eq!(outbox.next(0, 1), None);
            outbox.heard(Round(at + patience), NONE);
            assert_eq!(outbox.next(0, 1), Some(0));
            at += 100;
        }
    }

    #[test]
    fn a_partner_that_forgets_what_it_held_gets_it_again() {
        let mut outbox = Outbox::new(0);
        for _ in 0..3 {
            outbox.next(0, 3);
        }
        for seq in 0..3 {
            outbox.swapped(seq, Round(5));
        }
        let held = Acknowledgement { ack: 0, selective: 0b10 };
        outbox.heard(Round(9), held);
        assert_eq!(outbox.next(0, 3), Some(0));
        assert_eq!(outbox.next(0, 3), Some(1));
        assert_eq!(outbox.next(0, 3), None);
        outbox.heard(Round(10), NONE);
        assert_eq!(outbox.next(0, 3), Some(2));
    }

    #[test]
    fn selective_acknowledgements_start_after_the_missing_unit() {
        let said = Acknowledgement { ack: 7, selective: 1 << 31 | 1 };
        let have: Vec<_> = (0..60).filter(|&seq| said.has(seq)).collect();
        assert_eq!(have, [0, 1, 2, 3, 4, 5, 6, 8, 39]);
    }
}
