//! A chat without a terminal: lines in, lines or JSON objects out.

use std::io;
use std::pin::pin;
use std::process;
use std::time::Duration;

use talaria_client::Notice;
use talaria_client::conversation::state::Received;
use talaria_daemon::{self as net, Input};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::lines::{self, Report};
use super::signals::Signals;
use super::{Front, unacknowledged};
use crate::error::{CliError, FAILED, TIMED_OUT};
use crate::events::{self, Event};
use talaria_api::tame;

/// What has been seen so far, to say little and the right thing.
#[derive(Default)]
struct Plain {
    json: bool,
    partner: String,
    bad_lines: bool,
    input_ended: bool,
    connected: bool,
    delivered: u64,
    /// The newest round that has come back.
    round: Option<u64>,
    finished: bool,
}

/// Talks until both sides have ended; gives the exit code.
pub(super) async fn show(mut front: Front, json: bool) -> Result<u8, CliError> {
    let mut signals = Signals::new().map_err(CliError::Runtime)?;
    let mut reports = start_reader(&front);
    let mut plain = Plain { json, partner: front.partner.clone(), ..Plain::default() };
    let mut timeout = pin!(wait(front.timeout));
    let mut ended_by = None;
    if let Some(received) = front.interrupted.take() {
        plain.repeat(&received).map_err(CliError::Output)?;
    }
    let result = loop {
        let printed = tokio::select! {
            event = front.events.recv() => match event {
                None => break Ok(()),
                Some(event) => plain.show(&event, &front),
            },
            Some(report) = reports.recv() => plain.report(report),
            () = &mut timeout, if ended_by.is_none() => {
                ended_by = Some(TIMED_OUT);
                front.stop();
                Ok(())
            }
            code = signals.next() => {
                if ended_by.replace(code).is_some() {
                    process::exit(code.into());
                }
                front.stop();
                Ok(())
            }
        };
        if let Err(error) = printed {
            // What was not printed is not marked, and is shown next time.
            front.stop();
            break Err(error);
        }
    };
    let summary = front.join().await?;
    result.map_err(CliError::Output)?;
    plain.finish(summary, ended_by).map_err(CliError::Output)
}

fn start_reader(front: &Front) -> mpsc::UnboundedReceiver<Report> {
    let (reports, reported) = mpsc::unbounded_channel();
    let input = front.input.clone();
    let last = if front.leave { Input::Leave } else { Input::End };
    std::thread::spawn(move || lines::read(io::stdin().lock(), last, &input, &reports));
    reported
}

async fn wait(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => sleep(timeout).await,
        None => std::future::pending().await,
    }
}

impl Plain {
    /// Prints an event; a message is marked as shown after that.
    fn show(&mut self, event: &net::Event, front: &Front) -> io::Result<()> {
        if let net::Event::Notice(Notice::Round { round, .. }) = event {
            self.round = Some(round.0);
        }
        let message = matches!(event, net::Event::Notice(Notice::Message { .. }));
        if self.json && !message {
            self.print(&Event::from_net(event, &self.partner))?;
        }
        match event {
            net::Event::Notice(notice) => self.show_notice(notice, front),
            net::Event::Refused(error) => {
                self.bad_lines = true;
                self.say(&format!("error: a line was not sent: {error}"));
                Ok(())
            }
            net::Event::KeyChanged { .. }
            | net::Event::KeyAccepted
            | net::Event::PartnerGone(_)
            | net::Event::Directory(_) => {
                if let Some(text) = events::describe_event(event, &self.partner) {
                    self.say(&format!("warning: {text}"));
                }
                Ok(())
            }
            net::Event::Disconnected { reason, .. } => {
                if std::mem::take(&mut self.connected) || self.delivered == 0 {
                    self.say(&format!("no connection ({reason}), trying again"));
                }
                Ok(())
            }
        }
    }

    fn show_notice(&mut self, notice: &Notice, front: &Front) -> io::Result<()> {
        match notice {
            Notice::Message { from, text, number, .. } => front.show(*number, || {
                if self.json {
                    return self.print(&Event::from_notice(notice, &self.partner));
                }
                events::print_line(&format!("{from}: {}", tame::line(text.as_str())))
            })?,
            Notice::Ready { .. } if !self.connected => {
                self.connected = true;
                self.say(&format!("connected, talking to {}", self.partner));
            }
            Notice::Partner { presence, .. } => {
                let state = events::presence_name(*presence);
                self.say(&format!("{} is {state}", self.partner).replace("is ended", "has ended"));
            }
            Notice::Delivered { .. } => self.delivered += 1,
            Notice::Finished => self.finished = true,
            other => {
                if let Some(text) = events::describe(other) {
                    self.say(&format!("warning: {text}"));
                }
            }
        }
        Ok(())
    }

    /// Whether standard output has it already nobody knows, so it does not go there again.
    fn repeat(&self, received: &Received) -> io::Result<()> {
        if self.json {
            return self.print(&Event::repeated(received, &self.partner));
        }
        let line = tame::line(received.text.as_str());
        let why = "the last run was killed while it showed this line, so here it is once more";
        eprintln!("talaria: {why}:\n{}: {line}", self.partner);
        Ok(())
    }

    fn report(&mut self, report: Report) -> io::Result<()> {
        let (line, message) = match report {
            Report::End => {
                self.input_ended = true;
                return Ok(());
            }
            Report::Bad(line, why) => (Some(line), format!("line {line} was not sent: {why}")),
            Report::Broken(why) => (None, format!("standard input cannot be read: {why}")),
        };
        self.bad_lines = true;
        eprintln!("error: {message}");
        if !self.json {
            return Ok(());
        }
        self.print(&Event::Error {
            code: "line",
            message,
            fatal: false,
            round: None,
            line,
            times: None,
        })
    }

    fn finish(&self, summary: net::Summary, ended_by: Option<u8>) -> io::Result<u8> {
        let Some(code) = ended_by.filter(|_| !summary.finished) else {
            self.say(&format!("finished, {} lines delivered", self.delivered));
            return Ok(if self.bad_lines { FAILED } else { 0 });
        };
        let mut message = unacknowledged(summary.unacknowledged);
        if !self.input_ended {
            message.push_str("; standard input was not read to its end");
        }
        let what = if code == TIMED_OUT { "timeout" } else { "interrupted" };
        eprintln!("error: {what}: {message}");
        if self.json {
            self.print(&Event::Error {
                code: what,
                message,
                fatal: true,
                round: None,
                line: None,
                times: None,
            })?;
        }
        Ok(code)
    }

    fn print(&self, event: &Event) -> io::Result<()> {
        events::print_in(self.round, event)
    }

    /// Tells a person, who is not there when a program reads the events.
    fn say(&self, text: &str) {
        if !self.json {
            eprintln!("talaria: {text}");
        }
    }
}
