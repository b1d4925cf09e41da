//! One exchange: sort the requests by dead drop, swap the first two of each.
//!
//! Sorting instead of hashing makes the result a function of the batch alone, needs one
//! allocation for a whole round, and leaves nothing that a client could make slow by its choice
//! of ids.

use rayon::prelude::*;
use talaria_wire::dead_drop::EMPTY_REPLY;
use talaria_wire::params::{DEAD_DROP_LEN, EXCHANGE_REQUEST_LEN, PEER_MESSAGE_LEN};
use talaria_wire::{Batch, DeadDropId};

/// How often dead drops were touched: what the exchange cannot help seeing.
///
/// It is for tests and for the analysis of privacy. Recorded over rounds it would be exactly
/// what an adversary wants, so a server neither logs nor exports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Dead drops touched once.
    pub singles: usize,
    /// Dead drops touched twice.
    pub pairs: usize,
    /// Dead drops touched more often than twice.
    pub crowds: usize,
}

/// A batch whose slots do not have the length of an exchange request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotRequests {
    /// The length of its slots.
    pub slot_len: usize,
}

impl std::fmt::Display for NotRequests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { slot_len } = self;
        write!(f, "slots of {slot_len} bytes are not requests of {EXCHANGE_REQUEST_LEN} bytes")
    }
}

impl std::error::Error for NotRequests {}

/// One request: where it wants to leave its message, and its slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Access {
    dead_drop: DeadDropId,
    slot: u32,
}

/// Exchanges the messages of a batch of requests (slots of 528 bytes: id ‖ message).
///
/// Reply `i` of the result (slots of 512 bytes) answers request `i`. If a dead drop was touched
/// more than twice, the first two in the order of the batch swap and the others get empty
/// replies; the order of the batch is the last hop's shuffle, so which two is chance.
///
/// # Errors
/// [`NotRequests`] if the slots have another length.
///
/// # Panics
/// If there are 2³² requests or more.
#[expect(clippy::needless_pass_by_value, reason = "a round's requests exist once")]
pub fn exchange(requests: Batch) -> Result<(Batch, Tally), NotRequests> {
    if requests.slot_len() != EXCHANGE_REQUEST_LEN {
        return Err(NotRequests { slot_len: requests.slot_len() });
    }
    let accesses = sorted_accesses(&requests);
    let mut replies = Batch::zeroed(PEER_MESSAGE_LEN, requests.len());
    let mut tally = Tally::default();
    for same in accesses.chunk_by(|a, b| a.dead_drop == b.dead_drop) {
        match *same {
            [_] => tally.singles += 1,
            [a, b] => {
                tally.pairs += 1;
                swap(&requests, &mut replies, a, b);
            }
            [a, b, ..] => {
                tally.crowds += 1;
                swap(&requests, &mut replies, a, b);
            }
            [] => {}
        }
    }
    Ok((replies, tally))
}

fn sorted_accesses(requests: &Batch) -> Vec<Access> {
    let mut accesses: Vec<_> = (0u32..)
        .zip(requests.slots())
        .map(|(slot, request)| Access { dead_drop: dead_drop_of(request), slot })
        .collect();
    assert_eq!(accesses.len(), requests.len(), "a batch has fewer than 2^32 requests");
    accesses.par_sort_unstable();
    accesses
}

fn dead_drop_of(request: &[u8]) -> DeadDropId {
    DeadDropId(*request.first_chunk().expect("a request is longer than a dead-drop id"))
}

fn swap(requests: &Batch, replies: &mut Batch, a: Access, b: Access) {
    for (to, from) in [(a, b), (b, a)] {
        let message = &requests.slot(from.slot as usize)[DEAD_DROP_LEN..];
        replies.slot_mut(to.slot as usize).copy_from_slice(message);
    }
}

/// Replies start as zeros, so that whoever met nobody has its empty reply already.
const _: () = assert!(EMPTY_REPLY[0] == 0 && EMPTY_REPLY[PEER_MESSAGE_LEN - 1] == 0);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn request(id: u8, message: u8) -> Vec<u8> {
        let mut bytes = vec![id; DEAD_DROP_LEN];
        bytes.resize(EXCHANGE_REQUEST_LEN, message);
        bytes
    }

    fn batch(requests: &[(u8, u8)]) -> Batch {
        let mut batch = Batch::with_capacity(EXCHANGE_REQUEST_LEN, requests.len());
        for &(id, message) in requests {
            batch.push(&request(id, message)).unwrap();
        }
        batch
    }

    #[test]
    fn pairs_swap_singles_and_thirds_get_nothing() {
        let (replies, tally) =
            exchange(batch(&[(1, 10), (2, 20), (1, 11), (3, 30), (3, 31), (3, 32)])).unwrap();
        let firsts: Vec<_> = replies.slots().map(|reply| reply[0]).collect();
        assert_eq!(firsts, [11, 0, 10, 31, 30, 0]);
        assert!(replies.slots().all(|reply| reply.iter().all(|&byte| byte == reply[0])));
        assert_eq!(tally, Tally { singles: 1, pairs: 1, crowds: 1 });
    }

    #[test]
    fn an_empty_batch_gives_an_empty_batch() {
        let (replies, tally) = exchange(batch(&[])).unwrap();
        assert!(replies.is_empty());
        assert_eq!(tally, Tally::default());
    }

    #[test]
    fn other_batches_are_refused() {
        let error = exchange(Batch::zeroed(672, 1)).unwrap_err();
        assert_eq!(error, NotRequests { slot_len: 672 });
    }

    proptest! {
        #[test]
        fn agrees_with_a_slow_model(requests in prop::collection::vec((0u8..12, 1u8..), 0..60)) {
            let mut drops: HashMap<u8, Vec<usize>> = HashMap::new();
            for (i, (id, _)) in requests.iter().enumerate() {
                drops.entry(*id).or_default().push(i);
            }
            let (replies, tally) = exchange(batch(&requests)).unwrap();
            for (i, (id, _)) in requests.iter().enumerate() {
                let expected = match drops[id][..] {
                    [a, b, ..] if i == a => requests[b].1,
                    [a, b, ..] if i == b => requests[a].1,
                    _ => 0,
                };
                prop_assert!(replies.slot(i).iter().all(|&byte| byte == expected));
            }
            let touched = |n: usize| drops.values().filter(|slots| slots.len() == n).count();
            prop_assert_eq!((tally.singles, tally.pairs), (touched(1), touched(2)));
            prop_assert_eq!(tally.singles + tally.pairs + tally.crowds, drops.len());
        }
    }
}
