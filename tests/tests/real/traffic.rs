//! What a wiretap sees of one client's TLS connection: the same records whatever the client does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use talaria_tests::real::{Running, chat, command, make_client};

/// Lengths of TLS records, in each direction, in the order in which they passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tap {
    up: Vec<usize>,
    down: Vec<usize>,
}

/// Passes connections on to `server`, and writes down the records of the first one.
fn wiretap(listener: TcpListener, server: String) -> Arc<Mutex<Tap>> {
    let tap = Arc::new(Mutex::new(Tap::default()));
    let records = tap.clone();
    thread::spawn(move || {
        for (number, client) in (0..).zip(listener.incoming()) {
            let client = client.unwrap();
            let server = TcpStream::connect(&server).unwrap();
            let pairs =
                [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
            for (up, (from, to)) in [true, false].into_iter().zip(pairs) {
                let records = records.clone();
                thread::spawn(move || {
                    pass_on(from, to, |len| {
                        let mut tap = records.lock().unwrap();
                        match (number, up) {
                            (0, true) => tap.up.push(len),
                            (0, false) => tap.down.push(len),
                            _ => {}
                        }
                    });
                });
            }
        }
    });
    tap
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, record: impl Fn(usize)) {
    let mut head = [0; 5];
    while from.read_exact(&mut head).is_ok() {
        let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
        let mut body = vec![0; len];
        if from.read_exact(&mut body).is_err()
            || to.write_all(&[&head[..], &body].concat()).is_err()
        {
            break;
        }
        record(len);
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Rounds that are compared.
const ROUNDS: usize = 20;

/// The records of Alice's connection after the handshake, in that many rounds.
fn records_of_alice(bob_comes: bool, lines: usize) -> Tap {
    let folder = tempfile::tempdir().unwrap();
    let mut up = command("talariad");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The operators sign the address in the network file, so it has to be the tap's from the start.
    up.arg("up").arg("--advertise").arg(listener.local_addr().unwrap().to_string());
    up.args(["--json", "--noise-onions", "20", "--listen", "127.0.0.1:0"]);
    up.args(["--period", "100ms", "--data"]);
    let mut server = Running::start(up.arg(folder.path().join("data")));
    let ready = server.wait_for_event("ready");
    let network = Path::new(ready["network"].as_str().unwrap());
    let address = ready["address"].as_str().unwrap().to_owned();
    let tap = wiretap(listener, address);

    let [alice, bob] = ["alice", "bob"].map(|name| folder.path().join(name));
    let alice_name = make_client(&alice, "alice", network);
    let bob_name = make_client(&bob, "bob", network);
    let mut a = Running::start(chat(&alice, &bob_name).arg("--json"));
    // Kept open, so that nobody ends before the rounds are over.
    let long = "x".repeat(2000);
    a.feed_and_stay((0..lines).map(|i| format!("{i} {long}\n")).collect());
    a.wait_for_event("ready");
    let b = bob_comes.then(|| {
        let mut b = Running::start(chat(&bob, &alice_name).arg("--json"));
        b.feed_and_stay("hello\n".to_owned());
        b
    });
    if bob_comes && lines > 0 {
        a.wait_for_event("delivered");
    }
    for _ in 0..ROUNDS + 5 {
        a.wait_for_event("round");
    }
    drop((a, b));
    let mut records = tap.lock().unwrap().clone();
    // The handshake and the greeting come first, and have nothing to do with rounds.
    records.up = from_first(&records.up, SUBMISSION);
    records.down = from_first(&records.down, ANNOUNCEMENT);
    records
}

fn from_first(records: &[usize], len: usize) -> Vec<usize> {
    records.iter().copied().skip_while(|record| *record != len).collect()
}

/// What TLS 1.3 adds to a record: the content type and a tag.
const TLS: usize = 17;
const SUBMISSION: usize = 4 + 8 + 2 * 672 + TLS;
const ANNOUNCEMENT: usize = 4 + 16 + TLS;
/// The onion keys of an epoch, when there are new ones.
const KEYS: usize = 4 + 10 + 3 * 96 + TLS;
/// Replies, and the announcement of the next round in the same record.
const BOTH: usize = REPLIES + 4 + 16;
const REPLIES: usize = 4 + 16 + 2 * 560 + TLS;

#[test]
fn records_are_the_same_whether_a_client_idles_or_talks() {
    let alone = records_of_alice(false, 0);
    let talking = records_of_alice(true, 30);
    for tap in [&alone, &talking] {
        // One submission a round, one announcement, one answer, and nothing else.
        assert!(tap.up.len() > ROUNDS && tap.up.iter().all(|len| *len == SUBMISSION), "{tap:?}");
        let count = |len| tap.down.iter().filter(|record| **record == len).count();
        let keys = count(KEYS);
        let (alone, unannounced, both) = (count(ANNOUNCEMENT), count(REPLIES), count(BOTH));
        assert_eq!(keys + alone + unannounced + both, tap.down.len(), "{tap:?}");
        assert!(both > 0, "{tap:?}");
        let (announcements, replies) = (alone + both, unannounced + both);
        assert!(announcements.abs_diff(tap.up.len()) <= 2, "{tap:?}");
        assert!(replies.abs_diff(tap.up.len()) <= 2, "{tap:?}");
    }
}
