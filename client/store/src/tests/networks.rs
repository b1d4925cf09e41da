//! The network of a home, and which versions may follow.

use super::*;

fn address(home: &Home) -> String {
    home.network(NOW).unwrap().entry.address.clone()
}

#[test]
fn later_versions_are_taken_from_the_original_and_kept() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let second = next(&first(2000), 9999);
    put(&dir, "network.toml", &second);
    assert_eq!(address(&home), "127.0.0.1:9999");
    assert_eq!(home.known_network().unwrap(), second);
    // What is older, unsigned, or of another network is as if it were not there.
    put(&dir, "network.toml", &first(2000));
    assert_eq!(address(&home), "127.0.0.1:9999");
    let unsigned = NetworkFile::new(next(&second, 1).terms().clone()).unwrap();
    std::fs::write(dir.path().join("network.toml"), unsigned.to_toml()).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");
    put(&dir, "network.toml", &first(3000));
    assert_eq!(address(&home), "127.0.0.1:9999");
    std::fs::remove_file(dir.path().join("network.toml")).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");
}

#[test]
fn a_new_version_keeps_contacts_and_rounds_and_another_network_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    home.commit(&[Change::LastRound(Round(7))]).unwrap();
    let bob = identity(2, "bob").0.contact();
    home.remember(&bob).unwrap();
    let second = put(&dir, "second.toml", &next(&first(2000), 9999));
    // Another process may bring the new version while this one runs, and without a password.
    let path = dir.path().join("home");
    update_network(&path, &second, NOW).unwrap();
    assert_eq!(address(&home), "127.0.0.1:9999");
    assert_eq!(home.last_round().unwrap(), Some(Round(7)));
    assert_eq!(home.contacts().unwrap(), [(bob, Trust::Unverified)]);

    let other = put(&dir, "other.toml", &first(3000));
    let refused = update_network(&path, &other, NOW);
    assert!(matches!(refused, Err(HomeError::Elsewhere { name, .. }) if name == "test"));
    std::fs::copy(&other, path.join("network.toml")).unwrap();
    assert!(matches!(home.known_network(), Err(HomeError::OtherNetwork)));
}

#[test]
fn what_does_not_follow_is_refused_and_nothing_changes() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let path = dir.path().join("home");
    let second = next(&first(2000), 2);
    update_network(&path, &put(&dir, "second.toml", &second), NOW).unwrap();
    let refused = |name: &str, version: &Known, now| {
        let error = update_network(&path, &put(&dir, name, version), now).unwrap_err();
        assert_eq!(home.known_network().unwrap(), second);
        match error {
            HomeError::Network { source: NetworkFileError::NotValid(error), .. } => error,
            error => panic!("{error}"),
        }
    };
    let old = refused("old.toml", &first(2000), NOW);
    assert_eq!(old, VerifyError::RolledBack { sequence: 1, known: 2 });
    let fork = next(&first(2000), 3);
    assert_eq!(refused("fork.toml", &fork, NOW), VerifyError::Forked(2));
    let third = next(&second, 3);
    assert_eq!(refused("third.toml", &third, UNTIL), VerifyError::Expired(UNTIL));
    let early = UnixMillis(0);
    let mut later = next(&second, 3).terms().clone();
    later.validity.from = UnixMillis(1000);
    let later = refused("later.toml", &sign(later), early);
    assert_eq!(later, VerifyError::NotYetValid(UnixMillis(1000)));
}

#[test]
fn an_expired_network_is_not_used_but_the_next_version_is() {
    let dir = TempDir::new().unwrap();
    let home = make_home(&dir);
    let said = home.network(UNTIL).unwrap_err().to_string();
    assert!(said.contains("has expired") && said.contains("ask the operator"), "{said}");
    assert!(home.known_network().is_ok());
    let mut terms = first(2000).next_terms();
    terms.validity.until = UnixMillis(UNTIL.0 * 2);
    let renewed = put(&dir, "renewed.toml", &sign(terms));
    assert!(update_network(&dir.path().join("home"), &renewed, UNTIL).is_ok());
    assert!(home.network(UNTIL).is_ok());
}
