//! What is printed on standard output: lines, and JSON objects of which `docs/events.md` shows each.

use std::io::{self, Write};

use serde::Serialize;
use talaria_api::Event;

/// Prints one object as a line, and sees to it that it leaves.
pub(crate) fn print(object: &impl Serialize) -> io::Result<()> {
    let line = serde_json::to_string(object)?;
    print_line(&line)
}

/// Prints an event of a chat. One that belongs to no round gets the newest one.
pub(crate) fn print_in(newest: Option<u64>, event: &Event) -> io::Result<()> {
    let mut object = serde_json::to_value(event)?;
    if object["round"].is_null() {
        object["round"] = newest.into();
    }
    print(&object)
}

/// Prints one line, and sees to it that it leaves.
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use talaria_api::socket;

    use super::*;

    #[test]
    fn the_page_about_events_shows_every_event() {
        let page = include_str!("../../../docs/events.md");
        let names = [
            "ready",
            "round",
            "sent",
            "delivered",
            "progress",
            "message",
            "repeated",
            "partner",
            "error",
            "finished",
            "budget",
            "may_be_lost",
            "sent_again",
            "contact",
        ];
        for name in names {
            assert!(page.contains(&format!("{{\"event\":\"{name}\"")), "{name} has no example");
        }
        for code in [
            "refused",
            "disconnected",
            "interference",
            "clock",
            "paused",
            "rounds_lost",
            "out_of_step",
            "line",
            "timeout",
            "interrupted",
            "fatal",
            "key_accepted",
            "partner_gone",
            "directory",
            "directory_stale",
            "unrecorded",
            "fell_behind",
        ] {
            assert!(page.contains(&format!("`{code}`")), "{code} is not explained");
        }
    }

    #[test]
    fn the_examples_on_the_page_are_what_is_printed() {
        let page = include_str!("../../../docs/events.md");
        let (chat, _) = page.split_once("# Other commands").unwrap();
        let examples = chat.lines().filter(|line| line.starts_with('{'));
        for example in examples {
            // The program adds a round to what has none.
            let bare = example.replace(",\"round\":null", "");
            let shown = socket::read_line::<Event>(format!("{bare}\n").as_bytes());
            let event = match shown {
                Ok(Some((event, _))) => event,
                _ => {
                    let (before, _) = bare.rsplit_once(",\"round\":").unwrap();
                    let bare = format!("{before}}}\n");
                    socket::read_line::<Event>(bare.as_bytes()).unwrap().unwrap().0
                }
            };
            let mut object = serde_json::to_value(&event).unwrap();
            let whole: serde_json::Value = serde_json::from_str(example).unwrap();
            if object["round"].is_null() {
                object["round"] = whole["round"].clone();
            }
            assert_eq!(object.to_string(), example);
        }
    }
}
