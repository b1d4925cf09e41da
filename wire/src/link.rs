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
    /// As [`BatchHead::new`].
    #[must_use]
    pub fn of(round: Round, batch: &Batch) -> Self {
        Self::new(round, batch.len(), batch.slot_len())
    }

    /// The head of a batch of `slots` slots of `slot_len` bytes.
    ///
    /// # Panics
    /// If there are 2³² slots or they have 64 KiB: no limit of this crate allows either.
    #[must_use]
    pub fn new(round: Round, slots: usize, slot_len: usize) -> Self {
        let slots = u32::try_from(slots).expect("a batch has fewer than 2^32 slots");
        let slot_len = u16::try_from(slot_len).expect("a slot is shorter than 64 KiB");
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

/// The frames that carry `slots`, in the order in which they are written.
pub fn chunks(slots: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    slots.chunks(CHUNK_LEN).map(|piece| {
        let mut frame = Vec::with_capacity(HEADER_LEN + piece.len());
        Header::put(Kind::Chunk, piece.len(), &mut frame);
        frame.extend_from_slice(piece);
        frame
    })
}

/// Checks that heads and chunks come as they should, before anything is kept of them.
#[derive(Debug)]
pub struct Inlet {
    slot_len: usize,
    max_slots: usize,
    /// Bytes that have yet to come of the batch under way.
    missing: usize,
}

impl Inlet {
    /// Lets batches pass of at most `max_slots` slots of exactly `slot_len` bytes.
    #[must_use]
    pub fn new(slot_len: usize, max_slots: usize) -> Self {
        Self { slot_len, max_slots, missing: 0 }
    }

    /// A head has come.
    ///
    /// # Errors
    /// [`LinkError`] if a batch is under way or the head goes beyond the limits.
    pub fn head(&mut self, head: BatchHead) -> Result<(), LinkError> {
        if !self.is_whole() {
            return Err(LinkError::Interrupted);
        }
        let BatchHead { slots, slot_len, .. } = head;
        let count = slots as usize;
        if usize::from(slot_len) != self.slot_len || count > self.max_slots {
            return Err(LinkError::WrongShape { slots, slot_len });
        }
        self.missing = count * self.slot_len;
        Ok(())
    }

    /// A chunk of `len` bytes has come.
    ///
    /// # Errors
    /// [`LinkError::StrayChunk`] if it belongs to no batch.
    pub fn chunk(&mut self, len: usize) -> Result<(), LinkError> {
        if self.is_whole() || len > self.missing {
            return Err(LinkError::StrayChunk);
        }
        self.missing -= len;
        Ok(())
    }

    /// Whether nothing is missing of the batch whose head came last.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing == 0
    }
}

/// Puts arriving heads and chunks together to batches.
#[derive(Debug)]
pub struct Assembly {
    inlet: Inlet,
    partial: Option<(Round, Batch)>,
}

impl Assembly {
    /// Takes what `inlet` lets pass.
    #[must_use]
    pub fn new(inlet: Inlet) -> Self {
        Self { inlet, partial: None }
    }

    /// Takes a head; an empty batch is whole at once.
    ///
    /// # Errors
    /// [`LinkError`] if a batch is under way or the head goes beyond the limits.
    pub fn head(&mut self, head: BatchHead) -> Result<Option<(Round, Batch)>, LinkError> {
        self.inlet.head(head)?;
        // The pages behind a large capacity are only taken when chunks fill them.
        let batch = Batch::with_capacity(head.slot_len.into(), head.slots as usize);
        self.partial = Some((head.round, batch));
        Ok(self.take_whole())
    }

    /// Takes a chunk, and gives the batch that it completes.
    ///
    /// # Errors
    /// [`LinkError::StrayChunk`] if it belongs to no batch.
    pub fn chunk(&mut self, piece: &[u8]) -> Result<Option<(Round, Batch)>, LinkError> {
        self.inlet.chunk(piece.len())?;
        if let Some((_, batch)) = &mut self.partial {
            batch.push_bytes(piece);
        }
        Ok(self.take_whole())
    }

    fn take_whole(&mut self) -> Option<(Round, Batch)> {
        self.partial.take_if(|_| self.inlet.is_whole())
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
        for frame in chunks(batch.as_bytes()) {
            assert!(whole.is_none());
            whole = assembly.chunk(&frame[HEADER_LEN..]).unwrap();
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
            let mut assembly = Assembly::new(Inlet::new(672, 400));
            for _ in 0..2 {
                prop_assert_eq!(send(&batch, Round(round), &mut assembly), (Round(round), batch.clone()));
            }
        }

        #[test]
        fn any_order_of_frames_is_an_error_or_a_batch(
            events in prop::collection::vec((any::<bool>(), 0u32..6, 0usize..40), 0..20),
        ) {
            let mut assembly = Assembly::new(Inlet::new(8, 4));
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
        let mut assembly = Assembly::new(Inlet::new(8, 4));
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
