//! From what a probe has seen to a finding for every link, and what to do about it.
//!
//! Pure: it is told what came back, and gives a [`Check`] for each link of the chain, in its order.
//! The first one that is a fault is where to begin.

mod server;
mod words;

use std::fmt;

use serde::Serialize;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::network_file::{Network, NetworkVersion};
use talaria_wire::probe::{HopStatus, LinkState};
use talaria_wire::{Round, UnixMillis};

use crate::schedule::ScheduleConfig;
pub use server::Server;

/// Clocks may differ by this much before a round counts as old.
const CLOCKS_MS: u64 = 10_000;

/// The chain as the network file has it.
#[derive(Clone, Debug)]
pub struct Servers {
    /// The entry, then the hops.
    all: Vec<Server>,
    version: NetworkVersion,
    schedule: ScheduleConfig,
}

/// What the one who probes has seen of the chain behind it.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The link that it has tried itself.
    pub state: LinkState,
    /// The key that the next server shows, if it is another one than it should.
    pub shown: Option<IdentityPublic>,
    /// What the hops behind have reported, in the order of the chain.
    pub reports: Vec<HopStatus>,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// Something is wrong here.
    Fault,
    /// It lies behind a fault, where nothing can be seen.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What: `configuration`, a server, or a link such as `hop 1 → hop 2`.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, in words.
    pub finding: String,
    /// What to do, and who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// The state of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<LinkState>,
    /// What the far side of a link has reported.
    #[serde(flatten)]
    pub far: Option<Far>,
}

/// The far side of a link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Far {
    /// Milliseconds there and back.
    pub round_trip_ms: f64,
    /// The last round that it took on; 0 if there was none.
    pub round: u64,
    /// The number of the version of the network file that it runs with.
    pub sequence: u64,
    /// The version of its program.
    pub program: String,
}

impl Check {
    /// All is well.
    #[must_use]
    pub fn ok(subject: &impl ToString, finding: String) -> Self {
        let subject = subject.to_string();
        Self { subject, verdict: Verdict::Ok, finding, advice: None, state: None, far: None }
    }

    /// Something is wrong, and what to do about it.
    #[must_use]
    pub fn fault(subject: &impl ToString, finding: String, advice: String) -> Self {
        Self { verdict: Verdict::Fault, advice: Some(advice), ..Self::ok(subject, finding) }
    }
}

/// The first check that found a fault.
#[must_use]
pub fn at_fault(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| check.verdict == Verdict::Fault)
}

impl Servers {
    /// Those of a network.
    #[must_use]
    pub fn of(network: &Network) -> Self {
        let entry = Server {
            hop: None,
            operator: network.entry.operator.clone(),
            address: network.entry.address.clone(),
            identity: network.entry.identity,
        };
        let hops = (0u8..).zip(network.hops()).map(|(hop, info)| Server {
            hop: Some(hop),
            operator: info.operator.clone(),
            address: info.address.clone(),
            identity: info.identity,
        });
        Self {
            all: std::iter::once(entry).chain(hops).collect(),
            version: network.version(),
            schedule: ScheduleConfig::for_period(network.period_ms),
        }
    }

    /// The server with a place: that of a hop, or `None` for the entry.
    #[must_use]
    pub fn at(&self, hop: Option<u8>) -> Option<&Server> {
        self.all.iter().find(|server| server.hop == hop)
    }

    /// How many hops are behind a server.
    #[must_use]
    pub fn behind(&self, hop: Option<u8>) -> usize {
        self.all.iter().filter(|server| server.hop > hop).count()
    }

    /// A check for every link behind the server `from`.
    #[must_use]
    pub fn links(&self, from: Option<u8>, sight: &Sight, now: UnixMillis) -> Vec<Check> {
        let mut reports = sight.reports.iter();
        let (mut state, mut shown) = (sight.state, sight.shown);
        let (mut hidden, mut waiting) = (false, false);
        let links = self.all.windows(2).filter(|pair| pair[0].hop >= from);
        links
            .map(|pair| {
                let link = Link { near: &pair[0], far: &pair[1], servers: self };
                if hidden {
                    return link.unknown();
                }
                hidden = true;
                if state != LinkState::Up {
                    return link.down(state, shown.take());
                }
                let Some(report) = reports.next() else { return link.mute() };
                (hidden, state) = (false, report.link);
                let mut check = link.seen(report, now);
                // One stop of the rounds is seen by everybody behind it.
                if link.is_waiting(report, now) && !std::mem::replace(&mut waiting, true) {
                    check = link.waits(check, report, now);
                }
                check
            })
            .collect()
    }

    fn age_ms(&self, report: &HopStatus, now: UnixMillis) -> u64 {
        now.since(Round(report.round).starts_at(self.schedule.period_ms))
    }
}

/// Two neighbours.
struct Link<'a> {
    near: &'a Server,
    far: &'a Server,
    servers: &'a Servers,
}

impl fmt::Display for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.near, self.far)
    }
}

impl Link<'_> {
    fn far_side(&self) -> String {
        format!("{}, {}", self.far.operator, self.far.address)
    }

    fn unknown(&self) -> Check {
        let finding = format!("{}: behind the fault, cannot be seen", self.far_side());
        Check { verdict: Verdict::Unknown, ..Check::ok(self, finding) }
    }

    /// The link is not up.
    fn down(&self, state: LinkState, shown: Option<IdentityPublic>) -> Check {
        let (mut finding, advice) = words::of_fault(state, self.near, self.far);
        if let Some(shown) = shown {
            finding.push_str(&self.whose(&shown));
        }
        let finding = format!("{}: {finding}", self.far_side());
        Check { state: Some(state), ..Check::fault(self, finding, advice) }
    }

    /// Whose key it is that somebody shows.
    fn whose(&self, shown: &IdentityPublic) -> String {
        match self.servers.all.iter().find(|server| server.identity == *shown) {
            Some(server) => format!(" (it is the key of {server}, {})", server.operator),
            None => {
                let key = hex::encode(shown.to_bytes());
                format!(" (it shows {key}, which is nobody's in the network file)")
            }
        }
    }

    /// The link is up, and no report came.
    fn mute(&self) -> Check {
        let finding = format!("{}: the link is up, and no answer came", self.far_side());
        let advice = format!(
            "probe again; if it stays so: {} looks whether the machine of {} is overloaded, or its \
             talariad too old to answer",
            self.far.operator, self.far
        );
        Check { state: Some(LinkState::Up), ..Check::fault(self, finding, advice) }
    }

    /// The far side has reported.
    fn seen(&self, report: &HopStatus, now: UnixMillis) -> Check {
        let far = Far {
            round_trip_ms: f64::from(report.round_trip_us) / 1000.0,
            round: report.round,
            sequence: report.sequence,
            program: report.program.to_string(),
        };
        let finding = format!(
            "{}: {:.1} ms; talariad {}, {}",
            self.far_side(),
            far.round_trip_ms,
            far.program,
            self.last_round(report, now),
        );
        let (state, far) = (Some(LinkState::Up), Some(far));
        match self.other_version(report) {
            None => Check { state, far, ..Check::ok(self, finding) },
            Some((other, advice)) => {
                Check { state, far, ..Check::fault(self, format!("{finding}; {other}"), advice) }
            }
        }
    }

    fn other_version(&self, report: &HopStatus) -> Option<(String, String)> {
        let own = self.servers.version;
        if report.version == own.hash {
            return None;
        }
        let (far, theirs) = (self.far, report.sequence);
        let advice = match theirs.cmp(&own.sequence) {
            std::cmp::Ordering::Less => words::of_fault(LinkState::Behind, self.near, far).1,
            std::cmp::Ordering::Greater => "install the newest network file here".to_owned(),
            std::cmp::Ordering::Equal => words::of_fault(LinkState::Forked, self.near, far).1,
        };
        let here = own.sequence;
        Some((format!("runs version {theirs} of the network file; here it is {here}"), advice))
    }

    fn is_waiting(&self, report: &HopStatus, now: UnixMillis) -> bool {
        let ScheduleConfig { period_ms, patience_ms, .. } = self.servers.schedule;
        self.servers.age_ms(report, now) > patience_ms + 3 * period_ms.get() + CLOCKS_MS
    }

    /// The link is up, and no rounds come over it.
    fn waits(&self, seen: Check, report: &HopStatus, now: UnixMillis) -> Check {
        let finding =
            format!("{}: no rounds come: {}", self.far_side(), self.last_round(report, now));
        let advice = format!(
            "is {} running, and everything before it? Its log says why rounds end there; and are \
             the clocks right?",
            self.near
        );
        Check { state: seen.state, far: seen.far, ..Check::fault(self, finding, advice) }
    }

    fn last_round(&self, report: &HopStatus, now: UnixMillis) -> String {
        if report.round == 0 {
            return "no round yet".to_owned();
        }
        format!("last round {} s ago", self.servers.age_ms(report, now) / 1000)
    }
}

#[cfg(test)]
mod tests;
