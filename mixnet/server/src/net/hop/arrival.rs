//! A batch on its way in: cut into pieces of whole onions, which are peeled while the rest comes.
//!
//! The pieces lie in a fixed number of buffers that go round. When all are with the peelers the
//! link is not read, so a server that sends faster than this one works is held up by TCP.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use talaria_mixnet::round::RUN as PIECE;

/// Room for pieces, shared by all links of a hop.
#[derive(Clone, Debug)]
pub(super) struct Buffers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    piece_len: usize,
    slot_len: usize,
    places: Arc<Semaphore>,
    unused: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    /// Room for `pieces` pieces of onions of `slot_len` bytes.
    pub(super) fn new(pieces: usize, slot_len: usize) -> Self {
        let places = Arc::new(Semaphore::new(pieces));
        let shared =
            Shared { piece_len: PIECE * slot_len, slot_len, places, unused: Mutex::default() };
        Self(Arc::new(shared))
    }

    /// An empty piece, as soon as there is room for it.
    async fn piece(&self) -> Option<Piece> {
        let place = self.0.places.clone().acquire_owned().await.ok()?;
        let bytes = self.unused().pop().unwrap_or_else(|| Vec::with_capacity(self.0.piece_len));
        Some(Piece { bytes, home: self.clone(), _place: place })
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // Nothing happens in between that can panic.
        self.0.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole onions, one after the other; its buffer goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    home: Buffers,
    _place: OwnedSemaphorePermit,
}

impl AsMut<[u8]> for Piece {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let mut bytes = mem::take(&mut self.bytes);
        bytes.clear();
        self.home.unused().push(bytes);
    }
}

/// The batch that is coming in on a link.
#[derive(Debug)]
pub(super) struct Arrival {
    buffers: Buffers,
    piece: Option<Piece>,
    pieces: mpsc::Sender<Piece>,
}

impl Arrival {
    /// A batch whose pieces come out of the receiver. If this is dropped they end.
    pub(super) fn new(buffers: Buffers) -> (Self, mpsc::Receiver<Piece>) {
        let (pieces, receiver) = mpsc::channel(1);
        (Self { buffers, piece: None, pieces }, receiver)
    }

    /// Takes the next bytes. Waits for room; bytes of a batch that nobody wants are dropped.
    pub(super) async fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.pieces.is_closed() {
            if self.piece.is_none() {
                self.piece = self.buffers.piece().await;
            }
            let Some(piece) = &mut self.piece else { return };
            let room = self.buffers.0.piece_len - piece.bytes.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            piece.bytes.extend_from_slice(now);
            bytes = later;
            if now.len() == room {
                self.pass_on().await;
            }
        }
    }

    /// No further bytes come.
    pub(super) async fn end(mut self) {
        self.pass_on().await;
    }

    async fn pass_on(&mut self) {
        if let Some(piece) = self.piece.take() {
            debug_assert!(piece.bytes.len().is_multiple_of(self.buffers.0.slot_len));
            // Whoever gave the round up does not want the rest.
            let _ = self.pieces.send(piece).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn chunks_become_pieces_of_whole_onions() {
        let bytes: Vec<u8> = (0u8..=255).cycle().take(7 * (2 * PIECE + 3)).collect();
        for chunk_len in [1, 7, 100, 7 * PIECE, bytes.len()] {
            let (mut arrival, mut pieces) = Arrival::new(Buffers::new(2, 7));
            let sending = async {
                for chunk in bytes.chunks(chunk_len) {
                    arrival.take(chunk).await;
                }
                arrival.end().await;
            };
            let receiving = async {
                let mut received = Vec::new();
                while let Some(mut piece) = pieces.recv().await {
                    assert!(piece.as_mut().len().is_multiple_of(7));
                    received.extend_from_slice(piece.as_mut());
                }
                received
            };
            assert_eq!(tokio::join!(sending, receiving).1, bytes);
        }
    }

    #[tokio::test]
    async fn a_slow_peeler_holds_the_link_up_and_nobody_else_does() {
        let buffers = Buffers::new(2, 1);
        let (mut arrival, mut pieces) = Arrival::new(buffers.clone());
        let taking = tokio::spawn(async move {
            arrival.take(&[7; 3 * PIECE]).await;
            arrival.end().await;
        });
        // One piece waits to be worked on, one to be passed on: the third has no room.
        while buffers.0.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let first = pieces.recv().await.unwrap();
        let second = pieces.recv().await.unwrap();
        assert!(pieces.try_recv().is_err() && !taking.is_finished());
        drop((first, second));
        assert_eq!(pieces.recv().await.unwrap().bytes, [7; PIECE]);
        assert!(pieces.recv().await.is_none());
        taking.await.unwrap();

        // A round that was given up takes no room.
        let (mut unwanted, nobody) = Arrival::new(buffers.clone());
        drop(nobody);
        unwanted.take(&[7; 3 * PIECE]).await;
        unwanted.end().await;
        assert_eq!(buffers.0.places.available_permits(), 2);
    }
}
