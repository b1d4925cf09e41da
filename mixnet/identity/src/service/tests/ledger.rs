//! The record of a ledger: written by whoever has the key, on this connection, and by nobody else.

use talaria_wire::identity::ledger::{LEDGER_LEN, Ledger};
use talaria_wire::identity::proof::LedgerUpdate;

use super::*;
use crate::clock::Reading;

/// The user's next record, as a home sends it on a connection with this exporter.
fn update(user: &TestUser, exporter: &[u8; 32], after: u64, record: &[u8]) -> Request {
    let update = LedgerUpdate { network: &NETWORK, exporter, after, record };
    let signature = update.sign(&user.key).to_vec().into();
    let (name, record) = (user.name.as_str().to_owned(), record.to_vec().into());
    Request::Ledger { name, after, record, signature }
}

async fn write<S: Store>(
    service: &Arc<Service<S>>,
    user: &TestUser,
    after: u64,
    record: &[u8],
) -> Response {
    let mut to = Direct::new(service);
    let request = update(user, &to.exporter(), after, record);
    to.ask(request).await
}

fn newest(response: Response) -> (u64, Vec<u8>) {
    match response {
        Response::Ledger { number, record } => (number, record.into_vec()),
        other => panic!("{other:?}"),
    }
}

async fn kept<S: Store>(service: &Arc<Service<S>>, user: &TestUser) -> (u64, Vec<u8>) {
    let user = service.user(user.name.as_str()).await.unwrap();
    (user.ledger_number, user.ledger)
}

async fn homes_follow_upon_each_other<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("pintail");
    user.register(&mut Direct::new(service)).await;
    let entries = service.head.borrow().entries;
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let first = Ledger::default().seal(&user.key, &mut rng);
    let second = Ledger::default().seal(&user.key, &mut rng);
    assert_eq!(newest(write(service, &user, 9, &first).await), (0, vec![]));
    assert_eq!(newest(write(service, &user, 0, &first).await), (1, first.clone()));
    for after in [0, 2] {
        assert_eq!(newest(write(service, &user, after, &second).await), (1, first.clone()));
    }
    assert_eq!(newest(write(service, &user, 1, &second).await), (2, second.clone()));
    assert_eq!(kept(service, &user).await, (2, second));
    assert_eq!(service.head.borrow().entries, entries, "nothing is published");
}

/// Nothing but a whole and signed record of an active user is written.
async fn what_is_not_the_users_is_refused<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("shoveler");
    user.register(&mut Direct::new(service)).await;
    let record = vec![1; LEDGER_LEN];
    newest(write(service, &user, 0, &record).await);
    let other = vec![2; LEDGER_LEN];
    let stranger = TestUser::new("shoveler");
    let mut nobody = user.clone();
    nobody.name = name("nobody.here");
    let mut to = Direct::new(service);
    let Request::Ledger { name, after, record: sent, mut signature } =
        update(&user, &to.exporter(), 1, &other)
    else {
        unreachable!()
    };
    let replaced = Request::Ledger {
        name: name.clone(),
        after,
        record: record.clone().into(),
        signature: signature.clone(),
    };
    let later = Request::Ledger {
        name: name.clone(),
        after: 2,
        record: sent.clone(),
        signature: signature.clone(),
    };
    signature.pop();
    let cut = Request::Ledger { name, after, record: sent, signature };
    let own = to.exporter();
    let (short, long) = (vec![2; LEDGER_LEN - 1], vec![2; LEDGER_LEN + 1]);
    for (what, request, reason) in [
        ("another key", update(&stranger, &own, 1, &other), Refusal::BadSignature),
        ("another connection", update(&user, &[9; 32], 1, &other), Refusal::BadSignature),
        ("another record", replaced, Refusal::BadSignature),
        ("another number", later, Refusal::BadSignature),
        ("a short signature", cut, Refusal::BadSignature),
        ("no record", update(&user, &own, 1, &[]), Refusal::BadRequest),
        ("a short record", update(&user, &own, 1, &short), Refusal::BadRequest),
        ("a long record", update(&user, &own, 1, &long), Refusal::BadRequest),
        ("an unknown name", update(&nobody, &own, 1, &other), Refusal::UnknownName),
    ] {
        assert_eq!(refused(&to.ask(request).await), reason, "{what}");
        assert_eq!(kept(service, &user).await, (1, record.clone()), "{what}");
    }
    service.set_enabled("shoveler", false, NOW).await.unwrap();
    assert_eq!(refused(&write(service, &user, 1, &other).await), Refusal::Disabled);
    assert_eq!(kept(service, &user).await, (1, record));
    service.set_enabled("shoveler", true, NOW).await.unwrap();
    assert_eq!(newest(write(service, &user, 1, &other).await), (2, other));
}

async fn a_key_that_was_replaced_writes_no_more<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("garganey");
    user.register(&mut Direct::new(service)).await;
    let record = vec![1; LEDGER_LEN];
    newest(write(service, &user, 0, &record).await);
    let mut to = Direct::new(service);
    let (answer, export) = user.login(&mut to).await;
    let Response::LoggedIn { key_since, .. } = answer else { panic!("{answer:?}") };
    let (key, rotate) = user.rotation(key_since, &export);
    assert!(matches!(to.ask(rotate).await, Response::Certificate { .. }));
    assert_eq!(refused(&write(service, &user, 1, &record).await), Refusal::BadSignature);
    assert_eq!(kept(service, &user).await, (1, record.clone()));
    user.key = key;
    assert_eq!(newest(write(service, &user, 1, &record).await), (2, record));
}

async fn it_goes_with_the_user<S: Store>(service: &Arc<Service<S>>) {
    let mut user = TestUser::new("smew.alba");
    user.register(&mut Direct::new(service)).await;
    let record = vec![1; LEDGER_LEN];
    newest(write(service, &user, 0, &record).await);
    let mut to = Direct::new(service);
    user.login(&mut to).await;
    assert!(matches!(to.ask(Request::Delete {}).await, Response::Done {}));
    assert_eq!(kept(service, &user).await, (0, vec![]));
    assert_eq!(refused(&write(service, &user, 0, &record).await), Refusal::UnknownName);
    assert_eq!(kept(service, &user).await, (0, vec![]));
}

pub(super) async fn suite<S: Store>(service: &Arc<Service<S>>) {
    homes_follow_upon_each_other(service).await;
    what_is_not_the_users_is_refused(service).await;
    a_key_that_was_replaced_writes_no_more(service).await;
    it_goes_with_the_user(service).await;
}

/// One a minute, for days: neither what changes a name in the directory nor other requests count.
#[tokio::test]
async fn a_home_writes_as_often_as_it_has_to_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("users.db")).await.unwrap();
    let mut config = config(Registrations::Open);
    config.limits.requests_per_minute = std::num::NonZeroU32::new(2).unwrap();
    config.limits.changes_per_day = std::num::NonZeroU32::MIN;
    let service = Arc::new(Service::new(store, config, NOW).await.unwrap());
    let mut user = TestUser::new("alice");
    user.register(&mut Direct::new(&service)).await;
    let record = vec![1; LEDGER_LEN];
    let stranger = TestUser::new("alice");
    for _ in 0..100 {
        let answer = write(&service, &stranger, 0, &record).await;
        assert_eq!(refused(&answer), Refusal::BadSignature, "and costs the user nothing");
    }
    for after in 0..60 {
        newest(write(&service, &user, after, &record).await);
    }
    let mut many = 0;
    while let Response::Ledger { .. } = write(&service, &user, 60, &record).await {
        many += 1;
        assert!(many < 1000, "it has no end");
    }
}

#[tokio::test]
async fn it_needs_no_right_clock() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut user = TestUser::new("alice");
    user.register(&mut Direct::new(&service)).await;
    service.observe(Reading { wall: NOW.plus(36_000_000), monotonic: Duration::ZERO });
    assert_eq!(refused(&Direct::new(&service).ask(Request::Delete {}).await), Refusal::Clock);
    let record = vec![1; LEDGER_LEN];
    assert_eq!(newest(write(&service, &user, 0, &record).await), (1, record));
}
