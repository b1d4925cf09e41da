//! Output that nobody reads, and signals that end nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use talaria_tests::real::{Running, chat, command, free_ports, make_client, run};

/// What a pipe holds before whoever writes has to wait.
const PIPE: usize = 64 * 1024;

fn up(folder: &Path, port: u16) -> Command {
    let mut up = command("talariad");
    let listen = format!("127.0.0.1:{port}");
    up.args(["up", "--noise-onions", "8", "--period", "100ms", "--json", "--listen", &listen]);
    up.arg("--data").arg(folder.join("net"));
    up
}

/// Two people say something to each other, for which rounds have to run.
fn talk(folder: &Path, network: &Path) {
    let [alice, bob] = ["alice", "bob"].map(|name| {
        let home = folder.join(name);
        assert_eq!(make_client(&home, name, network), name);
        home
    });
    let mut a = Running::start(&mut chat(&alice, "bob"));
    let mut b = Running::start(&mut chat(&bob, "alice"));
    a.feed("hello\n");
    b.feed("hello\n");
    assert!(a.wait().success() && b.wait().success());
    assert_eq!(a.printed, ["bob: hello"]);
}

fn network_file(folder: &Path) -> PathBuf {
    let file = folder.join("net/network.toml");
    while !file.exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    file
}

#[test]
fn a_reader_that_stalls_and_one_that_is_gone_stop_no_round_and_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_stalled, mut out) = io::pipe().unwrap();
    out.write_all(&[b'\n'; PIPE]).unwrap();
    let (gone, log) = io::pipe().unwrap();
    drop(gone);
    let mut server = up(folder.path(), free_ports(5));
    let server = server.env("TALARIA_LOG", "debug").stdin(Stdio::null()).stdout(out).stderr(log);
    let mut server = Ends(server.spawn().unwrap());
    talk(folder.path(), &network_file(folder.path()));
    assert!(server.0.try_wait().unwrap().is_none());
    let id = server.0.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

/// Killed when dropped.
struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_in_a_file_has_no_colours() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut server = up(folder.path(), 0);
    let log = File::create(&path).unwrap();
    let mut server = Running::start(server.env("TALARIA_LOG", "info").stderr(log));
    server.wait_for_event("round");
    server.signal("TERM");
    assert!(server.wait().success());
    let log = fs::read_to_string(&path).unwrap();
    assert!(log.contains("entry ready") && !log.contains('\x1b'), "{log}");
}

#[test]
fn hanging_up_ends_nothing_and_has_files_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("net");
    let listen = format!("127.0.0.1:{}", free_ports(5));
    let mut init = command("talariad");
    init.args(["init", "--hops", "1", "--noise-onions", "8", "--period", "100ms"]);
    let (status, _, errors) = run(init.args(["--listen", &listen]).arg("--data").arg(&data));
    assert!(status.success(), "{errors}");
    let path = folder.path().join("log");
    let start = |role: &str, log: File| {
        let config = data.join(role).with_extension("toml");
        let mut server = command("talariad");
        server.args(["run", "--json", "--config"]).arg(config).stderr(log);
        let mut running = Running::start(&mut server);
        running.wait_for_event("ready");
        running
    };
    let mut hop = start("hop-1", File::create(folder.path().join("hop-log")).unwrap());
    let mut entry = start("entry", File::create(&path).unwrap());
    entry.wait_for_event("round");
    for running in [&mut hop, &mut entry] {
        running.signal("HUP");
        running.wait_for_event("reloaded");
    }
    let config = data.join("entry.toml");
    let good = fs::read_to_string(&config).unwrap();

    fs::write(&config, format!("lgo = \"info\"\n{good}")).unwrap();
    entry.signal("HUP");
    let told = "nothing is read again";
    while !fs::read_to_string(&path).unwrap().contains(told) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    entry.wait_for_event("round");

    fs::write(&config, format!("log = \"info\"\n{good}\n[limits]\nmax_clients = 50\n")).unwrap();
    entry.signal("HUP");
    entry.wait_for_event("ready");
    talk(folder.path(), &data.join("network.toml"));
    assert!(fs::read_to_string(&path).unwrap().contains("INFO"), "the filter is the new one");
    for running in [&mut entry, &mut hop] {
        running.signal("TERM");
        assert_eq!(running.wait().code(), Some(0));
    }
}
