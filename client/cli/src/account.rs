//! The commands of an account: register, login, logout, password, whoami, key rotate.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;
use talaria_client::certificate::expires_s;
use talaria_daemon::account::Joining;
use talaria_opaque::Stretch;
use talaria_store::{AccountFile, Home};
use talaria_wire::UnixMillis;
use talaria_wire::identity::UserName;
use talaria_wire::network_file::show_time;

use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::secret::Source;
use crate::unlocked::{Session, generator, runtime};

#[derive(Serialize)]
struct Own<'a> {
    name: &'a str,
    network: &'a str,
    key: String,
}

impl<'a> Own<'a> {
    fn show(
        home: &Home,
        network: &'a str,
        name: &'a UserName,
        json: bool,
        said: &str,
    ) -> Result<(), CliError> {
        let key = hex(&home.identity()?.secret.public().to_bytes());
        if json {
            return print_json(&Self { name: name.as_str(), network, key });
        }
        print(said)
    }
}

/// Registers a name.
pub(crate) fn register(
    dir: &Path,
    args: &crate::args::Register,
    source: &Source,
    json: bool,
) -> Result<(), CliError> {
    let joining = Joining::new(dir, args.network.as_deref(), Stretch::STRONG)?;
    let name = &args.name;
    let password = source.choose(&format!("A password for {name}: "), name, args.force)?;
    let token = args.token.clone();
    let registering = async {
        let mut rng = generator()?;
        Ok::<_, CliError>(joining.register(name, password, token, &mut rng).await?)
    };
    let home = runtime()?.block_on(registering)?;
    let said = format!(
        "{name} is registered. Others find you by this name:\n\n    talaria chat {name}\n\n\
         Nobody can reset the password: keep it safe."
    );
    Own::show(&home, &joining.network.name, name, json, &said)
}

/// Brings an account to this home.
pub(crate) fn login(
    dir: &Path,
    name: &UserName,
    network: Option<&Path>,
    source: &Source,
    json: bool,
) -> Result<(), CliError> {
    let joining = Joining::new(dir, network, Stretch::STRONG)?;
    let password = source.ask(&format!("Password of {name}: "))?;
    let logging_in = async {
        let mut rng = generator()?;
        Ok::<_, CliError>(joining.login(name, password, &mut rng).await?)
    };
    let home = runtime()?.block_on(logging_in)?;
    let said = format!(
        "{name} goes on here. What was said before stays where it was said; homes of {name} \
         elsewhere are told, and end."
    );
    Own::show(&home, &joining.network.name, name, json, &said)
}

#[derive(Serialize)]
struct LoggedOut<'a> {
    name: &'a str,
    /// `null` if nobody looked.
    undelivered: Option<Vec<Undelivered>>,
}

#[derive(Serialize)]
struct Undelivered {
    name: String,
    texts: usize,
}

/// Removes what the home remembers; the account itself stays at the service.
pub(crate) fn logout(dir: &Path, yes: bool, source: &Source, json: bool) -> Result<(), CliError> {
    let name = AccountFile::read(dir)?.name;
    Home::require_unused(dir)?;
    let undelivered = match (yes, source.is_terminal()) {
        (true, true) => None,
        _ => Some(undelivered(dir, source)?),
    };
    for waiting in undelivered.iter().flatten() {
        eprintln!("{} texts to {} are not delivered, and are lost", waiting.texts, waiting.name);
    }
    if !yes && !confirm(&format!("Remove everything that {name} has in {}?", dir.display()))? {
        return Err(CliError::NotConfirmed);
    }
    Home::remove(dir)?;
    if json {
        return print_json(&LoggedOut { name: name.as_str(), undelivered });
    }
    if undelivered.is_none() {
        eprintln!("whether something was not delivered nobody has looked, for want of a password");
    }
    print(&format!("{name} is logged out. `talaria login {name}` brings the account back"))
}

fn undelivered(dir: &Path, source: &Source) -> Result<Vec<Undelivered>, CliError> {
    let waiting = Session::look(dir, source)?.home.undelivered()?.into_iter();
    Ok(waiting.map(|(name, texts)| Undelivered { name: name.to_string(), texts }).collect())
}

/// Asks a person.
pub(crate) fn confirm(question: &str) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::NotConfirmed);
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush().map_err(CliError::Terminal)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(CliError::Terminal)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Changes the password.
pub(crate) fn password(
    dir: &Path,
    source: &Source,
    new: &Source,
    force: bool,
    json: bool,
) -> Result<(), CliError> {
    let mut session = Session::alone(dir, source)?;
    let name = session.home.file().name.clone();
    let password = new.choose(&format!("A new password for {name}: "), &name, force)?;
    let Session { runtime, unlocked, home, rng } = &mut session;
    runtime.block_on(unlocked.change_password(home, password, rng))?;
    if json {
        return print_json(&serde_json::json!({ "name": name.as_str(), "changed": true }));
    }
    print("the password is changed")
}

#[derive(Serialize)]
struct Whoami<'a> {
    name: &'a str,
    network: &'a str,
    key: String,
    certificate_until_ms: u64,
    directory_entries: u64,
    directory_hash: String,
}

/// Shows the account of the home.
pub(crate) fn whoami(dir: &Path, source: &Source, json: bool) -> Result<(), CliError> {
    let mut session = Session::look(dir, source)?;
    let identity = session.home.identity()?;
    let until = expires_s(&session.home.certificate()?).unwrap_or(0).saturating_mul(1000);
    let known = session.home.known_network()?;
    let directory = session.home.directory()?;
    let shown = Whoami {
        name: identity.name.as_str(),
        network: &known.terms().name,
        key: hex(&identity.secret.public().to_bytes()),
        certificate_until_ms: until,
        directory_entries: directory.entries(),
        directory_hash: hex(&directory.hash().0),
    };
    if json {
        return print_json(&shown);
    }
    print(&format!(
        "{} in network {}\nkey {}\ncertificate valid until {}\ndirectory: {} entries, hash {}",
        shown.name,
        shown.network,
        shown.key,
        show_time(UnixMillis(until)),
        shown.directory_entries,
        shown.directory_hash,
    ))
}

/// Replaces the key.
pub(crate) fn rotate(dir: &Path, source: &Source, json: bool) -> Result<(), CliError> {
    let mut session = Session::alone(dir, source)?;
    let Session { runtime, unlocked, home, rng } = &mut session;
    runtime.block_on(unlocked.rotate_key(home, rng))?;
    let name = home.file().name.clone();
    let network = home.known_network()?.terms().name.clone();
    let said = format!(
        "{name} has a new key. Your contacts are told, and send nothing before they accept it: \
         compare the safety numbers again (`talaria verify NAME`)"
    );
    Own::show(home, &network, &name, json, &said)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
