//! `talariad probe`: every link of the chain from this server on, and which one is at fault.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use talaria_mixnet::probe::diagnosis::{Check, Servers, Verdict, at_fault};
use talaria_server::config::Config;
use talaria_server::files::directory::proof_in;
use talaria_server::files::keys;
use talaria_server::files::network::{Memory, NetworkError};
use talaria_server::net::clock::now;
use talaria_server::net::probe::{Vantage, look_onward, own_entry, own_hop};
use talaria_server::roles::Roles;
use talaria_wire::network_file::{Known, Network, show_time};

use super::display::{line, object};
use super::failure::Failure;

pub(super) const HELP: &str = "Exit codes: 0 if all is well, 1 if there is a fault, 2 for wrong usage.\n\
    The servers before this one are not looked at: their operators probe from there; a probe by \
    the entry's operator sees the whole chain. Rounds go on meanwhile.";

#[derive(Args)]
pub(super) struct ProbeArgs {
    /// The configuration of this server, as for `talariad run`: its key is what the next hop takes.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How long each step may take: connecting, the greeting, and the reports of the hops.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_limit)]
    timeout: Duration,
}

fn parse_limit(text: &str) -> Result<Duration, String> {
    let limit = humantime::parse_duration(text)
        .map_err(|_| "expected a number with a unit, such as 10s or 500ms".to_owned())?;
    let allowed = Duration::from_millis(100)..=Duration::from_secs(600);
    if allowed.contains(&limit) { Ok(limit) } else { Err("from 100ms to 10m".to_owned()) }
}

pub(super) async fn probe(args: ProbeArgs, as_json: bool) -> Result<(), Failure> {
    let (checks, about) = match load(&args.config) {
        Err(error) => {
            let advice = "mend it; `talariad check-config FILE` checks it again".to_owned();
            (vec![Check::fault(&"configuration", error.to_string(), advice)], json!({}))
        }
        Ok(loaded) => (look(&loaded, &args).await?, loaded.about()),
    };
    if as_json {
        let ok = at_fault(&checks).is_none();
        let mut fields = json!({
            "ok": ok, "at_fault": at_fault(&checks).map(|check| &check.subject), "checks": checks,
        });
        if let (Value::Object(fields), Value::Object(about)) = (&mut fields, about) {
            fields.extend(about);
        }
        object("probe", fields);
    } else {
        show(&checks);
    }
    match at_fault(&checks) {
        None => Ok(()),
        Some(check) => Err(format!("{} is at fault", check.subject).into()),
    }
}

/// A configuration that can be used.
struct Loaded {
    config: Config,
    network: Network,
    servers: Servers,
    /// In the order of the configuration: the entry, then the hops.
    vantages: Vec<Vantage>,
}

fn load(path: &Path) -> Result<Loaded, Failure> {
    let config = Config::load(path)?;
    let (roles, network) = Roles::load(config.clone(), now())?;
    let servers = Servers::of(&network);
    Ok(Loaded { config, servers, vantages: roles.into_vantages(), network })
}

impl Loaded {
    fn about(&self) -> Value {
        json!({ "network": self.network.id().to_string(), "sequence": self.network.version().sequence })
    }

    /// The version of the network file that the entry ran with last.
    fn kept(&self) -> Result<Option<Known>, NetworkError> {
        let entry = self.config.entry.as_ref();
        let memory = entry.map(|entry| Memory::new(&entry.state));
        memory.map_or(Ok(None), |memory| memory.known(self.network.id()))
    }

    /// What the entry has kept against the identity service.
    fn accused(&self) -> Option<Check> {
        let entry = self.config.entry.as_ref()?;
        let proof = proof_in(&entry.state, &self.network.id())?;
        let finding = "it has signed two directories that contradict each other".to_owned();
        let advice = format!(
            "show {} to the other operators and to users, and remove it when that is settled",
            proof.display()
        );
        Some(Check::fault(&"identity service", finding, advice))
    }

    /// The files that show the own keys, in the order of the vantages.
    fn identities(&self) -> impl Iterator<Item = &PathBuf> {
        let entry = self.config.entry.iter().map(|entry| &entry.identity);
        entry.chain(self.config.hop.iter().map(|hop| &hop.identity))
    }
}

async fn look(loaded: &Loaded, args: &ProbeArgs) -> Result<Vec<Check>, Failure> {
    let Loaded { network, servers, vantages, .. } = loaded;
    let version = network.version().sequence;
    let until = show_time(network.valid_until());
    let finding = format!("network {}, version {version}, valid until {until}", network.name);
    let mut checks = vec![Check::ok(&"configuration", finding)];
    checks.extend(loaded.accused());
    for (vantage, identity) in vantages.iter().zip(loaded.identities()) {
        let place = vantage.hop.map(|hop| hop.0);
        let own = servers.at(place).ok_or("the network file does not have this server")?;
        checks.push(match place {
            None => {
                let kept = loaded.kept()?;
                own_entry(vantage.listen, own, network, kept.as_ref(), args.timeout).await?
            }
            Some(_) => {
                let key = keys::read_identity(identity)?;
                own_hop(vantage.listen, own, &key, args.timeout).await?
            }
        });
    }
    // From the first of them everything is seen that is seen from the others.
    if let Some(first) = vantages.iter().min_by_key(|vantage| vantage.hop)
        && let Some(onward) = &first.onward
    {
        let from = first.hop.map(|hop| hop.0);
        let next = from.map_or(0, |hop| hop.saturating_add(1));
        let sight = look_onward(onward, next, servers.behind(from), args.timeout).await;
        checks.extend(servers.links(from, &sight, now()));
    }
    Ok(checks)
}

fn show(checks: &[Check]) {
    let width = checks.iter().map(|check| check.subject.chars().count()).max().unwrap_or(0);
    for Check { subject, verdict, finding, advice, .. } in checks {
        let word = match verdict {
            Verdict::Ok => "ok",
            Verdict::Fault => "FAULT",
            Verdict::Unknown => "unknown",
        };
        line(&format!("{word:<7}  {subject:<width$}  {finding}"));
        if let Some(advice) = advice {
            line(&format!("{:<7}  {:<width$}  what to do: {advice}", "", ""));
        }
    }
    if at_fault(checks).is_none() {
        line("All is well.");
    }
}
