//! What `talariad` prints: a line a round for people, or an object a line for programs.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use talaria_server::net::report::{EntryReport, HopReport, Report};
use talaria_server::net::shutdown::Shutdown;
use talaria_wire::network_file::Network;
use talaria_wire::{HopIndex, Round};
use tokio::sync::mpsc;

use super::sink::Sink;

/// Lines between two headings.
const HEADING_EVERY: usize = 20;
/// Rounds whose hops have reported and whose entry has not; the oldest are dropped.
const MAX_OPEN: usize = 64;

/// Prints to standard output.
#[derive(Clone, Debug)]
pub(super) struct Display {
    json: bool,
    lines: usize,
    /// Hops' reports of rounds that the entry has not reported yet.
    open: BTreeMap<Round, Vec<HopReport>>,
    has_entry: bool,
    /// Where lines go that rounds must not wait for.
    sink: Option<Sink>,
}

/// A round as a whole: what the entry saw, and the hops of this process together.
struct Whole<'a> {
    entry: &'a EntryReport,
    /// Unless the hops run elsewhere.
    hops: Option<Hops>,
}

/// What the hops did, all together.
struct Hops {
    peel: Duration,
    mix: Duration,
    exchange: Duration,
    /// From the end of the exchange to the entry.
    back: Duration,
    dropped: usize,
    noise: usize,
    altered: usize,
}

impl Display {
    pub(super) fn new(json: bool) -> Self {
        Self { json, lines: 0, open: BTreeMap::new(), has_entry: false, sink: None }
    }

    /// From here on nobody waits for whoever reads the lines; what they do not read in time is lost.
    pub(super) fn detach(&mut self) {
        let of_lost = if self.json { lost_object } else { lost_line };
        self.sink = Some(Sink::of(io::stdout().as_fd(), of_lost));
    }

    fn line(&self, text: &str) {
        match &self.sink {
            Some(sink) => sink.put(format!("{text}\n").into_bytes()),
            None => line(text),
        }
    }

    fn object(&self, event: &str, fields: Value) {
        self.line(&event_object(event, fields));
    }

    pub(super) fn version(&self, program: &str, protocol: u16) {
        if self.json {
            object("version", json!({ "version": program, "protocol": protocol }));
        } else {
            line(&format!("talariad {program}, protocol {protocol}"));
        }
    }

    pub(super) fn initialised(&self, network: &Path, hops: u8) {
        if self.json {
            object("initialised", json!({ "network": network, "hops": hops }));
            return;
        }
        let folder = network.parent().unwrap_or(Path::new(".")).display();
        line(&format!("Made {}. Start each in a terminal of its own:", network.display()));
        for place in 1..=hops {
            line(&format!("  talariad run --config {folder}/hop-{place}.toml"));
        }
        line(&format!("  talariad run --config {folder}/entry.toml"));
    }

    pub(super) fn checked(&self, roles: &str) {
        if self.json {
            let roles: Vec<_> = roles.lines().collect();
            object("checked", json!({ "roles": roles }));
        } else {
            line(&format!("The configuration can run:\n{}", roles.trim_end()));
        }
    }

    pub(super) fn ready(
        &mut self,
        entry: Option<SocketAddr>,
        hops: &[(HopIndex, SocketAddr)],
        identity: Option<SocketAddr>,
        file: &Path,
        network: Option<&Network>,
    ) {
        self.has_entry = entry.is_some();
        if self.json {
            let mut fields = ready_object(entry, hops, file, network);
            if let Some(identity) = identity {
                fields["identity_address"] = json!(identity);
            }
            return self.object("ready", fields);
        }
        if let Some(entry) = entry {
            self.line(&format!("Ready for clients on {entry}."));
        }
        if let Some(identity) = identity {
            self.line(&format!("Identity service on {identity}."));
        }
        for (place, address) in hops {
            self.line(&format!("Hop {place} on {address}."));
        }
        self.line(&format!("Network file: {}", file.display()));
        if let Some(rounds) =
            network.and_then(|network| network.noise.goal).map(|goal| goal.charged_rounds)
        {
            self.line(&format!(
                "Noise for {rounds} charged rounds. Whoever runs all hops sees who talks: share them out."
            ));
        }
        self.line("Ctrl-C finishes the rounds under way and stops.");
    }

    /// Prints reports until there are no more.
    pub(super) async fn show(
        mut self,
        mut reports: mpsc::UnboundedReceiver<Report>,
        mut shutdown: Shutdown,
    ) {
        let mut stopping = false;
        loop {
            tokio::select! {
                () = shutdown.asked(), if !stopping => {
                    stopping = true;
                    self.say("stopping", "Finishing the rounds under way …");
                }
                report = reports.recv() => match report {
                    Some(Report::Hop(report)) => self.take_hop(report),
                    Some(Report::Entry(report)) => self.take_entry(&report),
                    None => return,
                },
            }
        }
    }

    /// The files have been read again.
    pub(super) fn reloaded(&self) {
        self.say("reloaded", "The files have been read again.");
    }

    /// The last word.
    pub(super) fn stopped(&self) {
        self.say("stopped", "Stopped.");
        if let Some(sink) = &self.sink {
            sink.finish();
        }
    }

    fn say(&self, event: &str, text: &str) {
        if self.json { self.object(event, json!({})) } else { self.line(text) }
    }

    fn take_hop(&mut self, report: HopReport) {
        if !self.has_entry {
            if self.json {
                self.object("hop", json!(report));
            } else {
                self.hop_line(&report);
            }
            return;
        }
        self.open.entry(report.round).or_default().push(report);
        while self.open.len() > MAX_OPEN {
            self.open.pop_first();
        }
    }

    fn take_entry(&mut self, report: &EntryReport) {
        let hops = self.open.remove(&report.round).unwrap_or_default();
        let whole = Whole::new(report, &hops);
        if self.json {
            self.object("round", whole.object());
        } else {
            self.round_line(&whole);
        }
    }

    fn round_line(&mut self, whole: &Whole<'_>) {
        if self.lines.is_multiple_of(HEADING_EVERY) {
            self.line(&bold(
                "     round  clients   onions   collect      peel       mix  exchange      back  replies",
            ));
        }
        self.lines += 1;
        let entry = whole.entry;
        let counts = format!("{:>10} {:>8} {:>8}", entry.round.0, entry.clients, entry.onions);
        if let Some(reason) = entry.failed {
            return self.line(&format!("{counts} {}  lost: {reason}", ms(entry.collect)));
        }
        let times = match &whole.hops {
            Some(hops) => [hops.peel, hops.mix, hops.exchange, hops.back].map(ms).join(" "),
            None => format!("{:>29} {}", "there and back", ms(entry.travel)),
        };
        let dropped = match &whole.hops {
            Some(Hops { altered: 1.., .. }) => "  ALARM: a hop dropped or altered onions",
            Some(Hops { dropped: 1.., .. }) => "  bad onions dropped",
            _ => "",
        };
        self.line(&format!("{counts} {} {times} {:>8}{dropped}", ms(entry.collect), entry.replies));
    }

    fn hop_line(&mut self, report: &HopReport) {
        if self.lines.is_multiple_of(HEADING_EVERY) {
            self.line(&bold(
                "     round  hop   onions  dropped      peel       mix  exchange      seal",
            ));
        }
        self.lines += 1;
        let HopReport { round, hop, onions, dropped, .. } = report;
        let counts = format!("{:>10} {hop:>4} {onions:>8} {dropped:>8}", round.0);
        let times = [report.peel, report.mix, report.exchange, report.seal].map(ms).join(" ");
        match report.failed {
            Some(reason) => self.line(&format!("{counts}  lost: {reason}")),
            None if report.noise_altered > 0 => {
                self.line(&format!(
                    "{counts} {times}  ALARM: a later hop dropped or altered onions"
                ));
            }
            None => self.line(&format!("{counts} {times}")),
        }
    }
}

impl<'a> Whole<'a> {
    fn new(entry: &'a EntryReport, hops: &[HopReport]) -> Self {
        let exchanged_at = hops.iter().find_map(|hop| hop.exchanged_at);
        let back = exchanged_at.zip(entry.back_at).map(|(from, to)| to.duration_since(from));
        let sum = |time: fn(&HopReport) -> Duration| hops.iter().map(time).sum();
        let together = Hops {
            peel: sum(|hop| hop.peel),
            mix: sum(|hop| hop.mix),
            exchange: sum(|hop| hop.exchange),
            back: back.unwrap_or_default(),
            dropped: hops.iter().map(|hop| hop.dropped).sum(),
            noise: hops.iter().map(|hop| hop.noise).sum(),
            altered: hops.iter().map(|hop| hop.noise_altered).sum(),
        };
        Self { entry, hops: (!hops.is_empty()).then_some(together) }
    }

    fn object(&self) -> Value {
        let mut object = json!(self.entry);
        if let Some(hops) = &self.hops {
            for (name, time) in [
                ("peel_ms", hops.peel),
                ("mix_ms", hops.mix),
                ("exchange_ms", hops.exchange),
                ("back_ms", hops.back),
            ] {
                object[name] = json!(time.as_micros() as f64 / 1000.0);
            }
            object["dropped"] = json!(hops.dropped);
            object["noise"] = json!(hops.noise);
            object["noise_altered"] = json!(hops.altered);
        }
        if let Some(reason) = self.entry.failed {
            object["reason"] = json!(reason.to_string());
        }
        object
    }
}

fn ready_object(
    entry: Option<SocketAddr>,
    hops: &[(HopIndex, SocketAddr)],
    file: &Path,
    network: Option<&Network>,
) -> Value {
    let hop = |(place, address): &(HopIndex, SocketAddr)| json!({ "hop": u16::from(place.0) + 1, "address": address });
    let mut object = json!({
        "address": entry.or(hops.first().map(|(_, address)| *address)),
        "network": file,
        "hops": hops.iter().map(hop).collect::<Vec<_>>(),
    });
    if let Some(network) = network {
        object["period_ms"] = json!(network.period_ms.get());
        object["lanes"] = json!(network.shape().lanes());
    }
    object
}

fn ms(time: Duration) -> String {
    format!("{:>7.1}ms", time.as_secs_f64() * 1000.0)
}

fn bold(text: &str) -> String {
    if io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

/// `event` goes first: people read these lines too.
pub(super) fn object(event: &str, fields: Value) {
    line(&event_object(event, fields));
}

fn event_object(event: &str, fields: Value) -> String {
    let mut object = Map::new();
    object.insert("event".to_owned(), json!(event));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object).to_string()
}

fn lost_object(lines: u64) -> String {
    event_object("lines_lost", json!({ "lines": lines })) + "\n"
}

fn lost_line(lines: u64) -> String {
    format!("({lines} lines that nobody read in time are left out)\n")
}

/// A reader that has gone is no reason to stop the rounds.
pub(super) fn line(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
