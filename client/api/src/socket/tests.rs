//! What is written is read, and nothing else is.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::budget::Causes;
use crate::{Code, Outcome, Presence, Stage, Text, Token, Trouble, Trust, Way};

fn request() -> impl Strategy<Value = Request> {
    (any::<u64>().prop_map(Token), ".{0,8}", "(?s).{0,300}", any::<u32>(), 0..5).prop_map(
        |(token, conversation, text, number, kind)| match kind {
            0 => Request::Say { token, conversation, text: Text(text) },
            1 => Request::End { token, conversation },
            2 => Request::Leave { token, conversation },
            3 => Request::AcceptKey { token, conversation },
            _ => Request::Shown { conversation, number },
        },
    )
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let codes = prop_oneof![Just(Code::Disconnected), Just(Code::Line), Just(Code::Fatal)];
    let numbers = [(); 4].map(|()| option::of(any::<u64>()));
    (codes, "(?s).{0,99}", any::<bool>(), numbers, option::of(".{0,8}")).prop_map(
        |(code, message, fatal, [round, line, times, token], conversation)| {
            let token = token.map(Token);
            Trouble { code, message, fatal, round, line, times, conversation, token }
        },
    )
}

fn told() -> impl Strategy<Value = Event> {
    let numbers = (any::<u32>(), any::<u64>(), any::<u64>(), any::<u16>());
    (numbers, any::<bool>(), ".{0,8}", "(?s).{0,300}", 0..11).prop_map(
        |((id, round, sent_ms, have), flag, name, text, kind)| {
            let (conversation, from) = (name.clone(), name.clone());
            let token = flag.then_some(Token(round));
            match kind {
                0 => Event::Contact {
                    name,
                    trust: if flag { Trust::Changed } else { Trust::Unverified },
                    safety_number: text,
                    compared_before: flag,
                    conversation,
                },
                1 => Event::Ready { partner: name, unacknowledged: round, conversation },
                2 => Event::Round { round, outcome: Outcome::Late, latency_ms: sent_ms },
                3 => Event::Sent { id, conversation, token },
                4 => Event::Delivered { id, round, conversation },
                5 => Event::Progress { id, way: Way::Sending, have, count: have, conversation },
                6 => {
                    let text = Text(text);
                    Event::Message { id, from, text, round, sent_ms, conversation, number: id }
                }
                7 => {
                    let text = Text(text);
                    Event::Repeated { id, from, text, round, sent_ms, conversation }
                }
                8 => Event::Partner { state: Presence::Ended, round, conversation },
                9 => Event::Budget {
                    state: Stage::Beyond,
                    charged: round,
                    budget: sent_ms,
                    message: text,
                    conversation,
                    causes: Causes { unmet: sent_ms, failed: round, ..Causes::default() },
                },
                _ => Event::Finished { unacknowledged: round, conversation },
            }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![4 => told(), 1 => trouble().prop_map(Event::Error)]
}

fn frame(message: &impl Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_frame(message, &mut bytes).unwrap();
    bytes
}

fn line(message: &impl Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_line(message, &mut bytes).unwrap();
    bytes
}

fn shown() -> Request {
    Request::Shown { conversation: "bob".to_owned(), number: 7 }
}

proptest! {
    #[test]
    fn what_is_written_is_read(request in request(), event in event()) {
        let mut bytes = frame(&request);
        let end = bytes.len();
        write_frame(&event, &mut bytes).unwrap();
        let whole = bytes.len();
        prop_assert_eq!(read_frame(&bytes), Ok(Some((request.clone(), end))));
        prop_assert_eq!(read_frame(&bytes[end..]), Ok(Some((event.clone(), whole - end))));

        let mut bytes = line(&request);
        let end = bytes.len();
        write_line(&event, &mut bytes).unwrap();
        prop_assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 2);
        let whole = bytes.len();
        prop_assert_eq!(read_line(&bytes), Ok(Some((request, end))));
        prop_assert_eq!(read_line(&bytes[end..]), Ok(Some((event, whole - end))));
    }

    #[test]
    fn a_part_says_nothing_yet(event in event(), at in any::<prop::sample::Index>()) {
        let (frame, line) = (frame(&event), line(&event));
        prop_assert_eq!(read_frame::<Event>(&frame[..at.index(frame.len())]), Ok(None));
        prop_assert_eq!(read_line::<Event>(&line[..at.index(line.len())]), Ok(None));
    }

    #[test]
    fn a_frame_that_is_read_is_the_one_that_is_written(
        request in request(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = frame(&request);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(Some((read, used))) = read_frame::<Request>(&bytes) {
            prop_assert_eq!(frame(&read), &bytes[..used]);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in vec(any::<u8>(), 0..400)) {
        let _ = read_frame::<Request>(&bytes);
        let _ = read_frame::<Event>(&bytes);
        let _ = read_line::<Request>(&bytes);
        let _ = read_line::<Event>(&bytes);
    }
}

#[test]
fn a_request_has_this_form() {
    let say = Request::Say {
        token: Token(3),
        conversation: "bob".to_owned(),
        text: Text("a\n\"b\"".to_owned()),
    };
    let text = r#"{"request":"say","token":3,"conversation":"bob","text":"a\n\"b\""}"#;
    assert_eq!(String::from_utf8(line(&say)).unwrap(), format!("{text}\n"));
    let written = b"{ \"text\": \"a\\n\\\"b\\\"\", \"conversation\": \"bob\",\
        \"token\": 3, \"request\": \"say\" }\r\n";
    assert_eq!(read_line(written), Ok(Some((say, written.len()))));
    let hex: String = frame(&shown()).iter().map(|byte| format!("{byte:02x}")).collect();
    let body = "83a772657175657374a573686f776eac636f6e766572736174696f6ea3626f62a66e756d62657207";
    assert_eq!(hex, format!("00000028{body}"));
}

#[test]
fn what_is_not_known_is_refused() {
    let lines = [
        r#"{"request":"shout","token":3,"conversation":"bob"}"#,
        r#"{"request":"end","token":3,"conversation":"bob","colour":1}"#,
        r#"{"request":"end","token":3,"token":3,"conversation":"bob"}"#,
        r#"{"request":"end","conversation":"bob"}"#,
        r#"{"request":"end","token":-3,"conversation":"bob"}"#,
        r#"{"request":"shown","conversation":"bob","number":4294967296}"#,
        r#"{"token":3,"conversation":"bob"}"#,
        r#"["end",3,"bob"]"#,
        r#"{"request":"end","token":3,"conversation":"bob"} x"#,
        "",
    ];
    for line in lines {
        let read = read_line::<Request>(format!("{line}\n").as_bytes());
        assert_eq!(read, Err(SocketError::Malformed), "{line}");
    }
    let bad = br#"{"event":"error","code":"line","message":"","fatal":false,"colour":1}"#;
    assert_eq!(read_line::<Event>(&[bad, &b"\n"[..]].concat()), Err(SocketError::Malformed));
}

#[test]
fn a_frame_has_one_encoding() {
    let good = frame(&shown());
    let body = good[LENGTH_LEN..].to_vec();
    let framed = |body: &[u8]| [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat();
    assert!(read_frame::<Request>(&framed(&body)).is_ok());
    let [mut longer, mut unknown, followed] = [(); 3].map(|()| body.clone());
    // The number 7 in two bytes instead of one.
    longer.pop();
    longer.extend_from_slice(&[0xcc, 7]);
    // One more field.
    unknown[0] += 1;
    unknown.extend_from_slice(&[0xa1, b'x', 1]);
    let followed = [followed, vec![0xc0]].concat();
    for bad in [longer, unknown, followed, vec![], vec![0xc1], vec![0x91; 2000]] {
        assert_eq!(read_frame::<Request>(&framed(&bad)), Err(SocketError::Malformed));
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_there() {
    let say = |len| {
        let text = Text("\u{1}".repeat(len));
        Request::Say { token: Token(u64::MAX), conversation: "x".repeat(64), text }
    };
    let mut out = vec![9];
    assert_eq!(write_frame(&say(BODY_MAX), &mut out), Err(SocketError::TooLong));
    assert_eq!(write_line(&say(BODY_MAX), &mut out), Err(SocketError::TooLong));
    assert_eq!(out, [9]);
    let header = u32::try_from(BODY_MAX + 1).unwrap().to_be_bytes();
    assert_eq!(read_frame::<Request>(&header), Err(SocketError::TooLong));
    assert_eq!(read_line::<Request>(&vec![b' '; LINE_MAX + 1]), Err(SocketError::TooLong));
    assert_eq!(read_line::<Request>(&vec![b' '; LINE_MAX]), Ok(None));
    // The longest text has a place, also where every character takes six bytes.
    let longest = say(65_536);
    assert!(read_frame::<Request>(&frame(&longest)).unwrap().is_some());
    assert!(read_line::<Request>(&line(&longest)).unwrap().is_some());
}
