//! Makes other people's text safe to print.
//!
//! An escape sequence from a partner could redraw the screen, and a line break could forge a line
//! of somebody else. What is replaced shows as U+FFFD, so that nobody wonders.

const REPLACEMENT: char = '\u{fffd}';

/// For one line of output: no control character but a tab, and no line break of any kind.
pub fn line(text: &str) -> String {
    text.chars().map(|c| if breaks_line(c) && c != '\t' { REPLACEMENT } else { c }).collect()
}

/// For a terminal: nothing that moves the cursor or turns the direction of text. Lines stay.
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).map(shown)
}

/// For one line of a terminal.
pub fn shown(text: &str) -> String {
    text.chars().map(shown_char).collect()
}

/// One character as a terminal may see it.
pub fn shown_char(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => REPLACEMENT,
        c if breaks_line(c) => REPLACEMENT,
        c => c,
    }
}

fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(line("a\tb — ü 🙂"), "a\tb — ü 🙂");
        for bad in ["\n", "\r", "\u{1b}", "\u{7f}", "\u{9b}", "\u{85}", "\u{2028}", "\0"] {
            assert_eq!(line(&format!("x{bad}y")), "x\u{fffd}y");
        }
    }

    #[test]
    fn terminals_see_lines_without_control_characters() {
        let all: Vec<_> = lines("one\r\ntwo\u{1b}[2J\u{202e}\tend").collect();
        assert_eq!(all, ["one", "two\u{fffd}[2J\u{fffd} end"]);
    }
}
