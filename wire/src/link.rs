//! Batches on a link between hops: a head, then chunks until the batch is whole.
//!
//! Both directions look alike. A head is checked against what the receiver expects before
//! anything is kept, so that a peer cannot make a hop hold more than its limit.

use thiserror::Error;

use crate::batch::Batch;
use crate::codec::{DecodeError, Reader};
use crate::frame::{BATCH_HEAD_LEN, CHUNK_LEN, HEADER_LEN, Header, Kind};
use crate::params::Round;

/// Announces a batch on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead {
    /// The round that the batch belongs to.
    pub round: Round,
    /// Slots in the batch.
    pub slots: u32,
    /// Bytes of a slot.
    pub slot_len: u16,
}

impl BatchHead {
    /// The head of `batch`.
    ///
    /// # Panics
    /// If the batch has 2³² slots or slots of 64 KiB: no limit of this crate allows either.
    #[must_use]
    pub fn of(round: Round, batch: &Batch) -> Self {
        let slots = u32::try_from(batch.len()).expect("a batch has fewer than 2^32 slots");
        let slot_len = u16::try_from(batch.slot_len()).expect("a slot is shorter than 64 KiB");
        Self { round, slots, slot_len }
    }

    /// The whole frame.
    #[must_use]
    pub fn to_frame(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN + BATCH_HEAD_LEN);
        Header::put(Kind::BatchHead, BATCH_HEAD_LEN, &mut out);
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.slots.to_be_bytes());
        out.extend_from_slice(&self.slot_len.to_be_bytes());
        out
    }

    /// Parses a body.
    ///
    /// # Errors
    /// [`DecodeError`] if it does not have exactly the right length.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let head =
            Self { round: Round(reader.u64()?), slots: reader.u32()?, slot_len: reader.u16()? };
        reader.finish()?;
        Ok(head)
    }
}

/// Why a batch on a link was not taken. The link cannot go on after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// A head arrived while the batch before it was not whole.
    #[error("a batch began before the one before it had ended")]
    Interrupted,
    /// A chunk arrived that belongs to no batch, or goes past the end of its batch.
    #[error("a chunk does not belong to any batch")]
    StrayChunk,
    /// The batch has more slots than this hop takes, or slots of another length.
    #[error("a batch of {slots} slots of {slot_len} bytes does not fit here")]
    WrongShape {
        /// Slots in the head.
        slots: u32,
        /// Slot length in the head.
        slot_len: u16,
    },
}

/// The frame headers and pieces of a batch, in the order in which they are written.
pub fn chunks(batch: &Batch) -> impl Iterator<Item = (Vec<u8>, &[u8])> {
    batch.as_bytes().chunks(CHUNK_LEN).map(|piece| {
        let mut head = Vec::with_capacity(HEADER_LEN);
        Header::put(Kind::Chunk, piece.len(), &mut head);
        (head, piece)
    })
}

/// Puts arriving heads and chunks together to batches.
#[derive(Debug)]
pub struct Assembly {
    slot_len: usize,
    max_slots: usize,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    round: Round,
    batch: Batch,
    total: usize,
}

impl Assembly {
    /// Takes batches of at most `max_slots` slots of exactly `slot_len` bytes.
    #[must_use]
    pub fn new(slot_len: usize, max_slots: usize) -> Self {
        Self { slot_len, max_slots, partial: None }
    }

    /// Takes a head; an empty batch is whole at once.
    ///
    /// # Errors
    /// [`LinkError`] if a batch is under way or the head goes beyond the limits.
    pub fn head(&mut self, head: BatchHead) -> Result<Option<(Round, Batch)>, LinkError> {
        if self.partial.is_some() {
            return Err(LinkError::Interrupted);
        }
        let BatchHead { round, slots, slot_len } = head;
        let count = slots as usize;
        if usize::from(slot_len) != self.slot_len || count > self.max_slots {
            return Err(LinkError::WrongShape { slots, slot_len });
        }
        let total = count * self.slot_len;
        // The pages behind a large capacity are only taken when chunks fill them.
        let batch = Batch::with_capacity(self.slot_len, count);
        self.partial = Some(Partial { round, batch, total });
        Ok(self.take_whole())
    }

    /// Takes a chunk, and gives the batch that it completes.
    ///
    /// # Errors
    /// [`LinkError::StrayChunk`] if it belongs to no batch.
    pub fn chunk(&mut self, piece: &[u8]) -> Result<Option<(Round, Batch)>, LinkError> {
        let partial = self.partial.as_mut().ok_or(LinkError::StrayChunk)?;
        if piece.len() > partial.total - partial.batch.as_bytes().len() {
            return Err(LinkError::StrayChunk);
        }
        partial.batch.push_bytes(piece);
        Ok(self.take_whole())
    }

    fn take_whole(&mut self) -> Option<(Round, Batch)> {
        let is_whole = |partial: &mut Partial| partial.batch.as_bytes().len() == partial.total;
        let whole = self.partial.take_if(is_whole)?;
        Some((whole.round, whole.batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn send(batch: &Batch, round: Round, assembly: &mut Assembly) -> (Round, Batch) {
        let frame = BatchHead::of(round, batch).to_frame();
        let head = BatchHead::decode(&frame[HEADER_LEN..]).unwrap();
        let mut whole = assembly.head(head).unwrap();
        for (_, piece) in chunks(batch) {
            assert!(whole.is_none());
            whole = assembly.chunk(piece).unwrap();
        }
        whole.unwrap()
    }

    proptest! {
        #[test]
        fn batches_come_through_whole(slots in 0usize..400, round: u64) {
            let mut batch = Batch::zeroed(672, slots);
            for (i, slot) in (0u8..=255).cycle().zip(batch.slots_mut()) {
                slot.fill(i);
            }
            let mut assembly = Assembly::new(672, 400);
            for _ in 0..2 {
                prop_assert_eq!(send(&batch, Round(round), &mut assembly), (Round(round), batch.clone()));
            }
        }

        #[test]
        fn any_order_of_frames_is_an_error_or_a_batch(
            events in prop::collection::vec((any::<bool>(), 0u32..6, 0usize..40), 0..20),
        ) {
            let mut assembly = Assembly::new(8, 4);
            for (is_head, slots, len) in events {
                let whole = if is_head {
                    assembly.head(BatchHead { round: Round(1), slots, slot_len: 8 })
                } else {
                    assembly.chunk(&vec![0; len])
                };
                if let Ok(Some((_, batch))) = whole {
                    prop_assert!(batch.len() <= 4);
                }
            }
        }
    }

    #[test]
    fn heads_beyond_the_limits_are_refused() {
        let mut assembly = Assembly::new(8, 4);
        let head = BatchHead { round: Round(1), slots: 5, slot_len: 8 };
        assert!(matches!(assembly.head(head), Err(LinkError::WrongShape { .. })));
        let head = BatchHead { round: Round(1), slots: 4, slot_len: 9 };
        assert!(matches!(assembly.head(head), Err(LinkError::WrongShape { .. })));
        assert_eq!(assembly.chunk(&[0]), Err(LinkError::StrayChunk));
        let head = BatchHead { round: Round(1), slots: 4, slot_len: 8 };
        assert_eq!(assembly.head(head), Ok(None));
        assert_eq!(assembly.head(head), Err(LinkError::Interrupted));
        assert_eq!(assembly.chunk(&[0; 33]), Err(LinkError::StrayChunk));
    }
}
