//! The last pages of the directory, read once for all who wait for the same entry.
//!
//! Whoever asks for another page waits for nobody.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use talaria_wire::identity::Response;
use talaria_wire::identity::directory::Head;
use tokio::sync::OnceCell;

/// Pages that are kept, of at most a hundred kilobytes each; more are read for each who asks.
const KEPT: usize = 16;

/// A page that somebody reads, or has read.
type Cell = Arc<OnceCell<Response>>;

/// The last pages of the directory that ends with one head.
#[derive(Debug, Default)]
pub(super) struct LastPages(Mutex<Option<(Head, BTreeMap<u64, Cell>)>>);

impl LastPages {
    /// The page from entry `since` on that ends with `head`: read by the first who asks, unless
    /// that fails or is given up, and then by the next one.
    pub(super) async fn page<E>(
        &self,
        since: u64,
        head: Head,
        read: impl Future<Output = Result<Response, E>>,
    ) -> Result<Response, E> {
        match self.cell(since, head) {
            Some(cell) => Ok(cell.get_or_try_init(|| read).await?.clone()),
            None => read.await,
        }
    }

    /// After the directory was replaced.
    pub(super) fn clear(&self) {
        *self.pages() = None;
    }

    fn cell(&self, since: u64, head: Head) -> Option<Cell> {
        let mut pages = self.pages();
        let (of, cells) = pages.get_or_insert_with(|| (head, BTreeMap::new()));
        if *of != head {
            (*of, *cells) = (head, BTreeMap::new());
        }
        if cells.len() >= KEPT && !cells.contains_key(&since) {
            return None;
        }
        Some(cells.entry(since).or_default().clone())
    }

    fn pages(&self) -> MutexGuard<'_, Option<(Head, BTreeMap<u64, Cell>)>> {
        // Every change to it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use talaria_wire::crypto::IdentitySecret;
    use talaria_wire::identity::directory::EntryHash;
    use talaria_wire::network_file::NetworkId;
    use tokio::sync::oneshot;

    fn head(entries: u64) -> Head {
        let key = IdentitySecret::from_bytes(&[1; 32]).unwrap();
        let network = NetworkId([7; 32]);
        Head::sign(&network, entries, EntryHash::start(&network), 9, &key)
    }

    fn page(entries: u64) -> Response {
        Response::page(&[], &head(entries))
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    type Read = Result<Response, ()>;

    #[test]
    fn readers_of_one_page_share_it_and_others_wait_for_nobody() {
        let pages = LastPages::default();
        let (sender, receiver) = oneshot::channel::<Read>();
        let read = async { receiver.await.unwrap() };
        let mut first = pin!(pages.page(3, head(5), read));
        let mut second = pin!(pages.page(3, head(5), ready(Read::Err(()))));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        // Another page, and one that ends with another head.
        for (since, head) in [(4, head(5)), (3, head(6))] {
            let other = pin!(pages.page(since, head, ready(Read::Ok(page(9)))));
            assert_eq!(poll(other), Poll::Ready(Ok(page(9))), "{since}");
        }
        sender.send(Ok(page(5))).unwrap();
        assert_eq!(poll(first), Poll::Ready(Ok(page(5))));
        assert_eq!(poll(second), Poll::Ready(Ok(page(5))));
    }

    #[test]
    fn a_reader_who_goes_away_or_fails_leaves_it_to_the_next() {
        let pages = LastPages::default();
        {
            let mut gone = pin!(pages.page(3, head(5), pending::<Read>()));
            assert!(poll(gone.as_mut()).is_pending());
        }
        let failed = pin!(pages.page(3, head(5), ready(Read::Err(()))));
        assert_eq!(poll(failed), Poll::Ready(Err(())));
        let next = pin!(pages.page(3, head(5), ready(Read::Ok(page(5)))));
        assert_eq!(poll(next), Poll::Ready(Ok(page(5))));
        pages.clear();
        let anew = pin!(pages.page(3, head(5), ready(Read::Ok(page(6)))));
        assert_eq!(poll(anew), Poll::Ready(Ok(page(6))));
    }

    #[test]
    fn no_more_pages_are_kept_than_there_is_room_for() {
        let pages = LastPages::default();
        for since in 0..2 * KEPT as u64 {
            let page = pin!(pages.page(since, head(99), ready(Read::Ok(page(99)))));
            assert!(poll(page).is_ready());
        }
        assert_eq!(pages.pages().as_ref().unwrap().1.len(), KEPT);
    }
}
