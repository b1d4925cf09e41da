//! `talariad`, the Talaria server.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
