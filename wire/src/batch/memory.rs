//! The bytes of a batch: on the heap, or in large pages that are used again.
//!
//! A round moves hundreds of megabytes to random places. Fresh memory costs a page fault for
//! every few slots, and with pages of 4 KiB nearly every slot misses the address cache; together
//! that is a third of a microsecond a message. So large batches ask for huge pages, and what a
//! finished batch had goes to the next one. All together never take more than the most that was
//! in use at once.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use memmap2::MmapMut;

/// A huge page of x86-64 and of most AArch64 systems.
const HUGE_PAGE: usize = 2 << 20;
/// From here on huge pages pay.
const LARGE: usize = 2 * HUGE_PAGE;

/// Bytes that only grow by being appended to.
pub(super) enum Memory {
    Heap(Vec<u8>),
    Mapped(Mapped),
}

impl Memory {
    /// No bytes, with room for `capacity`.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        match Mapped::new(capacity) {
            Some(mapped) => Self::Mapped(mapped),
            None => Self::Heap(Vec::with_capacity(capacity)),
        }
    }

    /// `len` bytes, which are zero or what an earlier batch held.
    pub(super) fn stale(len: usize) -> Self {
        match Mapped::new(len) {
            Some(mut mapped) => {
                mapped.len = len;
                Self::Mapped(mapped)
            }
            None => Self::Heap(vec![0; len]),
        }
    }

    pub(super) fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.len() + bytes.len();
        match self {
            Self::Heap(vec) if end <= vec.capacity() || end < LARGE => {
                vec.extend_from_slice(bytes);
            }
            Self::Mapped(mapped) if end <= mapped.map().len() => {
                let start = mapped.len;
                mapped.len = end;
                self[start..].copy_from_slice(bytes);
            }
            full => {
                let mut larger = Self::with_capacity(end.max(2 * full.len()));
                if let Self::Heap(vec) = &mut larger {
                    vec.reserve(end);
                }
                larger.extend_from_slice(full);
                larger.extend_from_slice(bytes);
                *full = larger;
            }
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        match self {
            Self::Heap(vec) => vec.truncate(len),
            Self::Mapped(mapped) => mapped.len = mapped.len.min(len),
        }
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Heap(vec) => vec,
            Self::Mapped(mapped) => &mapped.map()[..mapped.len],
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(vec) => vec,
            Self::Mapped(Mapped { map, len }) => {
                &mut map.as_mut().expect("the mapping is there until it is dropped")[..*len]
            }
        }
    }
}

/// Memory of its own, given back when dropped.
pub(super) struct Mapped {
    /// Empty only while it is dropped.
    map: Option<MmapMut>,
    len: usize,
}

impl Mapped {
    /// None if the heap is as good, or the system has no more.
    fn new(capacity: usize) -> Option<Self> {
        if capacity < LARGE {
            return None;
        }
        let capacity = capacity.next_multiple_of(HUGE_PAGE);
        let map = Spares::lock().take(capacity).or_else(|| {
            let map = MmapMut::map_anon(capacity).ok()?;
            // Only speed is lost if the system does not have huge pages.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
            Some(map)
        });
        if map.is_none() {
            Spares::lock().in_use -= capacity;
        }
        Some(Self { map: Some(map?), len: 0 })
    }

    fn map(&self) -> &MmapMut {
        self.map.as_ref().expect("the mapping is there until it is dropped")
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        if let Some(map) = self.map.take() {
            Spares::lock().give(map);
        }
    }
}

/// Memory that waits for the next batch, oldest first.
#[derive(Debug)]
struct Spares {
    maps: Vec<MmapMut>,
    in_use: usize,
    /// The most that was ever in use at once.
    most: usize,
}

static SPARES: Mutex<Spares> = Mutex::new(Spares { maps: Vec::new(), in_use: 0, most: 0 });

impl Spares {
    fn lock() -> MutexGuard<'static, Self> {
        // No panic can leave it half changed: every step is whole.
        SPARES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory for `capacity` bytes, which counts as in use from now on, or none that fits.
    fn take(&mut self, capacity: usize) -> Option<MmapMut> {
        let fits = |map: &MmapMut| (capacity..=2 * capacity).contains(&map.len());
        let best = (0..self.maps.len())
            .filter(|&i| fits(&self.maps[i]))
            .min_by_key(|&i| self.maps[i].len());
        let taken = best.map(|i| self.maps.remove(i));
        self.in_use += taken.as_ref().map_or(capacity, |map| map.len());
        self.most = self.most.max(self.in_use);
        self.shrink();
        taken
    }

    fn give(&mut self, map: MmapMut) {
        self.in_use -= map.len();
        self.maps.push(map);
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.in_use + self.spare() > self.most {
            self.maps.remove(0);
        }
    }

    fn spare(&self) -> usize {
        self.maps.iter().map(|map| map.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_wherever_they_lie() {
        for piece in [1000, LARGE / 3 + 5, 2 * LARGE] {
            let mut expected = Vec::new();
            let mut memory = Memory::with_capacity(10);
            for i in 0..7 {
                let bytes = vec![i; piece];
                memory.extend_from_slice(&bytes);
                expected.extend_from_slice(&bytes);
                assert!(memory[..] == expected);
            }
            memory.truncate(piece + 3);
            assert!(memory[..] == expected[..piece + 3]);
            memory.extend_from_slice(&[9; 4]);
            assert_eq!(memory[piece..], [1, 1, 1, 9, 9, 9, 9]);
        }
    }

    #[test]
    fn spare_memory_is_used_again_and_bounded() {
        let mut spares = Spares { maps: Vec::new(), in_use: 0, most: 0 };
        let take = |spares: &mut Spares, pages: usize| {
            let bytes = pages * 4096;
            spares.take(bytes).unwrap_or_else(|| MmapMut::map_anon(bytes).unwrap())
        };
        let (a, b) = (take(&mut spares, 10), take(&mut spares, 12));
        let at = a.as_ptr();
        spares.give(a);
        spares.give(b);
        assert_eq!((spares.in_use, spares.spare()), (0, 22 * 4096));
        let again = take(&mut spares, 9);
        assert_eq!(again.as_ptr(), at);
        // Nothing fits, so the rest makes room.
        let larger = take(&mut spares, 20);
        assert_eq!((spares.in_use, spares.most, spares.spare()), (30 * 4096, 30 * 4096, 0));
        spares.give(again);
        spares.give(larger);
        assert_eq!(spares.spare(), 30 * 4096);
    }
}
