//! What is on the screen, and what keys and events do to it.

use chrono::{DateTime, Local};
use ratatui::crossterm::event::{Event as Key, KeyCode, KeyEvent, KeyModifiers};
use talaria_api::{Code, Event, Outcome, Presence, Stage, Text, Token, Trouble, Way};
use talaria_daemon::now;

use super::editor::Editor;
use crate::advice;

/// Lines of the past that are kept.
const HISTORY: usize = 5000;

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Say(Token, Text),
    Leave(Token),
    AcceptKey(Token),
    Again(Token),
    Stop,
}

/// One message, or something worth a line.
#[derive(Debug)]
pub(super) enum Item {
    Own { token: Token, id: Option<u32>, text: String, time: String, state: State },
    Theirs { text: String, time: String },
    Info(String),
}

/// How far one's own message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Partly(u16, u16),
    Delivered,
    /// It was delivered, and the partner may not have it any more.
    Doubtful,
    Refused,
}

/// The connection and the newest round.
#[derive(Debug)]
pub(super) enum Link {
    Connecting,
    Down(String),
    Up,
}

#[derive(Debug)]
pub(super) struct App {
    pub(super) partner: String,
    pub(super) items: Vec<Item>,
    pub(super) editor: Editor,
    pub(super) link: Link,
    pub(super) presence: Option<Presence>,
    pub(super) round: Option<(u64, Outcome, u64)>,
    pub(super) receiving: Option<(u16, u16)>,
    /// Rows between the newest one and the bottom of the screen.
    pub(super) scroll: usize,
    /// Rows of the message area when it was last drawn.
    pub(super) page: usize,
    pub(super) leaving: bool,
    /// What is left of the privacy budget, if it was warned of.
    pub(super) budget: Option<Stage>,
    /// For what is asked for next.
    next_token: u64,
}

impl App {
    pub(super) fn new(partner: String) -> Self {
        Self {
            partner,
            items: Vec::new(),
            editor: Editor::default(),
            link: Link::Connecting,
            presence: None,
            round: None,
            receiving: None,
            scroll: 0,
            page: 1,
            leaving: false,
            budget: None,
            next_token: 0,
        }
    }

    /// Texts of this side that are not known to have arrived.
    pub(super) fn waiting(&self) -> usize {
        let waits = |item: &&Item| {
            let Item::Own { state, .. } = item else { return false };
            matches!(state, State::Waiting | State::Partly(..))
        };
        self.items.iter().filter(waits).count()
    }

    /// Takes an event; the `number` of a message has to be marked once it has been drawn.
    pub(super) fn take_in(&mut self, mut event: Event) -> Option<u32> {
        advice::add_to(&mut event);
        match event {
            Event::Message { text, sent_ms, number, .. } => {
                self.take_message(text.as_str(), sent_ms);
                return Some(number);
            }
            Event::Repeated { text, sent_ms, .. } => self.take_message(text.as_str(), sent_ms),
            Event::Ready { unacknowledged, .. } => self.ready(unacknowledged),
            Event::Round { round, outcome, latency_ms } => {
                self.round = Some((round, outcome, latency_ms));
            }
            Event::Sent { id, token: Some(token), .. } => self.name(token, id),
            Event::Delivered { id, .. } => self.set_state(id, State::Delivered),
            Event::Progress { id, way: Way::Sending, have, count, .. } => {
                self.set_state(id, State::Partly(have, count));
            }
            Event::Progress { way: Way::Receiving, have, count, .. } => {
                self.receiving = Some((have, count));
            }
            Event::Partner { state, .. } => self.presence = Some(state),
            Event::Error(Trouble { code: Code::Refused, token: Some(token), message, .. }) => {
                self.refuse(token, &message);
            }
            Event::Error(Trouble { code: Code::Disconnected, message, .. }) => {
                self.link = Link::Down(message);
            }
            other => {
                match &other {
                    Event::Budget { state, .. } => self.budget = Some(*state),
                    Event::MayBeLost { ids, older, .. } => self.doubt(ids, *older),
                    Event::SentAgain { ids, .. } => {
                        ids.iter().for_each(|id| self.set_state(*id, State::Waiting));
                    }
                    _ => {}
                }
                if let Some(text) = advice::describe(&other) {
                    self.push(Item::Info(text));
                }
            }
        }
        None
    }

    /// Something that the partner has said.
    fn take_message(&mut self, text: &str, sent_ms: u64) {
        let time = clock_time(sent_ms);
        self.receiving = None;
        self.push(Item::Theirs { text: text.to_owned(), time });
    }

    fn ready(&mut self, unacknowledged: u64) {
        let first = matches!(self.link, Link::Connecting);
        self.link = Link::Up;
        let earlier = unacknowledged.saturating_sub(self.waiting() as u64);
        if first && earlier > 0 {
            self.push(Item::Info(format!("{earlier} lines of an earlier run are on their way")));
        }
    }

    /// The client has given a text its number.
    fn name(&mut self, said: Token, number: u32) {
        if let Some(Item::Own { id, .. }) = self.own(said) {
            *id = Some(number);
        }
    }

    fn own(&mut self, said: Token) -> Option<&mut Item> {
        let own = |item: &&mut Item| matches!(item, Item::Own { token, .. } if *token == said);
        self.items.iter_mut().rev().find(own)
    }

    /// Something worth a line.
    pub(super) fn tell(&mut self, text: &str) {
        self.push(Item::Info(text.to_owned()));
    }

    /// A text was not taken, and never will be.
    pub(super) fn refuse(&mut self, said: Token, why: &str) {
        if let Some(Item::Own { state, .. }) = self.own(said) {
            *state = State::Refused;
        }
        self.push(Item::Info(format!("not sent: {why}")));
    }

    fn set_state(&mut self, wanted: u32, new: State) {
        for item in self.items.iter_mut().rev() {
            if let Item::Own { id: Some(id), state, .. } = item
                && *id == wanted
            {
                *state = new;
                return;
            }
        }
    }

    /// The partner may not have these any more; nor, if `older`, any that arrived before them.
    fn doubt(&mut self, ids: &[u32], older: bool) {
        let mut before = older;
        for item in &mut self.items {
            if let Item::Own { id: Some(id), state, .. } = item {
                let is_named = ids.contains(id);
                before &= !is_named;
                if is_named || before && *state == State::Delivered {
                    *state = State::Doubtful;
                }
            }
        }
    }

    fn push(&mut self, item: Item) {
        self.items.push(item);
        if self.items.len() > HISTORY {
            self.items.remove(0);
        }
    }

    /// Does what a key says, as far as it concerns the screen alone.
    pub(super) fn take_key(&mut self, key: &Key) -> Wish {
        match key {
            Key::Key(key) => self.take_press(*key),
            Key::Paste(text) => {
                self.editor.paste(text);
                Wish::Nothing
            }
            _ => Wish::Nothing,
        }
    }

    fn take_press(&mut self, key: KeyEvent) -> Wish {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.take_control(key.code);
        }
        match key.code {
            KeyCode::Enter if key.modifiers.contains(KeyModifiers::ALT) => self.editor.insert('\n'),
            KeyCode::Enter => return self.enter(),
            KeyCode::Char(c) => self.editor.insert(c),
            KeyCode::Backspace => self.editor.backspace(),
            KeyCode::Delete => self.editor.delete(),
            KeyCode::Left => self.editor.left(),
            KeyCode::Right => self.editor.right(),
            KeyCode::Home => self.editor.go_to_start(),
            KeyCode::End => self.editor.go_to_end(),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_add(self.page / 2 + 1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_sub(self.page / 2 + 1),
            _ => {}
        }
        Wish::Nothing
    }

    fn take_control(&mut self, code: KeyCode) -> Wish {
        match code {
            KeyCode::Char('c') => return Wish::Stop,
            KeyCode::Char('d') => return self.leave(),
            KeyCode::Char('a') => self.editor.go_to_start(),
            KeyCode::Char('e') => self.editor.go_to_end(),
            KeyCode::Char('u') => self.editor.delete_to_start(),
            KeyCode::Char('w') => self.editor.delete_word(),
            _ => {}
        }
        Wish::Nothing
    }

    fn enter(&mut self) -> Wish {
        let text = self.editor.take();
        self.scroll = 0;
        match text.as_str() {
            "" => Wish::Nothing,
            "/quit" => self.leave(),
            "/accept" => Wish::AcceptKey(self.token()),
            "/again" => Wish::Again(self.token()),
            _ if self.leaving => Wish::Nothing,
            _ => {
                let (token, time) = (self.token(), clock_time(now().0));
                let state = State::Waiting;
                self.push(Item::Own { token, id: None, text: text.clone(), time, state });
                Wish::Say(token, Text(text))
            }
        }
    }

    /// Asked twice, it does not wait for anything.
    fn leave(&mut self) -> Wish {
        if self.leaving { Wish::Stop } else { Wish::Leave(self.token()) }
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token(self.next_token)
    }
}

/// Hours and minutes on the clock of the person in front of the screen.
fn clock_time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(DateTime::from_timestamp_millis);
    let local = time.map(|time| time.with_timezone(&Local).format("%H:%M").to_string());
    local.unwrap_or_else(|| "--:--".to_owned())
}
