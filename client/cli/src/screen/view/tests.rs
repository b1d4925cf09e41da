//! The screen as a terminal would show it.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event as Key, KeyCode, KeyEvent, KeyModifiers};
use talaria_api::budget::Causes;
use talaria_api::{Code, Event, Text, Token, Trouble, Way};

use super::super::app::Wish;
use super::*;

fn screen(app: &mut App) -> String {
    let mut terminal = Terminal::new(TestBackend::new(60, 8)).unwrap();
    terminal.draw(|frame| draw(app, frame)).unwrap();
    terminal.backend().to_string()
}

fn type_line(app: &mut App, text: &str) -> Wish {
    for c in text.chars() {
        app.take_key(&Key::Key(KeyEvent::from(KeyCode::Char(c))));
    }
    app.take_key(&Key::Key(KeyEvent::from(KeyCode::Enter)))
}

fn conversation() -> String {
    "bob".to_owned()
}

fn say(app: &mut App, text: &str) -> Option<u32> {
    app.take_in(Event::Message {
        id: 0,
        from: "bob".to_owned(),
        text: Text(text.to_owned()),
        round: 7,
        sent_ms: 0,
        conversation: conversation(),
        number: 5,
    })
}

#[test]
fn own_lines_wait_until_they_are_delivered() {
    let mut app = App::new("Bob".to_owned());
    assert_eq!(type_line(&mut app, "hello"), Wish::Say(Token(1), Text("hello".to_owned())));
    let second = type_line(&mut app, "not taken");
    assert_eq!(second, Wish::Say(Token(2), Text("not taken".to_owned())));
    assert!(screen(&mut app).contains("me: hello …"));
    let refused = Trouble::new(Code::Refused, "why".to_owned());
    app.take_in(Event::Error(Trouble { token: Some(Token(2)), ..refused }));
    assert!(screen(&mut app).contains("me: not taken ✗"));
    let id = 4;
    // What another face has said has no token here.
    app.take_in(Event::Sent { id: 3, conversation: conversation(), token: None });
    app.take_in(Event::Sent { id, conversation: conversation(), token: Some(Token(1)) });
    let (way, conversation) = (Way::Sending, conversation());
    app.take_in(Event::Progress { id, way, have: 1, count: 3, conversation });
    assert!(screen(&mut app).contains("hello … 1/3"));
    app.take_in(Event::Delivered { id, round: 8, conversation: "bob".to_owned() });
    assert!(screen(&mut app).contains("me: hello ✓"));
    assert_eq!(app.waiting(), 0);
}

#[test]
fn a_partner_cannot_move_the_cursor_or_forge_lines() {
    let mut app = App::new("Bob".to_owned());
    assert_eq!(say(&mut app, "\u{1b}[2Jhi\n12:00 me: forged"), Some(5));
    let screen = screen(&mut app);
    assert!(screen.contains("Bob: \u{fffd}[2Jhi"));
    // The second line stands beside the name, not below the time.
    assert!(screen.contains("           12:00 me: forged"));
}

#[test]
fn the_status_line_tells_round_partner_and_connection() {
    let mut app = App::new("Bob".to_owned());
    assert!(screen(&mut app).contains("Bob: not here yet │ connecting…"));
    let partner = "bob".to_owned();
    app.take_in(Event::Ready { partner, unacknowledged: 0, conversation: conversation() });
    let (round, outcome) = (812, Outcome::Delivered);
    app.take_in(Event::Round { round, outcome, latency_ms: 2104 });
    let state = Presence::Present;
    app.take_in(Event::Partner { state, round, conversation: conversation() });
    assert!(screen(&mut app).contains("Bob: here │ round 812, 2104 ms"));
    for (outcome, said) in [
        (Outcome::Late, "round 812 was late"),
        (Outcome::Failed, "round 812 failed for everybody"),
        (Outcome::Unanswered, "no answer to round 812"),
    ] {
        app.take_in(Event::Round { round, outcome, latency_ms: 9 });
        assert!(screen(&mut app).contains(said));
    }
}

#[test]
fn the_end_of_the_budget_is_shown_and_stays() {
    let mut app = App::new("Bob".to_owned());
    let (state, message) = (Stage::Spent, "kept".to_owned());
    let conversation = conversation();
    let (charged, budget, causes) = (9, 9, Causes::default());
    app.take_in(Event::Budget { state, charged, budget, message, conversation, causes });
    let shown = screen(&mut app);
    assert!(shown.contains("--beyond-budget") && shown.contains("│ budget used up"), "{shown}");
}

#[test]
fn old_lines_can_be_scrolled_to() {
    let mut app = App::new("Bob".to_owned());
    for line in 0..30 {
        say(&mut app, &format!("line {line}"));
    }
    assert!(screen(&mut app).contains("line 29"));
    for _ in 0..20 {
        app.take_key(&Key::Key(KeyEvent::from(KeyCode::PageUp)));
        screen(&mut app);
    }
    assert!(screen(&mut app).contains("line 0 "));
    for _ in 0..20 {
        app.take_key(&Key::Key(KeyEvent::from(KeyCode::PageDown)));
    }
    assert!(screen(&mut app).contains("line 29"));
}

#[test]
fn long_lines_wrap_at_spaces_and_wide_characters_count_twice() {
    assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
    assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert_eq!(wrap("日本語", 4), ["日本", "語"]);
    assert_eq!(wrap("", 4), [""]);
}

#[test]
fn leaving_takes_one_key_and_a_second_one_does_not_wait() {
    let mut app = App::new("Bob".to_owned());
    assert_eq!(type_line(&mut app, "/quit"), Wish::Leave(Token(1)));
    app.leaving = true;
    let control = |c| Key::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
    assert_eq!(app.take_key(&control('d')), Wish::Stop);
    assert_eq!(app.take_key(&control('c')), Wish::Stop);
}

#[test]
fn what_is_typed_beyond_the_width_scrolls() {
    let mut app = App::new("Bob".to_owned());
    app.take_key(&Key::Paste(format!("{}end", "x".repeat(100))));
    assert!(screen(&mut app).contains("xend"));
}
