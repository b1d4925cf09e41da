//! `talaria-load`: thousands of real clients against a running `talariad`.

use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;
use talaria_benches::feed;
use talaria_benches::load::{Args, Report, run};

fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json;
    if !args.feed.is_empty() {
        let fed = feed::run(&args);
        return finish(json, fed, feed::FeedReport::to_json, |_| 0);
    }
    finish(json, run(args), Report::to_json, Report::exit_code)
}

fn finish<R: Display, E: Display>(
    json: bool,
    result: Result<R, E>,
    to_json: impl Fn(&R) -> String,
    exit_code: impl Fn(&R) -> u8,
) -> ExitCode {
    match result {
        Ok(report) => {
            if json {
                println!("{}", to_json(&report));
            } else {
                print!("{report}");
            }
            ExitCode::from(exit_code(&report))
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
