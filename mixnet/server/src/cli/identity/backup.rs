//! `talariad backup` and `talariad restore`: users, directory and tokens to a file and back.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use talaria_identity::backup::LINE_MAX;
use talaria_identity::control::{Command, Reply};

use super::connection::Connection;
use super::service::ServiceArgs;
use crate::cli::display::{line, object};
use crate::cli::failure::Failure;

#[derive(Args)]
pub(in crate::cli) struct BackupArgs {
    /// The file to write; what is there is replaced when the backup is whole.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    service: ServiceArgs,
}

#[derive(Args)]
pub(in crate::cli) struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Restore it even if the directory has entries that the backup lacks. Clients that know them
    /// will report a forked directory.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// Writes beside the file, and puts it in its place when it is whole.
pub(in crate::cli) fn back_up(args: &BackupArgs, as_json: bool) -> Result<(), Failure> {
    let service = args.service.connect()?;
    let folder = args.file.parent().filter(|path| !path.as_os_str().is_empty());
    // Readable by the owner only, as temporary files are.
    let mut temporary = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))
        .map_err(|error| format!("cannot write {}: {error}", args.file.display()))?;
    let lines = receive(service, temporary.as_file_mut())?;
    temporary.as_file().sync_all()?;
    temporary.persist(&args.file)?;
    if as_json {
        object("backed_up", json!({ "file": args.file, "lines": lines }));
        return Ok(());
    }
    line(&format!("Wrote {}.", args.file.display()));
    line("It does not hold keys: keep copies of ca.key, ca.pem, identity/head.key and");
    line("identity/opaque.key beside it. Without them it is of no use.");
    Ok(())
}

fn receive(mut service: Connection, file: &mut File) -> Result<u64, Failure> {
    let mut out = BufWriter::new(file);
    let mut lines = 0;
    service.send(&Command::Backup {})?;
    loop {
        match service.receive()? {
            Reply::Backup(text) => {
                writeln!(out, "{text}")?;
                lines += 1;
            }
            Reply::Done {} => break,
            other => return Err(format!("the identity service sent {other:?}").into()),
        }
    }
    out.flush()?;
    Ok(lines)
}

/// Sends the file to the service, which checks it.
pub(in crate::cli) fn restore(args: &RestoreArgs, as_json: bool) -> Result<(), Failure> {
    let file = File::open(&args.file)
        .map_err(|error| format!("cannot read {}: {error}", args.file.display()))?;
    let mut service = args.service.connect()?;
    service.send(&Command::Restore { replace: args.replace })?;
    send(&mut service, BufReader::new(file))?;
    let Reply::Restored { entries } = service.receive()? else {
        return Err("the identity service did not say whether the backup was restored".into());
    };
    if as_json {
        object("restored", json!({ "file": args.file, "entries": entries }));
    } else {
        line(&format!("Restored: the directory has {entries} entries."));
    }
    Ok(())
}

/// Whoever stops reading has an answer: it says why.
fn send(service: &mut Connection, mut file: impl BufRead) -> Result<(), Failure> {
    let mut text = Vec::new();
    loop {
        text.clear();
        if file.by_ref().take(LINE_MAX as u64).read_until(b'\n', &mut text)? == 0 {
            // A backup ends with its last line. Where that is missing, an empty one says so.
            let _ = service.write(b"\n");
            return Ok(());
        }
        if service.write(&text).is_err() {
            return Ok(());
        }
    }
}
