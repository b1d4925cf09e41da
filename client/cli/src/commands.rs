//! The commands that need no server.

use std::path::Path;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use serde::Serialize;
use talaria_client::contact::Name;
use talaria_client::net;
use talaria_client::store::Home;
use talaria_wire::network_file::{Known, NetworkVersion, show_time};
use talaria_wire::params::PROTOCOL_VERSION;

use crate::error::CliError;
use crate::events;

#[derive(Serialize)]
struct Own<'a> {
    name: &'a str,
    card: &'a str,
}

#[derive(Serialize)]
struct KnownContact<'a> {
    name: &'a str,
    card: &'a str,
}

/// Makes an identity.
pub(crate) fn init(
    dir: &Path,
    network: &Path,
    name: Option<Name>,
    json: bool,
) -> Result<(), CliError> {
    let name = name.map_or_else(user_name, Ok)?;
    let mut rng = StdRng::try_from_rng(&mut SysRng).map_err(|_| CliError::NoRandomness)?;
    let home = Home::create(dir, network, name, net::now(), &mut rng)?;
    let (name, card) = own_card(&home)?;
    if json {
        return print_json(&Own { name: &name, card: &card });
    }
    let dir = dir.display();
    print(&format!(
        "{name} now has an identity in {dir}. This is the contact card:\n\n{card}\n\n\
         Give it to whoever should be able to talk to you, ask for theirs, and then:\n\n    \
         talaria chat CARD"
    ))
}

/// Prints one's own card.
pub(crate) fn card(dir: &Path, json: bool) -> Result<(), CliError> {
    let (name, card) = own_card(&Home::look_into(dir)?)?;
    if json { print_json(&Own { name: &name, card: &card }) } else { print(&card) }
}

/// Lists everybody known.
pub(crate) fn contacts(dir: &Path, json: bool) -> Result<(), CliError> {
    let home = Home::look_into(dir)?;
    let network = home.network_id()?;
    let contacts = home.contacts()?;
    if contacts.is_empty() && !json {
        eprintln!("nobody yet: use somebody's card with `talaria chat CARD`");
    }
    for contact in contacts {
        let name = contact.name.clone();
        let card = talaria_client::Card::new(contact, network).to_string();
        if json {
            print_json(&KnownContact { name: name.as_str(), card: &card })?;
        } else {
            print(&format!("{name}\t{card}"))?;
        }
    }
    Ok(())
}

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
    other_network: bool,
}

/// Shows the version of the network that the home knows, or takes another one.
pub(crate) fn network(
    dir: &Path,
    file: Option<&Path>,
    switch: bool,
    json: bool,
) -> Result<(), CliError> {
    let before = Home::look_into(dir)?.network_id()?;
    let known = match file {
        None => Home::look_into(dir)?.known_network()?,
        Some(file) if switch => Home::open(dir)?.switch_network(file, net::now())?.known().clone(),
        Some(file) => Home::look_into(dir)?.update_network(file, net::now())?.known().clone(),
    };
    let other_network = known.version().network != before;
    if json {
        return print_json(&KnownVersion::new(&known, other_network));
    }
    let (terms, NetworkVersion { network, sequence, .. }) = (known.terms(), known.version());
    let until = show_time(terms.validity.until);
    print(&format!(
        "network {}, version {sequence}, valid until {until}; id {network}\nentry {} ({})",
        terms.name, terms.entry.address, terms.entry.operator,
    ))?;
    for (place, hop) in (1..).zip(&terms.hops) {
        print(&format!("hop {place} {} ({})", hop.address, hop.operator))?;
    }
    if other_network {
        print("this is another network: your card has changed, exchange cards again")?;
    }
    Ok(())
}

impl<'a> KnownVersion<'a> {
    fn new(known: &'a Known, other_network: bool) -> Self {
        let (terms, NetworkVersion { network, sequence, hash }) = (known.terms(), known.version());
        Self {
            name: &terms.name,
            network: network.to_string(),
            sequence,
            version: hash.to_string(),
            valid_until_ms: terms.validity.until.0,
            entry: &terms.entry.address,
            operators: terms.hops.iter().map(|hop| hop.operator.as_str()).collect(),
            other_network,
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

fn own_card(home: &Home) -> Result<(String, String), CliError> {
    let identity = home.identity()?;
    let card = identity.card(home.network_id()?).to_string();
    Ok((identity.name.to_string(), card))
}

fn user_name() -> Result<Name, CliError> {
    let user = std::env::var("USER").unwrap_or_else(|_| "me".to_owned());
    Name::new(&user).map_err(|error| CliError::UserName(user, error))
}

pub(crate) fn print(text: &str) -> Result<(), CliError> {
    events::print_line(text).map_err(CliError::Output)
}

pub(crate) fn print_json(object: &impl Serialize) -> Result<(), CliError> {
    events::print(object).map_err(CliError::Output)
}
