//! The feeder: three hops, each a process of its own, and an entry that is played by this one.
//!
//! What a hop does for a batch does not depend on who collected it, so a million onions a round need
//! no half a million clients. The link is the entry's own (`net::link` of the server).

mod chain;
mod entry;
mod error;
mod plot;
mod report;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::runtime::Builder;

use crate::load::Args;
use chain::Chain;
use entry::Entry;
pub use error::FeedError;
pub use report::{Fed, FedHop, FeedReport};

/// Rounds that are fed for each number of onions, unless told otherwise.
const ROUNDS: u32 = 5;

/// Feeds a chain with each number of onions in turn; each has new processes, so that what is told
/// of their memory is its own.
///
/// # Errors
/// [`FeedError`] if a hop does not start or answer, a round fails or a reply is wrong.
pub fn run(args: &Args) -> Result<FeedReport, FeedError> {
    let programs = chain::program(args.talariad.as_deref())?;
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(args.threads.map_or(0, usize::from)).build()?;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = FeedReport::new(args.noise_onions);
    // Whether it can be written shows before anything is measured.
    let opened = |path: &PathBuf| {
        let file = fs::File::create(path).map_err(cannot(path))?;
        Ok::<_, FeedError>((file, path.clone()))
    };
    let plot = args.plot.as_ref().map(opened).transpose()?;
    for onions in &args.feed {
        let rounds = args.rounds.unwrap_or(ROUNDS);
        eprintln!("{onions} onions a round: starting three hops");
        let fed = runtime.block_on(async {
            let mut chain = Chain::start(&programs, *onions, args.noise_onions).await?;
            let mut entry = Entry::connect(&chain).await?;
            entry.feed(&mut chain, *onions as usize, rounds, &pool).await
        })?;
        report.sizes.push(fed);
    }
    if let Some((mut file, path)) = plot {
        file.write_all(plot::svg(&report).as_bytes()).map_err(cannot(&path))?;
    }
    Ok(report)
}

fn cannot(write: &Path) -> impl FnOnce(io::Error) -> FeedError {
    let path = write.to_owned();
    move |error| FeedError::Write(path, error)
}
