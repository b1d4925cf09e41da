//! What computes or waits for a disk for long, on threads that are there for it: the tasks of the
//! runtime stay free for rounds.

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use talaria_store::Home;
use tokio::task::{JoinError, spawn_blocking};

/// Runs `work` on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(Some(spawn_blocking(work).await)).await
}

/// What a task has come to, if there was one; its panic goes on here.
pub(crate) async fn joined<T>(task: Option<Result<T, JoinError>>) -> T {
    match task {
        Some(Ok(done)) => done,
        Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
        // The runtime is shutting down, and this task with it.
        _ => pending().await,
    }
}

/// A home whose database is only touched on threads that may block, by one at a time.
pub(crate) struct Shelf(Arc<Mutex<Home>>);

impl Shelf {
    pub(crate) fn new(home: Home) -> Self {
        Self(Arc::new(Mutex::new(home)))
    }

    /// Does something with the home; what comes after in the same task waits for it.
    pub(crate) fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Home) -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        let home = Arc::clone(&self.0);
        // Who panics with the home ends the run, so that nobody takes it after that.
        blocking(move || work(&mut home.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[tokio::test]
    async fn work_is_done_on_another_thread_and_its_panics_are_not_lost() {
        let here = thread::current().id();
        assert_ne!(blocking(move || thread::current().id()).await, here);
        let lost = tokio::spawn(blocking(|| panic!("told"))).await;
        assert!(lost.unwrap_err().is_panic());
    }
}
