//! Admission: one submission from each user in each round, over whichever connection.

use std::collections::{BTreeMap, BTreeSet};

use talaria_wire::frame::Submission;
use talaria_wire::{Round as RoundNumber, RoundShape};

use crate::round::{Closed, Collecting, Round};

/// A connection, as the entry counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// A user, by the index of the directory entry that registered them: a number that stays, and that
/// says nothing to whoever has no copy of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u64);

/// The place of a client's onions in a round: its first slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(pub usize);

/// Why a submission is not in a round. It is answered all the same, with nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The round does not collect any more, or not yet.
    NotOpen,
    /// This user has submitted already, perhaps over another connection.
    Twice,
}

/// Who submitted in a round, and where their onions lie.
pub type Seats = BTreeMap<ClientId, Seat>;

/// The round that collects, and who is in it.
#[derive(Debug)]
pub struct Admission {
    round: Round<Collecting>,
    seats: Seats,
    users: BTreeSet<UserId>,
}

impl Admission {
    /// Opens `round` for about `clients` clients.
    #[must_use]
    pub fn open(round: RoundNumber, shape: RoundShape, clients: usize) -> Self {
        let capacity = clients * shape.onions();
        Self {
            round: Round::open(round, shape.onion_len(), capacity),
            seats: Seats::new(),
            users: BTreeSet::new(),
        }
    }

    /// Takes a user's onions, which came over the connection `client`.
    ///
    /// # Errors
    /// [`NotAdmitted`]; what is in the round already stays as it is.
    pub fn submit(
        &mut self,
        user: UserId,
        client: ClientId,
        submission: Submission<'_>,
    ) -> Result<Seat, NotAdmitted> {
        if submission.round != self.round.number() {
            return Err(NotAdmitted::NotOpen);
        }
        if self.has(user) {
            return Err(NotAdmitted::Twice);
        }
        let slot = self.round.collect(submission.onions).map_err(|_| NotAdmitted::NotOpen)?;
        self.users.insert(user);
        self.seats.insert(client, Seat(slot));
        Ok(Seat(slot))
    }

    /// How many users have submitted.
    #[must_use]
    pub fn submitted(&self) -> usize {
        self.users.len()
    }

    /// Whether `user` has submitted.
    #[must_use]
    pub fn has(&self, user: UserId) -> bool {
        self.users.contains(&user)
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
    fn one_submission_a_user_and_only_for_the_open_round() {
        let shape = RoundShape::new(Hops::new(1).unwrap(), 1).unwrap();
        let mut admission = Admission::open(RoundNumber(5), shape, 2);
        let onions = vec![1; 2 * shape.onion_len()];
        let submission = |round| Submission { round: RoundNumber(round), onions: &onions };
        let (a, b, a_again) = (ClientId(1), ClientId(2), ClientId(3));
        let (ann, bob) = (UserId(10), UserId(20));
        assert_eq!(admission.submit(ann, a, submission(4)), Err(NotAdmitted::NotOpen));
        assert_eq!(admission.submit(ann, a, submission(6)), Err(NotAdmitted::NotOpen));
        assert_eq!(admission.submit(ann, a, submission(5)), Ok(Seat(0)));
        assert_eq!(admission.submit(ann, a, submission(5)), Err(NotAdmitted::Twice));
        assert_eq!(admission.submit(ann, a_again, submission(5)), Err(NotAdmitted::Twice));
        assert_eq!(admission.submit(bob, b, submission(5)), Ok(Seat(2)));
        assert!(admission.has(ann) && admission.has(bob) && !admission.has(UserId(1)));
        let (closed, seats) = admission.close();
        assert_eq!(closed.into_batch().len(), 4);
        assert_eq!(seats, Seats::from([(a, Seat(0)), (b, Seat(2))]));
    }
}
