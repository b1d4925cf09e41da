//! The chain as four processes, and what happens when any one of them is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use talaria_tests::real::{Running, chat, command, free_ports, make_client, run};
use talaria_wire::params::PROTOCOL_VERSION;

struct Chain {
    folder: tempfile::TempDir,
    processes: Vec<Running>,
}

const ROLES: [&str; 4] = ["hop-1", "hop-2", "hop-3", "entry"];

impl Chain {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_ports(5);
        let mut init = command("talariad");
        init.args([
            "init",
            "--noise-onions",
            "20",
            "--period",
            "100ms",
            "--listen",
            &format!("127.0.0.1:{port}"),
        ]);
        let (status, _, errors) = run(init.arg("--data").arg(folder.path().join("data")));
        assert!(status.success(), "{errors}");
        let mut chain = Self { folder, processes: Vec::new() };
        chain.processes = (0..4).map(|role| chain.start_role(role)).collect();
        chain
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn start_role(&self, role: usize) -> Running {
        let config = self.data().join(format!("{}.toml", ROLES[role]));
        let mut running =
            Running::start(command("talariad").args(["run", "--json", "--config"]).arg(config));
        running.wait_for_event("ready");
        running
    }

    fn client(&self, name: &str) -> (PathBuf, String) {
        let home = self.folder.path().join(name);
        let name = make_client(&home, name, &self.data().join("network.toml"));
        (home, name)
    }
}

fn lines(of: &str) -> String {
    (0..200).map(|i| format!("line {i} of {of}\n")).collect()
}

fn start_chat(home: &Path, name: &str, own: &str) -> Running {
    let mut running = Running::start(chat(home, name).stderr(Stdio::null()));
    running.feed(&lines(own));
    running
}

#[test]
fn any_process_may_be_killed_in_the_middle_of_a_conversation() {
    let mut chain = Chain::start();
    let (alice, alice_name) = chain.client("alice");
    let (bob, bob_name) = chain.client("bob");
    let mut a = start_chat(&alice, &bob_name, "alice");
    let mut b = start_chat(&bob, &alice_name, "bob");
    for role in 0..4 {
        a.wait_for_lines(30 + 35 * role);
        chain.processes[role].kill();
        chain.processes[role] = chain.start_role(role);
    }
    assert!(a.wait().success() && b.wait().success());
    for (running, from) in [(&a, "bob"), (&b, "alice")] {
        let expected: Vec<_> = lines(from).lines().map(|line| format!("{from}: {line}")).collect();
        assert_eq!(running.printed, expected);
    }
}

#[test]
fn every_role_ends_in_order() {
    let mut chain = Chain::start();
    chain.processes[3].wait_for_event("round");
    for role in (0..4).rev() {
        chain.processes[role].signal("TERM");
        assert_eq!(chain.processes[role].wait().code(), Some(0), "{}", ROLES[role]);
    }
}

#[test]
fn a_hop_ends_in_order_while_the_servers_before_it_go_on() {
    let mut chain = Chain::start();
    chain.processes[3].wait_for_event("round");
    for role in [1, 0, 2, 3] {
        chain.processes[role].signal("TERM");
        assert_eq!(chain.processes[role].wait().code(), Some(0), "{}", ROLES[role]);
    }
}

#[test]
fn configurations_are_checked_and_mistakes_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let init = |arguments: &[&str]| {
        run(command("talariad").arg("init").arg("--data").arg(&data).args(arguments))
    };
    assert!(init(&["--listen", "127.0.0.1:0"]).2.contains("needs a port"));
    assert!(init(&["--hops", "0"]).2.contains("1..=16"));
    assert!(init(&["--period", "1"]).2.contains("such as 2s or 250ms"));
    let (status, output, _) = init(&[]);
    assert!(status.success() && output.contains("hop-3.toml") && output.contains("entry.toml"));
    assert!(init(&[]).2.contains("is there already"));

    let check = |file: &Path| run(command("talariad").arg("check-config").arg(file));
    let entry = data.join("entry.toml");
    let (status, output, _) = check(&entry);
    assert!(status.success() && output.contains("entry for clients on 127.0.0.1:7400"));
    let good = fs::read_to_string(&entry).unwrap();
    for (from, to, message) in [
        ("listen =", "lisen =", "unknown field `lisen`"),
        ("entry/identity.key", "hop-1/identity.key", "is not the key that the network file names"),
        ("entry/tls.key", "entry/tsl.key", "cannot read"),
        ("entry/tls.key", "network.toml", "does not hold a key"),
        ("network.toml", "missing.toml", "missing.toml"),
    ] {
        fs::write(&entry, good.replacen(from, to, 1)).unwrap();
        let (status, _, errors) = check(&entry);
        assert_eq!(status.code(), Some(1));
        assert!(errors.starts_with("error: ") && errors.contains(message), "{errors}");
    }
    fs::write(&entry, "network = \"network.toml\"").unwrap();
    assert!(check(&entry).2.contains("names no role"));
}

#[test]
fn versions_are_told() {
    let (status, output, _) = run(command("talariad").arg("version"));
    assert!(status.success() && output.contains(&format!("protocol {PROTOCOL_VERSION}")));
    let (_, output, _) = run(command("talariad").args(["version", "--json"]));
    assert!(output.starts_with("{\"event\":\"version\""));
}
