//! Ending in order: the first signal asks, the second one insists.

use std::time::Duration;

use talaria_wire::UnixMillis;
use talaria_wire::network_file::show_time;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::net::clock::now;

/// Tells tasks that they should come to an end.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Asks for the end.
#[derive(Clone, Debug)]
pub struct Trigger(watch::Sender<bool>);

/// A pair of the two.
#[must_use]
pub fn pair() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

impl Trigger {
    /// Asks, from now on and for ever.
    pub fn ask(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Waits until somebody asks; a trigger that is gone asks too.
    pub async fn asked(&mut self) {
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }
}

/// A network file that is about to expire is mentioned from this long before on, once a day.
const WARN_BEFORE_MS: u64 = 14 * DAY_MS;
const DAY_MS: u64 = 24 * 3_600_000;

/// Completes when the network file has expired, and warns before.
pub async fn expired(until: UnixMillis) {
    loop {
        let left = until.since(now());
        if left == 0 {
            return;
        }
        if left < WARN_BEFORE_MS {
            let until = show_time(until);
            warn!("the network file is valid until {until} only: agree on the next version");
        }
        sleep(Duration::from_millis(left.min(DAY_MS))).await;
    }
}

/// SIGHUP: somebody wants files to be read again, or a terminal has gone. It ends nothing.
///
/// # Errors
/// If the signal cannot be caught.
pub fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Asks on SIGTERM or Ctrl-C; on the second one the process ends at once, with code 130.
///
/// # Errors
/// If the signals cannot be caught.
pub fn on_signals(trigger: Trigger) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                info!("finishing the rounds under way; once more to end at once");
                trigger.ask();
            }
        }
        std::process::exit(130);
    });
    Ok(())
}

/// Waits for tasks: each holds a guard, and the last one dropped ends the wait.
#[derive(Debug)]
pub struct Tasks {
    guard: mpsc::Sender<()>,
    gone: mpsc::Receiver<()>,
}

/// Held by a task while it runs.
#[derive(Clone, Debug)]
pub struct TaskGuard(
    #[expect(dead_code, reason = "only its being dropped counts")] mpsc::Sender<()>,
);

impl Tasks {
    /// Nobody to wait for yet.
    #[must_use]
    pub fn new() -> Self {
        let (guard, gone) = mpsc::channel(1);
        Self { guard, gone }
    }

    /// A guard for one more task.
    #[must_use]
    pub fn guard(&self) -> TaskGuard {
        TaskGuard(self.guard.clone())
    }

    /// Waits until every guard is dropped.
    pub async fn finished(mut self) {
        drop(self.guard);
        let _ = self.gone.recv().await;
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}
