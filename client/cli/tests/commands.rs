//! The program as a shell sees it, with an identity service that is only as good as it has to be.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests and benchmarks touch the world"
)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use talaria_client::Change;
use talaria_client::conversation::state::{self, Outgoing, Said, SaidText, Text};
use talaria_opaque::{Password, Stretch};
use talaria_store::{AccountFile, Home};
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::Cause;
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, Known, NetworkFile, Noise, NoiseGoal, Terms, Validity,
};
use talaria_wire::peer_message::MessageId;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use talaria_daemon as net;
use talaria_fixtures::listener;
use talaria_fixtures::service::Service;

const PASSWORD: &str = "correct horse battery staple orbit";

/// A network with an identity service and without an entry, and room for homes.
struct World {
    dir: TempDir,
    service: listener::Shared,
    address: String,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let service = Arc::new(Mutex::new(Service::new(1)));
        service.lock().unwrap().now_s = net::now().0 / 1000 - 100;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(listener::serve(service.clone(), listener));
        let world = Self { dir: TempDir::new().unwrap(), service, address, runtime };
        let network = world.network("network.toml", 2000).version().network;
        world.service.lock().unwrap().network = network;
        std::fs::write(world.path("password"), PASSWORD).unwrap();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn network(&self, name: &str, period_ms: u64) -> Known {
        let [entry, hop] = keys().map(|key| *key.public());
        let (ca, key) = {
            let service = self.service.lock().unwrap();
            (service.ca(), *service.head_key.public())
        };
        let entry = EntryInfo {
            operator: "Eve".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            identity: entry,
            ca,
        };
        let hop = HopInfo {
            operator: "Harry".to_owned(),
            address: "127.0.0.1:2".to_owned(),
            identity: hop,
        };
        let identity = IdentityInfo { address: self.address.clone(), key };
        let validity = Validity { from: UnixMillis(0), until: UnixMillis(99_000_000_000_000) };
        let mut terms = Terms::first("test net", validity, entry, identity, vec![hop]);
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

    fn run_with(&self, home: &str, password: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_talaria"))
            .current_dir(self.dir.path())
            .env("TALARIA_HOME", self.path(home))
            .env("TALARIA_PASSWORD_FILE", self.path(password))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn run(&self, home: &str, args: &[&str]) -> Output {
        self.run_with(home, "password", args)
    }

    fn ok(&self, home: &str, args: &[&str]) -> String {
        let done = self.run(home, args);
        assert!(done.status.success(), "{args:?}: {}", stderr(&done));
        stdout(&done)
    }

    fn json(&self, home: &str, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.ok(home, &[args, &["--json"]].concat())).unwrap()
    }

    fn register(&self, home: &str, name: &str) {
        self.ok(home, &["register", name, "--network", "network.toml"]);
    }

    /// The home itself, as the program sees it.
    fn home(&self, home: &str) -> Home {
        let password = Password::new(PASSWORD.to_owned()).unwrap();
        let dir = self.path(home);
        let mut rng = rand::rngs::StdRng::from_seed([1; 32]);
        let opening = net::account::Unlocked::open(&dir, password, Stretch::STRONG, &mut rng);
        Home::open(&dir, &self.runtime.block_on(opening).unwrap().key).unwrap()
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
fn whoever_registers_can_log_in_elsewhere_and_the_old_home_is_told() {
    let world = World::new();
    let args = ["register", "Alice", "--network", "network.toml", "--json"];
    let made: serde_json::Value = serde_json::from_str(&world.ok("a", &args)).unwrap();
    assert_eq!((&made["name"], &made["network"]), (&"alice".into(), &"test net".into()));
    let who = world.json("a", &["whoami"]);
    assert_eq!((&who["key"], &who["directory_entries"]), (&made["key"], &1.into()));
    assert_fails(&world.run("a", &["register", "alice"]), "not replaced");
    let taken = world.run("b", &["register", "alice", "--network", "network.toml"]);
    assert_fails(&taken, "taken");
    assert!(!exists(&world.path("b").join("account.toml")));

    world.service.lock().unwrap().now_s += 10;
    let elsewhere = world.json("b", &["login", "alice", "--network", "network.toml"]);
    assert_eq!(elsewhere["key"], made["key"]);
    assert_fails(&world.run("a", &["chat", "bob"]), "goes on in another home");
    let warned = world.run("a", &["whoami"]);
    assert!(warned.status.success() && stderr(&warned).contains("goes on in another home"));
    let who = world.ok("b", &["whoami"]);
    assert!(who.contains("alice in network test net") && who.contains("2090-"), "{who}");
}

#[test]
fn wrong_passwords_and_unknown_names_are_alike_and_weak_ones_need_force() {
    let world = World::new();
    std::fs::write(world.path("weak"), "hunter2").unwrap();
    let args = ["register", "alice", "--network", "network.toml"];
    assert_fails(&world.run_with("a", "weak", &args), "--force");
    let forced = world.run_with("a", "weak", &[&args[..], &["--force"]].concat());
    assert!(forced.status.success(), "{}", stderr(&forced));
    let login = |name| world.run("b", &["login", name, "--network", "network.toml"]);
    assert_eq!(stderr(&login("alice")), stderr(&login("mallory")));
    assert_fails(&login("alice"), "the name or the password is wrong");
    assert_fails(&world.run("a", &["whoami"]), "the name or the password is wrong");
    assert_fails(&world.run_with("a", "nowhere", &["whoami"]), "nowhere");
    let asked = Command::new(env!("CARGO_BIN_EXE_talaria"))
        .args(["whoami", "--home"])
        .arg(world.path("a"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_fails(&asked, "--password-file");
}

#[test]
fn a_password_can_come_from_a_descriptor_and_be_changed() {
    let world = World::new();
    world.register("a", "alice");
    let new = "another horse with 7 better batteries";
    std::fs::write(world.path("new"), new).unwrap();
    world.ok("a", &["password", "--new-password-file", "new"]);
    assert_fails(&world.run("a", &["whoami"]), "password is wrong");
    let shell = format!(
        "exec \"$0\" whoami --home '{}' --password-fd 7 7< '{}'",
        world.path("a").display(),
        world.path("new").display()
    );
    let args = ["-c", &shell, env!("CARGO_BIN_EXE_talaria")];
    let who = Command::new("sh").args(args).stdin(Stdio::null()).output().unwrap();
    assert!(stdout(&who).contains("alice in network"), "{}", stderr(&who));
}

#[test]
fn people_are_met_by_name_and_compared() {
    let world = World::new();
    world.register("a", "alice");
    assert_fails(&world.run("a", &["chat", "bob"]), "nobody called `bob`");
    assert_fails(&world.run("a", &["verify", "alice"]), "is you");
    world.register("b", "bob");
    let seen = world.json("a", &["verify", "bob"]);
    assert_eq!(seen["trust"], "new");
    assert_eq!(seen["safety_number"].as_str().unwrap().len(), 60);
    assert_eq!(seen["safety_number"], world.json("b", &["verify", "alice"])["safety_number"]);
    let shown = world.ok("a", &["verify", "bob", "--mark"]);
    assert!(shown.contains("bob is verified now") && shown.contains('\u{2580}'), "{shown}");
    assert_eq!(world.ok("a", &["contacts"]), "bob\tverified\n");

    let key = world.json("b", &["key", "rotate"])["key"].clone();
    assert_eq!(world.json("b", &["whoami"])["key"], key);
    assert_eq!(world.json("a", &["contacts"])["trust"], "changed");
    assert_fails(&world.run("a", &["chat", "bob"]), "--accept");
    let shown = world.run("a", &["verify", "bob", "--mark"]);
    assert_fails(&shown, "--accept");
    let shown = world.ok("a", &["verify", "bob", "--accept"]);
    assert!(shown.contains("WARNING") && shown.contains("bob is unverified now"), "{shown}");
    assert_ne!(world.json("a", &["verify", "bob"])["safety_number"], seen["safety_number"]);
}

#[test]
fn who_logs_out_is_told_what_is_lost() {
    let world = World::new();
    world.register("a", "alice");
    world.register("b", "bob");
    world.ok("a", &["verify", "bob", "--mark"]);
    let mut home = world.home("a");
    let bob = home.meet(&UserName::new("bob").unwrap(), net::now()).unwrap().contact;
    let said = Said::Text(SaidText { id: MessageId(0), text: Text::new("x").unwrap(), sent_ms: 1 });
    let queued = state::Change::Queued(Outgoing { first_seq: 0, what: said });
    home.commit(&[Change::Conversation(bob.key, queued)]).unwrap();
    assert_fails(&world.run("a", &["logout", "--yes"]), "another talaria");
    drop(home);
    let unsure = world.run("a", &["logout"]);
    assert_eq!(unsure.status.code(), Some(1));
    assert!(stderr(&unsure).contains("add --yes"), "{}", stderr(&unsure));
    let out = world.run("a", &["logout", "--yes", "--json"]);
    assert!(stderr(&out).contains("1 texts to bob are not delivered"), "{}", stderr(&out));
    let object: serde_json::Value = serde_json::from_str(&stdout(&out)).unwrap();
    assert_eq!(object["undelivered"], serde_json::json!([{"name": "bob", "texts": 1}]));
    assert_fails(&world.run("a", &["whoami"]), "talaria register");
    // The home still knows its network.
    world.ok("a", &["login", "alice"]);
}

#[test]
fn json_errors_are_one_object_a_line() {
    let world = World::new();
    let failed = world.run("b", &["whoami", "--json"]);
    assert_fails(&failed, "talaria register");
    let event: serde_json::Value = serde_json::from_str(&stdout(&failed)).unwrap();
    assert_eq!((&event["event"], &event["fatal"]), (&"error".into(), &true.into()));
}

#[test]
fn mistakes_are_explained() {
    let world = World::new();
    assert_fails(&world.run("a", &["register", "alice"]), "add --network FILE");
    let missing = world.run("a", &["register", "alice", "--network", "nowhere.toml"]);
    assert_fails(&missing, "nowhere.toml");
    std::fs::write(world.path("bad.toml"), "colour = 3").unwrap();
    assert_fails(&world.run("a", &["login", "alice", "--network", "bad.toml"]), "bad.toml");
    assert!(!exists(&world.path("a").join("account.toml")));
    std::fs::create_dir_all(world.path("old")).unwrap();
    std::fs::write(world.path("old").join("identity.key"), "00").unwrap();
    assert_fails(&world.run("old", &["contacts"]), "older version");

    let first = world.network("network.toml", 2000);
    let mut terms = first.terms().clone();
    terms.identity.address = "127.0.0.1:1".to_owned();
    world.sign("down.toml", terms);
    let down = world.run("a", &["register", "alice", "--network", "down.toml"]);
    assert_fails(&down, "ask the operator whether the service runs");
}

#[test]
fn wrong_command_lines_have_their_own_exit_code() {
    let world = World::new();
    for args in [
        &["fly"][..],
        &[],
        &["register"],
        &["register", "a b"],
        &["key"],
        &["verify", "bob", "--mark", "--accept"],
        &["chat", "bob", "--timeout", "soon"],
    ] {
        assert_eq!(world.run("a", args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn help_has_examples_and_every_command() {
    let world = World::new();
    let help = stdout(&world.run("a", &["--help"]));
    for word in [
        "register",
        "login",
        "logout",
        "password",
        "whoami",
        "key",
        "verify",
        "chat",
        "contacts",
        "network",
        "status",
        "version",
        "--json",
        "--password-file",
        "--password-fd",
        "Examples",
    ] {
        assert!(help.contains(word), "{word}");
    }
    let help = stdout(&world.run("a", &["chat", "--help"]));
    for word in ["--leave", "--timeout", "--beyond-budget", "Examples", "--home"] {
        assert!(help.contains(word), "{word}");
    }
    let help = stdout(&world.run("a", &["register", "--help"]));
    for word in ["--token", "--force", "--network", "Examples"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(stdout(&world.run("a", &["version"])).starts_with("talaria "));
}

#[test]
fn the_network_file_can_be_followed_by_the_next_one() {
    let world = World::new();
    world.register("a", "alice");
    let shown = world.ok("a", &["network"]);
    assert!(shown.contains("test net, version 1") && shown.contains("hop 1 127.0.0.1:2 (Harry)"));
    assert!(shown.contains(&format!("identity service {}", world.address)));

    let first = world.network("network.toml", 2000);
    let mut terms = first.next_terms();
    terms.entry.address = "127.0.0.1:9".to_owned();
    world.sign("second.toml", terms);
    let object = world.json("a", &["network", "second.toml"]);
    assert_eq!((&object["sequence"], &object["entry"]), (&2.into(), &"127.0.0.1:9".into()));
    assert_fails(&world.run("a", &["network", "network.toml"]), "version 2 is known already");
    world.network("other.toml", 3000);
    assert_fails(&world.run("a", &["network", "other.toml"]), "another --home");
    world.ok("a", &["whoami"]);
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
        assert_fails(&world.run("a", &["register", "alice", "--network", file]), said);
        assert!(!exists(&world.path("a").join("account.toml")));
    }
}

#[test]
fn status_shows_the_goal_and_what_is_used_of_it() {
    let world = World::new();
    world.register("a", "alice");
    let plain = world.ok("a", &["status"]);
    assert!(plain.contains("no noise: a removed onion tells"), "{plain}");
    assert!(!plain.contains("removing onions"), "{plain}");
    world.register("b", "bob");
    world.ok("a", &["verify", "bob", "--mark"]);
    let mut home = world.home("a");
    let bob = home.meet(&UserName::new("bob").unwrap(), net::now()).unwrap().contact;
    let charged = state::Change::Charged { rounds: 7, at: None };
    let unmet = Change::IdlePairsUnmet(3);
    home.commit(&[Change::Conversation(bob.key, charged), unmet]).unwrap();
    drop(home);
    let said = world.ok("a", &["status"]);
    assert!(said.contains("bob\t7 charged rounds, no budget"), "{said}");
    assert!(said.contains("3 times in the newest chat"), "{said}");

    let first = world.network("network.toml", 2000);
    let mut terms = first.next_terms();
    let goal =
        NoiseGoal { epsilon_millionths: 700_000, delta_billionths: 100_000, charged_rounds: 20 };
    terms.noise = Noise { onions: 236, alpha_tenths: 40, goal: Some(goal) };
    world.sign("second.toml", terms);
    world.ok("a", &["network", "second.toml"]);
    let said = world.ok("a", &["status"]);
    assert!(said.contains("20 charged rounds") && said.contains("at most 2.01 times"), "{said}");
    assert!(said.contains("bob\t7 of 10 charged rounds (70.0 %): more than half"), "{said}");
    let object = world.json("a", &["status"]);
    assert_eq!((&object["charged_rounds"], &object["noise_onions"]), (&20.into(), &236.into()));
    assert_eq!((&object["epsilon"], &object["delta"]), (&0.7.into(), &1e-4.into()));
    assert_eq!(object["idle_pairs_unmet"], 3);
    let expected = serde_json::json!([
        {"name": "bob", "charged": 7, "budget": 10, "share": 0.7, "state": "half"}
    ]);
    assert_eq!(object["contacts"], expected);
    assert_eq!(object["earlier_homes"], false);

    // Another home goes on with what this one has used.
    world.ok("a", &["key", "rotate"]);
    world.service.lock().unwrap().now_s += 10;
    world.ok("c", &["login", "alice", "--network", "second.toml"]);
    world.ok("c", &["verify", "bob", "--mark"]);
    let object = world.json("c", &["status"]);
    assert_eq!((&object["contacts"], &object["earlier_homes"]), (&expected, &false.into()));

    // A service that has no record leaves it without, and it says so.
    let alice = UserName::new("alice").unwrap();
    *world.service.lock().unwrap().ledger(&alice) = (0, Vec::new());
    world.service.lock().unwrap().now_s += 10;
    world.ok("d", &["login", "alice", "--network", "second.toml"]);
    assert!(world.ok("d", &["status"]).contains("may be used up than is shown"));
    assert_eq!(world.json("d", &["status"])["earlier_homes"], true);
}

#[test]
fn password_and_private_key_are_in_no_file_and_on_no_output() {
    let world = World::new();
    world.register("a", "alice");
    let secret = world.home("a").identity().unwrap().secret.to_bytes();
    let wrapped = AccountFile::read(&world.path("a")).unwrap().wrapped;
    assert_eq!((wrapped.len(), wrapped[0].len()), (1, 80));
    let mut seen: Vec<(String, Vec<u8>)> = Vec::new();
    for args in [&["whoami"][..], &["contacts"], &["--json", "whoami"], &["network"]] {
        let output = world.run("a", args);
        seen.push((format!("{args:?}"), [output.stdout, output.stderr].concat()));
    }
    for entry in std::fs::read_dir(world.path("a")).unwrap() {
        let path = entry.unwrap().path();
        seen.push((path.display().to_string(), std::fs::read(path).unwrap()));
    }
    assert!(seen.len() >= 7);
    let hidden = [PASSWORD.as_bytes().to_vec(), secret.to_vec(), hex::encode(*secret).into()];
    for (place, bytes) in seen {
        for hidden in &hidden {
            assert!(!bytes.windows(hidden.len()).any(|part| part == *hidden), "{place}");
        }
    }
}

#[test]
fn a_disabled_name_cannot_log_in_as_itself_and_nobody_meets_it() {
    let world = World::new();
    world.register("a", "alice");
    world.register("b", "bob");
    let key = world.home("b").identity().unwrap().secret;
    let bob = UserName::new("bob").unwrap();
    world.service.lock().unwrap().enter(&bob, Cause::Disabled, &key, None);
    assert_fails(&world.run("a", &["chat", "bob"]), "takes no part");
}
