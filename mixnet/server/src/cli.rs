//! The command line of `talariad`: what an operator can ask for.

mod bench;
mod display;
mod identity;
mod network;
mod operator;
mod plan;
mod probe;
mod up;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use talaria_server::config::Config;
use talaria_server::net::clock::now;
use talaria_server::net::shutdown::{self, Shutdown, Trigger};
use talaria_server::roles::{Bound, Roles};
use talaria_server::setup::{DEFAULT_LISTEN, DataFolder, Listen, Wishes};
use talaria_wire::network_file::{Network, Terms, VerifyError};
use talaria_wire::params::{MAX_HOPS, MAX_PERIOD_MS, MIN_PERIOD_MS, PROTOCOL_VERSION};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use display::Display;

/// Whatever went wrong, said in a sentence or two.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The Talaria server: a mix-net and dead-drop anonymity server.
#[derive(Parser)]
#[command(name = "talariad", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start with `talariad up`; it needs nothing else.\n\
    Logs go to standard error; TALARIA_LOG sets what is logged (error, warn, info, debug).")]
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

#[derive(Args)]
struct NetworkArgs {
    /// Where keys and files are kept.
    #[arg(long, value_name = "DIR", default_value = "./talaria-data")]
    data: PathBuf,
    /// Where clients connect; with port 0 free ports are taken. Hops listen on the loopback
    /// interface, on the ports after that of the identity service.
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// The address to put into the network file, if clients reach the server under another one.
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Where the identity service listens [default: the port after that of --listen].
    #[arg(long, value_name = "ADDR")]
    identity_listen: Option<SocketAddr>,
    /// The address of the identity service to put into the network file [default: the entry's
    /// host, and the port on which the identity service listens].
    #[arg(long, value_name = "HOST:PORT")]
    identity_address: Option<String>,
    /// Hops in the chain [default: 3, or as before].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=i64::from(MAX_HOPS)))]
    hops: Option<u8>,
    /// Length of a round, such as 2s or 250ms [default: 2s, or as before].
    #[arg(long, value_name = "DURATION", value_parser = parse_period)]
    period: Option<Duration>,
    /// Noise onions that each hop but the last adds to a round; `talariad plan` says what they are
    /// worth [default: 1846, or as before].
    #[arg(long, value_name = "T")]
    noise_onions: Option<u32>,
}

impl NetworkArgs {
    fn wishes(&self) -> Wishes {
        Wishes { hops: self.hops, period: self.period, noise_onions: self.noise_onions }
    }

    /// The addresses of all roles, in a row from the entry's port on.
    fn listen_from(&self, port: u16, hops: usize) -> Option<Listen> {
        let beside = SocketAddr::new(self.listen.ip(), port.checked_add(1)?);
        let hop = |i: u16| Some(SocketAddr::from(([127, 0, 0, 1], port.checked_add(i)?)));
        Some(Listen {
            entry: self.listen,
            identity: self.identity_listen.unwrap_or(beside),
            hops: (2u16..).take(hops).map(hop).collect::<Option<_>>()?,
        })
    }

    /// Puts in where everybody can be reached.
    fn put_addresses(&self, terms: &mut Terms, listen: &Listen) {
        terms.entry.address = self.advertised(listen.entry);
        terms.identity.address = self.identity_advertised(&terms.entry.address, listen.identity);
        for (hop, address) in terms.hops.iter_mut().zip(&listen.hops) {
            hop.address = address.to_string();
        }
    }

    fn identity_advertised(&self, entry: &str, listening: SocketAddr) -> String {
        let host = entry.rsplit_once(':').map_or(entry, |(host, _)| host);
        let beside = || format!("{host}:{}", listening.port());
        self.identity_address.clone().unwrap_or_else(beside)
    }

    /// What clients are told to connect to.
    fn advertised(&self, listening: SocketAddr) -> String {
        self.advertise.clone().unwrap_or_else(|| {
            let ip = listening.ip();
            if ip.is_unspecified() {
                tracing::warn!("clients elsewhere need an address: use --advertise HOST:PORT");
            }
            let loopback = if ip.is_ipv4() { "127.0.0.1" } else { "[::1]" };
            if ip.is_unspecified() {
                format!("{loopback}:{}", listening.port())
            } else {
                listening.to_string()
            }
        })
    }
}

fn parse_period(text: &str) -> Result<Duration, String> {
    let period = humantime::parse_duration(text)
        .map_err(|_| "expected a number with a unit, such as 2s or 250ms".to_owned())?;
    let allowed = Duration::from_millis(MIN_PERIOD_MS)..=Duration::from_millis(MAX_PERIOD_MS);
    if allowed.contains(&period) {
        Ok(period)
    } else {
        Err(format!("a round lasts {MIN_PERIOD_MS}ms to {}h", MAX_PERIOD_MS / 3_600_000))
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("TALARIA_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let display = Display::new(cli.json);
    match cli.command {
        Command::Up { network } => on_runtime(up::up(network, display)),
        Command::Run { config } => on_runtime(run_config(config, display)),
        Command::Init { network } => init(&network, &display),
        Command::CheckConfig { config } => check_config(&config, &display),
        Command::Hop { command } => operator::hop(command, cli.json),
        Command::Entry { command } => operator::entry(command, cli.json),
        Command::User(args) => identity::user(args, cli.json),
        Command::Token(args) => identity::token(args, cli.json),
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

async fn run_config(config: PathBuf, mut display: Display) -> Result<(), Failure> {
    let (trigger, shutdown) = shutdown::pair();
    shutdown::on_signals(trigger.clone())?;
    let config = Config::load(&config)?;
    let file = config.network.clone();
    let memories: Vec<_> = config.memories().collect();
    let (roles, network) = Roles::load(config, now())?;
    let bound = roles.bind().await?;
    for memory in memories {
        memory.keep(&network)?;
    }
    let (entry, hops) = bound.addresses();
    display.ready(entry, &hops, bound.identity_address(), &file, None);
    run_bound(bound, display, &network, (trigger, shutdown)).await
}

/// Runs until a signal asks for the end or the network file expires, which is an error.
async fn run_bound(
    bound: Bound,
    display: Display,
    network: &Network,
    (trigger, shutdown): (Trigger, Shutdown),
) -> Result<(), Failure> {
    let until = network.valid_until();
    shutdown::on_expiry(trigger, until);
    let (reports, incoming) = mpsc::unbounded_channel();
    let showing = tokio::spawn(display.show(incoming, shutdown.clone()));
    bound.run(reports, shutdown).await;
    showing.await?;
    if now() >= until { Err(VerifyError::Expired(until).into()) } else { Ok(()) }
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
            "{} is there already: remove it to describe the network anew (keys are kept)",
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
    display.checked(&roles.describe());
    Ok(())
}
