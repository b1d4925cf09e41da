//! `talariad network …`: what operators do with network files.

mod describe;
mod settings;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use talaria_server::files::keys;
use talaria_server::files::network::{
    NetworkError, in_file, read_file, read_known, read_public_part, write_file,
};
use talaria_server::net::clock::now;
use talaria_server::setup::DEFAULT_NOISE;
use talaria_wire::crypto::IdentityPublic;
use talaria_wire::network_file::{
    HopInfo, Known, NetworkFile, NetworkFileError, Signer, Terms, VerifyError,
};

use super::display::{line, object};
use super::failure::Failure;
use describe::{changes, summary, summary_object};
use settings::Settings;

pub(super) const HELP: &str = "\
A network from nothing, with each operator at their own machine:
  talariad hop init --data hop --operator Bob --listen 0.0.0.0:7401 --address bob.example:7401
  talariad network new --entry entry-public.toml --hop bob.toml --hop carol.toml --out network.toml
  talariad network sign network.toml --key hop/identity.key      each operator, one after another
  talariad network verify network.toml
The next version: `network next`, then `sign --previous OLD` by all, those who leave included.";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make the first version of a network file out of public parts; nobody has signed it yet.
    New(NewArgs),
    /// Make the version after FILE, with what is to change.
    Next(NextArgs),
    /// Put one more hop into a network file that is not signed by all yet.
    AddHop(AddHopArgs),
    /// Show what a network file says, and sign it.
    ///
    /// A version after the first needs --previous, and shows what it changes.
    Sign(SignArgs),
    /// Take over the signatures of other copies of the same version.
    Merge(MergeArgs),
    /// Say whether a network file can be used: signed by all, valid now, and a successor.
    Verify(VerifyArgs),
    /// Show a network file, and who has signed it.
    Show {
        /// The network file.
        file: PathBuf,
    },
}

#[derive(Args)]
pub(super) struct NewArgs {
    /// The public part of the entry.
    #[arg(long, value_name = "FILE")]
    entry: PathBuf,
    /// The public part of a hop; first hop first.
    #[arg(long, value_name = "FILE", required = true)]
    hop: Vec<PathBuf>,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    settings: Settings,
    /// Length of a round, which stays for ever [default: 2s].
    #[arg(long, value_name = "DURATION", value_parser = super::period::parse_period)]
    period: Option<std::time::Duration>,
}

#[derive(Args)]
pub(super) struct NextArgs {
    /// The version that all have signed.
    file: PathBuf,
    /// Replace the entry by the one in this public part, and the identity service with it.
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    /// Replace hop N (from 1) by the one in this public part.
    #[arg(long, num_args = 2, value_names = ["N", "FILE"])]
    replace: Vec<String>,
    /// Remove hop N (from 1); after --replace.
    #[arg(long, value_name = "N")]
    remove: Vec<usize>,
    /// Add the hop in this public part at the end.
    #[arg(long, value_name = "FILE")]
    hop: Vec<PathBuf>,
    #[command(flatten)]
    out: Out,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
struct Out {
    /// Where to write the network file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(super) struct AddHopArgs {
    /// The network file, which is changed.
    file: PathBuf,
    /// The public part of the hop.
    #[arg(long, value_name = "FILE")]
    hop: PathBuf,
    /// Its place in the chain, from 1 [default: the last].
    #[arg(long, value_name = "N")]
    at: Option<usize>,
}

#[derive(Args)]
pub(super) struct SignArgs {
    /// The network file, which is changed.
    file: PathBuf,
    /// Your server's identity key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The version before it.
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Do not ask: what is signed has been looked at.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
pub(super) struct MergeArgs {
    /// The network file, which is changed.
    file: PathBuf,
    /// Copies of it that others have signed.
    #[arg(required = true)]
    copies: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The network file.
    file: PathBuf,
    /// A version that is known, upon which it has to follow.
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
}

pub(super) fn run(command: Command, as_json: bool) -> Result<(), Failure> {
    match command {
        Command::New(args) => new(&args, as_json),
        Command::Next(args) => next(&args, as_json),
        Command::AddHop(args) => add_hop(&args, as_json),
        Command::Sign(args) => sign(&args, as_json),
        Command::Merge(args) => merge(&args, as_json),
        Command::Verify(args) => verify(&args, as_json),
        Command::Show { file } => {
            let file = read_file(&file)?;
            say("network", &file, as_json, json!({}), "");
            Ok(())
        }
    }
}

fn new(args: &NewArgs, as_json: bool) -> Result<(), Failure> {
    let (entry, identity) =
        read_public_part(&args.entry)?.into_entry().map_err(in_file(&args.entry))?;
    let hops = args.hop.iter().map(|path| read_hop(path)).collect::<Result<_, _>>()?;
    let first = Terms::first("talaria", args.settings.validity(now()), entry, identity, hops);
    let mut terms = Terms { noise: DEFAULT_NOISE, ..first };
    if let Some(period) = args.period {
        terms.period_ms = u64::try_from(period.as_millis())?.try_into()?;
    }
    args.settings.put(&mut terms)?;
    args.out.write(terms, None, as_json)
}

fn next(args: &NextArgs, as_json: bool) -> Result<(), Failure> {
    let known = read_known(&args.file)?;
    let mut terms = known.next_terms();
    terms.validity = args.settings.validity(now());
    if let Some(path) = &args.entry {
        (terms.entry, terms.identity) =
            read_public_part(path)?.into_entry().map_err(in_file(path))?;
    }
    for pair in args.replace.chunks_exact(2) {
        let place = place(pair[0].parse().unwrap_or(0), terms.hops.len())?;
        terms.hops[place] = read_hop(Path::new(&pair[1]))?;
    }
    let mut places = args.remove.clone();
    places.sort_unstable();
    for number in places.into_iter().rev() {
        let place = place(number, terms.hops.len())?;
        terms.hops.remove(place);
    }
    for path in &args.hop {
        terms.hops.push(read_hop(path)?);
    }
    args.settings.put(&mut terms)?;
    args.out.write(terms, Some(&known), as_json)
}

impl Out {
    fn write(&self, terms: Terms, known: Option<&Known>, as_json: bool) -> Result<(), Failure> {
        let there = self.out.exists();
        if there && !self.force {
            let path = self.out.display();
            return Err(format!("{path} is there already: choose another, or add --force").into());
        }
        let file = NetworkFile::new(terms).map_err(in_file(&self.out))?;
        write_file(&self.out, &file)?;
        let did = if there { "Replaced" } else { "Wrote" };
        let then = format!("{did} {}; every operator has to sign it.", self.out.display());
        say("network_written", &file, as_json, changes_object(&file, known), &then);
        Ok(())
    }
}

fn add_hop(args: &AddHopArgs, as_json: bool) -> Result<(), Failure> {
    let file = read_file(&args.file)?;
    if file.missing(None).is_empty() {
        return Err("all have signed this version: make the next one with `network next`".into());
    }
    let mut terms = file.terms().clone();
    let at = args.at.unwrap_or(terms.hops.len() + 1);
    let at = place(at, terms.hops.len() + 1)?;
    terms.hops.insert(at, read_hop(&args.hop)?);
    let had = file.signers().filter(|(_, key)| file.is_signed_by(key)).count();
    let file = NetworkFile::new(terms).map_err(in_file(&args.file))?;
    write_file(&args.file, &file)?;
    let void = match had {
        0 => "",
        _ => " The signatures that it had do not fit any more and are removed.",
    };
    let then = format!("Changed {}.{void}", args.file.display());
    say("network_written", &file, as_json, json!({ "signatures_removed": had }), &then);
    Ok(())
}

fn sign(args: &SignArgs, as_json: bool) -> Result<(), Failure> {
    let mut file = read_file(&args.file)?;
    file.check_signatures().map_err(|error| in_file(&args.file)(error.into()))?;
    let known = previous(&file, args.previous.as_deref())?;
    let own = keys::read_identity(&args.key)?;
    let signer = signer(&file, known.as_ref(), own.public())
        .ok_or_else(|| format!("{} is the key of none of its operators", args.key.display()))?;
    let what = changes_object(&file, known.as_ref());
    if !as_json {
        say("", &file, false, what.clone(), &format!("You sign as {signer}."));
    }
    confirm(args.yes)?;
    file.sign(&own);
    write_file(&args.file, &file)?;
    let missing = names(&file.missing(known.as_ref()));
    if as_json {
        say(
            "network_signed",
            &file,
            true,
            json!({ "signer": signer.to_string(), "missing": missing, "changes": what["changes"] }),
            "",
        );
    } else if missing.is_empty() {
        line("Signed. Everybody has signed now: this is the file for servers and clients.");
    } else {
        line(&format!("Signed. Still to sign: {}.", missing.join(", ")));
    }
    Ok(())
}

/// The version before, which nobody signs a later one without having compared with.
fn previous(file: &NetworkFile, path: Option<&Path>) -> Result<Option<Known>, Failure> {
    let sequence = file.version().sequence;
    match path {
        None if sequence == 1 => Ok(None),
        None => Err(format!(
            "this is version {sequence}: add --previous with the file of version {}, so that you \
             see what changes",
            sequence - 1
        )
        .into()),
        Some(path) => {
            let known = read_known(path)?;
            file.check_follows(&known)?;
            if file.terms().previous != Some(known.version().hash) {
                return Err(VerifyError::OtherPrevious(sequence).into());
            }
            Ok(Some(known))
        }
    }
}

fn signer(file: &NetworkFile, known: Option<&Known>, own: &IdentityPublic) -> Option<Signer> {
    let former = known.map(|known| known.file().signers().collect::<Vec<_>>());
    let mut all = file.signers().chain(former.into_iter().flatten());
    all.find(|(_, key)| key == own).map(|(signer, _)| signer)
}

fn confirm(yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err("nobody is there to confirm: look at what is signed, then add --yes".into());
    }
    print!("Sign this? [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err("not signed".into()),
    }
}

fn merge(args: &MergeArgs, as_json: bool) -> Result<(), Failure> {
    let mut file = read_file(&args.file)?;
    for path in &args.copies {
        let copy = read_file(path)?;
        if copy.version() != file.version() {
            return Err(
                format!("{} does not say the same as the other file", path.display()).into()
            );
        }
        file.take_signatures(&copy).map_err(in_file(path))?;
    }
    write_file(&args.file, &file)?;
    say("network_written", &file, as_json, json!({}), &format!("Changed {}.", args.file.display()));
    Ok(())
}

fn verify(args: &VerifyArgs, as_json: bool) -> Result<(), Failure> {
    let file = read_file(&args.file)?;
    let fails = |error: VerifyError| in_file(&args.file)(error.into());
    let known = args.previous.as_deref().map(read_known).transpose()?;
    file.check_signatures().map_err(fails)?;
    let missing = names(&file.missing(None));
    if missing.len() > 1 {
        let path = args.file.display();
        return Err(format!("{path} is not signed by {} yet", missing.join(", ")).into());
    }
    file.clone().verify(now(), known.as_ref()).map_err(fails)?;
    let what = changes_object(&file, known.as_ref());
    say("network_verified", &file, as_json, what, "Valid, and signed by everybody.");
    Ok(())
}

/// Prints a network file and what is to be said of it.
fn say(event: &str, file: &NetworkFile, as_json: bool, more: Value, then: &str) {
    if as_json {
        let mut fields = summary_object(file);
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
            fields.extend(more);
        }
        return object(event, fields);
    }
    line(summary(file).trim_end());
    for change in more["changes"].as_array().into_iter().flatten() {
        line(&format!("  ! {}", change.as_str().unwrap_or_default()));
    }
    if !then.is_empty() {
        line(&format!("\n{then}"));
    }
}

fn changes_object(file: &NetworkFile, known: Option<&Known>) -> Value {
    match known {
        Some(known) => json!({ "changes": changes(known.terms(), file.terms()) }),
        None => json!({}),
    }
}

fn names(signers: &[Signer]) -> Vec<String> {
    signers.iter().map(ToString::to_string).collect()
}

fn read_hop(path: &Path) -> Result<HopInfo, NetworkError> {
    let part = read_public_part(path)?;
    part.into_hop().map_err(|error: NetworkFileError| in_file(path)(error))
}

/// The index of the hop that people call `number`, among `count`.
fn place(number: usize, count: usize) -> Result<usize, Failure> {
    let index = number.checked_sub(1).filter(|index| *index < count);
    index.ok_or_else(|| format!("there is no place {number} in the chain: 1 to {count}").into())
}
