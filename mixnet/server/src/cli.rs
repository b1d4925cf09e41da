//! The command line of `talariad`: what an operator can ask for.

mod bench;
mod display;
mod failure;
mod identity;
mod log;
mod network;
mod network_args;
mod operator;
mod period;
mod plan;
mod probe;
mod serve;
mod sink;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use talaria_server::config::Config;
use talaria_server::net::clock::now;
use talaria_server::roles::Roles;
use talaria_server::setup::DataFolder;
use talaria_wire::params::PROTOCOL_VERSION;

use display::Display;
use failure::Failure;
use log::Log;
use network_args::NetworkArgs;

/// The Talaria server: a mix-net and dead-drop anonymity server.
#[derive(Parser)]
#[command(name = "talariad", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start with `talariad up`; it needs nothing else.\n\
    Logs go to standard error; TALARIA_LOG sets what is logged (error, warn, info, debug).\n\
    SIGTERM and Ctrl-C finish the rounds under way; SIGHUP has `talariad run` read its files again.")]
struct Cli {
    /// Print one JSON object per line instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole network on this machine, from nothing.
    ///
    /// The first start makes keys, a certificate authority and DIR/network.toml; later ones use
    /// them again. Give network.toml to everyone who should join.
    Up {
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Run the roles that a configuration file names.
    Run {
        /// The configuration file; `talariad init` writes one for each role.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Make keys, a network file and one configuration for each role, for `talariad run`.
    Init {
        #[command(flatten)]
        network: NetworkArgs,
    },
    /// Read a configuration and everything it names, and say whether it can run.
    CheckConfig {
        /// The configuration file.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Set up one hop of a network that several operators run.
    Hop {
        #[command(subcommand)]
        command: operator::HopCommand,
    },
    /// Set up the entry of a network that several operators run.
    Entry {
        #[command(subcommand)]
        command: operator::EntryCommand,
    },
    /// Show users of the running identity service, lock them out and let them in.
    User(identity::UserArgs),
    /// Make tokens with which people register, show and revoke them.
    Token(identity::TokenArgs),
    /// Show whether the running identity service believes its clock, or say that it is right.
    Clock(identity::ClockArgs),
    /// Write users, directory and tokens of the running identity service to a file.
    Backup(identity::BackupArgs),
    /// Put a backup in the place of all that the running identity service keeps.
    Restore(identity::RestoreArgs),
    /// Make, sign, check and show network files.
    #[command(after_help = network::HELP)]
    Network {
        #[command(subcommand)]
        command: network::Command,
    },
    /// Measure how many messages and clients this machine can serve.
    Bench(bench::BenchArgs),
    /// Check the chain from this server on, link by link, and say which one is at fault.
    #[command(after_help = probe::HELP)]
    Probe(probe::ProbeArgs),
    /// Find the noise for a privacy goal, or what given noise is worth, and what it costs.
    Plan(plan::PlanArgs),
    /// Print the versions of the program and of its protocol.
    Version,
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = Log::start();
    let code = match run(cli, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.fail(&error);
            ExitCode::FAILURE
        }
    };
    log.finish();
    code
}

fn run(cli: Cli, log: &Log) -> Result<(), Failure> {
    let display = Display::new(cli.json);
    match cli.command {
        Command::Up { network } => on_runtime(up::up(network, display, log)),
        Command::Run { config } => on_runtime(serve::run_config(&config, display, log)),
        Command::Init { network } => init(&network, &display),
        Command::CheckConfig { config } => check_config(&config, &display),
        Command::Hop { command } => operator::hop(command, cli.json),
        Command::Entry { command } => operator::entry(command, cli.json),
        Command::User(args) => identity::user(args, cli.json),
        Command::Token(args) => identity::token(args, cli.json),
        Command::Clock(args) => identity::clock(&args, cli.json),
        Command::Backup(args) => identity::back_up(&args, cli.json),
        Command::Restore(args) => identity::restore(&args, cli.json),
        Command::Network { command } => network::run(command, cli.json),
        Command::Bench(args) => bench::bench(&args, cli.json),
        Command::Probe(args) => on_runtime(probe::probe(args, cli.json)),
        Command::Plan(args) => plan::plan(&args, cli.json),
        Command::Version => {
            display.version(env!("CARGO_PKG_VERSION"), PROTOCOL_VERSION);
            Ok(())
        }
    }
}

/// Every client needs a file descriptor, and the usual limit is 1024.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    raise_file_limit();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

fn init(args: &NetworkArgs, display: &Display) -> Result<(), Failure> {
    let port = args.listen.port();
    if port == 0 {
        return Err("init writes addresses down, so --listen needs a port other than 0".into());
    }
    let data = DataFolder::open(&args.data)?;
    if data.network_file().exists() {
        let path = data.network_file();
        return Err(format!(
            "{} is there already: choose another folder with --data, or make its next version with \
             `talariad network next`",
            path.display()
        )
        .into());
    }
    let mut terms = data.prepare(args.wishes())?;
    let listen = args.listen_from(port, terms.hops.len()).ok_or(
        "the ports after the entry's are for the identity service and the hops: choose a lower port",
    )?;
    args.put_addresses(&mut terms, &listen);
    let network = data.sign(&terms, now())?;
    data.write(&network, &listen)?;
    display.initialised(&data.network_file(), network.shape().hops().get());
    Ok(())
}

fn check_config(path: &std::path::Path, display: &Display) -> Result<(), Failure> {
    let (roles, _) = Roles::load(Config::load(path)?, now())?;
    display.checked(&roles.describe(now()));
    Ok(())
}
