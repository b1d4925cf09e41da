//! Records of rounds: one process a record, and a clock that was once ahead.

use std::fs::{self, File};
use std::path::Path;

use talaria_tests::real::{Running, command, free_ports, run};

/// A network of one hop, and where its files are.
fn init(data: &Path) {
    let mut init = command("talariad");
    init.args(["init", "--hops", "1", "--noise-onions", "8", "--period", "100ms", "--listen"]);
    init.arg(format!("127.0.0.1:{}", free_ports(5)));
    let (status, _, errors) = run(init.arg("--data").arg(data));
    assert!(status.success(), "{errors}");
}

#[test]
fn a_record_belongs_to_one_process_and_what_is_ahead_of_the_clock_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("net");
    init(&data);
    let config = data.join("hop-1.toml");
    let check = || {
        let mut check = command("talariad");
        let (status, output, errors) = run(check.arg("check-config").arg(&config));
        assert!(status.success(), "{errors}");
        output
    };
    assert!(!check().contains("ahead of the clock"));
    let record = data.join("hop-1/rounds/100ms");
    fs::create_dir_all(record.parent().unwrap()).unwrap();
    fs::write(&record, "99999999999999\n").unwrap();
    let told = check();
    assert!(told.contains("s ahead of the clock") && told.contains("hop-1/rounds/100ms"), "{told}");

    let log = folder.path().join("log");
    let mut hop = command("talariad");
    hop.args(["run", "--json", "--config"]).arg(&config).stderr(File::create(&log).unwrap());
    let mut hop = Running::start(&mut hop);
    hop.wait_for_event("ready");
    while !fs::read_to_string(&log).unwrap().contains("s ahead of the clock") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // The same record, and other ports.
    let text = fs::read_to_string(&config).unwrap();
    let moved = data.join("moved.toml");
    let listen = text.lines().find(|line| line.starts_with("listen")).unwrap();
    let elsewhere = format!("listen = \"127.0.0.1:{}\"", free_ports(1));
    fs::write(&moved, text.replace(listen, &elsewhere)).unwrap();
    let mut second = command("talariad");
    let (status, _, errors) = run(second.args(["run", "--config"]).arg(&moved));
    assert!(!status.success() && errors.contains("another talariad runs a hop"), "{errors}");
    hop.signal("TERM");
    assert_eq!(hop.wait().code(), Some(0));
}
