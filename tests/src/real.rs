//! The real programs on real TLS, on the loopback interface, with folders of their own.
//!
//! Nothing here depends on how fast anything is: every wait is for something that was printed, up
//! to a limit that is only there to end a run that hangs.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Long enough for any machine; whoever waits longer hangs.
pub const LIMIT: Duration = Duration::from_secs(240);

/// The folder of the built programs: they are built once, like the tests that run.
fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let own = std::env::current_exe().expect("a test knows its own path");
        let folder = own.ancestors().nth(2).expect("tests are in target/PROFILE/deps").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--workspace", "--bins", "--locked", "--quiet"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        build.arg("--target-dir").arg(folder.parent().expect("a profile's folder has a parent"));
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(status.expect("cargo runs").success(), "the programs are built");
        folder
    })
}

/// A command of one of the programs, `talariad` or `talaria`.
#[must_use]
pub fn command(program: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    for variable in ["TALARIA_HOME", "TALARIA_LOG", "TALARIA_PASSWORD_FILE"] {
        command.env_remove(variable);
    }
    command
}

/// Runs a program to its end.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn run(command: &mut Command) -> (ExitStatus, String, String) {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status, text(&output.stdout), text(&output.stderr))
}

/// A program that runs, and is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stays: Option<Sender<()>>,
    lines: Receiver<String>,
    /// What it has printed so far, as far as somebody has waited for it.
    pub printed: Vec<String>,
}

impl Running {
    /// Starts a program.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { stdin: child.stdin.take(), stays: None, child, lines, printed: Vec::new() }
    }

    /// Writes to its standard input and closes it.
    ///
    /// # Panics
    /// If it does not read.
    pub fn feed(&mut self, text: &str) {
        let mut stdin = self.stdin.take().expect("fed once");
        let text = text.to_owned();
        // Whoever is killed while it reads is no failure of the test.
        thread::spawn(move || {
            let _ = stdin.write_all(text.as_bytes());
        });
    }

    /// Its standard input, to be written to little by little.
    ///
    /// # Panics
    /// If it was fed before.
    #[must_use]
    pub fn take_input(&mut self) -> ChildStdin {
        self.stdin.take().expect("fed once")
    }

    /// Whether it has not ended.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_none()
    }

    /// Writes to its standard input and leaves it open as long as the program runs.
    ///
    /// # Panics
    /// If it was fed before.
    pub fn feed_and_stay(&mut self, text: String) {
        let mut stdin = self.stdin.take().expect("fed once");
        let (sender, stays) = channel::<()>();
        self.stays = Some(sender);
        thread::spawn(move || {
            let _ = stdin.write_all(text.as_bytes());
            let _ = stays.recv();
        });
    }

    /// Waits for a line that `is_it`.
    ///
    /// # Panics
    /// If the program ends or nothing comes.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.printed.push(line.clone());
                    if is_it(&line) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => panic!("it ended before {what}"),
                Err(RecvTimeoutError::Timeout) => panic!("no {what}"),
            }
        }
    }

    /// Waits for a JSON event.
    ///
    /// # Panics
    /// If the program ends or nothing comes.
    pub fn wait_for_event(&mut self, event: &str) -> Value {
        let is_it = |line: &str| parse(line).is_some_and(|value| value["event"] == event);
        let line = self.wait_for(event, is_it);
        parse(&line).expect("parsed before")
    }

    /// Waits until it has printed `count` lines in all.
    ///
    /// # Panics
    /// If the program ends before.
    pub fn wait_for_lines(&mut self, count: usize) {
        while self.printed.len() < count {
            self.wait_for("another line", |_| true);
        }
    }

    /// Ends it at once, as `kill -9` does. What it had printed before stays in `printed`.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        self.printed.extend(self.lines.iter());
    }

    /// Asks it to end, as Ctrl-C (`INT`) or a service manager (`TERM`) does.
    ///
    /// # Panics
    /// If there is no `kill` command.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end; everything that it printed is in `printed` then.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                self.printed.extend(self.lines.iter());
                return status;
            }
            assert!(Instant::now() < until, "it does not end; printed: {:?}", self.printed);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

/// Registers `name` in `home`; gives the name, by which others reach it.
///
/// # Panics
/// If the program fails.
#[must_use]
pub fn make_client(home: &Path, name: &str, network: &Path) -> String {
    let password = "correct horse battery staple orbit\n";
    std::fs::write(password_file(home), password).expect("the folder of the homes is there");
    let mut register = client(home);
    register.args(["register", name, "--network"]).arg(network);
    let (status, _, errors) = run(&mut register);
    assert!(status.success(), "{errors}");
    name.to_owned()
}

fn password_file(home: &Path) -> PathBuf {
    home.with_extension("password")
}

/// A command of the client whose home this is.
#[must_use]
pub fn client(home: &Path) -> Command {
    let mut client = command("talaria");
    client.arg("--home").arg(home).env("TALARIA_PASSWORD_FILE", password_file(home));
    client
}

/// A command that chats with somebody.
#[must_use]
pub fn chat(home: &Path, name: &str) -> Command {
    let mut chat = client(home);
    chat.args(["chat", name]);
    chat
}

/// Ports that are free now, in a row, for servers that need to find each other again. Different
/// tests of a process do not get the same ones.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    static NEXT: Mutex<u16> = Mutex::new(0);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    // Below the range from which the system takes ports for outgoing connections.
    let offset = u16::try_from(std::process::id() % 1000).expect("below 1000") * 16;
    for _ in 0..500 {
        let first = 12_000 + (offset + *next) % 19_000;
        *next += count;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first + count).all(free) {
            return first;
        }
    }
    panic!("no free ports");
}
