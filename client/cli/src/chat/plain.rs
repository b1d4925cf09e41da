//! A chat without a terminal: lines in, lines or JSON objects out.

use std::io;
use std::pin::pin;
use std::process;
use std::time::Duration;

use talaria_api::words::{describe_presence, describe_unacknowledged};
use talaria_api::{Code, Event, Text, Trouble, Trust, tame};
use talaria_daemon::Summary;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::front::Front;
use super::lines::{self, Report};
use super::signals::Signals;
use crate::error::{CliError, FAILED, TIMED_OUT};
use crate::{advice, events};

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
    /// Too much was to be shown, and the rest is kept.
    behind: bool,
}

/// Talks until both sides have ended; gives the exit code.
pub(super) async fn show(mut front: Front, json: bool) -> Result<u8, CliError> {
    let mut signals = Signals::new().map_err(CliError::Runtime)?;
    front.send_again();
    let mut reports = start_reader(&front);
    let mut plain = Plain { json, partner: front.partner.clone(), ..Plain::default() };
    let mut timeout = pin!(wait(front.timeout));
    let mut ended_by = None;
    let result = loop {
        let printed = tokio::select! {
            event = front.next() => match event {
                None => break Ok(()),
                Some(event) => plain.show(event, &mut front),
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
            break Err(error);
        }
    };
    // It has ended already, unless nothing more can be shown.
    front.stop();
    let summary = front.join().await?;
    result.map_err(CliError::Output)?;
    plain.finish(summary, ended_by).map_err(CliError::Output)
}

fn start_reader(front: &Front) -> mpsc::UnboundedReceiver<Report> {
    let (reports, reported) = mpsc::unbounded_channel();
    let (requests, partner, leave) = (front.requests(), front.partner.clone(), front.leave);
    std::thread::spawn(move || {
        let ask = |request| requests.blocking_ask(request);
        lines::read(io::stdin().lock(), &partner, leave, ask, &reports);
    });
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
    fn show(&mut self, mut event: Event, front: &mut Front) -> io::Result<()> {
        advice::add_to(&mut event);
        if let Event::Round { round, .. } = &event {
            self.round = Some(*round);
        }
        if self.json {
            events::print_in(self.round, &event)?;
        }
        self.tell(&event)?;
        if let Event::Message { number, .. } = &event {
            front.shown(*number);
        }
        Ok(())
    }

    /// Tells a person, and remembers what the end depends on.
    fn tell(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Message { from, text, .. } if !self.json => {
                events::print_line(&format!("{from}: {}", tame::line(text.as_str())))?;
            }
            Event::Repeated { from, text, .. } => self.repeat(from, text),
            Event::Ready { .. } if !self.connected => {
                self.connected = true;
                self.say(&format!("connected, talking to {}", self.partner));
            }
            Event::Partner { state, .. } => {
                self.say(&format!("{} {}", self.partner, describe_presence(*state)));
            }
            Event::Delivered { .. } => self.delivered += 1,
            Event::Error(trouble) => self.tell_trouble(trouble),
            Event::Contact { trust: Trust::Changed, .. }
            | Event::Budget { .. }
            | Event::MayBeLost { .. } => {
                if let Some(text) = advice::describe(event) {
                    self.say(&format!("warning: {text}"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn tell_trouble(&mut self, trouble: &Trouble) {
        let message = &trouble.message;
        match trouble.code {
            Code::Refused => {
                self.bad_lines = true;
                self.say(&format!("error: a line was not sent: {message}"));
            }
            Code::Disconnected => {
                if std::mem::take(&mut self.connected) || self.delivered == 0 {
                    self.say(&format!("no connection ({message}), trying again"));
                }
            }
            Code::FellBehind => {
                self.behind = true;
                self.say(&format!("error: {message}"));
            }
            _ => self.say(&format!("warning: {message}")),
        }
    }

    /// Whether standard output has it already nobody knows, so it does not go there again.
    fn repeat(&self, from: &str, text: &Text) {
        let line = tame::line(text.as_str());
        let why = "the last run was killed while it showed this line, so here it is once more";
        self.say(&format!("{why}:\n{from}: {line}"));
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
        self.print_error(Trouble { line, ..Trouble::new(Code::Line, message) })
    }

    fn finish(&self, summary: Summary, ended_by: Option<u8>) -> io::Result<u8> {
        let Some(code) = ended_by.filter(|_| !summary.finished) else {
            if !self.behind {
                self.say(&format!("finished, {} lines delivered", self.delivered));
            }
            return Ok(if self.bad_lines || self.behind { FAILED } else { 0 });
        };
        let mut message = describe_unacknowledged(summary.unacknowledged);
        if !self.input_ended {
            message.push_str("; standard input was not read to its end");
        }
        let (what, name) = match code {
            TIMED_OUT => (Code::Timeout, "timeout"),
            _ => (Code::Interrupted, "interrupted"),
        };
        eprintln!("error: {name}: {message}");
        self.print_error(Trouble { fatal: true, ..Trouble::new(what, message) })?;
        Ok(code)
    }

    fn print_error(&self, trouble: Trouble) -> io::Result<()> {
        if self.json { events::print_in(self.round, &Event::Error(trouble)) } else { Ok(()) }
    }

    /// Tells a person, who is not there when a program reads the events.
    fn say(&self, text: &str) {
        if !self.json {
            eprintln!("talaria: {text}");
        }
    }
}
