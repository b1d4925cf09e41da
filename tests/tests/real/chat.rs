//! Two people chat: the real programs, real TLS, a server that was started from nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use talaria_tests::real::{Running, chat, client, command, make_client, run};

/// A whole network in one process, in a folder of its own.
struct Network {
    folder: tempfile::TempDir,
    server: Running,
    file: PathBuf,
}

impl Network {
    fn up(period: &str) -> Self {
        Self::up_with(period, &["--noise-onions", "20"])
    }

    fn up_with(period: &str, noise: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut up = command("talariad");
        up.arg("up").args(noise);
        up.args(["--json", "--listen", "127.0.0.1:0", "--period", period, "--data"]);
        let mut server = Running::start(up.arg(folder.path().join("data")));
        let ready = server.wait_for_event("ready");
        let file = PathBuf::from(ready["network"].as_str().unwrap());
        assert!(ready["address"].as_str().unwrap().starts_with("127.0.0.1:"));
        Self { folder, server, file }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pair(&self, a: &str, b: &str) -> [(PathBuf, String); 2] {
        [a, b].map(|name| (self.home(name), make_client(&self.home(name), name, &self.file)))
    }
}

fn lines(of: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut text, i| {
        let _ = writeln!(text, "line {i} of {of}");
        text
    })
}

fn expected(of: &str, count: usize) -> Vec<String> {
    lines(of, count).lines().map(|line| format!("{of}: {line}")).collect()
}

fn chat_with_lines(home: &Path, name: &str, own: &str, count: usize) -> Running {
    let mut running = Running::start(&mut chat(home, name));
    running.feed(&lines(own, count));
    running
}

#[test]
fn two_hundred_lines_each_way_arrive_once_and_in_order() {
    let network = Network::up("100ms");
    let [(alice, alice_name), (bob, bob_name)] = network.pair("alice", "bob");
    let mut a = chat_with_lines(&alice, &bob_name, "alice", 200);
    let mut b = chat_with_lines(&bob, &alice_name, "bob", 200);
    assert!(a.wait().success() && b.wait().success());
    assert_eq!(a.printed, expected("bob", 200));
    assert_eq!(b.printed, expected("alice", 200));
}

#[test]
fn a_client_that_is_killed_goes_on_where_it_was() {
    let network = Network::up("100ms");
    let [(alice, alice_name), (bob, bob_name)] = network.pair("alice", "bob");
    let mut a = chat_with_lines(&alice, &bob_name, "alice", 200);
    let mut b = chat_with_lines(&bob, &alice_name, "bob", 200);
    a.wait_for_lines(60);
    a.kill();
    let repeated = network.home("repeated");
    let stderr = std::fs::File::create(&repeated).unwrap();
    let mut again = Running::start(chat(&alice, &bob_name).stderr(stderr));
    again.feed("");
    assert!(again.wait().success() && b.wait().success());
    // A line that was being printed in the moment of the kill comes again on standard error; it
    // hardly ever happens that it had not been printed before.
    let repeated = std::fs::read_to_string(repeated).unwrap();
    let cut_off = repeated
        .lines()
        .find(|line| line.starts_with("bob: ") && !a.printed.iter().any(|printed| printed == line));
    a.printed.extend(cut_off.map(str::to_owned));
    a.printed.append(&mut again.printed);
    assert_eq!(a.printed, expected("bob", 200));
    assert_eq!(b.printed, expected("alice", 200));
}

#[test]
fn a_server_that_is_killed_loses_nothing_of_the_conversation() {
    let mut network = Network::up("100ms");
    let [(alice, alice_name), (bob, bob_name)] = network.pair("alice", "bob");
    let mut a = chat_with_lines(&alice, &bob_name, "alice", 100);
    let mut b = chat_with_lines(&bob, &alice_name, "bob", 100);
    a.wait_for_lines(20);
    network.server.kill();
    // On other ports, as after a restart with port 0: the network file says which.
    let mut up = command("talariad");
    up.args(["up", "--noise-onions", "20", "--json", "--listen", "127.0.0.1:0", "--data"]);
    network.server = Running::start(up.arg(network.home("data")));
    assert!(a.wait().success() && b.wait().success());
    assert_eq!(a.printed, expected("bob", 100));
    assert_eq!(b.printed, expected("alice", 100));
}

#[test]
fn events_are_json_and_complete() {
    let network = Network::up("100ms");
    let [(alice, alice_name), (bob, bob_name)] = network.pair("alice", "bob");
    let mut a = Running::start(chat(&alice, &bob_name).arg("--json"));
    a.feed("hello\n");
    let mut b = Running::start(chat(&bob, &alice_name).arg("--json"));
    b.feed("");
    let message = b.wait_for_event("message");
    assert_eq!(
        (message["from"].as_str(), message["text"].as_str()),
        (Some("alice"), Some("hello"))
    );
    assert!(message["round"].is_u64() && !message["id"].is_null());
    let delivered = a.wait_for_event("delivered");
    assert!(delivered["round"].is_u64());
    for event in ["ready", "sent", "round", "partner"] {
        let of_a = a.printed.iter().map(|line| serde_json::from_str(line).unwrap());
        let found = of_a.into_iter().find(|value: &serde_json::Value| value["event"] == event);
        assert!(found.is_some(), "{event}");
        if event == "sent" {
            assert_eq!(found.unwrap()["id"], delivered["id"]);
        }
    }
    assert!(a.wait().success() && b.wait().success());
    for line in a.printed.iter().chain(&b.printed) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["event"].is_string(), "{line}");
    }
}

#[test]
fn what_cannot_be_delivered_is_kept_and_sent_next_time() {
    let network = Network::up("100ms");
    let [(alice, alice_name), (bob, bob_name)] = network.pair("alice", "bob");
    let mut a = Running::start(chat(&alice, &bob_name).args(["--timeout", "2s"]));
    a.feed("are you there?\nhello?\n");
    assert_eq!(a.wait().code(), Some(3));
    let mut a = Running::start(chat(&alice, &bob_name).arg("--leave"));
    a.feed("now?\n");
    let mut b = Running::start(&mut chat(&bob, &alice_name));
    b.feed("");
    assert!(a.wait().success() && b.wait().success());
    assert_eq!(b.printed, ["alice: are you there?", "alice: hello?", "alice: now?"]);
}

#[test]
fn the_server_ends_in_order_when_it_is_asked_to() {
    for signal in ["TERM", "INT"] {
        let mut network = Network::up("100ms");
        let [(alice, _), (_, bob_name)] = network.pair("alice", "bob");
        let mut a = Running::start(chat(&alice, &bob_name).arg("--json"));
        a.wait_for_event("round");
        network.server.signal(signal);
        assert_eq!(network.server.wait().code(), Some(0));
        let last = network.server.printed.last().unwrap();
        assert_eq!(last, "{\"event\":\"stopped\"}");
    }
}

/// Charged rounds of the conversation with the only contact, and those that there may be.
fn charged(home: &Path) -> (u64, u64) {
    let (status, output, errors) = run(client(home).args(["status", "--json"]));
    assert!(status.success(), "{errors}");
    let object: serde_json::Value = serde_json::from_str(&output).unwrap();
    let contact = &object["contacts"][0];
    (contact["charged"].as_u64().unwrap(), contact["budget"].as_u64().unwrap())
}

#[test]
fn a_login_elsewhere_goes_on_with_the_budget_of_a_home_that_was_killed() {
    let network = Network::up_with("100ms", &[]);
    let [(alice, _), _] = network.pair("alice", "bob");
    let mut waiting = Running::start(chat(&alice, "bob").arg("--json"));
    waiting.feed_and_stay("are you there?\n".to_owned());
    for _ in 0..20 {
        waiting.wait_for_event("round");
    }
    waiting.kill();
    let (used, each) = charged(&alice);
    assert!(used > 0, "nobody was there");

    let elsewhere = log_in_elsewhere(&network, "alice");
    // An eighth had been reserved, and nobody knows here how much of it was used.
    let (here, _) = charged(&elsewhere);
    assert!((each.div_ceil(8)..=used + each.div_ceil(8)).contains(&here), "{here} of {used}");
    // Who parts in good order reserves nothing.
    let mut waiting = Running::start(chat(&elsewhere, "bob").arg("--json"));
    waiting.feed_and_stay("now?\n".to_owned());
    for _ in 0..20 {
        waiting.wait_for_event("round");
    }
    waiting.signal("TERM");
    waiting.wait();
    let (there, _) = charged(&elsewhere);
    assert!(there > here);
    let third = log_in_elsewhere(&network, "alice");
    assert_eq!(charged(&third), (there, each));
}

/// Another home of this name, in which bob is a contact.
fn log_in_elsewhere(network: &Network, name: &str) -> PathBuf {
    let mut homes = 2..;
    let free = homes.find(|i| !network.home(&format!("{name}-{i}")).exists()).unwrap();
    let home = network.home(&format!("{name}-{free}"));
    let password = network.home(name).with_extension("password");
    std::fs::copy(password, home.with_extension("password")).unwrap();
    let mut login = client(&home);
    let (status, _, errors) = run(login.args(["login", name, "--network"]).arg(&network.file));
    assert!(status.success(), "{errors}");
    let (status, _, errors) = run(client(&home).args(["verify", "bob", "--mark"]));
    assert!(status.success(), "{errors}");
    home
}
