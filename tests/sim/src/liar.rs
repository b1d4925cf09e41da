//! A hop that lies: what it does to the batches that it passes on, and to the replies.
//!
//! A lying hop runs the real code, so that it is found out by others and not by itself, and changes
//! batches at one of three moments of a round. What it has dropped on the way out it fills up with
//! random replies on the way back, as a hop would that wants the round to go on.

use std::collections::{BTreeMap, BTreeSet};

use chacha20::ChaCha20Rng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use talaria_mixnet::mix::noise::Noise;
use talaria_wire::frame::{HEADER_LEN, Kind, SUBMISSION_HEAD_LEN};
use talaria_wire::onion::SealContext;
use talaria_wire::{Batch, Round};

use super::net::{Envelope, Fate, Node, Payload};

/// When a hop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The onions are peeled and mixed, and leave for the next hop or the exchange.
    Onward,
    /// The replies have come back from there, and are not sealed yet.
    Returning,
    /// The replies are sealed, and leave for the hop before or the entry.
    Back,
}

/// How a hop lies: to about half of the slots of a batch, and to one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// They are left out; on the way out the hop makes up the replies.
    Drop,
    /// Random bytes take their place.
    Garbage,
    /// Something of the hop's own that opens takes their place: onions for the later hops, or
    /// empty replies.
    Forge,
    /// They change places with each other.
    Swap,
    /// Copies of their neighbours take their place.
    Duplicate,
    /// As many are missing at the end.
    Truncate,
    /// The batch comes later than anybody waits.
    Delay,
    /// The batch of the round before, in the length of this one's.
    Replay,
}

/// When and how a hop lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// When in a round.
    pub moment: Moment,
    /// How.
    pub manner: Manner,
    /// In rounds whose number it divides.
    pub every: u64,
}

/// Longer than any patience in the simulation, in milliseconds.
const LATE_MS: u64 = 8_000;

pub(super) struct Liar {
    lie: Option<Lie>,
    rng: ChaCha20Rng,
    /// The batch of an earlier round at the moment of the lie.
    earlier: Option<Batch>,
    /// Which slots are missing in the batches that are away.
    dropped: BTreeMap<Round, Vec<usize>>,
    pub(super) rounds: BTreeSet<Round>,
}

impl Liar {
    pub(super) fn honest(seed: u64) -> Self {
        Self {
            lie: None,
            rng: ChaCha20Rng::seed_from_u64(seed),
            earlier: None,
            dropped: BTreeMap::new(),
            rounds: BTreeSet::new(),
        }
    }

    /// Lies from now on, or does not; what is under way is finished as it was begun.
    pub(super) fn take_up(&mut self, lie: Option<Lie>) {
        self.lie = lie;
        self.earlier = None;
    }

    /// What becomes of a batch at a moment of `round`, and how late it leaves in milliseconds.
    /// `behind` is what the next hop's onions are sealed for.
    pub(super) fn pass(
        &mut self,
        moment: Moment,
        round: Round,
        batch: Batch,
        behind: &SealContext<'_>,
    ) -> (Batch, u64) {
        let batch = if moment == Moment::Returning { self.fill_up(round, batch) } else { batch };
        let Some(lie) = self.lie.filter(|lie| lie.moment == moment) else { return (batch, 0) };
        let earlier = self.earlier.replace(batch.clone());
        let due = round.0.is_multiple_of(lie.every) && !batch.is_empty();
        if !due || lie.manner == Manner::Replay && earlier.is_none() {
            return (batch, 0);
        }
        self.rounds.insert(round);
        let late_ms = if lie.manner == Manner::Delay { LATE_MS } else { 0 };
        (self.change(lie, round, batch, earlier, behind), late_ms)
    }

    fn change(
        &mut self,
        lie: Lie,
        round: Round,
        mut batch: Batch,
        earlier: Option<Batch>,
        behind: &SealContext<'_>,
    ) -> Batch {
        let victims = self.victims(batch.len());
        let before = batch.clone();
        match lie.manner {
            Manner::Drop => {
                batch = without(&before, &victims);
                if lie.moment == Moment::Onward {
                    self.dropped.insert(round, victims);
                }
            }
            Manner::Garbage => {
                victims.iter().for_each(|&slot| self.rng.fill_bytes(batch.slot_mut(slot)));
            }
            Manner::Forge if lie.moment == Moment::Onward => {
                let own = Noise::make(victims.len(), 0, behind, &mut self.rng);
                for (&slot, onion) in victims.iter().zip(own.onions().slots()) {
                    batch.slot_mut(slot).copy_from_slice(onion);
                }
            }
            Manner::Forge => victims.iter().for_each(|&slot| batch.slot_mut(slot).fill(0)),
            Manner::Swap => {
                for (&slot, &other) in victims.iter().zip(victims.iter().cycle().skip(1)) {
                    batch.slot_mut(slot).copy_from_slice(before.slot(other));
                }
            }
            Manner::Duplicate => {
                for &slot in &victims {
                    let neighbour = (slot + 1) % before.len();
                    batch.slot_mut(slot).copy_from_slice(before.slot(neighbour));
                }
            }
            Manner::Truncate => batch.truncate(before.len() - victims.len()),
            Manner::Delay => {}
            Manner::Replay => batch = self.as_long_as(before.len(), earlier.unwrap_or(before)),
        }
        batch
    }

    /// Half of the slots, drawn, in their order.
    fn victims(&mut self, slots: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..slots).collect();
        all.shuffle(&mut self.rng);
        all.truncate(slots.div_ceil(2));
        all.sort_unstable();
        all
    }

    fn as_long_as(&mut self, slots: usize, mut batch: Batch) -> Batch {
        batch.truncate(slots);
        while batch.len() < slots {
            let mut slot = vec![0; batch.slot_len()];
            self.rng.fill_bytes(&mut slot);
            batch.push(&slot).expect("one slot");
        }
        batch
    }

    /// Random replies for what was dropped on the way out.
    fn fill_up(&mut self, round: Round, replies: Batch) -> Batch {
        let Some(dropped) = self.dropped.remove(&round) else { return replies };
        let mut full = Batch::zeroed(replies.slot_len(), replies.len() + dropped.len());
        let mut real = replies.slots();
        for slot in 0..full.len() {
            if dropped.binary_search(&slot).is_ok() {
                self.rng.fill_bytes(full.slot_mut(slot));
            } else if let Some(reply) = real.next() {
                full.slot_mut(slot).copy_from_slice(reply);
            }
        }
        full
    }
}

fn without(batch: &Batch, slots: &[usize]) -> Batch {
    let mut rest = Batch::with_capacity(batch.slot_len(), batch.len() - slots.len());
    for (slot, bytes) in batch.slots().enumerate() {
        if slots.binary_search(&slot).is_err() {
            rest.push(bytes).expect("one slot");
        }
    }
    rest
}

/// A fault that removes onions of chosen clients (each with the place of the onion in its
/// submission) before the first hop peels them, as a hostile entry or first hop does: it sees
/// whose onion lies in which slot. In their place come bytes that do not open.
pub fn removal(
    chosen: Vec<(usize, usize)>,
) -> impl FnMut(&Envelope, &mut ChaCha20Rng) -> Fate + 'static {
    let mut submitted: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    move |envelope, rng| match (&envelope.payload, envelope.from, envelope.to) {
        (Payload::Frame(frame), Node::Client(client), Node::Entry) => {
            if frame.first() == Some(&(Kind::Submission as u8)) {
                submitted.insert(client, frame[HEADER_LEN + SUBMISSION_HEAD_LEN..].to_vec());
            }
            Fate::Pass
        }
        (payload, Node::Entry, Node::Hop(0)) => {
            let Some((_, batch)) = payload.batch() else { return Fate::Pass };
            let mut batch = batch.clone();
            let len = batch.slot_len();
            let wanted: Vec<&[u8]> = chosen
                .iter()
                .filter_map(|(client, place)| submitted.get(client)?.chunks(len).nth(*place))
                .collect();
            for slot in batch.slots_mut() {
                if wanted.contains(&&*slot) {
                    rng.fill(slot);
                }
            }
            envelope.replaced_by(batch)
        }
        _ => Fate::Pass,
    }
}
