//! Roles that run, each in a task of its own, and what happens when one ends that nobody has asked.
//!
//! A process that lives on without one of its roles looks well to whoever supervises it. So the others
//! are asked to end in order, and the process says which one it was, with a code that has it started
//! again.

use std::collections::HashMap;

use thiserror::Error;
use tokio::task::{Id, JoinSet};
use tracing::error;

use crate::net::shutdown::{self, Shutdown, Trigger};

/// A role ended without being asked.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{0} ended by itself, which is a fault of this program: the log has said why; start it again"
)]
pub struct RoleEnded(String);

/// Roles that are asked to end together.
pub(super) struct Running {
    roles: JoinSet<()>,
    names: HashMap<Id, String>,
    trigger: Trigger,
    until: Shutdown,
}

impl Running {
    /// None yet.
    pub(super) fn new() -> Self {
        let (trigger, until) = shutdown::pair();
        Self { roles: JoinSet::new(), names: HashMap::new(), trigger, until }
    }

    /// Tells a role of these when to end.
    pub(super) fn until(&self) -> Shutdown {
        self.until.clone()
    }

    /// Runs one more.
    pub(super) fn spawn(&mut self, name: String, role: impl Future<Output = ()> + Send + 'static) {
        let id = self.roles.spawn(role).id();
        self.names.insert(id, name);
    }

    /// Waits for the next one to end, and names it; for ever if there is none.
    async fn next(&mut self) -> String {
        let Some(ended) = self.roles.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let id = ended.map_or_else(|panicked| panicked.id(), |(id, ())| id);
        self.names.remove(&id).unwrap_or_default()
    }

    /// Asks all that are left, and waits for them. One that ended before it was asked stays ended.
    async fn finish(mut self) {
        self.trigger.ask();
        while let Some(ended) = self.roles.join_next_with_id().await {
            if let Err(panicked) = ended {
                let role = self.names.get(&panicked.id()).map_or("a role", String::as_str);
                error!(role, "ended with a panic");
            }
        }
    }
}

/// Waits until somebody asks or a role ends; then `first` are asked, and when they are gone `second`.
pub(super) async fn until_asked(
    mut first: Running,
    mut second: Running,
    mut shutdown: Shutdown,
) -> Result<(), RoleEnded> {
    let outcome = tokio::select! {
        biased;
        () = shutdown.asked() => Ok(()),
        role = first.next() => Err(RoleEnded(role)),
        role = second.next() => Err(RoleEnded(role)),
    };
    if let Err(ended) = &outcome {
        error!("{ended}");
    }
    first.finish().await;
    second.finish().await;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(mut until: Shutdown) {
        until.asked().await;
    }

    #[tokio::test]
    async fn a_role_that_panics_or_returns_ends_the_others_and_is_named() {
        for panics in [true, false] {
            for is_second in [true, false] {
                let (_trigger, shutdown) = shutdown::pair();
                let (mut first, mut second) = (Running::new(), Running::new());
                first.spawn("the identity service".into(), asked(first.until()));
                second.spawn("hop 1".into(), asked(second.until()));
                let broken = async move { assert!(!panics, "a fault of the program") };
                let broken_one = if is_second { &mut second } else { &mut first };
                broken_one.spawn("hop 2".into(), broken);
                let ended = until_asked(first, second, shutdown).await;
                assert_eq!(ended, Err(RoleEnded("hop 2".into())));
            }
        }
    }

    #[tokio::test]
    async fn who_is_asked_ends_without_an_error_the_second_ones_last() {
        let (trigger, shutdown) = shutdown::pair();
        let (mut first, mut second) = (Running::new(), Running::new());
        let first_ended = std::sync::Arc::new(tokio::sync::Notify::new());
        let (told, until) = (first_ended.clone(), first.until());
        first.spawn("the entry".into(), async move {
            asked(until).await;
            told.notify_one();
        });
        let until = second.until();
        second.spawn("hop 1".into(), async move {
            asked(until).await;
            first_ended.notified().await;
        });
        trigger.ask();
        assert_eq!(until_asked(first, second, shutdown).await, Ok(()));
    }
}
