//! Standard input as lines, on a thread of its own: reading must not block the rounds.

use std::io::{self, BufRead};

use talaria_api::{Request, Text, Token};
use talaria_client::TEXT_MAX;
use tokio::sync::mpsc;

/// What the reader tells beside the lines themselves.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// A line cannot be sent. Lines are counted from 1.
    Bad(u64, &'static str),
    /// Standard input cannot be read any further.
    Broken(String),
    /// Everything has been handed over.
    End,
}

const TOO_LONG: &str = "the line is longer than 64 KiB";
const NOT_UTF8: &str = "the line is not UTF-8";

/// Asks to say every line, then to end or to leave; the number of a line, from 1, is its token. `ask`
/// blocks while the client has enough to do, and says whether it still listens.
pub(super) fn read(
    mut source: impl BufRead,
    partner: &str,
    leave: bool,
    mut ask: impl FnMut(Request) -> bool,
    reports: &mpsc::UnboundedSender<Report>,
) {
    let mut number = 0;
    loop {
        number += 1;
        let (token, conversation) = (Token(number), partner.to_owned());
        let taken = match next(&mut source) {
            Ok(None) => break,
            Ok(Some(Ok(line))) => ask(Request::Say { token, conversation, text: Text(line) }),
            Ok(Some(Err(why))) => reports.send(Report::Bad(number, why)).is_ok(),
            Err(error) => {
                let _ = reports.send(Report::Broken(error.to_string()));
                break;
            }
        };
        if !taken {
            return;
        }
    }
    // Whoever does not listen any more has ended already.
    let (token, conversation) = (Token(number), partner.to_owned());
    ask(if leave {
        Request::Leave { token, conversation }
    } else {
        Request::End { token, conversation }
    });
    let _ = reports.send(Report::End);
}

/// The next line without its end, or why it is none. Keeps no more of it than a text may have.
fn next(source: &mut impl BufRead) -> io::Result<Option<Result<String, &'static str>>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Ok(any.then(|| text(line)));
        }
        any = true;
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        // One more for the carriage return, and one to know that there was too much.
        let room = (TEXT_MAX + 2).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(bytes.len(), |end| end + 1);
        source.consume(used);
        if end.is_some() {
            return Ok(Some(text(line)));
        }
    }
}

fn text(mut line: Vec<u8>) -> Result<String, &'static str> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.len() > TEXT_MAX {
        return Err(TOO_LONG);
    }
    String::from_utf8(line).map_err(|_| NOT_UTF8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Result<String, &'static str>> {
        let mut source = io::BufReader::with_capacity(7, bytes);
        std::iter::from_fn(|| next(&mut source).unwrap()).collect()
    }

    #[test]
    fn lines_lose_their_ends_and_nothing_else() {
        let lines = all(b"one\r\n\n  two \r\r\nlast");
        let lines: Vec<_> = lines.into_iter().map(Result::unwrap).collect();
        assert_eq!(lines, ["one", "", "  two \r", "last"]);
        assert!(all(b"").is_empty());
        assert_eq!(all(b"a\n").len(), 1);
    }

    #[test]
    fn bad_lines_are_named_and_the_rest_goes_on() {
        let mut bytes = vec![b'x'; TEXT_MAX * 3];
        bytes.extend_from_slice(b"\n\xff\nok\n");
        bytes.extend_from_slice(&vec![b'y'; TEXT_MAX]);
        bytes.extend_from_slice(b"\r\n");
        let (reports, mut reported) = mpsc::unbounded_channel();
        let mut asked = Vec::new();
        let ask = |request| {
            asked.push(request);
            true
        };
        read(&bytes[..], "bob", false, ask, &reports);
        assert_eq!(reported.try_recv(), Ok(Report::Bad(1, TOO_LONG)));
        assert_eq!(reported.try_recv(), Ok(Report::Bad(2, NOT_UTF8)));
        assert_eq!(reported.try_recv(), Ok(Report::End));
        let say = |line, text: String| {
            let (token, conversation) = (Token(line), "bob".to_owned());
            Request::Say { token, conversation, text: Text(text) }
        };
        let end = Request::End { token: Token(5), conversation: "bob".to_owned() };
        assert_eq!(asked, [say(3, "ok".to_owned()), say(4, "y".repeat(TEXT_MAX)), end]);
    }

    #[test]
    fn who_leaves_says_so_and_nothing_is_read_for_nobody() {
        let (reports, mut reported) = mpsc::unbounded_channel();
        let mut asked = Vec::new();
        let ask = |request| {
            asked.push(request);
            true
        };
        read(&b""[..], "bob", true, ask, &reports);
        assert!(matches!(&asked[..], [Request::Leave { .. }]));
        assert_eq!(reported.try_recv(), Ok(Report::End));
        let mut times = 0;
        let deaf = |_| {
            times += 1;
            false
        };
        read(&b"a\nb\n"[..], "bob", true, deaf, &reports);
        assert_eq!(times, 1);
    }
}
