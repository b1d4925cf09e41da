//! A chat on a terminal: messages, a status line, and a line to type in.

mod app;
mod editor;
mod view;

use std::io::{self, Write};
use std::process;
use std::time::Duration;

use ratatui::crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event as Key, KeyEventKind,
};
use ratatui::crossterm::execute;
use ratatui::{DefaultTerminal, Frame};
use talaria_api::words::describe_unacknowledged;
use talaria_api::{Request, Token};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::chat::front::Front;
use crate::chat::signals::Signals;
use crate::error::{CliError, INTERRUPTED, TIMED_OUT};
use app::{App, Wish};

/// How long leaving waits for acknowledgements; what is not acknowledged then is kept.
const PATIENCE: Duration = Duration::from_secs(15);

/// Shows the chat until it ends; gives the exit code.
pub(crate) async fn show(front: Front) -> Result<u8, CliError> {
    let mut terminal = ratatui::try_init().map_err(CliError::Terminal)?;
    // A paste comes as one piece, and not as keys of which every Enter would send.
    let _ = execute!(io::stdout(), EnableBracketedPaste);
    let shown = Screen::new(front).run(&mut terminal).await;
    let _ = execute!(io::stdout(), DisableBracketedPaste);
    ratatui::restore();
    let (front, code) = shown?;
    let summary = front.join().await?;
    // The terminal may be gone, and nobody left to read this.
    let _ = writeln!(io::stderr(), "talaria: {}", describe_unacknowledged(summary.unacknowledged));
    Ok(if summary.finished { 0 } else { code })
}

struct Screen {
    front: Front,
    app: App,
    /// When to give up waiting, and the exit code then.
    deadline: Option<(Instant, u8)>,
    code: u8,
    stopping: bool,
}

impl Screen {
    fn new(front: Front) -> Self {
        let app = App::new(front.partner.clone());
        let deadline = front.timeout.map(|timeout| (Instant::now() + timeout, TIMED_OUT));
        Self { front, app, deadline, code: 0, stopping: false }
    }

    /// Draws after everything that happens, until the client has ended.
    async fn run(mut self, terminal: &mut DefaultTerminal) -> Result<(Front, u8), CliError> {
        let mut signals = Signals::new().map_err(CliError::Runtime)?;
        let mut keys = read_keys();
        self.front.send_again();
        loop {
            terminal.draw(|frame| view::draw(&mut self.app, frame)).map_err(CliError::Terminal)?;
            let deadline = self.deadline;
            tokio::select! {
                event = self.front.next() => match event {
                    None => break,
                    Some(event) => {
                        if let Some(number) = self.app.take_in(event) {
                            let draw = |frame: &mut Frame<'_>| view::draw(&mut self.app, frame);
                            terminal.draw(draw).map_err(CliError::Terminal)?;
                            self.front.shown(number);
                        }
                    }
                },
                key = keys.recv() => match key {
                    Some(key) => self.take_key(&key),
                    None => self.stop(INTERRUPTED),
                },
                code = signals.next() => self.stop(code),
                code = expire(deadline) => {
                    self.deadline = None;
                    self.stop(code);
                }
            }
        }
        // It has ended already, unless nothing more can be shown.
        self.front.stop();
        Ok((self.front, self.code))
    }

    fn take_key(&mut self, key: &Key) {
        match self.app.take_key(key) {
            Wish::Nothing => {}
            Wish::Say(token, text) => {
                let conversation = self.front.partner.clone();
                if self.front.ask(Request::Say { token, conversation, text }).is_err() {
                    self.app.refuse(token, "too much is waiting to be sent");
                }
            }
            Wish::Leave(token) => self.leave(token),
            Wish::AcceptKey(token) => {
                let conversation = self.front.partner.clone();
                self.ask(Request::AcceptKey { token, conversation });
            }
            Wish::Again(token) => {
                let conversation = self.front.partner.clone();
                self.ask(Request::Again { token, conversation });
            }
            Wish::Stop => self.stop(INTERRUPTED),
        }
    }

    fn ask(&mut self, request: Request) {
        if self.front.ask(request).is_err() {
            self.app.tell("too much is waiting to be sent: try again");
        }
    }

    fn leave(&mut self, token: Token) {
        let (requests, conversation) = (self.front.requests(), self.front.partner.clone());
        // The queue may be full; whoever leaves can wait for a place in it.
        tokio::spawn(async move { requests.ask(Request::Leave { token, conversation }).await });
        self.app.leaving = true;
        self.deadline = Some((Instant::now() + PATIENCE, 0));
    }

    /// The first time politely, the second time at once.
    fn stop(&mut self, code: u8) {
        if std::mem::replace(&mut self.stopping, true) {
            ratatui::restore();
            process::exit(code.into());
        }
        self.code = code;
        self.front.stop();
    }
}

async fn expire(deadline: Option<(Instant, u8)>) -> u8 {
    match deadline {
        Some((at, code)) => {
            sleep_until(at).await;
            code
        }
        None => std::future::pending().await,
    }
}

/// Reads keys on a thread of its own, which ends with the program.
fn read_keys() -> mpsc::UnboundedReceiver<Key> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(key) = event::read() {
            let released = matches!(&key, Key::Key(key) if key.kind == KeyEventKind::Release);
            if !released && sender.send(key).is_err() {
                break;
            }
        }
    });
    receiver
}
