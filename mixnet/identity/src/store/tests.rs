//! One suite for both databases.
//!
//! PostgreSQL is used if `TALARIA_TEST_POSTGRES` has the URL of a server in which databases may be
//! made; `scripts/with-postgres.sh cargo test` starts one.

mod ledgers;

use super::*;
use crate::testing::{Postgres, Requirement};
use tokio::sync::mpsc;

fn append(tag: u8) -> impl Append {
    move |tip: Tip| {
        let mut hash = tip.hash;
        hash[0] = hash[0].wrapping_mul(31).wrapping_add(tag);
        Appended { entry: vec![tag; 3], hash, time_s: tip.time_s + 1 }
    }
}

fn user(name: &str) -> NewUser {
    NewUser {
        name: name.to_owned(),
        skeleton: name.replace('1', "l"),
        record: b"record".to_vec(),
        wrapped_key: b"wrapped".to_vec(),
        key: [2; 33],
        certificate: b"certificate".to_vec(),
        token: None,
        now_s: 100,
    }
}

async fn rows(store: &impl Store) -> Vec<Row> {
    let (sender, mut receiver) = mpsc::channel(4);
    let (exported, rows) = tokio::join!(store.export(sender), async {
        let mut rows = vec![];
        while let Some(row) = receiver.recv().await {
            rows.push(row);
        }
        rows
    });
    exported.unwrap();
    rows
}

async fn restore(
    store: &impl Store,
    rows: Vec<Row>,
    whole: bool,
    replace: bool,
) -> Result<Tip, StoreError> {
    let (sender, receiver) = mpsc::channel(1000);
    for row in rows {
        sender.send(Some(row)).await.unwrap();
    }
    if whole {
        sender.send(None).await.unwrap();
    }
    drop(sender);
    store.import(receiver, replace).await
}

async fn names_are_registered_once(store: &impl Store) {
    let tip = store.register(user("alice"), append(1)).await.unwrap();
    assert_eq!((tip.entries, tip), (1, store.tip().await.unwrap()));
    let again = store.register(user("alice"), append(2)).await;
    assert!(matches!(again, Err(StoreError::Taken)));
    assert!(!store.is_free("alice", "?").await.unwrap());
    assert!(!store.is_free("a1ice", "alice").await.unwrap());
    assert!(store.is_free("malice", "malice").await.unwrap());
    let alike = store.register(user("a1ice"), append(2)).await;
    assert!(matches!(alike, Err(StoreError::Taken)));
    assert_eq!(store.tip().await.unwrap(), tip);
    let alice = store.user("alice").await.unwrap().unwrap();
    assert_eq!((alice.status, alice.key_since, alice.registered_s), (UserStatus::Active, 0, 100));
    assert_eq!(store.user("Alice").await.unwrap(), None);
    assert_eq!(store.entries(0, 10).await.unwrap(), [vec![1; 3]]);
    assert_eq!(store.entries(1, 10).await.unwrap(), Vec::<Vec<u8>>::new());
}

async fn changes_need_what_they_build_on(store: &impl Store) {
    store.register(user("bob"), append(1)).await.unwrap();
    let before = store.tip().await.unwrap();
    let rotate = UserChange { key: Some([3; 33]), ..UserChange::default() };
    let other = Guard { key_since: Some(before.entries), ..Guard::ACTIVE };
    let refused = store.change("bob", other, rotate.clone(), append(2)).await;
    assert!(matches!(refused, Err(StoreError::NoSuchUser)));
    assert_eq!(store.tip().await.unwrap(), before);
    let own = Guard { key_since: Some(before.entries - 1), ..Guard::ACTIVE };
    let tip = store.change("bob", own, rotate, append(2)).await.unwrap();
    let bob = store.user("bob").await.unwrap().unwrap();
    assert_eq!(
        (bob.key, bob.key_since, tip.entries),
        ([3; 33], before.entries, before.entries + 1)
    );
    assert_eq!(bob.record, b"record");

    store.change_password("bob", bob.credential, b"new", b"anew").await.unwrap();
    let bob = store.user("bob").await.unwrap().unwrap();
    assert_eq!((&bob.record[..], &bob.wrapped_key[..]), (&b"new"[..], &b"anew"[..]));
    store.change("bob", Guard::ACTIVE, UserChange::deleted(), append(3)).await.unwrap();
    let bob = store.user("bob").await.unwrap().unwrap();
    assert_eq!((bob.key_since + 1, bob.newest), (bob.newest, before.entries + 1));
    assert_eq!((bob.status, bob.record.len()), (UserStatus::Deleted, 0));
    let deleted = store.change_password("bob", bob.credential, b"", b"").await;
    assert!(matches!(deleted, Err(StoreError::NoSuchUser)));
    assert!(matches!(store.register(user("bob"), append(4)).await, Err(StoreError::Taken)));
    assert_eq!(store.users("alice", 10).await.unwrap(), [bob]);
}

/// Whoever builds on a credential that is another by now changes nothing, and every change of what a
/// login needs or gives makes it another.
async fn credentials_are_compared_and_raised(store: &impl Store) {
    store.register(user("frank"), append(1)).await.unwrap();
    let frank = async || store.user("frank").await.unwrap().unwrap();
    let change = async |guard: Guard, change: UserChange| {
        store.change("frank", guard, change, append(2)).await.map(|_| ())
    };
    let none = UserChange::default;
    let kinds = [
        UserChange { record: Some(vec![1]), ..none() },
        UserChange { wrapped_key: Some(vec![2]), ..none() },
        UserChange { key: Some([3; 33]), ..none() },
        UserChange { status: Some(UserStatus::Active), ..none() },
    ];
    for kind in kinds {
        let before = frank().await;
        let on = |credential| Guard { credential: Some(credential), ..Guard::ACTIVE };
        change(on(before.credential), kind.clone()).await.unwrap();
        let after = frank().await;
        assert_eq!(after.credential, before.credential.next(), "{kind:?}");
        let late = change(on(before.credential), kind).await;
        assert!(matches!(late, Err(StoreError::NoSuchUser)));
        let late = store.change_password("frank", before.credential, b"old", b"old").await;
        assert!(matches!(late, Err(StoreError::NoSuchUser)));
        assert_eq!(frank().await, after, "the wrapped key from before is not back");
    }
    let before = frank().await;
    store.change_password("frank", before.credential, b"new", b"new").await.unwrap();
    let late = Guard { credential: Some(before.credential), ..Guard::ACTIVE };
    let late = change(late, UserChange { wrapped_key: Some(vec![2]), ..none() }).await;
    assert!(matches!(late, Err(StoreError::NoSuchUser)));
    let after = frank().await;
    assert_eq!((after.credential, &after.record[..]), (before.credential.next(), &b"new"[..]));
    change(Guard::ACTIVE, UserChange { certificate: Some(vec![4]), ..none() }).await.unwrap();
    assert_eq!(frank().await.credential, after.credential, "a certificate is no credential");
}

/// A login from before a backup was restored is none, whatever the backup held.
async fn who_is_restored_has_a_new_credential(store: &impl Store) {
    store.register(user("grace"), append(1)).await.unwrap();
    let saved = rows(store).await;
    let mut before = store.user("grace").await.unwrap().unwrap().credential;
    for _ in 0..2 {
        store.change_password("grace", before, b"new", b"new").await.unwrap();
        let seen = before.next();
        restore(store, saved.clone(), true, true).await.unwrap();
        before = store.user("grace").await.unwrap().unwrap().credential;
        assert!(before.0 > seen.0);
        let late = store.change_password("grace", seen, b"late", b"late").await;
        assert!(matches!(late, Err(StoreError::NoSuchUser)));
    }
    store.register(user("heidi"), append(1)).await.unwrap();
    assert_eq!(store.user("heidi").await.unwrap().unwrap().credential, before);
    assert_eq!(rows(store).await.len(), saved.len() + 2, "an entry and a user");
}

async fn tokens_are_used_once_and_expire(store: &impl Store) {
    let with =
        |name: &str, token: u8, now_s| NewUser { token: Some([token; 32]), now_s, ..user(name) };
    store.add_tokens(&[[1; 32], [2; 32], [3; 32]], 50, 200).await.unwrap();
    assert!(store.token_is_valid(&[1; 32], 199).await.unwrap());
    assert!(!store.token_is_valid(&[1; 32], 200).await.unwrap());
    store.register(with("carol", 1, 100), append(1)).await.unwrap();
    for (name, token, now_s) in [("dave", 1, 100), ("dave", 2, 200), ("dave", 9, 100)] {
        let refused = store.register(with(name, token, now_s), append(2)).await;
        assert!(matches!(refused, Err(StoreError::BadToken)));
    }
    assert_eq!(store.user("dave").await.unwrap(), None, "a bad token leaves the name free");
    let taken = store.register(with("carol", 2, 100), append(1)).await;
    assert!(matches!(taken, Err(StoreError::Taken)));
    assert!(store.token_is_valid(&[2; 32], 100).await.unwrap(), "a taken name costs no token");
    assert!(store.revoke_token(&[3; 32]).await.unwrap());
    assert!(!store.revoke_token(&[3; 32]).await.unwrap());
    let used: Vec<_> = store.tokens().await.unwrap().iter().map(|token| token.used_s).collect();
    assert_eq!(used, [Some(100), None]);
    store.add_tokens(&[], 201, 202).await.unwrap();
    assert_eq!(store.tokens().await.unwrap(), []);
}

async fn an_empty_directory_is_bound(store: &impl Store) {
    store.bind(b"another", &[8; 32]).await.unwrap();
    store.bind(b"key", &[7; 32]).await.unwrap();
    assert_eq!(store.tip().await.unwrap(), Tip { entries: 0, hash: [7; 32], time_s: 0 });
}

async fn a_directory_has_one_key(store: &impl Store) {
    let tip = store.tip().await.unwrap();
    store.bind(b"key", &[9; 32]).await.unwrap();
    assert_eq!(store.tip().await.unwrap(), tip, "only an empty directory begins");
    let other = store.bind(b"other", &[9; 32]).await;
    assert!(matches!(other, Err(StoreError::OtherDirectory)));
}

async fn backups_hold_everything(store: &impl Store) {
    store.add_tokens(&[[7; 32]], 50, 200).await.unwrap();
    let (tip, saved) = (store.tip().await.unwrap(), rows(store).await);
    assert_eq!(restore(store, saved.clone(), true, false).await.unwrap(), tip);
    assert_eq!(rows(store).await, saved);

    let cut = restore(store, saved.clone(), false, true).await;
    assert!(matches!(cut, Err(StoreError::Damaged(_))));
    assert_eq!(rows(store).await, saved, "what cannot be restored changes nothing");

    store.register(user("erin"), append(5)).await.unwrap();
    let loses = restore(store, saved.clone(), true, false).await;
    assert!(matches!(loses, Err(StoreError::WouldLose { lost: 1 })));
    assert!(store.user("erin").await.unwrap().is_some());
    assert_eq!(restore(store, saved.clone(), true, true).await.unwrap(), tip);
    assert_eq!(store.user("erin").await.unwrap(), None);
    // Another directory of the same length is not this one.
    store.register(user("erin"), append(5)).await.unwrap();
    let mine = rows(store).await;
    restore(store, saved, true, true).await.unwrap();
    store.register(user("erin"), append(6)).await.unwrap();
    let forked = restore(store, mine, true, false).await;
    assert!(matches!(forked, Err(StoreError::WouldLose { lost: 1 })));
}

async fn registrations_at_once_have_an_order(store: &impl Store) {
    let before = store.tip().await.unwrap().entries;
    let all = futures_util::future::join_all(
        (0..50u8).map(|i| store.register(user(&format!("user{}", i / 2)), append(i))),
    );
    let done = all.await.into_iter().filter(Result::is_ok).count();
    assert_eq!(done, 25);
    assert_eq!(store.tip().await.unwrap().entries, before + 25);
    let entries = store.entries(before, 100).await.unwrap();
    assert_eq!(entries.len(), 25);
}

async fn suite(store: &impl Store) {
    an_empty_directory_is_bound(store).await;
    names_are_registered_once(store).await;
    changes_need_what_they_build_on(store).await;
    credentials_are_compared_and_raised(store).await;
    tokens_are_used_once_and_expire(store).await;
    a_directory_has_one_key(store).await;
    ledgers::suite(store).await;
    backups_hold_everything(store).await;
    who_is_restored_has_a_new_credential(store).await;
    registrations_at_once_have_an_order(store).await;
}

#[tokio::test]
async fn sqlite_does_what_a_store_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    let store = SqliteStore::open(&path).await.unwrap();
    suite(&store).await;
    let saved = rows(&store).await;
    drop(store);
    assert_eq!(rows(&SqliteStore::open(&path).await.unwrap()).await, saved);
    use std::os::unix::fs::PermissionsExt;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[tokio::test]
async fn postgres_does_what_a_store_does() {
    let Requirement::Given(postgres) = Postgres::required() else { return };
    let url = postgres.database("store").await;
    suite(&PostgresStore::open(&url).await.unwrap()).await;
    assert!(PostgresStore::open(&url).await.is_ok());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, \
        execution_time) VALUES (4, 'schema', true, $1, 0)";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    let (write, _) = connect::sqlite(&path).await.unwrap();
    sqlx::query(NEWER).bind(&b"sum"[..]).execute(&write).await.unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 4, known: 3 }), "{error}");

    let Requirement::Given(postgres) = Postgres::required() else { return };
    let url = postgres.database("newer").await;
    let pool = connect::postgres(&url).await.unwrap();
    sqlx::query(NEWER).bind(&b"sum"[..]).execute(&pool).await.unwrap();
    let error = PostgresStore::open(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::NewerSchema { found: 4, known: 3 }), "{error}");
}

/// What SQLite does when the disk is full or fails.
#[tokio::test]
async fn a_transaction_that_sqlite_ends_by_itself_spoils_no_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("users.db")).await.unwrap();
    let (mut all, _) = store.begin().await.unwrap();
    sqlx::query("ROLLBACK").execute(&mut *all).await.unwrap();
    drop(all);
    store.register(user("alice"), append(1)).await.unwrap();
    let page = "PRAGMA page_count";
    let (pages,): (i64,) = sqlx::query_as(page).fetch_one(&store.write).await.unwrap();
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 2));
    sqlx::query(limit).execute(&store.write).await.unwrap();
    let mut refused = None;
    for n in 0..200 {
        let big = NewUser { record: vec![0; 4000], ..user(&format!("user{n}")) };
        if let Err(error) = store.register(big, append(1)).await {
            refused = Some(error.to_string());
            break;
        }
    }
    assert!(refused.is_some_and(|error| error.contains("full")));
    sqlx::query("PRAGMA max_page_count = 1000000").execute(&store.write).await.unwrap();
    store.register(user("bob"), append(1)).await.unwrap();
}
