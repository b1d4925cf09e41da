//! Admission: one submission from each client in each round.

use std::collections::BTreeMap;

use talaria_wire::frame::Submission;
use talaria_wire::{Round as RoundNumber, RoundShape};

use crate::round::{Closed, Collecting, Round};

/// A connection, as the entry counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// The place of a client's onions in a round: its first slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(pub usize);

/// Why a submission is not in a round. It is answered all the same, with nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The round does not collect any more, or not yet.
    NotOpen,
    /// This client has submitted already.
    Twice,
}

/// Who submitted in a round, and where their onions lie.
pub type Seats = BTreeMap<ClientId, Seat>;

/// The round that collects, and who is in it.
#[derive(Debug)]
pub struct Admission {
    round: Round<Collecting>,
    seats: Seats,
}

impl Admission {
    /// Opens `round` for about `clients` clients.
    #[must_use]
    pub fn open(round: RoundNumber, shape: RoundShape, clients: usize) -> Self {
        let capacity = clients * shape.onions();
        Self { round: Round::open(round, shape.onion_len(), capacity), seats: Seats::new() }
    }

    /// Takes a client's onions.
    ///
    /// # Errors
    /// [`NotAdmitted`]; what is in the round already stays as it is.
    pub fn submit(
        &mut self,
        client: ClientId,
        submission: Submission<'_>,
    ) -> Result<Seat, NotAdmitted> {
        if submission.round != self.round.number() {
            return Err(NotAdmitted::NotOpen);
        }
        if self.seats.contains_key(&client) {
            return Err(NotAdmitted::Twice);
        }
        let slot = self.round.collect(submission.onions).map_err(|_| NotAdmitted::NotOpen)?;
        self.seats.insert(client, Seat(slot));
        Ok(Seat(slot))
    }

    /// How many clients have submitted.
    #[must_use]
    pub fn submitted(&self) -> usize {
        self.seats.len()
    }

    /// Whether `client` has submitted.
    #[must_use]
    pub fn has(&self, client: ClientId) -> bool {
        self.seats.contains_key(&client)
    }

    /// Nobody can submit any more.
    #[must_use]
    pub fn close(self) -> (Round<Closed>, Seats) {
        (self.round.close(), self.seats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talaria_wire::Hops;

    #[test]
    fn one_submission_a_client_and_only_for_the_open_round() {
        let shape = RoundShape::new(Hops::new(1).unwrap(), 1).unwrap();
        let mut admission = Admission::open(RoundNumber(5), shape, 2);
        let onions = vec![1; 2 * shape.onion_len()];
        let submission = |round| Submission { round: RoundNumber(round), onions: &onions };
        let (a, b) = (ClientId(1), ClientId(2));
        assert_eq!(admission.submit(a, submission(4)), Err(NotAdmitted::NotOpen));
        assert_eq!(admission.submit(a, submission(6)), Err(NotAdmitted::NotOpen));
        assert_eq!(admission.submit(a, submission(5)), Ok(Seat(0)));
        assert_eq!(admission.submit(a, submission(5)), Err(NotAdmitted::Twice));
        assert_eq!(admission.submit(b, submission(5)), Ok(Seat(2)));
        let (closed, seats) = admission.close();
        assert_eq!(closed.into_batch().len(), 4);
        assert_eq!(seats, Seats::from([(a, Seat(0)), (b, Seat(2))]));
    }
}
