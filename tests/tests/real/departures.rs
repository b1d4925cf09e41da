//! What a wiretap makes of the *time* at which submissions leave, with clients whose disks are slow:
//! whether it can tell who talks from who idles.
//!
//! It measures, for minutes, and so runs only when it is asked for:
//! `cargo test -p talaria-tests --test real departure -- --ignored --nocapture`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use talaria_tests::real::{Running, chat, command, make_client};

const PERIOD_US: u64 = 250_000;
/// Rounds of each client that are judged, after as many as it takes to come to rest.
const ROUNDS: usize = 500;
const REST: usize = 20;
/// What each `fsync` takes on top.
const DISK_DELAY_US: u32 = 30_000;

/// A record that passed: when, in microseconds, whether away from the client, and its length.
#[derive(Clone, Copy)]
struct Record {
    at: u64,
    up: bool,
    len: usize,
}

type Records = Arc<Mutex<Vec<Vec<Record>>>>;

/// Passes connections on to `server`, and writes down the records of each.
fn wiretap(listener: TcpListener, server: String) -> Records {
    let records = Records::default();
    let all = records.clone();
    thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            all.lock().unwrap().push(Vec::new());
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            for (up, (from, to)) in [(true, (client, server)), (false, back)] {
                from.set_nodelay(true).unwrap();
                let all = all.clone();
                thread::spawn(move || {
                    pass_on(from, to, |at, len| {
                        all.lock().unwrap()[number].push(Record { at, up, len });
                    });
                });
            }
        }
    });
    records
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, record: impl Fn(u64, usize)) {
    let mut head = [0; 5];
    while from.read_exact(&mut head).is_ok() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        if from.read_exact(&mut body).is_err()
            || to.write_all(&[&head[..], &body].concat()).is_err()
        {
            break;
        }
        record(u64::try_from(now.as_micros()).unwrap(), body.len());
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// A library that makes every commit of the program it is loaded into slow.
fn slow_disk(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("slow.c"), folder.join("slow.so"));
    let text = format!(
        "#define _GNU_SOURCE\n#include <unistd.h>\n#include <sys/syscall.h>\n\
         int fsync(int fd) {{ usleep({DISK_DELAY_US}); return syscall(SYS_fsync, fd); }}\n\
         int fdatasync(int fd) {{ usleep({DISK_DELAY_US}); return syscall(SYS_fdatasync, fd); }}\n"
    );
    std::fs::write(&source, text).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    assert!(compiler.status().unwrap().success());
    library
}

/// What TLS 1.3 adds to a record: the content type and a tag.
const TLS: usize = 17;
const SUBMISSION: usize = 4 + 8 + 2 * 672 + TLS;
const ANNOUNCEMENT: usize = 4 + 16 + TLS;
const BOTH: usize = 4 + 16 + 2 * 560 + TLS + 4 + 16;

/// What can be said of a departure, in microseconds: since its announcement passed, and since its round
/// opened, by the clock and by the announcement.
#[derive(Clone, Copy)]
struct Departure {
    since_announced: u64,
    since_open: u64,
}

fn departures(records: &[Record]) -> Vec<Departure> {
    let (mut announced, mut departures) = (0, Vec::new());
    for record in records {
        match (record.up, record.len) {
            (false, ANNOUNCEMENT | BOTH) => announced = record.at,
            (true, SUBMISSION) => {
                let open = (record.at / PERIOD_US * PERIOD_US).max(announced);
                departures.push(Departure {
                    since_announced: record.at - announced,
                    since_open: record.at - open,
                });
            }
            _ => {}
        }
    }
    departures
}

/// The probability that one of the first is greater than one of the second: 0.5 tells nothing (Mann and
/// Whitney, 1947).
fn auc(one: &[u64], other: &[u64]) -> f64 {
    let wins = |a: &u64| {
        let points = other.iter().map(|b| match a.cmp(b) {
            std::cmp::Ordering::Greater => 2.0,
            std::cmp::Ordering::Equal => 1.0,
            std::cmp::Ordering::Less => 0.0,
        });
        points.sum::<f64>()
    };
    one.iter().map(wins).sum::<f64>() / (2 * one.len() * other.len()) as f64
}

fn quantiles(mut sample: Vec<u64>) -> String {
    sample.sort_unstable();
    let at = |share: usize| sample[(sample.len() - 1) * share / 100];
    format!("{:>7} {:>7} {:>7} {:>7} {:>7}", at(1), at(25), at(50), at(75), at(99))
}

/// Starts to talk from a slow disk, and types a line now and then, or nothing.
fn start(home: &Path, partner: &str, disk: &Path, types: bool) -> Running {
    let mut running = Running::start(chat(home, partner).arg("--json").env("LD_PRELOAD", disk));
    let mut input = running.take_input();
    running.wait_for_event("ready");
    thread::spawn(move || {
        let mut wait = 1u64;
        for line in 0.. {
            wait = wait * 6_364_136_223_846_793_005 % 1_000_003;
            thread::sleep(Duration::from_millis(90 + wait % 320));
            if types && writeln!(input, "line {line}").is_err() {
                break;
            }
        }
    });
    running
}

#[test]
#[ignore = "measures for minutes"]
fn departure_times_do_not_tell_who_talks() {
    let folder = tempfile::tempdir().unwrap();
    let disk = slow_disk(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut up = command("talariad");
    up.arg("up").arg("--advertise").arg(listener.local_addr().unwrap().to_string());
    up.args(["--json", "--noise-onions", "20", "--listen", "127.0.0.1:0", "--period"]);
    up.arg(format!("{}ms", PERIOD_US / 1000)).arg("--data").arg(folder.path().join("data"));
    let mut server = Running::start(&mut up);
    let ready = server.wait_for_event("ready");
    let network = Path::new(ready["network"].as_str().unwrap());
    let records = wiretap(listener, ready["address"].as_str().unwrap().to_owned());

    let home = |name: &str| folder.path().join(name);
    for name in ["alice", "bob", "carol", "dave", "nobody"] {
        let _ = make_client(&home(name), name, network);
    }
    // Alice and Bob talk; Carol and Dave wait for somebody who never comes.
    let mut clients: Vec<_> =
        [("alice", "bob"), ("bob", "alice"), ("carol", "nobody"), ("dave", "nobody")]
            .map(|(own, partner)| start(&home(own), partner, &disk, own < "c"))
            .into();
    let judged = |number: usize| {
        let records = records.lock().unwrap()[number].clone();
        departures(&records).into_iter().skip(REST).take(ROUNDS).collect::<Vec<_>>()
    };
    while (0..4).any(|number| judged(number).len() < ROUNDS) {
        thread::sleep(Duration::from_secs(1));
        assert!(clients.iter_mut().all(Running::is_running));
    }
    println!("us since the round opened:    1 %    25 %    50 %    75 %    99 %");
    for (number, name) in ["alice", "bob", "carol", "dave"].into_iter().enumerate() {
        let since_open = judged(number).iter().map(|it| it.since_open).collect();
        println!("{name:<25} {}", quantiles(since_open));
    }
    let sample = |numbers: [usize; 2], what: fn(&Departure) -> u64| -> Vec<u64> {
        numbers.into_iter().flat_map(judged).map(|it| what(&it)).collect()
    };
    let both = [
        ("since the announcement", (|it| it.since_announced) as fn(&Departure) -> u64),
        ("since the round opened", |it| it.since_open),
    ];
    for (name, what) in both {
        let auc = auc(&sample([0, 1], what), &sample([2, 3], what));
        println!("AUC {name}: {auc:.3}");
        assert!((0.45..=0.55).contains(&auc), "{name}: {auc}");
    }
}
