//! What a wiretap makes of the *time* at which submissions leave, with clients whose disks are slow:
//! whether it can tell when a client talks and when it idles.
//!
//! Of two clients one talks while the other idles, and they change places again and again, so that
//! neither the machine's load nor where a connection's clock began is taken for a difference.
//!
//! It measures, for minutes, and so runs only when it is asked for:
//! `cargo test -p talaria-tests --test real departure -- --ignored --nocapture`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use talaria_tests::real::{Running, chat, command, make_client};

const PERIOD_US: u64 = 250_000;
/// How often the two change places: each talks for half of the times.
const TURNS: usize = 16;
/// Rounds of a turn that are judged, and those before them: who was met is missed after eight.
const ROUNDS: u64 = 64;
const REST: u64 = 24;
/// What each `fsync` takes on top.
const DISK_DELAY_US: u32 = 30_000;

/// A record that passed: when, in microseconds, whether away from the client, and its length.
#[derive(Clone, Copy)]
struct Record {
    at: u64,
    up: bool,
    len: usize,
}

/// Microseconds since the Unix epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_micros()).unwrap()
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
        let at = now();
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        if from.read_exact(&mut body).is_err()
            || to.write_all(&[&head[..], &body].concat()).is_err()
        {
            break;
        }
        record(at, body.len());
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
    at: u64,
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
                    at: record.at,
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

/// Opens a conversation from a slow disk, and types a line now and then while `types` says so.
fn start(home: &Path, partner: &str, disk: &Path, types: &Arc<AtomicBool>) -> Running {
    let mut running = Running::start(chat(home, partner).arg("--json").env("LD_PRELOAD", disk));
    let (mut input, types) = (running.take_input(), Arc::clone(types));
    running.wait_for_event("ready");
    thread::spawn(move || {
        let mut wait = 1u64;
        for line in 0.. {
            wait = wait * 48_271 % 0x7fff_ffff;
            thread::sleep(Duration::from_millis(90 + wait % 320));
            if types.load(Ordering::Relaxed) && writeln!(input, "line {line}").is_err() {
                break;
            }
        }
    });
    running
}

fn wait_rounds(rounds: u64) {
    thread::sleep(Duration::from_micros(rounds * PERIOD_US));
}

/// From when to when somebody's turn was judged, and whose.
struct Turn {
    from: u64,
    to: u64,
    talks: usize,
}

/// The two whom the tap looks at, and the partners who come and go.
fn take_turns(folder: &Path, disk: &Path) -> Vec<Turn> {
    let home = |name: &str| folder.join(name);
    let pairs = [("alice", "bob"), ("carol", "dave")];
    let types = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let always = Arc::new(AtomicBool::new(true));
    let mut watched: Vec<_> =
        (0..2).map(|pair| start(&home(pairs[pair].0), pairs[pair].1, disk, &types[pair])).collect();
    let mut turns = Vec::new();
    for talks in (0..TURNS).map(|turn| turn % 2) {
        let (own, partner) = pairs[talks];
        let there = start(&home(partner), own, disk, &always);
        types[talks].store(true, Ordering::Relaxed);
        watched[talks].wait_for_event("delivered");
        wait_rounds(REST);
        let from = now();
        wait_rounds(ROUNDS);
        turns.push(Turn { from, to: now(), talks });
        types[talks].store(false, Ordering::Relaxed);
        drop(there);
    }
    turns
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
    for name in ["alice", "bob", "carol", "dave"] {
        let _ = make_client(&folder.path().join(name), name, network);
    }
    let turns = take_turns(folder.path(), &disk);

    // Who was started first has the first connection.
    let seen = [0, 1].map(|who: usize| departures(&records.lock().unwrap()[who]));
    let sample = |who: usize, talking: bool, what: fn(&Departure) -> u64| -> Vec<u64> {
        let is_in = |it: &&Departure| {
            let mut turns = turns.iter().filter(|turn| (turn.talks == who) == talking);
            turns.any(|turn| (turn.from..turn.to).contains(&it.at))
        };
        seen[who].iter().filter(is_in).map(what).collect()
    };
    type View = fn(&Departure) -> u64;
    let views: [(_, View); 2] = [
        ("since the announcement", |it| it.since_announced),
        ("since the round opened", |it| it.since_open),
    ];
    for (name, what) in views {
        println!("us {name}           1 %    25 %    50 %    75 %    99 %");
        let aucs = [0, 1].map(|who| {
            let [talking, idle] = [true, false].map(|talking| sample(who, talking, what));
            let auc = auc(&talking, &idle);
            println!("client {who} talks, {:>4} rounds   {}", talking.len(), quantiles(talking));
            println!("client {who} idles, {:>4} rounds   {}", idle.len(), quantiles(idle));
            println!("AUC of client {who}: {auc:.3}");
            auc
        });
        let mean = f64::midpoint(aucs[0], aucs[1]);
        println!("AUC {name}: {mean:.3}");
        assert!((0.45..=0.55).contains(&mean), "{name}: {mean}");
    }
}
