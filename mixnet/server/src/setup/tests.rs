//! Set-ups: what is kept, what becomes a new version, and what a new network.

use super::*;
use talaria_mixnet::mix::noise::pairs::PairDistribution;
use talaria_privacy::{Composition, Grid, PrivacyLoss};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn listen(hops: u16) -> Listen {
    let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let hops = (1..=hops).map(|i| at(7401 + i)).collect();
    Listen { entry: at(7400), identity: at(7401), hops }
}

/// Prepares, signs and writes.
fn set_up(data: &DataFolder, wishes: Wishes, port: u16, now: UnixMillis) -> Network {
    let mut terms = data.prepare(wishes).unwrap();
    terms.entry.address = format!("127.0.0.1:{port}");
    terms.identity.address = next_port(&terms.entry.address).unwrap();
    let network = data.sign(&terms, now).unwrap();
    data.write(&network, &listen(u16::try_from(network.hops().len()).unwrap())).unwrap();
    network
}

#[test]
fn what_is_there_is_kept_and_changes_become_versions() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(&folder.path().join("new/data")).unwrap();
    let first = set_up(&data, Wishes::default(), 1, NOW);
    assert_eq!((first.hops().len(), first.period_ms.get(), first.sequence), (3, 2000, 1));
    assert_eq!(set_up(&data, Wishes::default(), 1, NOW.plus(1)), first);

    let moved = set_up(&data, Wishes::default(), 2, NOW);
    assert_eq!((moved.id(), moved.sequence), (first.id(), 2));
    let longer = set_up(&data, Wishes { hops: Some(4), period: None, noise_onions: None }, 2, NOW);
    assert_eq!((longer.id(), longer.sequence, longer.hops().len()), (first.id(), 3, 4));
    assert_eq!(longer.hops()[0], first.hops()[0]);
    // The fourth hop agrees to go.
    let shorter = set_up(&data, Wishes { hops: Some(3), period: None, noise_onions: None }, 2, NOW);
    assert_eq!((shorter.id(), shorter.sequence), (first.id(), 4));
    assert!(shorter.known().check_successor(longer.known()).is_ok());

    let wishes =
        Wishes { hops: None, period: Some(Duration::from_millis(250)), noise_onions: None };
    let terms = data.prepare(wishes).unwrap();
    let before = tree(&data);
    let said = data.sign(&terms, NOW).unwrap_err().to_string();
    assert!(said.contains("another network") && said.contains("--data"), "{said}");
    assert_eq!(tree(&data), before);
}

#[test]
fn versions_are_renewed_before_they_expire() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let first = set_up(&data, Wishes::default(), 1, NOW);
    let days = |days: u64| NOW.plus(days * 24 * 3_600_000);
    assert_eq!(set_up(&data, Wishes::default(), 1, days(180)), first);
    for (days, sequence) in [(days(190), 2), (days(1000), 3)] {
        let next = set_up(&data, Wishes::default(), 1, days);
        assert_eq!((next.id(), next.sequence), (first.id(), sequence));
        assert!(next.valid_until() > days);
    }
}

/// Every file of the folder, and what is in it.
fn tree(data: &DataFolder) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![data.path.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => folders.push(entry),
                false => all.push((entry.clone(), fs::read(&entry).unwrap())),
            }
        }
    }
    all.sort();
    all
}

/// Each file that cannot be made again, in each way in which it can be lost: it is named, nothing else is
/// written, and putting it back is enough.
#[test]
fn what_once_was_there_is_missed_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let network = set_up(&data, Wishes::default(), 7400, NOW);
    for place in 1..=3 {
        fs::create_dir(data.path.join(hop_name(place)).join("rounds")).unwrap();
    }
    let names = [
        "network.toml",
        "ca.key",
        "ca.pem",
        "entry/identity.key",
        "identity/head.key",
        "identity/opaque.key",
        "hop-1/identity.key",
        "hop-3/identity.key",
    ];
    for name in names.into_iter().chain(["identity/users.db"]) {
        let path = data.path.join(name);
        let good = fs::read(&path).unwrap();
        let garbled: Vec<u8> = good.iter().map(|byte| byte ^ 0x15).collect();
        let half = good[..good.len() / 2].to_vec();
        for bad in [None, Some(Vec::new()), Some(half), Some(garbled)] {
            // What is in the database it says itself when it is opened.
            if name == "identity/users.db" && bad.is_some() {
                continue;
            }
            match &bad {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
            let before = tree(&data);
            let said = data.prepare(Wishes::default());
            let said = said.err().unwrap_or_else(|| panic!("{name} {bad:?}")).to_string();
            assert!(said.contains(path.to_str().unwrap()), "{name} {bad:?}: {said}");
            assert_eq!(tree(&data), before, "{name} {bad:?}: nothing is written");
            fs::write(&path, &good).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(set_up(&data, Wishes::default(), 7400, NOW), network, "{name}");
        }
    }
    for name in ["ca.key", "hop-2/identity.key"] {
        fs::remove_file(data.path.join(name)).unwrap();
    }
    let said = data.prepare(Wishes::default()).unwrap_err().to_string();
    assert!(said.contains("ca.key") && said.contains("hop-2") && said.contains("backup"), "{said}");
}

#[test]
fn a_configuration_that_is_there_is_obeyed_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    set_up(&data, Wishes::default(), 7400, NOW);
    assert_eq!(data.obeyed(&listen(3)).unwrap(), data.config(&listen(3)));
    let path = data.path.join("entry.toml");
    let text = fs::read_to_string(&path).unwrap();
    let closed = text.replace("\"open\"", "\"closed\"") + "[limits]\nmax_clients = 7\n";
    assert!(closed.contains("registrations = \"closed\""));
    fs::write(&path, &closed).unwrap();
    set_up(&data, Wishes::default(), 7409, NOW);
    assert_eq!(fs::read_to_string(&path).unwrap(), closed);
    let elsewhere = Listen { entry: SocketAddr::from(([127, 0, 0, 1], 9)), ..listen(3) };
    let config = data.obeyed(&elsewhere).unwrap();
    let identity = config.identity.unwrap();
    assert_eq!((identity.registrations, config.limits.max_clients), (Registrations::Closed, 7));
    assert_eq!(config.entry.unwrap().listen, elsewhere.entry);
    fs::write(&path, "network = \"network.toml\"\n[[hop]]").unwrap();
    assert!(data.obeyed(&elsewhere).is_err());
    fs::write(&path, &closed).unwrap();
    let hop = data.path.join("hop-2.toml");
    fs::write(&hop, &closed).unwrap();
    let said = data.obeyed(&elsewhere).unwrap_err().to_string();
    assert!(said.contains(hop.to_str().unwrap()), "{said}");
}

#[test]
fn no_file_of_users_is_made_where_they_are_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let users = |name: &str| data.path.join("identity").join(name);
    set_up(&data, Wishes::default(), 7400, NOW);
    fs::remove_file(users("users.db")).unwrap();
    let path = data.config_file("entry");
    let text = fs::read_to_string(&path).unwrap();
    let others = [("identity/others.db", true), ("postgres://nobody@localhost/nothing", false)];
    for (database, is_file) in others {
        fs::write(&path, text.replace("identity/users.db", database)).unwrap();
        set_up(&data, Wishes::default(), 7400, NOW);
        assert_eq!(users("others.db").exists(), is_file, "{database}");
        assert!(!users("users.db").exists(), "{database}");
        fs::remove_file(users("others.db")).ok();
    }
}

#[test]
fn the_next_port_is_one_of_the_same_host() {
    let next = |address| next_port(address);
    assert_eq!(next("entry.example:7400").as_deref(), Some("entry.example:7401"));
    assert_eq!(next("[::1]:80").as_deref(), Some("[::1]:81"));
    for none in ["a:65535", "a", "a:b", ""] {
        assert_eq!(next(none), None, "{none}");
    }
}

#[test]
fn the_files_it_writes_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    let network =
        set_up(&data, Wishes { hops: Some(2), period: None, noise_onions: None }, 7400, NOW);
    assert_eq!(data.known().unwrap().unwrap(), *network.known());
    let whole = data.config(&listen(2));
    let entry = Config::load(&data.path.join("entry.toml")).unwrap();
    assert_eq!((entry.entry, entry.network), (whole.entry, whole.network));
    for (place, section) in (1..).zip(whole.hop) {
        let hop = Config::load(&data.path.join(format!("hop-{place}.toml"))).unwrap();
        assert_eq!(hop.hop, [section]);
    }
}

#[test]
fn a_network_file_that_was_changed_by_hand_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    set_up(&data, Wishes::default(), 7400, NOW);
    let text = fs::read_to_string(data.network_file()).unwrap();
    fs::write(data.network_file(), text.replace("lanes = 1", "lanes = 2")).unwrap();
    let error = data.prepare(Wishes::default()).unwrap_err().to_string();
    assert!(
        error.contains("changed after signing") && error.contains("Put a copy of it back"),
        "{error}"
    );
}

#[test]
fn a_folder_has_one_user_and_wishes_have_limits() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    assert!(matches!(DataFolder::open(folder.path()), Err(SetupError::InUse(_))));
    let wishes = Wishes { hops: Some(17), period: None, noise_onions: None };
    assert!(matches!(data.prepare(wishes), Err(SetupError::Network(_))));
}

#[test]
fn a_folder_that_others_can_write_is_refused_and_the_lock_is_the_owners() {
    let folder = tempfile::tempdir().unwrap();
    let set = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    for mode in [0o777, 0o770, 0o702] {
        set(mode);
        let said = DataFolder::open(folder.path()).unwrap_err().to_string();
        assert!(said.contains("chmod go-w"), "{said}");
    }
    set(0o755);
    let data = DataFolder::open(folder.path()).unwrap();
    let lock = fs::metadata(folder.path().join("lock")).unwrap().permissions().mode();
    assert_eq!(lock & 0o777, 0o600);
    drop(data);
}

#[test]
fn the_default_noise_does_what_its_goal_says() {
    for (noise, rounds) in [(DEFAULT_NOISE, 10_000), (TRIAL_NOISE, 1000)] {
        let Noise { onions, alpha_tenths, goal } = noise;
        let goal = goal.unwrap();
        assert_eq!(goal.charged_rounds, u64::from(rounds));
        let distribution = PairDistribution::new(onions, f64::from(alpha_tenths) / 10.0).unwrap();
        let epsilon = f64::from(goal.epsilon_millionths) / 1e6;
        let loss = PrivacyLoss::of_pairs(&distribution);
        let composed = Composition::new(&loss, rounds, epsilon, Grid::Fine);
        assert!(composed.delta(epsilon) <= f64::from(goal.delta_billionths) / 1e9);
    }
}

#[test]
fn other_noise_has_another_goal_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataFolder::open(folder.path()).unwrap();
    assert_eq!(data.prepare(Wishes::default()).unwrap().noise, TRIAL_NOISE);
    let wishes = Wishes { noise_onions: Some(0), ..Wishes::default() };
    let noise = data.prepare(wishes).unwrap().noise;
    assert_eq!((noise.onions, noise.goal), (0, None));
    let wishes = Wishes { noise_onions: Some(7), ..Wishes::default() };
    assert!(data.prepare(wishes).is_err(), "pairs need an even number");
}
