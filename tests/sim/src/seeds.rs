//! Running a scenario with several seeds, and naming the one that fails.

use std::env;
use std::thread;

/// Runs `scenario` with seeds 0 to `count`, or with the one in `TALARIA_SEED`.
///
/// The seed of a failure is printed, with the command's variable to run it alone.
#[expect(clippy::disallowed_methods, reason = "a person chooses the seed, and nothing else")]
pub fn each_seed(count: u64, scenario: impl Fn(u64)) {
    let chosen = env::var("TALARIA_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = chosen.map_or(0..count, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let _named = Named(seed);
        scenario(seed);
    }
}

struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed with seed {0}: run it alone with TALARIA_SEED={0}", self.0);
        }
    }
}
