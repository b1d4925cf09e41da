//! Draws the screen. Every text goes through [`tame`] on its way.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use talaria_api::{Outcome, Presence, Stage, tame};

use super::app::{App, Item, Link, State};

const PROMPT: &str = "> ";

/// Draws everything.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>) {
    let rows = [Constraint::Min(1), Constraint::Length(1), Constraint::Length(1)];
    let [messages, status, input] = Layout::vertical(rows).areas(frame.area());
    draw_messages(app, frame, messages);
    let style = Style::default().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(status_line(app)).style(style), status);
    draw_input(app, frame, input);
}

/// The newest rows at the bottom; wraps only as much as is seen.
fn draw_messages(app: &mut App, frame: &mut Frame<'_>, area: Rect) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    app.page = height;
    let wanted = height + app.scroll;
    let mut rows: Vec<Line<'_>> = Vec::new();
    for item in app.items.iter().rev() {
        if rows.len() >= wanted {
            break;
        }
        rows.extend(item_rows(item, &app.partner, width).into_iter().rev());
    }
    app.scroll = app.scroll.min(rows.len().saturating_sub(height));
    let mut seen: Vec<_> = rows.into_iter().skip(app.scroll).take(height).collect();
    seen.reverse();
    frame.render_widget(Paragraph::new(seen), area);
}

/// The rows of one item: a head, and the text wrapped beside it.
fn item_rows(item: &Item, partner: &str, width: usize) -> Vec<Line<'static>> {
    let (head, text, tail) = match item {
        Item::Own { text, time, state, .. } => {
            (vec![format!("{time} ").dim(), "me: ".green()], text, Some(state_mark(*state)))
        }
        Item::Theirs { text, time } => {
            let name = format!("{}: ", tame::shown(partner));
            (vec![format!("{time} ").dim(), name.cyan()], text, None)
        }
        Item::Info(text) => (vec!["      ".into(), "* ".yellow()], text, None),
    };
    let indent: usize = head.iter().map(Span::width).sum();
    let room = width.saturating_sub(indent + 2).max(8);
    let mut rows: Vec<_> = tame::lines(text).flat_map(|line| wrap(&line, room)).collect();
    let last = rows.len().saturating_sub(1);
    let mut head = Some(head);
    let row = |(number, text): (usize, String)| {
        let mut spans = head.take().unwrap_or_else(|| vec![" ".repeat(indent).into()]);
        spans.push(text.into());
        if number == last {
            spans.extend(tail.clone());
        }
        Line::from(spans)
    };
    rows.drain(..).enumerate().map(row).collect()
}

fn state_mark(state: State) -> Span<'static> {
    match state {
        State::Waiting => " …".dim(),
        State::Partly(have, count) => format!(" … {have}/{count}").dim(),
        State::Delivered => " ✓".green(),
        State::Doubtful => " ?".yellow(),
        State::Refused => " ✗".red(),
    }
}

/// Breaks a line where it has to be broken, at a space if there is one.
fn wrap(line: &str, room: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let (mut row, mut width, mut space) = (String::new(), 0, None);
    for c in line.chars() {
        let own = char_width(c);
        if width + own > room {
            let rest = space.take().map_or_else(String::new, |at: usize| row.split_off(at));
            rows.push(std::mem::replace(&mut row, rest));
            width = row.chars().map(char_width).sum();
        }
        row.push(c);
        width += own;
        if c == ' ' {
            space = Some(row.len());
        }
    }
    rows.push(row);
    rows
}

fn char_width(c: char) -> usize {
    Span::raw(c.encode_utf8(&mut [0; 4]).to_owned()).width()
}

fn status_line(app: &App) -> String {
    let partner = match app.presence {
        None => "not here yet",
        Some(Presence::Present) => "here",
        Some(Presence::Absent) => "away",
        Some(Presence::Ended) => "has ended",
        Some(Presence::Left) => "has left",
    };
    let mut line = format!(" {}: {partner} │ {}", tame::shown(&app.partner), link(app));
    match app.budget {
        None => {}
        Some(Stage::Half) => line.push_str(" │ half the budget used"),
        Some(Stage::Spent) => line.push_str(" │ budget used up"),
        Some(Stage::Beyond) => line.push_str(" │ beyond the budget"),
    }
    match app.waiting() {
        0 => {}
        n if app.leaving => line.push_str(&format!(" │ leaving, {n} on the way, Ctrl-C ends now")),
        n => line.push_str(&format!(" │ {n} on the way")),
    }
    if let Some((have, count)) = app.receiving {
        line.push_str(&format!(" │ receiving {have}/{count}"));
    }
    if app.scroll > 0 {
        line.push_str(" │ PgDn for newer lines");
    }
    line
}

fn link(app: &App) -> String {
    match &app.link {
        Link::Connecting => "connecting…".to_owned(),
        Link::Down(reason) => format!("no connection ({})", tame::shown(reason)),
        Link::Up => match app.round {
            None => "connected".to_owned(),
            Some((round, Outcome::Delivered, ms)) => format!("round {round}, {ms} ms"),
            Some((round, Outcome::Late, _)) => format!("round {round} was late"),
            Some((round, Outcome::Failed, _)) => format!("round {round} failed for everybody"),
            Some((round, Outcome::Unanswered, _)) => format!("no answer to round {round}"),
        },
    }
}

/// The end of what stands before the cursor is always seen.
fn draw_input(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let (before, after) = app.editor.shown();
    let room = usize::from(area.width).saturating_sub(PROMPT.len() + 1);
    let mut width: usize = before.chars().map(char_width).sum();
    let hidden = before.chars().take_while(|c| {
        let hide = width > room;
        width -= if hide { char_width(*c) } else { 0 };
        hide
    });
    let hidden = hidden.count();
    let seen: String = before.chars().skip(hidden).collect();
    let style = Style::default().fg(Color::Green);
    let line = Line::from(vec![Span::styled(PROMPT, style), seen.into(), after.into()]);
    frame.render_widget(Paragraph::new(line), area);
    let column = u16::try_from(PROMPT.len() + width).unwrap_or(u16::MAX);
    frame.set_cursor_position(Position::new(area.x.saturating_add(column), area.y));
}

#[cfg(test)]
mod tests;
