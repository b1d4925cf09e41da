//! The identity service as a process: killed while a thousand people register, and what its
//! operator can do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};
use talaria_tests::identity::{Service, User};
use talaria_tests::real::{Running, command, free_ports, run};
use talaria_wire::identity::{Refusal, Response};
use talaria_wire::network_file::Network;
use {talaria_server::files::network::read_network, talaria_server::net::clock::now};

/// Registrations at once.
const USERS: usize = 1000;
/// Registrations that are answered before the service is killed.
const BEFORE_KILL: usize = 150;

/// A network whose identity service runs alone.
struct Setting {
    folder: tempfile::TempDir,
    network: Network,
}

impl Setting {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let listen = format!("127.0.0.1:{}", free_ports(5));
        let mut init = command("talariad");
        let (status, _, errors) =
            run(init.args(["init", "--listen", &listen, "--data"]).arg(&data));
        assert!(status.success(), "{errors}");
        // The section of the entry's configuration, alone and with limits that suit a test.
        let text = fs::read_to_string(data.join("entry.toml")).unwrap();
        let (_, section) = text.split_once("[identity]").unwrap();
        let (section, _) = section.split_once("#[identity.limits]").unwrap();
        let limits = "[identity.limits]\nmax_per_address = 5000\nregistrations_per_hour = 100000\n\
            requests_per_minute = 100000\npages_per_minute = 100000\n";
        let config = format!("network = \"network.toml\"\n[identity]{section}\n{limits}");
        fs::write(data.join("identity.toml"), config).unwrap();
        let network = read_network(&data.join("network.toml"), now()).unwrap();
        Self { folder, network }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn start(&self) -> Running {
        let mut run = command("talariad");
        run.args(["run", "--json", "--config"]).arg(self.data().join("identity.toml"));
        let mut running = Running::start(&mut run);
        running.wait_for_event("ready");
        running
    }

    fn user(&self, i: usize) -> User {
        User::new(self.network.id(), &format!("person-{i}"), i as u64)
    }

    fn operate(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut operate = command("talariad");
        operate.args(arguments).arg("--data").arg(self.data());
        let (status, output, errors) = run(&mut operate);
        (status.success(), output, errors)
    }
}

/// The certificate, if the service has given one out.
fn register(service: &Service, user: &mut User) -> Option<Response> {
    let mut connection = service.connect().ok()?;
    let (registration, start) = user.register_start();
    let answer = connection.ask(&start).ok()?;
    let Some(finish) = user.register_finish(registration, &answer) else { return Some(answer) };
    connection.ask(&finish).ok()
}

fn log_in(service: &Service, user: &mut User) -> Response {
    let mut connection = service.connect().unwrap();
    let (login, start) = user.login_start();
    let answer = connection.ask(&start).unwrap();
    match user.login_finish(login, &answer) {
        Some((finish, _)) => connection.ask(&finish).unwrap(),
        None => Response::Refused { reason: Refusal::WrongNameOrPassword },
    }
}

/// Registers everybody at once, and kills the service in between; gives the certificates.
fn register_and_kill(setting: &Setting, running: &mut Running) -> BTreeMap<usize, Vec<u8>> {
    let service = Service::of(&setting.network);
    let given = Mutex::new(BTreeMap::new());
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for i in 0..USERS {
            let (service, given, answered) = (&service, &given, &answered);
            let one = thread::Builder::new().stack_size(512 * 1024);
            let registering = one.spawn_scoped(scope, move || {
                let answer = register(service, &mut setting.user(i));
                if let Some(Response::Certificate { certificate, .. }) = answer {
                    given.lock().unwrap().insert(i, certificate.into_vec());
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
            registering.unwrap();
        }
        while answered.load(Ordering::SeqCst) < BEFORE_KILL {
            thread::sleep(Duration::from_millis(1));
        }
        running.kill();
    });
    given.into_inner().unwrap()
}

#[test]
fn a_killed_service_leaves_every_name_registered_in_full_or_free() {
    let setting = Setting::new();
    let mut running = setting.start();
    let given = register_and_kill(&setting, &mut running);
    assert!((BEFORE_KILL..USERS).contains(&given.len()), "killed in the middle: {}", given.len());

    let _running = setting.start();
    let service = Service::of(&setting.network);
    let (directory, _) = service.directory().unwrap();
    for (i, certificate) in &given {
        let user = directory.user(&setting.user(*i).name).expect("who has a certificate is listed");
        assert_eq!(user.certificate_hash[..], Sha256::digest(certificate)[..]);
    }
    let (mut full, mut free) = (0, 0);
    for i in 0..USERS {
        let mut user = setting.user(i);
        if let Some(listed) = directory.user(&user.name) {
            assert_eq!(listed.key, *user.key.public());
            let answer = log_in(&service, &mut user);
            let Response::LoggedIn { certificate, .. } = answer else { panic!("{i}: {answer:?}") };
            assert_eq!(listed.certificate_hash[..], Sha256::digest(&certificate)[..]);
            full += 1;
        } else {
            let answer = register(&service, &mut user).unwrap();
            assert!(matches!(answer, Response::Certificate { .. }), "{i}: {answer:?}");
            free += 1;
        }
    }
    eprintln!("{} certificates given out, {full} names registered, {free} free", given.len());
    assert!(free > 0);
    let (after, entries) = service.directory().unwrap();
    assert_eq!((entries.len(), after.users().count()), (USERS, USERS));
}

#[test]
fn operators_work_on_the_running_service() {
    let setting = Setting::new();
    let (done, _, errors) = setting.operate(&["user", "list"]);
    assert!(!done && errors.contains("no identity service listens on"), "{errors}");
    assert!(errors.contains("identity/control.sock"), "{errors}");

    let mut running = setting.start();
    let service = Service::of(&setting.network);
    let mut alice = setting.user(1);
    register(&service, &mut alice).unwrap();
    let (_, listed, _) = setting.operate(&["user", "list"]);
    assert!(listed.starts_with("person-1 ") && listed.contains("enabled"), "{listed}");
    let (done, shown, _) = setting.operate(&["--json", "user", "disable", "PERSON-1"]);
    assert!(done && shown.contains(r#""status":"disabled""#), "{shown}");
    assert!(matches!(log_in(&service, &mut alice), Response::Refused { .. }));
    let (done, _, errors) = setting.operate(&["user", "disable", "person-1"]);
    assert!(!done && errors.contains("disabled already"), "{errors}");
    assert!(setting.operate(&["user", "enable", "person-1"]).0);
    assert!(matches!(log_in(&service, &mut alice), Response::LoggedIn { .. }));

    let (_, tokens, _) = setting.operate(&["token", "new", "--count", "3", "--expires", "7d"]);
    assert_eq!(tokens.lines().count(), 3);
    let token = tokens.split_whitespace().next().unwrap();
    assert!(setting.operate(&["token", "revoke", token]).0);
    let (_, listed, _) = setting.operate(&["--json", "token", "list"]);
    assert_eq!(listed.lines().count(), 2);
    assert!(!listed.contains(tokens.lines().nth(1).unwrap().split_whitespace().next().unwrap()));

    let file = setting.folder.path().join("users.backup");
    let file = file.to_str().unwrap();
    let (done, output, errors) = setting.operate(&["backup", file]);
    assert!(done && output.contains("opaque.key"), "{errors}");
    register(&service, &mut setting.user(2)).unwrap();
    let (done, _, errors) = setting.operate(&["restore", file]);
    assert!(!done && errors.contains("--replace"), "{errors}");
    let (done, output, errors) = setting.operate(&["restore", file, "--replace"]);
    assert!(done && output.contains("3 entries"), "{output}{errors}");
    assert_eq!(service.directory().unwrap().0.users().count(), 1);
    fs::write(file, "nonsense\n").unwrap();
    let (done, _, errors) = setting.operate(&["restore", file]);
    assert!(!done && errors.contains("not a backup"), "{errors}");

    running.signal("TERM");
    assert_eq!(running.wait().code(), Some(0));
    assert!(!Path::new(&setting.data()).join("identity/control.sock").exists());
}
