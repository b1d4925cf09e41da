//! The line that is being typed. A paste may bring line breaks into it.

use talaria_api::tame;

/// Characters and a place between them.
#[derive(Debug, Default)]
pub(super) struct Editor {
    chars: Vec<char>,
    cursor: usize,
}

impl Editor {
    pub(super) fn insert(&mut self, c: char) {
        self.chars.insert(self.cursor, c);
        self.cursor += 1;
    }

    /// Line breaks come in three kinds from terminals; one is enough.
    pub(super) fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        text.chars().for_each(|c| self.insert(c));
    }

    pub(super) fn backspace(&mut self) {
        if self.cursor > 0 {
            self.cursor -= 1;
            self.chars.remove(self.cursor);
        }
    }

    pub(super) fn delete(&mut self) {
        if self.cursor < self.chars.len() {
            self.chars.remove(self.cursor);
        }
    }

    /// Removes the word before the cursor, and the space after it.
    pub(super) fn delete_word(&mut self) {
        let before = &self.chars[..self.cursor];
        let end = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |at| at + 1);
        let start = before[..end].iter().rposition(|c| c.is_whitespace()).map_or(0, |at| at + 1);
        self.chars.drain(start..self.cursor);
        self.cursor = start;
    }

    pub(super) fn delete_to_start(&mut self) {
        self.chars.drain(..self.cursor);
        self.cursor = 0;
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.cursor.saturating_sub(1);
    }

    pub(super) fn right(&mut self) {
        self.cursor = (self.cursor + 1).min(self.chars.len());
    }

    pub(super) fn go_to_start(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn go_to_end(&mut self) {
        self.cursor = self.chars.len();
    }

    /// Takes what was typed, and starts afresh.
    pub(super) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.chars).into_iter().collect()
    }

    /// What to show on one line, before and after the cursor.
    pub(super) fn shown(&self) -> (String, String) {
        let show = |c: &char| if *c == '\n' { '⏎' } else { tame::shown_char(*c) };
        let (before, after) = self.chars.split_at(self.cursor);
        (before.iter().map(show).collect(), after.iter().map(show).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing() {
        let mut editor = Editor::default();
        editor.paste("hello wörld");
        editor.go_to_start();
        editor.delete();
        editor.insert('J');
        editor.right();
        editor.backspace();
        assert_eq!(editor.shown(), ("J".into(), "llo wörld".into()));
        editor.go_to_end();
        editor.delete_word();
        assert_eq!(editor.shown(), ("Jllo ".into(), String::new()));
        editor.left();
        editor.delete_to_start();
        assert_eq!(editor.take(), " ");
        editor.backspace();
        editor.delete();
        editor.delete_word();
        assert_eq!(editor.take(), "");
    }

    #[test]
    fn pasted_lines_stay_lines_and_show_as_one() {
        let mut editor = Editor::default();
        editor.paste("a\r\nb\rc\u{1b}");
        assert_eq!(editor.shown().0, "a⏎b⏎c\u{fffd}");
        assert_eq!(editor.take(), "a\nb\nc\u{1b}");
    }
}
