//! The commands that need neither server nor password, and what all commands print with.

use std::path::Path;

use serde::Serialize;
use talaria_daemon as net;
use talaria_store::{NetworkSource, update_network};
use talaria_wire::network_file::{Known, NetworkVersion, show_time};
use talaria_wire::params::PROTOCOL_VERSION;

use crate::error::CliError;
use crate::events;

/// What there is to tell of a version of a network.
#[derive(Serialize)]
struct KnownVersion<'a> {
    name: &'a str,
    network: String,
    sequence: u64,
    version: String,
    valid_until_ms: u64,
    entry: &'a str,
    operators: Vec<&'a str>,
    identity: &'a str,
}

/// Shows the version of the network that the home knows, or takes another one.
pub(crate) fn network(dir: &Path, file: Option<&Path>, json: bool) -> Result<(), CliError> {
    let known = match file {
        None => NetworkSource::of_home(dir)?.known()?,
        Some(file) => update_network(dir, file, net::now())?.known().clone(),
    };
    if json {
        return print_json(&KnownVersion::new(&known));
    }
    let (terms, NetworkVersion { network, sequence, .. }) = (known.terms(), known.version());
    let until = show_time(terms.validity.until);
    print(&format!(
        "network {}, version {sequence}, valid until {until}; id {network}\nentry {} ({})\nidentity service {}",
        terms.name, terms.entry.address, terms.entry.operator, terms.identity.address,
    ))?;
    for (place, hop) in (1..).zip(&terms.hops) {
        print(&format!("hop {place} {} ({})", hop.address, hop.operator))?;
    }
    Ok(())
}

impl<'a> KnownVersion<'a> {
    fn new(known: &'a Known) -> Self {
        let (terms, NetworkVersion { network, sequence, hash }) = (known.terms(), known.version());
        Self {
            name: &terms.name,
            network: network.to_string(),
            sequence,
            version: hash.to_string(),
            valid_until_ms: terms.validity.until.0,
            entry: &terms.entry.address,
            operators: terms.hops.iter().map(|hop| hop.operator.as_str()).collect(),
            identity: &terms.identity.address,
        }
    }
}

/// Prints the version.
pub(crate) fn version(json: bool) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Version {
        version: &'static str,
        protocol: u16,
    }
    let version = env!("CARGO_PKG_VERSION");
    if json {
        return print_json(&Version { version, protocol: PROTOCOL_VERSION });
    }
    print(&format!("talaria {version} (protocol {PROTOCOL_VERSION})"))
}

pub(crate) fn print(text: &str) -> Result<(), CliError> {
    events::print_line(text).map_err(CliError::Output)
}

pub(crate) fn print_json(object: &impl Serialize) -> Result<(), CliError> {
    events::print(object).map_err(CliError::Output)
}
