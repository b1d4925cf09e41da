//! `talariad probe` on a running chain: the link that is broken is the one that it names.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;
use talaria_tests::real::{LIMIT, Running, command, free_ports, run};

const ROLES: [&str; 4] = ["hop-1", "hop-2", "hop-3", "entry"];
const ENTRY: usize = 3;

struct Chain {
    folder: tempfile::TempDir,
    processes: Vec<Option<Running>>,
}

impl Chain {
    /// A chain whose servers do not run yet.
    fn prepare(port: u16) -> Self {
        let chain = Self { folder: tempfile::tempdir().unwrap(), processes: vec![] };
        let listen = format!("127.0.0.1:{port}");
        let init = ["init", "--period", "200ms", "--noise-onions", "20", "--data", "."];
        chain.talariad(&[&init[..], &["--listen", &listen]].concat());
        Self { processes: ROLES.map(|_| None).into(), ..chain }
    }

    fn start() -> Self {
        let mut chain = Self::prepare(free_ports(5));
        (0..ROLES.len()).for_each(|role| chain.start_role(role));
        chain.wait_for_rounds();
        chain
    }

    fn start_role(&mut self, role: usize) {
        let config = self.config(role);
        let mut start = command("talariad");
        let mut running = Running::start(start.args(["run", "--json", "--config"]).arg(config));
        running.wait_for_event("ready");
        self.processes[role] = Some(running);
    }

    fn restart_role(&mut self, role: usize) {
        self.kill(role);
        self.start_role(role);
    }

    fn kill(&mut self, role: usize) {
        self.processes[role].take().unwrap().kill();
    }

    /// Until one has come back from the whole chain.
    fn wait_for_rounds(&mut self) {
        let entry = self.processes[ENTRY].as_mut().unwrap();
        while entry.wait_for_event("round").get("reason").is_some() {}
    }

    fn config(&self, role: usize) -> PathBuf {
        self.folder.path().join(format!("{}.toml", ROLES[role]))
    }

    fn talariad(&self, arguments: &[&str]) {
        let mut command = command("talariad");
        let (status, _, errors) = run(command.current_dir(&self.folder).args(arguments));
        assert!(status.success(), "{errors}");
    }

    fn probe_text(&self, role: usize) -> (Option<i32>, String, String) {
        let mut probe = command("talariad");
        let (status, output, errors) =
            run(probe.args(["probe", "--config"]).arg(self.config(role)));
        (status.code(), output, errors)
    }

    /// One probe, as an object.
    fn probe(&self, role: usize) -> Value {
        let mut probe = command("talariad");
        probe.args(["probe", "--json", "--timeout", "20s", "--config"]).arg(self.config(role));
        let (status, output, _) = run(&mut probe);
        let object: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(object["event"], "probe");
        assert_eq!(status.code(), Some(i32::from(object["ok"] != true)), "{object}");
        object
    }

    /// Probes from the entry until the link `subject` is in `state`: its neighbours notice what has
    /// become of it only when they try again. Gives the check of the link.
    fn fault(&self, subject: &str, state: &str) -> Value {
        let until = Instant::now() + LIMIT;
        loop {
            let object = self.probe(ENTRY);
            let checks = object["checks"].as_array().unwrap();
            let check = checks.iter().find(|check| check["subject"] == subject).unwrap();
            if object["at_fault"] == subject && check["state"] == state {
                return check.clone();
            }
            assert!(Instant::now() < until, "{subject} is not {state}: {object}");
        }
    }
}

fn verdicts<'a>(object: &'a Value) -> Vec<(&'a str, &'a str)> {
    let checks = object["checks"].as_array().unwrap();
    let text = |value: &'a Value| value.as_str().unwrap();
    checks.iter().map(|check| (text(&check["subject"]), text(&check["verdict"]))).collect()
}

#[test]
fn a_whole_chain_is_well_and_rounds_go_on_beside_the_probes() {
    let mut chain = Chain::start();
    let object = chain.probe(ENTRY);
    let links = ["entry → hop 1", "hop 1 → hop 2", "hop 2 → hop 3"];
    let subjects = ["configuration", "entry"].into_iter().chain(links);
    let expected: Vec<_> = subjects.map(|subject| (subject, "ok")).collect();
    assert_eq!((verdicts(&object), &object["at_fault"]), (expected, &Value::Null));
    for link in &object["checks"].as_array().unwrap()[2..] {
        assert!(link["round_trip_ms"].as_f64().unwrap() > 0.0, "{link}");
        assert!(link["round"].as_u64().unwrap() > 0 && link["sequence"] == 1, "{link}");
        assert_eq!(
            (&link["program"], &link["state"]),
            (&env!("CARGO_PKG_VERSION").into(), &"Up".into())
        );
    }
    let (code, text, _) = chain.probe_text(ENTRY);
    assert_eq!(code, Some(0));
    assert!(text.contains("ok       hop 2 → hop 3") && text.ends_with("All is well.\n"), "{text}");
    // A hop sees what is behind it, the last one only itself.
    let object = chain.probe(1);
    let expected = [("configuration", "ok"), ("hop 2", "ok"), ("hop 2 → hop 3", "ok")];
    assert_eq!(verdicts(&object), expected);
    assert_eq!(verdicts(&chain.probe(2)), [("configuration", "ok"), ("hop 3", "ok")]);

    let entry = chain.processes[ENTRY].as_mut().unwrap();
    entry.kill();
    let printed = entry.printed.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rounds: Vec<_> = printed.filter(|object| object["event"] == "round").collect();
    let first = rounds.iter().position(|round| round.get("reason").is_none()).unwrap();
    assert!(rounds[first..].iter().all(|round| round.get("reason").is_none()), "{rounds:?}");
}

#[test]
fn a_server_that_is_gone_is_named() {
    let mut chain = Chain::start();
    chain.kill(1);
    let check = chain.fault("hop 1 → hop 2", "NobodyListens");
    assert!(check["advice"].as_str().unwrap().contains("starts talariad"), "{check}");
    let (code, text, errors) = chain.probe_text(ENTRY);
    assert_eq!((code, errors.as_str()), (Some(1), "error: hop 1 → hop 2 is at fault\n"));
    assert!(text.contains("FAULT    hop 1 → hop 2") && text.contains("unknown  hop 2 → hop 3"));
    // Its operator sees that it is this one.
    assert_eq!(chain.probe(1)["at_fault"], "hop 2");

    chain.start_role(1);
    chain.wait_for_rounds();
    chain.kill(ENTRY);
    let object = chain.probe(ENTRY);
    assert_eq!(
        (&object["at_fault"], verdicts(&object)[2]),
        (&"entry".into(), ("entry → hop 1", "ok"))
    );
}

#[test]
fn a_server_with_another_key_or_address_is_named() {
    let port = free_ports(5);
    let mut chain = Chain::prepare(port);
    let mut strangers = Chain::prepare(port);
    (0..ROLES.len()).for_each(|role| chain.start_role(role));
    chain.wait_for_rounds();

    chain.kill(1);
    strangers.start_role(1);
    chain.fault("hop 1 → hop 2", "AnotherKey");
    assert_eq!(chain.probe(1)["at_fault"], "hop 2");
    chain.kill(0);
    strangers.start_role(0);
    let check = chain.fault("entry → hop 1", "AnotherKey");
    assert!(check["finding"].as_str().unwrap().contains("nobody's in the network file"), "{check}");
    strangers.kill(0);
    strangers.kill(1);
    chain.start_role(0);
    chain.start_role(1);

    chain.kill(2);
    let config = fs::read_to_string(chain.config(2)).unwrap();
    let elsewhere = format!("127.0.0.1:{}", free_ports(1));
    let moved = config.replace(&format!("127.0.0.1:{}", port + 4), &elsewhere);
    assert_ne!(moved, config);
    fs::write(chain.config(2), moved).unwrap();
    chain.start_role(2);
    let check = chain.fault("hop 2 → hop 3", "NobodyListens");
    assert!(check["finding"].as_str().unwrap().contains(&format!("127.0.0.1:{}", port + 4)));
}

#[test]
fn a_server_with_an_older_network_file_is_named() {
    let mut chain = Chain::start();
    chain.talariad(&[
        "network",
        "next",
        "network.toml",
        "--valid-for",
        "20d",
        "--out",
        "next.toml",
    ]);
    for role in ROLES {
        let key = format!("{role}/identity.key");
        let previous = ["--previous", "network.toml", "--yes", "--key", &key];
        chain.talariad(&[&["network", "sign", "next.toml"], &previous[..]].concat());
    }
    fs::rename(chain.folder.path().join("next.toml"), chain.folder.path().join("network.toml"))
        .unwrap();
    let object = chain.probe(ENTRY);
    assert_eq!(object["at_fault"], "entry", "it has not been restarted: {object}");
    for role in [0, 1, ENTRY] {
        chain.restart_role(role);
    }
    let check = chain.fault("hop 2 → hop 3", "Behind");
    assert!(check["finding"].as_str().unwrap().contains("older network file"), "{check}");
}

#[test]
fn wrong_usage_and_a_configuration_that_cannot_be_used_are_told_apart() {
    let chain = Chain::prepare(free_ports(5));
    let code = |arguments: &[&str]| run(command("talariad").args(arguments)).0.code();
    assert_eq!(code(&["probe"]), Some(2));
    assert_eq!(code(&["probe", "--config", "x", "--timeout", "10"]), Some(2));
    fs::remove_file(chain.folder.path().join("network.toml")).unwrap();
    let object = chain.probe(ENTRY);
    assert_eq!(verdicts(&object), [("configuration", "fault")]);
    assert!(object["checks"][0]["finding"].as_str().unwrap().contains("network.toml"));
}
