//! `talariad`, the Talaria server.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: what touches the world is here"
)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    hide_memory();
    cli::main()
}

/// What is in this process's memory is for nobody else: other processes of the same user cannot look
/// into it, and no core dump has it (prctl(2), `PR_SET_DUMPABLE`).
#[cfg(target_os = "linux")]
fn hide_memory() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    // It fails for values that there are not, and for nothing else.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

#[cfg(not(target_os = "linux"))]
fn hide_memory() {}
