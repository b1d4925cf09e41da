//! The commands about others: verify and contacts; and what is said when somebody is met.

use std::io::{self, IsTerminal};
use std::path::Path;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde::Serialize;
use talaria_client::{Contact, Met, SafetyNumber, Trust};
use talaria_daemon::now;
use talaria_store::Home;
use talaria_wire::identity::UserName;

use crate::account::confirm;
use crate::commands::{print, print_json};
use crate::error::CliError;
use crate::secret::Source;
use crate::unlocked::Session;

/// What `verify` is to do beside showing the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Show,
    Mark,
    Accept,
}

#[derive(Serialize)]
struct Person<'a> {
    name: &'a str,
    trust: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_number: Option<String>,
}

pub(crate) fn trust_name(trust: Trust) -> &'static str {
    match trust {
        Trust::New => "new",
        Trust::Unverified => "unverified",
        Trust::Verified => "verified",
        Trust::Changed { .. } => "changed",
    }
}

/// The number that this home and `contact` have in common.
pub(crate) fn safety_number(home: &Home, contact: &Contact) -> Result<SafetyNumber, CliError> {
    let (network, own) = (home.known_network()?.version().network, home.identity()?);
    let one = (&own.name, own.secret.public());
    Ok(SafetyNumber::of(&network, one, (&contact.name, &contact.key)))
}

/// Shows the safety number with somebody; marks it, or accepts a new key.
pub(crate) fn verify(
    dir: &Path,
    name: &UserName,
    verdict: Verdict,
    source: &Source,
    json: bool,
) -> Result<(), CliError> {
    let mut session = Session::look(dir, source)?;
    let home = &mut session.home;
    let met = home.meet(name, now())?;
    let number = safety_number(home, &met.contact)?;
    if !json {
        print(&describe(&met, &number)?)?;
    }
    match (verdict, met.trust) {
        (Verdict::Accept, Trust::Changed { .. }) => home.accept(&met.contact)?,
        (Verdict::Mark, _) => home.mark_verified(&met.contact)?,
        (Verdict::Show, trust) if !json && source.is_terminal() => ask(home, &met, trust)?,
        (Verdict::Show | Verdict::Accept, _) => {}
    }
    let trust = trust_name(home.meet(name, now())?.trust);
    if json {
        let safety_number = Some(number.digits());
        return print_json(&Person { name: name.as_str(), trust, safety_number });
    }
    print(&format!("{name} is {trust} now"))
}

fn ask(home: &mut Home, met: &Met, trust: Trust) -> Result<(), CliError> {
    let name = &met.contact.name;
    match trust {
        Trust::Verified => Ok(()),
        Trust::Changed { .. } => {
            if confirm(&format!("Have you asked {name}, and is the new number the same there?"))? {
                home.accept(&met.contact)?;
                home.mark_verified(&met.contact)?;
            }
            Ok(())
        }
        Trust::New | Trust::Unverified => {
            if confirm(&format!("Does {name} see the same number?"))? {
                home.mark_verified(&met.contact)?;
            }
            Ok(())
        }
    }
}

fn describe(met: &Met, number: &SafetyNumber) -> Result<String, CliError> {
    let name = &met.contact.name;
    let state = match met.trust {
        Trust::New => "You have not talked yet.".to_owned(),
        Trust::Unverified => "Nobody has compared the number yet.".to_owned(),
        Trust::Verified => "You have compared this number.".to_owned(),
        Trust::Changed { verified, .. } => {
            let before = if verified { ", and you had compared the one before" } else { "" };
            format!(
                "WARNING: {name} has another key than before{before}. Either {name} has replaced \
                 it, or somebody is putting a key of their own between you. Nothing is sent before \
                 you accept it with `talaria verify {name} --accept`."
            )
        }
    };
    let code = qr_code(number)?;
    Ok(format!(
        "Safety number with {name}:\n\n{number}\n\n{code}\n\n{state} Compare it with what \
         `talaria verify` shows {name}, in person or by a call."
    ))
}

fn qr_code(number: &SafetyNumber) -> Result<String, CliError> {
    let code = QrCode::new(number.digits()).map_err(|_| CliError::NoQrCode)?;
    Ok(code.render::<Dense1x2>().quiet_zone(true).build())
}

/// Says whom one is about to talk to for the first time. In a terminal it has a QR code as well, and
/// waits to be read: the screen of the chat would cover it.
pub(crate) fn greet(met: &Met, number: &SafetyNumber) -> Result<(), CliError> {
    let Some(greeting) = greeting(met, number) else { return Ok(()) };
    eprintln!("talaria: {greeting}");
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        eprint!("\n{}\n\nPress Enter to go on. ", qr_code(number)?);
        io::stdin().read_line(&mut String::new()).map_err(CliError::Terminal)?;
    }
    Ok(())
}

/// What to say when a chat begins, if the key is not compared.
fn greeting(met: &Met, number: &SafetyNumber) -> Option<String> {
    let name = &met.contact.name;
    (met.trust == Trust::New).then(|| {
        format!(
            "this is your first contact with {name}. Your safety number:\n{number}\nCompare it with \
             what {name} sees (`talaria verify {name}` shows a QR code): if it differs, somebody is \
             between you"
        )
    })
}

/// Lists everybody who was talked to.
pub(crate) fn contacts(dir: &Path, source: &Source, json: bool) -> Result<(), CliError> {
    let mut session = Session::look(dir, source)?;
    let contacts = session.home.contacts()?;
    if contacts.is_empty() && !json {
        eprintln!("nobody yet: talk to somebody with `talaria chat NAME`");
    }
    for (contact, trust) in contacts {
        let (name, trust) = (contact.name.as_str(), trust_name(trust));
        if json {
            print_json(&Person { name, trust, safety_number: None })?;
        } else {
            print(&format!("{name}\t{trust}"))?;
        }
    }
    Ok(())
}
