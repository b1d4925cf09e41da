//! Messages have one encoding, and nothing else is one.

use super::*;
use proptest::prelude::*;

fn bytes(n: usize) -> ByteBuf {
    ByteBuf::from(vec![7; n])
}

fn requests() -> Vec<Request> {
    let name = || "alice".to_owned();
    vec![
        Request::RegisterStart { name: name(), request: bytes(32), token: None },
        Request::RegisterStart { name: name(), request: bytes(32), token: Some(name()) },
        Request::RegisterFinish { upload: bytes(192), csr: bytes(300), wrapped_key: bytes(80) },
        Request::LoginStart { name: name(), request: bytes(96) },
        Request::LoginFinish { proof: bytes(64) },
        Request::NewHome { csr: bytes(300) },
        Request::ChangePasswordStart { request: bytes(32) },
        Request::ChangePasswordFinish { upload: bytes(192), wrapped_key: bytes(80) },
        Request::RotateKey { csr: bytes(300), signature: bytes(64), wrapped_key: bytes(80) },
        Request::Delete {},
        Request::Renew { name: name(), csr: bytes(300), signature: bytes(64) },
        Request::Ledger { name: name(), after: 3, record: bytes(8048), signature: bytes(64) },
        Request::Directory { since: 70_000, wait_ms: WAIT_MAX_MS },
        Request::Follow { since: 7, wait_ms: 0, time_ms: u64::MAX, signature: bytes(64) },
        Request::Fetch { name: name() },
    ]
}

fn responses() -> Vec<Response> {
    vec![
        Response::RegisterChallenge { response: bytes(64) },
        Response::LoginChallenge { response: bytes(320) },
        Response::LoggedIn { wrapped_key: bytes(80), certificate: bytes(500), key_since: 3 },
        Response::Certificate { certificate: bytes(500), entry: bytes(200) },
        Response::Done {},
        Response::Ledger { number: 4, record: bytes(8048) },
        Response::Page { entries: vec![bytes(200); 200], head: bytes(112) },
        Response::Refused { reason: Refusal::TooManyTries { wait_s: 60 } },
        Response::Refused { reason: Refusal::NameTaken },
        Response::Refused { reason: Refusal::Clock },
    ]
}

fn body(message: &[u8]) -> &[u8] {
    let (length, body) = message.split_first_chunk().unwrap();
    assert_eq!(body_len(*length), Ok(body.len()));
    body
}

#[test]
fn messages_survive_their_encoding_and_nothing_may_follow() {
    for request in requests() {
        let message = request.to_message();
        assert!(Request::decode(body(&message)) == Ok(request));
        assert!(Request::decode(&[body(&message), &[0]].concat()).is_err());
        assert!(Request::decode(&body(&message)[1..]).is_err());
    }
    for response in responses() {
        let message = response.to_message();
        assert!(Response::decode(body(&message)) == Ok(response));
    }
}

#[test]
fn versions_and_lengths_are_checked_first() {
    let mut other = Request::Delete {}.to_message();
    assert_eq!(&other[LENGTH_LEN..LENGTH_LEN + 4], b"\x82\xa1v\x02");
    other[LENGTH_LEN + 3] = 3;
    assert!(Request::decode(body(&other)) == Err(BadMessage::Version(3)));
    assert_eq!(body_len([0; 4]), Err(BadMessage::Malformed));
    assert_eq!(body_len([0, 1, 0, 1]), Err(BadMessage::Malformed));
    assert_eq!(body_len([0, 1, 0, 0]), Ok(MESSAGE_MAX));
}

#[test]
fn a_full_page_of_the_longest_entries_is_within_the_limit() {
    use super::super::directory::{ENTRY_MAX, HEAD_LEN};
    // A name of 32 characters has at most 128 bytes.
    let entries = vec![bytes(ENTRY_MAX - 255 + 128); PAGE_MAX];
    let page = Response::Page { entries, head: bytes(HEAD_LEN) };
    assert!(page.to_message().len() <= MESSAGE_MAX + LENGTH_LEN);
    assert!(Response::parse_page(&vec![bytes(152); PAGE_MAX + 1], &[0; HEAD_LEN]).is_err());
}

#[test]
fn messages_do_not_show_what_is_in_them() {
    let request = Request::LoginStart { name: "alice".to_owned(), request: bytes(96) };
    assert_eq!(format!("{request:?}"), "LoginStart");
}

proptest! {
    #[test]
    fn anything_decodes_to_an_error_or_to_what_it_says(bytes: Vec<u8>) {
        if let Ok(request) = Request::decode(&bytes) {
            let again = request.to_message();
            prop_assert_eq!(body(&again), &bytes[..]);
        }
    }

    #[test]
    fn mutated_messages_do_not_panic(which in 0usize..14, at: usize, with: u8) {
        let mut message = body(&requests()[which].to_message()).to_vec();
        let at = at % message.len();
        message[at] = with;
        if let Ok(request) = Request::decode(&message) {
            let again = request.to_message();
            prop_assert_eq!(body(&again), &message[..]);
        }
    }
}
