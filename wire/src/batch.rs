//! A batch: one allocation of equal slots.
//!
//! Onions, exchange requests and replies of a round all travel as batches. A slot is the
//! position of one of them; all slots of a batch have the same length.

mod memory;

use std::fmt;

use memory::Memory;
use thiserror::Error;

/// Bytes that are not a whole number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{bytes} bytes are not a whole number of slots of {slot_len}")]
pub struct RaggedBatch {
    /// How many bytes there were.
    pub bytes: usize,
    /// The length of a slot.
    pub slot_len: usize,
}

/// Equal slots in one allocation.
pub struct Batch {
    bytes: Memory,
    slot_len: usize,
}

impl Batch {
    /// An empty batch with room for `slots` slots of `slot_len` bytes.
    ///
    /// # Panics
    /// If `slot_len` is zero.
    #[must_use]
    pub fn with_capacity(slot_len: usize, slots: usize) -> Self {
        assert!(slot_len > 0, "a slot has at least one byte");
        Self { bytes: Memory::with_capacity(slot_len * slots), slot_len }
    }

    /// A batch of `slots` slots of `slot_len` zero bytes.
    ///
    /// # Panics
    /// If `slot_len` is zero.
    #[must_use]
    pub fn zeroed(slot_len: usize, slots: usize) -> Self {
        let mut batch = Self::stale(slot_len, slots);
        batch.bytes.fill(0);
        batch
    }

    /// A batch of `slots` slots to be overwritten: they hold zeros, or what a batch that is gone
    /// held. Whoever asks for it writes every byte of every slot.
    ///
    /// # Panics
    /// If `slot_len` is zero.
    #[must_use]
    pub fn stale(slot_len: usize, slots: usize) -> Self {
        assert!(slot_len > 0, "a slot has at least one byte");
        Self { bytes: Memory::stale(slot_len * slots), slot_len }
    }

    /// Takes bytes that already are slots, one after the other.
    ///
    /// # Errors
    /// [`RaggedBatch`] if the last slot is not whole, or `slot_len` is zero.
    pub fn from_bytes(slot_len: usize, bytes: Vec<u8>) -> Result<Self, RaggedBatch> {
        if slot_len == 0 || !bytes.len().is_multiple_of(slot_len) {
            return Err(RaggedBatch { bytes: bytes.len(), slot_len });
        }
        Ok(Self { bytes: Memory::Heap(bytes), slot_len })
    }

    /// The number of slots.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.slot_len
    }

    /// Whether there is no slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The length of every slot in bytes.
    #[must_use]
    pub fn slot_len(&self) -> usize {
        self.slot_len
    }

    /// Appends slots that lie one after the other in `slots`.
    ///
    /// # Errors
    /// [`RaggedBatch`] if the last one is not whole; nothing is appended then.
    pub fn push(&mut self, slots: &[u8]) -> Result<(), RaggedBatch> {
        if !slots.len().is_multiple_of(self.slot_len) {
            return Err(RaggedBatch { bytes: slots.len(), slot_len: self.slot_len });
        }
        self.bytes.extend_from_slice(slots);
        Ok(())
    }

    /// Appends bytes of slots that are not whole yet.
    pub(crate) fn push_bytes(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// One slot.
    ///
    /// # Panics
    /// If `index` is not less than [`Batch::len`].
    #[must_use]
    pub fn slot(&self, index: usize) -> &[u8] {
        let start = index * self.slot_len;
        &self.bytes[start..start + self.slot_len]
    }

    /// One slot, to be written.
    ///
    /// # Panics
    /// If `index` is not less than [`Batch::len`].
    pub fn slot_mut(&mut self, index: usize) -> &mut [u8] {
        let start = index * self.slot_len;
        &mut self.bytes[start..start + self.slot_len]
    }

    /// Copies one slot over another.
    ///
    /// # Panics
    /// If either is not less than [`Batch::len`].
    pub fn copy_slot(&mut self, from: usize, to: usize) {
        let start = from * self.slot_len;
        self.bytes.copy_within(start..start + self.slot_len, to * self.slot_len);
    }

    /// Leaves the first `slots` slots, if there are more.
    pub fn truncate(&mut self, slots: usize) {
        self.bytes.truncate(slots * self.slot_len);
    }

    /// All slots in order.
    pub fn slots(&self) -> std::slice::ChunksExact<'_, u8> {
        self.bytes.chunks_exact(self.slot_len)
    }

    /// All slots in order, to be written.
    pub fn slots_mut(&mut self) -> std::slice::ChunksExactMut<'_, u8> {
        self.bytes.chunks_exact_mut(self.slot_len)
    }

    /// All bytes, slot after slot.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes, slot after slot, to be written.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Clone for Batch {
    fn clone(&self) -> Self {
        let mut bytes = Memory::with_capacity(self.bytes.len());
        bytes.extend_from_slice(&self.bytes);
        Self { bytes, slot_len: self.slot_len }
    }
}

impl PartialEq for Batch {
    fn eq(&self, other: &Self) -> bool {
        self.slot_len == other.slot_len && self.bytes[..] == other.bytes[..]
    }
}

impl Eq for Batch {}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} slots of {} bytes)", self.len(), self.slot_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_lie_one_after_the_other() {
        let mut batch = Batch::with_capacity(2, 3);
        batch.push(&[1, 2, 3, 4]).unwrap();
        batch.push(&[5, 6]).unwrap();
        assert_eq!(batch.len(), 3);
        assert_eq!(batch.slot(1), &[3, 4]);
        batch.slot_mut(2)[0] = 9;
        assert_eq!(batch.slots().next_back(), Some(&[9, 6][..]));
    }

    #[test]
    fn ragged_bytes_are_refused_and_change_nothing() {
        let mut batch = Batch::zeroed(4, 1);
        assert_eq!(batch.push(&[0; 6]), Err(RaggedBatch { bytes: 6, slot_len: 4 }));
        assert_eq!(batch.len(), 1);
        assert!(Batch::from_bytes(4, vec![0; 7]).is_err());
        assert!(Batch::from_bytes(0, vec![]).is_err());
    }
}
