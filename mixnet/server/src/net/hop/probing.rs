//! A hop that is probed: it says how it is, and passes on what later hops say.

use std::sync::Arc;

use talaria_mixnet::link::BackWord;
use talaria_wire::probe::{HopStatus, LinkState, ProgramVersion};
use tracing::debug;

use super::answers::{Answer, Answers, Unanswered};
use super::shell::Shell;
use crate::net::link::Onward;

impl Shell {
    /// A probe has come: answers it, and passes it on. One too many is ignored.
    pub(super) fn probed(self: &Arc<Self>, id: u64, answers: &Answers) {
        let since = self.started.elapsed();
        let link = self.onward.as_ref().map_or(LinkState::Last, Onward::state);
        let asked = (id, answers.clone());
        match self.tell(|node, _| node.probed(since, asked, link, own_version())) {
            Some(status) => self.report(answers, status),
            None => return debug!(hop = %self.config.place, "a probe was ignored"),
        }
        if let Some(onward) = &self.onward {
            onward.probe(id);
        }
    }

    /// A later hop has answered a probe.
    pub(super) fn reported(self: &Arc<Self>, status: HopStatus) {
        let since = self.started.elapsed();
        let passed = self.tell(|node, _| {
            node.reported(since, status).map(|(answers, status)| (answers.clone(), status))
        });
        if let Some((answers, status)) = passed {
            self.report(&answers, status);
        }
    }

    /// Rounds go first: where their answers fill the queue a report is dropped.
    fn report(&self, answers: &Answers, status: HopStatus) {
        let report = Answer::Word(BackWord::Report(status));
        let _ = answers.try_send((report, Unanswered::new(&self.pending)));
    }
}

fn own_version() -> ProgramVersion {
    env!("CARGO_PKG_VERSION")
        .to_owned()
        .try_into()
        .expect("the version of this crate is short and visible")
}
