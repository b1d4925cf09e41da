//! A hop that is probed: it says how it is, and passes on what later hops say.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use talaria_wire::HopIndex;
use talaria_wire::probe::{HopStatus, LinkState, ProgramVersion};
use tracing::debug;

use super::{Answer, Answers, LinkMessage, Node, Onward, Unanswered};
use talaria_mixnet::probe::Relay;

/// Probes under way, and the clock that they are timed by.
pub(super) struct Probing {
    started: Instant,
    relay: Mutex<Relay<Answers>>,
}

impl Probing {
    pub(super) fn new(place: HopIndex) -> Self {
        Self {
            started: Instant::now(),
            relay: Mutex::new(Relay::before(place.0.saturating_add(1))),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn relay(&self) -> MutexGuard<'_, Relay<Answers>> {
        // A panic in between can at worst have lost a probe.
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    /// A probe has come: answers it, and passes it on. One too many is ignored.
    pub(super) fn probed(self: &Arc<Self>, id: u64, answers: &Answers) {
        if !self.probing.relay().begin(self.probing.now(), id, answers.clone()) {
            return debug!(hop = %self.place, "a probe was ignored");
        }
        self.report(answers, self.status(id));
        if let Some(onward) = &self.onward {
            onward.probe(id);
        }
    }

    /// A later hop has answered a probe.
    pub(super) fn reported(self: &Arc<Self>, status: HopStatus) {
        if let Some((answers, status)) = self.probing.relay().reported(self.probing.now(), status) {
            self.report(answers, status);
        }
    }

    fn status(&self, id: u64) -> HopStatus {
        HopStatus {
            id,
            hop: self.place.0,
            round_trip_us: 0,
            round: self.book().hop.last_round().map_or(0, |round| round.0),
            sequence: self.network.sequence,
            version: self.network.hash,
            program: own_version(),
            link: self.onward.as_ref().map_or(LinkState::Last, Onward::state),
        }
    }

    /// Rounds go first: where their answers fill the queue a report is dropped.
    fn report(self: &Arc<Self>, answers: &Answers, status: HopStatus) {
        let _ =
            answers.try_send((Answer::Message(LinkMessage::Report(status)), Unanswered::new(self)));
    }
}

fn own_version() -> ProgramVersion {
    env!("CARGO_PKG_VERSION")
        .to_owned()
        .try_into()
        .expect("the version of this crate is short and visible")
}
