//! The service as its users see it, over both databases.

mod bad_input;
mod clock;
mod ledger;
mod logins;

use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_wire::identity::directory::{Copy, PAGE_MAX};
use talaria_wire::identity::{Refusal, WrappedThing};

use super::operator::OperatorError;
use super::*;
use crate::limits::Origin;
use crate::store::{PostgresStore, SqliteStore};
use crate::testing::{Postgres, Requirement, config};
use crate::token::Token;
use talaria_fixtures::user::{NETWORK, Talk, TestUser, name};

pub(super) const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// A connection without a network below it.
pub(super) struct Direct<S> {
    pub(super) service: Arc<Service<S>>,
    session: Session,
    exporter: [u8; 32],
    pub(super) now: UnixMillis,
}

impl<S: Store> Direct<S> {
    #[expect(clippy::disallowed_methods, reason = "each session differs; no test depends on how")]
    pub(super) fn new(service: &Arc<Service<S>>) -> Self {
        let rng = ChaCha20Rng::from_rng(&mut rand::rng());
        let origin = Origin::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let exporter = rand::random();
        let session = Session::new(Peer { origin, exporter }, rng);
        Self { service: service.clone(), session, exporter, now: NOW }
    }
}

impl<S: Store> Talk for Direct<S> {
    async fn ask(&mut self, request: Request) -> Response {
        // As it would travel.
        let bytes = request.to_message();
        let request = Request::decode(&bytes[4..]).unwrap();
        self.service.answer(&mut self.session, request, self.now).await
    }

    fn exporter(&self) -> [u8; 32] {
        self.exporter
    }
}

pub(super) fn refused(response: &Response) -> Refusal {
    match response {
        Response::Refused { reason } => *reason,
        other => panic!("{other:?}"),
    }
}

/// The whole directory, taken as a client takes it.
pub(super) async fn copied<S: Store>(to: &mut Direct<S>, service: IdentityPublic) -> Copy {
    let mut copy = Copy::new(NETWORK, service);
    loop {
        let page = to.ask(Request::Directory { since: copy.entries(), wait_ms: 0 }).await;
        let Response::Page { entries, head } = page else { panic!("{page:?}") };
        let entries: Vec<_> =
            entries.iter().map(|bytes| Entry::from_bytes(bytes).unwrap()).collect();
        let head = Head::from_bytes(&head).unwrap();
        copy.append(&entries, &head, to.now.0 / 1000).unwrap();
        if entries.len() < PAGE_MAX {
            return copy;
        }
    }
}

async fn service<S: Store>(store: S, registrations: Registrations) -> Arc<Service<S>> {
    Arc::new(Service::new(store, config(registrations), NOW).await.unwrap())
}

/// A service over a file that is gone when the folder is dropped.
pub(super) async fn on_sqlite(
    registrations: Registrations,
) -> (tempfile::TempDir, Arc<Service<SqliteStore>>) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("users.db")).await.unwrap();
    (folder, service(store, registrations).await)
}

async fn a_name_is_registered_once_and_logs_in<S: Store>(service: &Arc<Service<S>>) {
    let mut alice = TestUser::new("alice");
    let registered = alice.register(&mut Direct::new(service)).await;
    let Response::Certificate { certificate, entry } = registered else { panic!() };
    let entry = Entry::from_bytes(&entry).unwrap();
    assert_eq!(entry.certificate_hash, certificate_hash(&certificate));
    assert_eq!((entry.cause, entry.key), (Cause::Registered, *alice.key.public()));

    let again = TestUser::new("ALICE").register(&mut Direct::new(service)).await;
    assert_eq!(refused(&again), Refusal::NameTaken);
    let alike = TestUser::new("a1ice").register(&mut Direct::new(service)).await;
    assert_eq!(refused(&alike), Refusal::NameTaken);

    let (answer, export) = alice.login(&mut Direct::new(service)).await;
    let Response::LoggedIn { wrapped_key, certificate: newest, key_since } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((newest, key_since), (certificate, entry.index));
    let key = export.unwrap(WrappedThing::IdentityKey, &wrapped_key).unwrap();
    assert_eq!(key[..], alice.key.to_bytes()[..]);
}

async fn a_user_changes_everything<S: Store>(service: &Arc<Service<S>>) {
    let mut bob = TestUser::new("bob");
    bob.register(&mut Direct::new(service)).await;

    let mut to = Direct::new(service);
    let renewal = bob.renewal(&to.exporter());
    let Response::Certificate { certificate, .. } = to.ask(renewal.clone()).await else { panic!() };
    let mut other = Direct::new(service);
    assert_eq!(refused(&other.ask(renewal).await), Refusal::BadSignature);

    let mut to = Direct::new(service);
    bob.login(&mut to).await;
    let home = to.ask(Request::NewHome { csr: bob.csr() }).await;
    assert!(matches!(home, Response::Certificate { certificate: new, .. } if new != certificate));

    let old = bob.password.clone();
    bob.password = "another".to_owned();
    let (registration, start) = bob.register_start(None);
    let Request::RegisterStart { request, .. } = start else { unreachable!() };
    let answer = to.ask(Request::ChangePasswordStart { request }).await;
    let (upload, wrapped_key) = bob.upload(registration, answer);
    let done = to.ask(Request::ChangePasswordFinish { upload, wrapped_key }).await;
    assert!(matches!(done, Response::Done {}));

    let new = std::mem::replace(&mut bob.password, old);
    let (answer, _) = bob.login(&mut Direct::new(service)).await;
    assert_eq!(refused(&answer), Refusal::WrongNameOrPassword);
    bob.password = new;
    let mut to = Direct::new(service);
    let (answer, export) = bob.login(&mut to).await;
    let Response::LoggedIn { wrapped_key, key_since, .. } = answer else { panic!() };
    assert!(export.unwrap(WrappedThing::IdentityKey, &wrapped_key).is_ok());

    let (key, rotate) = bob.rotation(key_since, &export);
    assert!(matches!(to.ask(rotate.clone()).await, Response::Certificate { .. }));
    assert_eq!(refused(&to.ask(rotate).await), Refusal::BadCsr, "it is the key now");
    bob.key = key;

    let fetched = to.ask(Request::Fetch { name: "BOB".to_owned() }).await;
    let Response::Certificate { certificate, entry } = fetched else { panic!() };
    assert_eq!(Entry::from_bytes(&entry).unwrap().certificate_hash, certificate_hash(&certificate));
    let copy = copied(&mut to, *service.config.head_key.public()).await;
    let seen = copy.user(&bob.name).unwrap();
    assert_eq!((seen.key, seen.cause), (*bob.key.public(), Cause::Rotated));
    assert_eq!(seen.certificate_hash, certificate_hash(&certificate));

    let mut to = Direct::new(service);
    bob.login(&mut to).await;
    assert!(matches!(to.ask(Request::Delete {}).await, Response::Done {}));
    assert_eq!(refused(&to.ask(Request::Delete {}).await), Refusal::BadRequest);
    let (answer, _) = bob.login(&mut Direct::new(service)).await;
    assert_eq!(refused(&answer), Refusal::WrongNameOrPassword);
    let again = TestUser::new("bob").register(&mut Direct::new(service)).await;
    assert_eq!(refused(&again), Refusal::NameTaken);
}

async fn the_operator_locks_out_and_lets_in<S: Store>(service: &Arc<Service<S>>) {
    let mut carol = TestUser::new("carol");
    carol.register(&mut Direct::new(service)).await;
    let mut to = Direct::new(service);
    carol.login(&mut to).await;
    service.set_enabled("Carol", false, NOW).await.unwrap();
    let twice = service.set_enabled("carol", false, NOW).await;
    assert!(matches!(twice, Err(OperatorError::WrongState(_))));
    assert_eq!(refused(&to.ask(Request::NewHome { csr: carol.csr() }).await), Refusal::Disabled);
    let mut other = Direct::new(service);
    let renewal = carol.renewal(&other.exporter());
    assert_eq!(refused(&other.ask(renewal).await), Refusal::Disabled);
    let (answer, _) = carol.login(&mut Direct::new(service)).await;
    assert_eq!(refused(&answer), Refusal::WrongNameOrPassword);
    let copy = copied(&mut to, *service.config.head_key.public()).await;
    assert!(!copy.user(&carol.name).unwrap().active);
    service.set_enabled("carol", true, NOW).await.unwrap();
    let (answer, _) = carol.login(&mut Direct::new(service)).await;
    assert!(matches!(answer, Response::LoggedIn { .. }));
    let nobody = service.set_enabled("nobody", true, NOW).await;
    assert!(matches!(nobody, Err(OperatorError::NoSuchUser(_))));
}

/// Who waits for an entry gets it when it comes, and not before.
async fn who_waits_is_told<S: Store>(service: &Arc<Service<S>>) {
    let since = service.head.borrow().entries;
    let mut waiting = Direct::new(service);
    let (page, _) =
        tokio::join!(waiting.ask(Request::Directory { since, wait_ms: 30_000 }), async {
            TestUser::new("dave").register(&mut Direct::new(service)).await
        });
    let Response::Page { entries, head } = page else { panic!() };
    assert_eq!((entries.len(), Head::from_bytes(&head).unwrap().entries), (1, since + 1));
    // Who has more than there is does not wait.
    let ahead = waiting.ask(Request::Directory { since: since + 9, wait_ms: 30_000 }).await;
    assert!(matches!(ahead, Response::Page { entries, .. } if entries.is_empty()));
    let old = *service.head.borrow();
    waiting.now = NOW.plus(120_000);
    let again = waiting.ask(Request::Directory { since: old.entries, wait_ms: 1 }).await;
    let Response::Page { head, .. } = again else { panic!() };
    let head = Head::from_bytes(&head).unwrap();
    assert_eq!((head.entries, head.time_s), (old.entries, NOW.0 / 1000 + 120));
}

/// A page that does not get to the end has a head of what it leads to, and the same for everybody.
async fn every_page_comes_with_the_head_of_what_it_leads_to<S: Store>(service: &Arc<Service<S>>) {
    TestUser::new("erin").register(&mut Direct::new(service)).await;
    let registered = service.head.borrow().entries;
    for enabled in [false, true].into_iter().cycle().take(2 * PAGE_MAX) {
        service.set_enabled("erin", enabled, NOW).await.unwrap();
    }
    let mut to = Direct::new(service);
    let key = *service.config.head_key.public();
    let mut heads = vec![];
    for later in [0, 300_000] {
        to.now = NOW.plus(later);
        let page = to.ask(Request::Directory { since: 0, wait_ms: 0 }).await;
        let Response::Page { entries, head } = page else { panic!("{page:?}") };
        assert_eq!(entries.len(), PAGE_MAX);
        heads.push(head);
    }
    assert_eq!(heads[0], heads[1]);
    let head = Head::from_bytes(&heads[0]).unwrap();
    assert_eq!((head.entries, head.time_s), (PAGE_MAX as u64, NOW.0 / 1000));
    let copy = copied(&mut to, key).await;
    assert_eq!(copy.entries(), registered + 2 * PAGE_MAX as u64);
    assert_eq!(copy.hash_at(head.entries), Some(head.hash));
    assert_eq!(copy.head().unwrap().time_s, to.now.0 / 1000);
}

async fn suite<S: Store>(store: S) {
    let service = service(store, Registrations::Open).await;
    a_name_is_registered_once_and_logs_in(&service).await;
    a_user_changes_everything(&service).await;
    the_operator_locks_out_and_lets_in(&service).await;
    logins::suite(&service).await;
    ledger::suite(&service).await;
    who_waits_is_told(&service).await;
    every_page_comes_with_the_head_of_what_it_leads_to(&service).await;
}

#[tokio::test]
async fn on_sqlite_users_get_what_they_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    suite(SqliteStore::open(&folder.path().join("users.db")).await.unwrap()).await;
}

#[tokio::test]
async fn on_postgres_users_get_what_they_ask_for() {
    let Requirement::Given(postgres) = Postgres::required() else { return };
    suite(PostgresStore::open(&postgres.database("service").await).await.unwrap()).await;
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_are_answered_alike() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    TestUser::new("alice").register(&mut Direct::new(&service)).await;
    let mut answers = vec![];
    for who in ["alice", "nobody"] {
        let mut guess = TestUser::new(who);
        guess.password = "a guess".to_owned();
        let mut to = Direct::new(&service);
        let (login, start) = guess.login_start();
        let challenge = to.ask(start).await;
        let size = challenge.to_message().len();
        let (finish, _) = guess.login_finish(login, challenge);
        answers.push((size, to.ask(finish).await));
    }
    assert!(answers[0] == answers[1]);
    assert_eq!(refused(&answers[0].1), Refusal::WrongNameOrPassword);
}

#[tokio::test]
async fn guesses_are_slowed_down_and_the_right_one_ends_it() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut alice = TestUser::new("alice");
    alice.register(&mut Direct::new(&service)).await;
    for who in ["alice", "nobody"] {
        let mut guess = TestUser::new(who);
        for _ in 0..6 {
            let (_, start) = guess.login_start();
            let challenge = Direct::new(&service).ask(start).await;
            assert!(matches!(challenge, Response::LoginChallenge { .. }));
        }
        let (_, start) = guess.login_start();
        let reason = refused(&Direct::new(&service).ask(start).await);
        assert_eq!(reason, Refusal::TooManyTries { wait_s: 1 });
    }
    let mut later = Direct::new(&service);
    later.now = NOW.plus(1000);
    assert!(matches!(alice.login(&mut later).await.0, Response::LoggedIn { .. }));
    assert!(matches!(alice.login(&mut later).await.0, Response::LoggedIn { .. }));
}

#[tokio::test]
async fn registration_follows_the_policy() {
    let (_folder, closed) = on_sqlite(Registrations::Closed).await;
    let answer = TestUser::new("alice").register(&mut Direct::new(&closed)).await;
    assert_eq!(refused(&answer), Refusal::RegistrationClosed);

    let (_folder, service) = on_sqlite(Registrations::Token).await;
    let expires_s = NOW.0 / 1000 + 10;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let tokens = service.new_tokens(3, expires_s, NOW, &mut rng).await.unwrap();
    let tokens: Vec<_> = tokens.iter().map(Token::reveal).collect();
    let with = |who: &'static str, token: Option<&str>, now: UnixMillis| {
        let (mut to, token) = (Direct::new(&service), token.map(str::to_owned));
        to.now = now;
        async move { TestUser::new(who).register_with(&mut to, token).await }
    };
    let bad = Refusal::BadToken;
    assert_eq!(refused(&with("alice", None, NOW).await), bad);
    assert_eq!(refused(&with("alice", Some("nonsense"), NOW).await), bad);
    assert!(matches!(with("alice", Some(&tokens[0]), NOW).await, Response::Certificate { .. }));
    assert_eq!(refused(&with("bob", Some(&tokens[0]), NOW).await), bad);
    assert_eq!(refused(&with("bob", Some(&tokens[1]), NOW.plus(10_000)).await), bad);
    let used = service.tokens().await.unwrap().iter().filter(|row| row.used_s.is_some()).count();
    assert_eq!(used, 1);
    service.revoke_token(&tokens[1]).await.unwrap();
    assert_eq!(refused(&with("bob", Some(&tokens[1]), NOW).await), bad);
    assert!(service.new_tokens(0, 0, NOW, &mut rng).await.is_err());
    let ambiguous = service.revoke_token("").await;
    assert!(matches!(ambiguous, Err(OperatorError::NoSuchToken(_))));
}

#[tokio::test]
async fn registrations_at_once_make_one_directory() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let all = (0..60).map(|i| {
        let service = service.clone();
        tokio::spawn(async move {
            let mut user = TestUser::new(&format!("user{}", i / 2));
            user.register(&mut Direct::new(&service)).await
        })
    });
    let mut registered = 0;
    for one in futures_util::future::join_all(all).await {
        registered += usize::from(matches!(one.unwrap(), Response::Certificate { .. }));
    }
    assert_eq!(registered, 30);
    let copy = copied(&mut Direct::new(&service), *service.config.head_key.public()).await;
    assert_eq!((copy.entries(), copy.users().count()), (30, 30));
}

#[tokio::test]
async fn the_directory_comes_in_pages() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut alice = TestUser::new("alice");
    alice.register(&mut Direct::new(&service)).await;
    for i in 0..300 {
        service.set_enabled("alice", i % 2 == 1, NOW.plus(i)).await.unwrap();
    }
    let copy = copied(&mut Direct::new(&service), *service.config.head_key.public()).await;
    assert_eq!((copy.entries(), copy.user(&name("alice")).unwrap().active), (301, true));
}

#[tokio::test]
async fn pages_are_counted_like_other_requests() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("users.db")).await.unwrap();
    let mut config = config(Registrations::Open);
    config.limits.pages_per_minute = std::num::NonZeroU32::MIN;
    let service = Arc::new(Service::new(store, config, NOW).await.unwrap());
    let page = || Request::Directory { since: 0, wait_ms: 0 };
    assert!(matches!(Direct::new(&service).ask(page()).await, Response::Page { .. }));
    let answer = Direct::new(&service).ask(page()).await;
    assert!(matches!(refused(&answer), Refusal::TooManyTries { wait_s: 1..=60 }));
}

#[tokio::test]
async fn a_store_of_another_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    let first = service(SqliteStore::open(&path).await.unwrap(), Registrations::Open).await;
    let empty = ServiceConfig { network: NetworkId([8; 32]), ..config(Registrations::Open) };
    // Nothing was ever said in the name of an empty one.
    assert!(Service::new(SqliteStore::open(&path).await.unwrap(), empty, NOW).await.is_ok());
    drop(first);
    let first = service(SqliteStore::open(&path).await.unwrap(), Registrations::Open).await;
    TestUser::new("alice").register(&mut Direct::new(&first)).await;
    let other = ServiceConfig { network: NetworkId([8; 32]), ..config(Registrations::Open) };
    let error = Service::new(SqliteStore::open(&path).await.unwrap(), other, NOW).await.err();
    assert!(matches!(error, Some(StoreError::OtherDirectory)));
}
