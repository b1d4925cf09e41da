//! Three hops in processes of their own: set up by the commands that operators use, and ended with
//! this value.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc as std_mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use talaria_server::net::clock::now;
use talaria_wire::network_file::{Network, NetworkFile, NetworkFileError};
use tempfile::TempDir;

use super::error::FeedError;
use crate::load::{Cpu, Memory};

/// Hops of the chain.
pub(super) const HOPS: usize = 3;
/// Long enough that no round of a slow machine is given up.
const PERIOD: &str = "60s";
/// How long a hop may take to start.
const START: Duration = Duration::from_secs(30);

/// What a hop reports of a round, as far as it is of interest.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Reported {
    #[serde(default)]
    pub(super) dropped: usize,
    #[serde(default)]
    pub(super) peel_ms: f64,
    #[serde(default)]
    pub(super) mix_ms: f64,
    #[serde(default)]
    pub(super) exchange_ms: f64,
    #[serde(default)]
    pub(super) seal_ms: f64,
}

/// A line of a hop's standard output.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line {
    Ready,
    Hop(Reported),
    #[serde(other)]
    Other,
}

/// A hop that runs.
#[derive(Debug)]
struct Process {
    child: Child,
    lines: std_mpsc::Receiver<Line>,
    log: PathBuf,
}

/// The chain, and what the entry needs to talk to it.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) network: Network,
    pub(super) max_onions: usize,
    folder: TempDir,
    hops: Vec<Process>,
}

/// Where the server's program is: beside this one, unless told otherwise.
pub(super) fn program(told: Option<&Path>) -> Result<PathBuf, FeedError> {
    let path = match told {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()?.with_file_name("talariad"),
    };
    let found = Command::new(&path).arg("--version").stdout(Stdio::null()).status();
    found.map_err(|error| FeedError::Program(path.clone(), error))?;
    Ok(path)
}

impl Chain {
    /// Sets a network up and starts its hops.
    pub(super) async fn start(program: &Path, onions: u32, noise: u32) -> Result<Self, FeedError> {
        let folder = tempfile::tempdir()?;
        let max_onions = (onions + 2 * noise) as usize;
        let (program, at) = (program.to_owned(), folder.path().to_owned());
        let set_up = move || set_up(&program, &at, max_onions, noise);
        let (network, hops) = tokio::task::spawn_blocking(set_up)
            .await
            .map_err(|error| std::io::Error::other(error.to_string()))??;
        Ok(Self { network, max_onions, folder, hops })
    }

    /// The key that the entry shows to the first hop.
    pub(super) fn entry_key(&self) -> PathBuf {
        self.folder.path().join("entry/identity.key")
    }

    /// CPU time that each hop has used so far.
    pub(super) fn cpu(&self) -> Result<Vec<Cpu>, FeedError> {
        let of = |hop: &Process| Ok(Cpu::of(hop.child.id())?);
        self.hops.iter().map(of).collect()
    }

    /// Memory of each hop.
    pub(super) fn memory(&self) -> Result<Vec<Memory>, FeedError> {
        let of = |hop: &Process| Ok(Memory::of(hop.child.id())?);
        self.hops.iter().map(of).collect()
    }

    /// What each hop reports of the round that has come back.
    pub(super) fn reports(&mut self) -> Result<Vec<Reported>, FeedError> {
        let of = |(place, hop): (usize, &mut Process)| loop {
            if let Line::Hop(reported) = hop.next(place)? {
                return Ok(reported);
            }
        };
        self.hops.iter_mut().enumerate().map(of).collect()
    }
}

impl Process {
    fn next(&mut self, place: usize) -> Result<Line, FeedError> {
        self.lines.recv_timeout(START).map_err(|error| match error {
            std_mpsc::RecvTimeoutError::Timeout => FeedError::Silent(START),
            std_mpsc::RecvTimeoutError::Disconnected => {
                let words = fs::read_to_string(&self.log).unwrap_or_default();
                let last = words.lines().last().unwrap_or("none").to_owned();
                FeedError::HopEnded(place + 1, last)
            }
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to finish, and its folder goes as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_up(
    program: &Path,
    folder: &Path,
    max_onions: usize,
    noise: u32,
) -> Result<(Network, Vec<Process>), FeedError> {
    let talariad = |line: String| run(program, folder, &line);
    let ports = free_ports(HOPS + 1)?;
    talariad(format!("entry init --data entry --operator entry --listen 127.0.0.1:{}", ports[0]))?;
    let mut parts = String::new();
    for (place, port) in (1..).zip(&ports[1..]) {
        let name = format!("hop-{place}");
        talariad(format!("hop init --data {name} --operator {name} --listen 127.0.0.1:{port}"))?;
        parts.push_str(&format!(" --hop {name}/hop-public.toml"));
    }
    talariad(format!(
        "network new --name feed --period {PERIOD} --noise-onions {noise} \
         --entry entry/entry-public.toml{parts} --out network.toml"
    ))?;
    for who in ["entry", "hop-1", "hop-2", "hop-3"] {
        talariad(format!("network sign network.toml --key {who}/identity.key --yes"))?;
    }
    let file = NetworkFile::parse(&fs::read_to_string(folder.join("network.toml"))?)?;
    let network = file.verify(now(), None).map_err(NetworkFileError::from)?;
    let mut hops = Vec::new();
    for place in 1..=HOPS {
        let own = folder.join(format!("hop-{place}"));
        fs::copy(folder.join("network.toml"), own.join("network.toml"))?;
        let config = own.join("hop.toml");
        let limits = format!("\n[limits]\nmax_onions = {max_onions}\n");
        fs::write(&config, fs::read_to_string(&config)? + &limits)?;
        hops.push(start(program, &own)?);
    }
    for (place, hop) in hops.iter_mut().enumerate() {
        while !matches!(hop.next(place)?, Line::Ready) {}
    }
    Ok((network, hops))
}

/// Runs a command of the server to its end.
fn run(program: &Path, folder: &Path, line: &str) -> Result<(), FeedError> {
    let words = line.split_whitespace();
    let output = Command::new(program).args(words).current_dir(folder).output()?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(FeedError::Setup(line.to_owned(), error))
}

fn start(program: &Path, folder: &Path) -> Result<Process, FeedError> {
    let log = folder.join("log");
    let mut child = Command::new(program)
        .args(["run", "--json", "--config", "hop.toml"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log)?)
        .spawn()?;
    let (sender, lines) = std_mpsc::channel();
    if let Some(output) = child.stdout.take() {
        thread::spawn(move || pass_on(output, &sender));
    }
    Ok(Process { child, lines, log })
}

fn pass_on(output: impl Read, lines: &std_mpsc::Sender<Line>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Ok(line) = serde_json::from_str(&line)
            && lines.send(line).is_err()
        {
            return;
        }
    }
}

/// Loopback ports that nobody listens on now.
fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    let bind = |_| TcpListener::bind("127.0.0.1:0");
    let listeners: Vec<_> = (0..count).map(bind).collect::<Result<_, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
