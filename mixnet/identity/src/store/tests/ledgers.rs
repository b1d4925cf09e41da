//! Records of ledgers: one after the other, of whoever may write them, in backups and gone at the end.

use super::*;

/// What is there, and with which entry the key came.
async fn kept(store: &impl Store, name: &str) -> (LedgerRecord, u64) {
    let user = store.user(name).await.unwrap().unwrap();
    (LedgerRecord { number: user.ledger_number, record: user.ledger }, user.key_since)
}

fn number(number: u64, record: &[u8]) -> LedgerRecord {
    LedgerRecord { number, record: record.to_vec() }
}

async fn only_the_newest_one_is_replaced(store: &impl Store) {
    store.register(user("ivan"), append(1)).await.unwrap();
    let (none, since) = kept(store, "ivan").await;
    assert_eq!(none, LedgerRecord::default());
    let write = async |after, record| store.ledger("ivan", since, after, record).await.unwrap();
    assert_eq!(write(1, b"early").await, none);
    assert_eq!(write(0, b"one").await, number(1, b"one"));
    for after in [0, 2, u64::MAX] {
        assert_eq!(write(after, b"other").await, number(1, b"one"));
    }
    assert_eq!(write(1, b"two").await, number(2, b"two"));
    assert_eq!(kept(store, "ivan").await.0, number(2, b"two"));
    let before = store.user("ivan").await.unwrap().unwrap().credential;
    assert_eq!(write(2, b"three").await, number(3, b"three"));
    let after = store.user("ivan").await.unwrap().unwrap().credential;
    assert_eq!(before, after, "nobody logs in with it");
}

async fn of_many_at_once_one_comes_next(store: &impl Store) {
    let (newest, since) = kept(store, "ivan").await;
    let records: Vec<_> = (0..20u8).map(|i| vec![i; 9]).collect();
    let writes = records.iter().map(|record| store.ledger("ivan", since, newest.number, record));
    let answers = futures_util::future::join_all(writes).await;
    let first = kept(store, "ivan").await.0;
    assert_eq!(first.number, newest.number + 1);
    assert!(answers.into_iter().all(|answer| answer.unwrap() == first));
}

async fn nobody_else_writes(store: &impl Store) {
    let (newest, since) = kept(store, "ivan").await;
    let refused = async |name, since| {
        let answer = store.ledger(name, since, newest.number, b"refused").await;
        assert!(matches!(answer, Err(StoreError::NoSuchUser)), "{name}");
        assert_eq!(kept(store, "ivan").await.0, newest);
    };
    refused("nobody", since).await;
    refused("ivan", since + 1).await;
    for (before, after) in
        [(UserStatus::Active, UserStatus::Disabled), (UserStatus::Disabled, UserStatus::Active)]
    {
        let guard = Guard { status: before, ..Guard::ACTIVE };
        let change = UserChange { status: Some(after), ..UserChange::default() };
        store.change("ivan", guard, change, append(2)).await.unwrap();
        if after == UserStatus::Disabled {
            refused("ivan", since).await;
        }
    }
    let rotate = UserChange { key: Some([3; 33]), ..UserChange::default() };
    store.change("ivan", Guard::ACTIVE, rotate, append(3)).await.unwrap();
    refused("ivan", since).await;
    let since = kept(store, "ivan").await.1;
    let written = store.ledger("ivan", since, newest.number, b"own").await.unwrap();
    assert_eq!(written, number(newest.number + 1, b"own"));
}

async fn a_backup_holds_it(store: &impl Store) {
    let (saved, (newest, since)) = (rows(store).await, kept(store, "ivan").await);
    store.ledger("ivan", since, newest.number, b"later").await.unwrap();
    restore(store, saved, true, false).await.unwrap();
    assert_eq!(kept(store, "ivan").await.0, newest);
}

/// As it was written before there were ledgers.
fn without_ledgers(row: &Row) -> Row {
    let mut json = serde_json::to_value(row).unwrap();
    if let Some(user) = json.get_mut("user").and_then(|user| user.as_object_mut()) {
        assert!(user.remove("ledger").is_some() && user.remove("ledger_number").is_some());
    }
    serde_json::from_value(json).unwrap()
}

async fn an_older_backup_has_none(store: &impl Store) {
    let all = rows(store).await;
    restore(store, all.iter().map(without_ledgers).collect(), true, false).await.unwrap();
    assert_eq!(kept(store, "ivan").await.0, LedgerRecord::default());
    restore(store, all, true, false).await.unwrap();
}

async fn who_is_deleted_has_none(store: &impl Store) {
    let (newest, since) = kept(store, "ivan").await;
    assert_ne!(newest, LedgerRecord::default());
    store.change("ivan", Guard::ACTIVE, UserChange::deleted(), append(4)).await.unwrap();
    assert_eq!(kept(store, "ivan").await.0, LedgerRecord::default());
    let refused = store.ledger("ivan", since, 0, b"late").await;
    assert!(matches!(refused, Err(StoreError::NoSuchUser)));
}

pub(super) async fn suite(store: &impl Store) {
    only_the_newest_one_is_replaced(store).await;
    of_many_at_once_one_comes_next(store).await;
    nobody_else_writes(store).await;
    a_backup_holds_it(store).await;
    an_older_backup_has_none(store).await;
    who_is_deleted_has_none(store).await;
}
