//! The program as a shell sees it, without a server.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use talaria_client::conversation::state;
use talaria_client::store::Home;
use talaria_client::{Card, Change, Contact};
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, Known, NetworkFile, Noise, NoiseGoal, Terms, Validity,
};
use tempfile::TempDir;

/// A network file of a server that does not exist, and room for homes.
struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: TempDir::new().unwrap() };
        world.network("network.toml", 2000);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn network(&self, name: &str, period_ms: u64) -> Known {
        let [entry, hop] = keys().map(|key| *key.public());
        let entry = EntryInfo {
            operator: "Eve".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            identity: entry,
            ca: vec![1, 2, 3, 4].into(),
        };
        let hop = HopInfo {
            operator: "Harry".to_owned(),
            address: "127.0.0.1:2".to_owned(),
            identity: hop,
        };
        let validity = Validity { from: UnixMillis(0), until: UnixMillis(99_000_000_000_000) };
        let mut terms = Terms::first("test net", validity, entry, vec![hop]);
        terms.period_ms = period_ms.try_into().unwrap();
        self.sign(name, terms)
    }

    fn sign(&self, name: &str, terms: Terms) -> Known {
        let mut file = NetworkFile::new(terms).unwrap();
        for key in keys() {
            file.sign(&key);
        }
        std::fs::write(self.path(name), file.to_toml()).unwrap();
        file.into_known().unwrap()
    }

    fn run(&self, home: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_talaria"))
            .current_dir(self.dir.path())
            .env("TALARIA_HOME", self.path(home))
            .env("USER", "tester")
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn init(&self, home: &str, name: &str) -> String {
        let made = self.run(home, &["init", "--network", "network.toml", "--name", name]);
        assert!(made.status.success(), "{}", stderr(&made));
        stdout(&self.run(home, &["card"])).trim().to_owned()
    }
}

fn keys() -> [IdentitySecret; 2] {
    [7, 8].map(|byte| IdentitySecret::from_bytes(&[byte; 32]).unwrap())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// An error is said in one or two lines, with the exit code of errors.
fn assert_fails(output: &Output, with: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: ") && said.lines().count() <= 2, "{said}");
    assert!(said.contains(with), "{said}");
}

fn exists(path: &Path) -> bool {
    path.exists()
}

#[test]
fn init_makes_an_identity_once() {
    let world = World::new();
    let made = world.run("a", &["init", "--network", "network.toml"]);
    assert!(made.status.success());
    let card = stdout(&world.run("a", &["card"]));
    assert!(card.starts_with("talaria1:") && card.lines().count() == 1);
    let said = stdout(&made);
    assert!(said.contains("tester") && said.contains(card.trim()) && said.contains("talaria chat"));
    let again = world.run("a", &["init", "--network", "network.toml"]);
    assert_fails(&again, "not replaced");
    assert_eq!(stdout(&world.run("a", &["card"])), card);
}

#[test]
fn json_is_one_object_a_line() {
    let world = World::new();
    let args = ["init", "--network", "network.toml", "--name", "Zoë", "--json"];
    let object: serde_json::Value = serde_json::from_str(&stdout(&world.run("a", &args))).unwrap();
    assert_eq!(object["name"], "Zoë");
    let card = stdout(&world.run("a", &["--json", "card"]));
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    assert_eq!(card, object);
    let failed = world.run("b", &["card", "--json"]);
    assert_fails(&failed, "talaria init");
    let event: serde_json::Value = serde_json::from_str(&stdout(&failed)).unwrap();
    assert_eq!((&event["event"], &event["fatal"]), (&"error".into(), &true.into()));
}

#[test]
fn mistakes_are_explained() {
    let world = World::new();
    assert_fails(&world.run("none", &["card"]), "talaria init --network");
    let missing = world.run("a", &["init", "--network", "nowhere.toml"]);
    assert_fails(&missing, "nowhere.toml");
    std::fs::write(world.path("bad.toml"), "colour = 3").unwrap();
    assert_fails(&world.run("a", &["init", "--network", "bad.toml"]), "bad.toml");
    assert!(!exists(&world.path("a").join("identity.key")));

    let own = world.init("a", "Alice");
    let bob = world.init("b", "Bob");
    assert_fails(&world.run("a", &["chat", &own]), "your own card");
    assert_fails(&world.run("a", &["chat", "Carol"]), "nobody called `Carol`");
    let typo = bob.replace('A', "B");
    assert_fails(&world.run("a", &["chat", &typo]), "copy");
    world.network("other.toml", 3000);
    let elsewhere = world.run("c", &["init", "--network", "other.toml", "--name", "Eve"]);
    assert!(elsewhere.status.success());
    let eve = stdout(&world.run("c", &["card"]));
    assert_fails(&world.run("a", &["chat", eve.trim()]), "another network");
}

#[test]
fn wrong_command_lines_have_their_own_exit_code() {
    let world = World::new();
    for args in [&["fly"][..], &[], &["init"], &["chat"], &["chat", "Bob", "--timeout", "soon"]] {
        assert_eq!(world.run("a", args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn help_has_examples_and_every_command() {
    let world = World::new();
    let help = stdout(&world.run("a", &["--help"]));
    for word in
        ["init", "card", "chat", "contacts", "network", "status", "version", "--json", "Examples"]
    {
        assert!(help.contains(word), "{word}");
    }
    let help = stdout(&world.run("a", &["chat", "--help"]));
    for word in ["--leave", "--timeout", "--beyond-budget", "Examples", "--home"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(stdout(&world.run("a", &["version"])).starts_with("talaria "));
}

#[test]
fn the_network_file_can_be_followed_by_the_next_one() {
    let world = World::new();
    let card = world.init("a", "Alice");
    let shown = stdout(&world.run("a", &["network"]));
    assert!(shown.contains("test net, version 1") && shown.contains("hop 1 127.0.0.1:2 (Harry)"));

    let first = world.network("network.toml", 2000);
    let mut terms = first.next_terms();
    terms.entry.address = "127.0.0.1:9".to_owned();
    world.sign("second.toml", terms);
    let second = world.run("a", &["network", "second.toml", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&stdout(&second)).unwrap();
    assert_eq!((&object["sequence"], &object["entry"]), (&2.into(), &"127.0.0.1:9".into()));
    assert_eq!(object["other_network"], false);
    assert_eq!(stdout(&world.run("a", &["card"])).trim(), card);

    assert_fails(&world.run("a", &["network", "network.toml"]), "version 2 is known already");
    world.network("other.toml", 3000);
    assert_fails(&world.run("a", &["network", "other.toml"]), "--switch");
    assert_eq!(stdout(&world.run("a", &["card"])).trim(), card);
    let other = world.run("a", &["network", "--switch", "other.toml"]);
    assert!(stdout(&other).contains("another network"));
    assert_ne!(stdout(&world.run("a", &["card"])).trim(), card);
    assert_eq!(world.run("a", &["network", "--switch"]).status.code(), Some(2));
}

#[test]
fn network_files_that_cannot_be_trusted_are_refused() {
    let world = World::new();
    let first = world.network("network.toml", 2000);
    let unsigned = NetworkFile::new(first.terms().clone()).unwrap().to_toml();
    std::fs::write(world.path("unsigned.toml"), unsigned).unwrap();
    let mut terms = first.terms().clone();
    terms.validity.until = UnixMillis(1_000_000_000_000);
    world.sign("expired.toml", terms.clone());
    terms.validity = Validity { from: UnixMillis(98_000_000_000_000), ..first.terms().validity };
    world.sign("early.toml", terms);
    let good = std::fs::read_to_string(world.path("network.toml")).unwrap();
    std::fs::write(world.path("changed.toml"), good.replace(":2\"", ":3\"")).unwrap();
    for (file, said) in [
        ("unsigned.toml", "not signed by Eve (entry)"),
        ("expired.toml", "it was valid until 2001-09-09T01:46:40Z; ask the operator"),
        ("early.toml", "check the clock"),
        ("changed.toml", "changed after signing"),
    ] {
        assert_fails(&world.run("a", &["init", "--network", file]), said);
        assert!(!exists(&world.path("a").join("identity.key")));
    }
}

/// Puts a contact with so many charged rounds into a home.
fn charge(home: &Path, card: &str, rounds: u64) {
    let mut home = Home::open(home).unwrap();
    let card: Card = card.parse().unwrap();
    let known = home.known_network().unwrap();
    let now = talaria_client::net::now();
    let own = home.identity().unwrap();
    let network = known.version().network;
    let contact: Contact = card.check(&own.secret, network, known.terms().period_ms, now).unwrap();
    home.remember(&contact).unwrap();
    let charged = state::Change::Charged { rounds };
    let unmet = Change::IdlePairsUnmet(3);
    home.commit(&[Change::Conversation(contact.key, charged), unmet]).unwrap();
}

#[test]
fn status_shows_the_goal_and_what_is_used_of_it() {
    let world = World::new();
    world.init("a", "Alice");
    let plain = stdout(&world.run("a", &["status"]));
    assert!(plain.contains("no noise: a removed onion tells"), "{plain}");
    assert!(!plain.contains("removing onions"), "{plain}");
    charge(&world.path("a"), &world.init("b", "Bob"), 7);
    let said = stdout(&world.run("a", &["status"]));
    assert!(said.contains("Bob\t7 charged rounds, no budget"), "{said}");
    assert!(said.contains("3 times in the newest chat"), "{said}");

    let first = world.network("network.toml", 2000);
    let mut terms = first.next_terms();
    let goal =
        NoiseGoal { epsilon_millionths: 700_000, delta_billionths: 100_000, charged_rounds: 10 };
    terms.noise = Noise { onions: 236, alpha_tenths: 40, goal: Some(goal) };
    world.sign("second.toml", terms);
    assert!(world.run("a", &["network", "second.toml"]).status.success());
    let said = stdout(&world.run("a", &["status"]));
    assert!(said.contains("10 charged rounds") && said.contains("at most 2.01 times"), "{said}");
    assert!(said.contains("Bob\t7 of 10 charged rounds (70.0 %): more than half"), "{said}");
    let object: serde_json::Value =
        serde_json::from_str(&stdout(&world.run("a", &["status", "--json"]))).unwrap();
    assert_eq!((&object["charged_rounds"], &object["noise_onions"]), (&10.into(), &236.into()));
    assert_eq!((&object["epsilon"], &object["delta"]), (&0.7.into(), &1e-4.into()));
    assert_eq!(object["idle_pairs_unmet"], 3);
    let expected = serde_json::json!([
        {"name": "Bob", "charged": 7, "budget": 10, "share": 0.7, "state": "half"}
    ]);
    assert_eq!(object["contacts"], expected);
}

#[test]
fn the_key_is_on_no_output() {
    let world = World::new();
    world.init("a", "Alice");
    let key = std::fs::read_to_string(world.path("a").join("identity.key")).unwrap();
    for args in [&["card"][..], &["contacts"], &["--json", "card"]] {
        let output = world.run("a", args);
        assert!(!stdout(&output).contains(key.trim()) && !stderr(&output).contains(key.trim()));
    }
}
