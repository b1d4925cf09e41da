//! The log: to standard error, by a thread that nobody waits for, and in colours for eyes only.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::panic;

use talaria_server::config::LogFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use super::failure::Failure;
use super::sink::Sink;

/// The variable that says what is logged; it comes before the configuration.
const VARIABLE: &str = "TALARIA_LOG";
const UNASKED: &str = "warn";

/// The log of this process.
#[derive(Clone, Debug)]
pub(super) struct Log {
    sink: Sink,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    /// Starts it; what a thread panics with goes there as well.
    pub(super) fn start() -> Self {
        let sink = Sink::of(io::stderr().as_fd(), of_lost);
        let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| UNASKED.into());
        let (filter, handle) = reload::Layer::new(filter);
        let writer = sink.clone();
        let lines = fmt::layer()
            .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            // They would go to standard error past the sink.
            .log_internal_errors(false)
            .with_writer(move || writer.clone());
        tracing_subscriber::registry().with(filter).with(lines).init();
        panic::set_hook(Box::new(|info| tracing::error!("a fault of this program: {info}")));
        Self { sink, filter: handle }
    }

    /// Takes what a configuration says is to be logged, unless the environment says it.
    pub(super) fn set(&self, filter: Option<&LogFilter>) -> Result<(), Failure> {
        if std::env::var_os(VARIABLE).is_some() {
            return Ok(());
        }
        let filter = filter.map_or(UNASKED, LogFilter::as_str);
        Ok(self.filter.reload(EnvFilter::try_new(filter)?)?)
    }

    /// The last words of the program.
    pub(super) fn fail(&self, failure: &Failure) {
        self.sink.put(format!("error: {failure}\n").into_bytes());
    }

    /// Waits for a moment until everything is written.
    pub(super) fn finish(&self) {
        self.sink.finish();
    }
}

fn of_lost(lines: u64) -> String {
    format!("({lines} lines of the log that nobody read in time are left out)\n")
}
