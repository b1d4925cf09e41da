//! How far the showing of a conversation has come, whichever face shows it.

use std::sync::{Mutex, PoisonError};

use talaria_store::ShownMark;

/// The store's mark, which only goes forward.
pub(crate) struct Marks {
    mark: ShownMark,
    /// The newest text that was marked, and whether it has been shown.
    last: Mutex<Option<(u32, bool)>>,
}

impl Marks {
    pub(crate) fn new(mark: ShownMark) -> Self {
        Self { mark, last: Mutex::new(None) }
    }

    /// A face is about to show the text with this number.
    pub(crate) fn begin(&self, number: u32) {
        self.advance(number, false);
    }

    /// A face has shown it.
    pub(crate) fn done(&self, number: u32) {
        self.advance(number, true);
    }

    fn advance(&self, number: u32, done: bool) {
        // What is marked stays true whoever panics.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last >= Some((number, done)) {
            return;
        }
        *last = Some((number, done));
        // Without marks, a kill right now would let the text be shown again, and nothing worse.
        let _ = if done { self.mark.done(number) } else { self.mark.begin(number) };
    }
}
