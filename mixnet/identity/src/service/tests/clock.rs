//! A service whose clock goes wrong.

use std::time::Duration;

use talaria_wire::identity::proof::EntryTime;

use super::*;
use crate::clock::{ClockDoubt, Reading};
use crate::testing::entry_key;

const HOUR: Duration = Duration::from_secs(3600);

fn at(wall: Duration, monotonic: Duration) -> Reading {
    Reading { wall: NOW.plus(u64::try_from(wall.as_millis()).unwrap()), monotonic }
}

/// The entry asks, and says that it is so long after [`NOW`].
async fn says<S: Store>(to: &mut Direct<S>, since: u64, wall: Duration) -> Response {
    let time_ms = at(wall, HOUR).wall.0;
    let said = EntryTime { network: &NETWORK, exporter: &to.exporter, time_ms };
    let signature = said.sign(&entry_key()).to_vec().into();
    to.ask(Request::Follow { since, wait_ms: 0, time_ms, signature }).await
}

fn head_of(page: &Response) -> Head {
    match page {
        Response::Page { head, .. } => Head::from_bytes(head).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_written_or_signed_while_the_clock_is_doubted() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut alice = TestUser::new("alice");
    alice.register(&mut Direct::new(&service)).await;
    // The clock is set to a time two hours ahead.
    service.observe(at(3 * HOUR, HOUR));
    let mut to = Direct::new(&service);
    to.now = at(3 * HOUR, HOUR).wall;
    let before = *service.head.borrow();
    let bob = TestUser::new("bob").register(&mut to).await;
    assert_eq!(refused(&bob), Refusal::Clock);
    assert_eq!(refused(&to.ask(Request::Delete {}).await), Refusal::Clock);
    let disabled = service.set_enabled("alice", false, to.now).await;
    let error = disabled.unwrap_err();
    assert!(matches!(error, OperatorError::Clock(_)));
    assert!(error.to_string().contains("--accept-clock"), "{error}");
    // What there is can be read and logged in to, and nothing has the wrong date.
    let page = to.ask(Request::Directory { since: 0, wait_ms: 0 }).await;
    assert_eq!(head_of(&page), before);
    let (answer, _) = alice.login(&mut Direct::new(&service)).await;
    assert!(matches!(answer, Response::LoggedIn { .. }));
    // It is set back.
    service.observe(at(HOUR, HOUR));
    to.now = at(HOUR, HOUR).wall;
    assert_eq!(service.clock_doubt(), None);
    let page = to.ask(Request::Directory { since: 0, wait_ms: 0 }).await;
    assert_eq!(head_of(&page).time_s, to.now.0 / 1000);
    assert!(service.set_enabled("alice", false, to.now).await.is_ok());
}

#[tokio::test]
async fn the_operator_has_the_last_word() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let jumped = at(5 * HOUR, HOUR);
    service.observe(jumped);
    let ahead = ClockDoubt::Jumped { by_s: 4 * 3600, ahead: true };
    assert_eq!(service.clock_doubt(), Some(ahead));
    assert_eq!(service.accept_clock(jumped), None);
    let mut to = Direct::new(&service);
    to.now = jumped.wall;
    let answer = TestUser::new("alice").register(&mut to).await;
    assert!(matches!(answer, Response::Certificate { .. }), "{answer:?}");
    // Not over what it has signed itself.
    let back = at(HOUR, 2 * HOUR);
    service.observe(back);
    assert_eq!(service.accept_clock(back), Some(ClockDoubt::BehindHead { by_s: 4 * 3600 }));
}

#[tokio::test]
async fn the_entry_is_asked_and_nobody_else() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    service.observe(at(HOUR, HOUR));
    let mut to = Direct::new(&service);
    to.now = at(HOUR, HOUR).wall;
    assert!(matches!(says(&mut to, 0, HOUR).await, Response::Page { .. }));
    assert_eq!(service.clock_doubt(), None);
    // Somebody else, or the same words on another connection.
    let time_ms = at(3 * HOUR, HOUR).wall.0;
    let said = EntryTime { network: &NETWORK, exporter: &[7; 32], time_ms };
    for key in [entry_key(), IdentitySecret::from_bytes(&[8; 32]).unwrap()] {
        let signature = said.sign(&key).to_vec().into();
        let answer = to.ask(Request::Follow { since: 0, wait_ms: 0, time_ms, signature }).await;
        assert_eq!(refused(&answer), Refusal::BadSignature);
    }
    assert_eq!(service.clock_doubt(), None);
    says(&mut to, 0, 3 * HOUR).await;
    assert_eq!(service.clock_doubt(), Some(ClockDoubt::Entry { by_s: 7200, ahead: false }));
    says(&mut to, 0, HOUR).await;
    assert_eq!(service.clock_doubt(), None);
}

#[tokio::test]
async fn what_was_signed_is_remembered_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    let start = async |now| {
        let store = SqliteStore::open(&path).await.unwrap();
        Arc::new(Service::new(store, config(Registrations::Open), now).await.unwrap())
    };
    let service = start(NOW).await;
    TestUser::new("alice").register(&mut Direct::new(&service)).await;
    service.observe(at(2 * HOUR, 2 * HOUR));
    let mut to = Direct::new(&service);
    to.now = at(2 * HOUR, HOUR).wall;
    let signed = head_of(&to.ask(Request::Directory { since: 0, wait_ms: 0 }).await);
    assert_eq!(signed.time_s, to.now.0 / 1000);
    drop((to, service));
    // The clock has gone back to where it was: the same head, and no other.
    let service = start(NOW).await;
    assert_eq!(service.clock_doubt(), Some(ClockDoubt::BehindHead { by_s: 7200 }));
    let page = Direct::new(&service).ask(Request::Directory { since: 0, wait_ms: 0 }).await;
    assert_eq!(head_of(&page), signed);
    drop(service);
    // It is a day later: nobody knows, until the entry says so.
    let later = 26 * HOUR;
    let service = start(at(later, HOUR).wall).await;
    assert_eq!(service.clock_doubt(), Some(ClockDoubt::Unconfirmed { by_s: 24 * 3600 }));
    let mut to = Direct::new(&service);
    to.now = at(later, HOUR).wall;
    let bob = TestUser::new("bob").register(&mut to).await;
    assert_eq!(refused(&bob), Refusal::Clock);
    says(&mut to, 0, later).await;
    assert_eq!(service.clock_doubt(), None);
}
