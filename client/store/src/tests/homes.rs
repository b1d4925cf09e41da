//! Homes as they are made, opened, locked and removed.

use super::*;

#[test]
fn an_account_survives_and_is_not_replaced() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let made = home.identity().unwrap();
    assert_eq!(made.since, 0);
    drop(home);
    let path = dir.path().join("home");
    let again = Home::open(&path, &key()).unwrap();
    assert_eq!(again.certificate().unwrap().as_ref(), [1, 2, 3]);
    let identity_again = again.identity().unwrap();
    drop(again);
    let again = identity_again;
    assert!(again.secret == made.secret && again.name == made.name);
    let file = dir.path().join("network.toml");
    let refused = try_make_home(&path, &file, &identity(2, "mallory").0);
    assert!(matches!(refused, Err(HomeError::AccountExists(_))));
    assert!(Home::open(&path, &key()).unwrap().identity().unwrap().secret == made.secret);
}

#[test]
fn a_home_opens_with_its_key_only() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("home");
    let unlocked = make_home(&dir).file().unlock(&export()).unwrap();
    assert!(Home::open(&path, &unlocked).is_ok());
    let other = HomeKey::generate(&mut ChaCha20Rng::seed_from_u64(6));
    assert!(matches!(Home::open(&path, &other), Err(HomeError::Damaged(_))));
    assert!(Home::open(&path, &key()).is_ok());
}

#[test]
fn nothing_in_the_files_can_be_read() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "robert").0.contact();
    home.remember(&bob).unwrap();
    let said =
        Said::Text(SaidText { id: MessageId(0), text: Text::new("a secret").unwrap(), sent_ms: 1 });
    let queued = state::Change::Queued(Outgoing { first_seq: 0, what: said });
    home.commit(&[Change::Conversation(bob.key, queued)]).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    home.shown_mark(&bob.key, &mut rng).unwrap().0.done(7).unwrap();
    let secret = identity(1, "alice").0.secret.to_bytes();
    let hex = data_encoding::HEXLOWER.encode(&*secret);
    let pragma = key().pragma();
    let hidden: [&[u8]; 7] = [
        &*secret,
        hex.as_bytes(),
        b"robert",
        b"a secret",
        &bob.key.to_bytes()[1..],
        b"CREATE TABLE",
        &pragma.as_bytes()[2..66],
    ];
    // Also while it is open, when the newest changes are in a file of their own.
    for closed in [false, true] {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir.path().join("home")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            names.push(path.file_name().unwrap().to_owned());
            for (at, hidden) in hidden.iter().enumerate() {
                let found = bytes.windows(hidden.len()).any(|window| window == *hidden);
                assert!(!found, "{at} in {} (closed: {closed})", path.display());
            }
        }
        let known = ["account.toml", "lock", "network.lock", "network.toml", "shown", "talaria.db"];
        let plain = names.iter().filter(|name| !name.to_string_lossy().contains(".db-"));
        let mut plain: Vec<_> = plain.map(|name| name.to_str().unwrap()).collect();
        plain.sort_unstable();
        assert!(plain.iter().all(|name| known.contains(name)), "{plain:?}");
        if !closed {
            home = Home::look_into(&dir.path().join("home"), &key()).unwrap();
        }
    }
    drop(home);
}

#[test]
fn what_an_interrupted_registration_leaves_behind_is_in_nobodys_way() {
    let dir = TempDir::new().unwrap();
    drop(make_home(&dir));
    let path = dir.path().join("home");
    let file = dir.path().join("network.toml");
    // The account file is written last: killed before, whatever else is there belongs to nobody.
    for left in [&["talaria.db", "network.toml"][..], &["talaria.db"], &[]] {
        std::fs::remove_file(path.join("account.toml")).unwrap();
        for name in ["talaria.db", "network.toml"] {
            if !left.contains(&name) {
                std::fs::remove_file(path.join(name)).unwrap();
            }
        }
        std::fs::write(path.join("account.9.new"), "form").unwrap();
        assert!(matches!(Home::open(&path, &key()), Err(HomeError::NoAccount(_))));
        let carol = identity(4, "carol").0;
        let home = try_make_home(&path, &file, &carol).unwrap();
        assert_eq!(home.identity().unwrap().name, carol.name);
    }
}

#[test]
fn a_home_that_was_removed_is_gone_and_can_be_made_again() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let path = dir.path().join("home");
    assert!(matches!(Home::remove(&path), Err(HomeError::InUse(_))));
    drop(home);
    Home::remove(&path).unwrap();
    Home::remove(&path).unwrap();
    assert!(matches!(Home::open(&path, &key()), Err(HomeError::NoAccount(_))));
    assert!(!path.join("talaria.db").exists() && path.join("network.toml").exists());
    let file = dir.path().join("network.toml");
    assert!(try_make_home(&path, &file, &identity(1, "alice").0).is_ok());
}

#[test]
fn a_password_can_change_at_any_moment_without_locking_anybody_out() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let path = dir.path().join("home");
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let new = ExportKey::from_bytes([7; 64]);
    let [of_old, of_new] = [export(), new].map(|export| (key().wrap(&export, &mut rng), export));
    let opens = |export: &ExportKey| AccountFile::read(&path).unwrap().unlock(export).is_ok();
    home.set_wrapped(vec![of_old.0, of_new.0.clone()]).unwrap();
    assert!(opens(&of_old.1) && opens(&of_new.1));
    home.set_wrapped(vec![of_new.0]).unwrap();
    assert!(!opens(&of_old.1) && opens(&of_new.1));
    // The network file may change at the same time.
    let second = put(&dir, "second.toml", &next(&first(2000), 9999));
    update_network(&path, &second, NOW).unwrap();
    assert!(opens(&of_new.1));
    home.set_wrapped(AccountFile::read(&path).unwrap().wrapped).unwrap();
    assert_eq!(home.file().network_file, Some(second));
}

#[test]
fn a_home_is_for_one_process_but_can_be_looked_into() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let path = dir.path().join("home");
    assert!(matches!(Home::open(&path, &key()), Err(HomeError::InUse(_))));
    let name = Home::look_into(&path, &key()).unwrap().identity().unwrap().name;
    assert_eq!(name.as_str(), "alice");
    drop(home);
    assert!(Home::open(&path, &key()).is_ok());
    let empty = Home::open(&dir.path().join("empty"), &key());
    assert!(matches!(empty, Err(HomeError::NoAccount(_))));
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_a_home() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    home.remember(&identity(2, "bob").0.contact()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = dir.path().join("home");
    assert_eq!(mode(&path), 0o700);
    for entry in std::fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn newer_formats_are_refused() {
    let dir = TempDir::new().unwrap();
    drop(make_home(&dir));
    let path = dir.path().join("home");
    let database = rusqlite::Connection::open(path.join(DATABASE_FILE)).unwrap();
    database.pragma_update(None, "key", key().pragma().as_str()).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Home::open(&path, &key()), Err(HomeError::NewerFormat(99))));
}

#[test]
fn a_database_that_is_gone_or_damaged_is_told_and_never_made_anew() {
    let dir = TempDir::new().unwrap();
    drop(make_home(&dir));
    let path = dir.path().join("home");
    let database = path.join(DATABASE_FILE);
    let good = std::fs::read(&database).unwrap();
    let said = || Home::open(&path, &key()).err().unwrap().to_string();
    std::fs::remove_file(&database).unwrap();
    assert!(said().contains("talaria.db is gone"), "{}", said());
    assert!(!database.exists());
    let garbled: Vec<u8> = good.iter().map(|byte| byte ^ 0x55).collect();
    for bad in [&[][..], &good[..good.len() / 2], &good[..100], &garbled] {
        std::fs::write(&database, bad).unwrap();
        assert!(said().contains("is damaged"), "{} bytes: {}", bad.len(), said());
        assert_eq!(std::fs::read(&database).unwrap(), bad, "nothing is written");
    }
    std::fs::write(&database, &good).unwrap();
    assert!(Home::open(&path, &key()).is_ok());
}
