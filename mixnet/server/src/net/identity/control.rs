//! The control socket: one command of the operator a connection.
//!
//! Whoever can open the socket may do everything, so only its owner can: it is made in a folder of
//! its own and moved to its place when its permissions are set.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use super::reading;
use crate::net::clock::{WallClock, now};
use crate::net::frames::write;
use crate::net::shutdown::Tasks;
use talaria_identity::backup::{BackupReader, BackupWriter, LINE_MAX};
use talaria_identity::control::{COMMAND_MAX, Command, Reply, TokenInfo, UserInfo, to_line};
use talaria_identity::service::Service;
use talaria_identity::service::operator::OperatorError;
use talaria_identity::store::{Row, Store, StoreError};
use talaria_identity::token::Token;

/// How long a command may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the next line of a backup may take to come.
const LINE_PATIENCE: Duration = Duration::from_secs(60);
/// Rows between the database and the socket.
const ROWS_AHEAD: usize = 256;

/// Why there is no control socket.
#[derive(Debug, Error)]
pub enum ControlError {
    /// Another process listens on it.
    #[error("another identity service listens on {0}: stop it, or choose another `control`")]
    InUse(PathBuf),
    /// It cannot be made.
    #[error("cannot make the control socket {path}: {error}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Where the socket is in a data folder.
#[must_use]
pub fn socket_path(data: &Path) -> PathBuf {
    data.join("identity").join("control.sock")
}

/// The socket, which is removed with this.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens; takes the place of a socket that nobody listens on any more.
    pub(super) async fn bind(path: PathBuf) -> Result<Self, ControlError> {
        if UnixStream::connect(&path).await.is_ok() {
            return Err(ControlError::InUse(path));
        }
        match bind_privately(&path) {
            Ok(listener) => Ok(Self { listener, path }),
            Err(error) => Err(ControlError::Io { path, error }),
        }
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn bind_privately(path: &Path) -> io::Result<UnixListener> {
    // Short: a socket's path has 107 bytes at most.
    let folder = path.with_file_name(".new");
    let _ = fs::remove_dir_all(&folder);
    DirBuilder::new().mode(0o700).create(&folder)?;
    let new = folder.join("s");
    let bound = UnixListener::bind(&new).and_then(|listener| {
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, path)?;
        Ok(listener)
    });
    let _ = fs::remove_dir_all(&folder);
    bound
}

/// Does what the operator asks for, for ever.
pub(super) async fn serve<S: Store>(
    service: &Arc<Service<S>>,
    listener: &UnixListener,
    clock: WallClock,
    tasks: &Tasks,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (service, guard) = (service.clone(), tasks.guard());
                tokio::spawn(async move {
                    if let Err(error) = answer(&service, stream, clock).await {
                        debug!(%error, "an operator has gone");
                    }
                    drop(guard);
                });
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn answer<S: Store>(
    service: &Service<S>,
    stream: UnixStream,
    clock: WallClock,
) -> io::Result<()> {
    service.observe(reading(clock));
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let command = timeout(PATIENCE, read_line(&mut reader, COMMAND_MAX));
    let command = command.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let last = match serde_json::from_str(&command) {
        Ok(command) => match obey(service, command, clock, &mut reader, &mut writer).await {
            Ok(last) => last,
            Err(Failed::Refused(why)) => Reply::Error(why),
            Err(Failed::Io(error)) => return Err(error),
        },
        Err(error) => Reply::Error(format!("the service does not know this command: {error}")),
    };
    send(&mut writer, &last).await
}

/// Why a command is not done.
enum Failed {
    /// The operator is told.
    Refused(String),
    /// The operator is gone.
    Io(io::Error),
}

impl From<OperatorError> for Failed {
    fn from(error: OperatorError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

async fn obey<S: Store>(
    service: &Service<S>,
    command: Command,
    clock: WallClock,
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<Reply, Failed> {
    match command {
        Command::ListUsers {} => list_users(service, writer).await?,
        Command::ShowUser { name } => {
            let user = service.user(&name).await?;
            send(writer, &Reply::User(UserInfo::from(&user))).await?;
        }
        Command::DisableUser { name } => set_enabled(service, &name, false, writer).await?,
        Command::EnableUser { name } => set_enabled(service, &name, true, writer).await?,
        Command::NewTokens { count, valid_s } => {
            new_tokens(service, count, valid_s, writer).await?;
        }
        Command::ListTokens {} => {
            for token in service.tokens().await? {
                send(writer, &Reply::Token(TokenInfo::from(&token))).await?;
            }
        }
        Command::RevokeToken { token } => {
            service.revoke_token(&token).await?;
        }
        Command::Clock { accept } => {
            let now = reading(clock);
            let doubt = if accept { service.accept_clock(now) } else { service.clock_doubt() };
            let doubt = doubt.map(|doubt| doubt.to_string());
            send(writer, &Reply::Clock { now_ms: now.wall.0, doubt }).await?;
        }
        Command::Backup {} => back_up(service, writer).await?,
        Command::Restore { replace } => {
            let entries = restore(service, replace, reader).await?;
            info!("a backup was restored");
            return Ok(Reply::Restored { entries });
        }
    }
    Ok(Reply::Done {})
}

async fn list_users<S: Store>(
    service: &Service<S>,
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Failed> {
    let mut after = String::new();
    loop {
        let users = service.users(&after).await?;
        for user in &users {
            send(writer, &Reply::User(UserInfo::from(user))).await?;
        }
        match users.last() {
            Some(last) => after.clone_from(&last.name),
            None => return Ok(()),
        }
    }
}

async fn set_enabled<S: Store>(
    service: &Service<S>,
    name: &str,
    enabled: bool,
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Failed> {
    let user = service.set_enabled(name, enabled, now()).await?;
    Ok(send(writer, &Reply::User(UserInfo::from(&user))).await?)
}

async fn new_tokens<S: Store>(
    service: &Service<S>,
    count: u32,
    valid_s: u64,
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Failed> {
    let mut rng = ChaCha20Rng::from_rng(&mut rand::rng());
    let expires_s = (now().0 / 1000).saturating_add(valid_s);
    let tokens = service.new_tokens(count, expires_s, now(), &mut rng).await?;
    for token in tokens.iter().map(Token::reveal) {
        send(writer, &Reply::NewToken { token, expires_s }).await?;
    }
    Ok(())
}

async fn back_up<S: Store>(
    service: &Service<S>,
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Failed> {
    let (mut backup, header) = BackupWriter::new(&service.owner());
    send(writer, &Reply::Backup(header)).await?;
    let (sender, mut rows) = mpsc::channel(ROWS_AHEAD);
    let sending = async {
        while let Some(row) = rows.recv().await {
            send(writer, &Reply::Backup(backup.row(&row))).await?;
        }
        io::Result::Ok(())
    };
    let (exported, sent) = tokio::join!(service.export(sender), sending);
    sent?;
    exported?;
    Ok(send(writer, &Reply::Backup(backup.finish())).await?)
}

async fn restore<S: Store>(
    service: &Service<S>,
    replace: bool,
    reader: &mut (impl AsyncBufRead + Unpin),
) -> Result<u64, Failed> {
    let (sender, rows) = mpsc::channel(ROWS_AHEAD);
    let reading = read_backup(service, reader, sender);
    let (read, imported) = tokio::join!(reading, service.import(rows, replace, now()));
    // What is wrong with the file is why it was not taken, unless the taking itself failed.
    match (read, imported) {
        (_, Ok(entries)) => Ok(entries),
        (Err(why), Err(OperatorError::Store(StoreError::Damaged(_)))) => Err(why),
        (_, Err(error)) => Err(error.into()),
    }
}

async fn read_backup<S: Store>(
    service: &Service<S>,
    reader: &mut (impl AsyncBufRead + Unpin),
    rows: mpsc::Sender<Option<Row>>,
) -> Result<(), Failed> {
    let refused = |error: talaria_identity::backup::BadBackup| Failed::Refused(error.to_string());
    let header = next_line(reader).await?;
    let mut backup = BackupReader::new(&service.owner(), &header).map_err(refused)?;
    loop {
        let line = next_line(reader).await?;
        let row = backup.read(&line).map_err(refused)?;
        let is_last = row.is_none();
        if rows.send(row).await.is_err() || is_last {
            return Ok(());
        }
    }
}

async fn next_line(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<String, Failed> {
    match timeout(LINE_PATIENCE, read_line(reader, LINE_MAX)).await {
        Ok(Ok(line)) => Ok(line),
        Ok(Err(_)) | Err(_) => Err(Failed::Refused("the backup was cut short".to_owned())),
    }
}

/// A line of at most `max` bytes, without its end.
async fn read_line(reader: &mut (impl AsyncBufRead + Unpin), max: usize) -> io::Result<String> {
    let mut line = String::new();
    reader.take(max as u64).read_line(&mut line).await?;
    match line.pop() {
        Some('\n') => Ok(line),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> io::Result<()> {
    write(writer, to_line(reply).as_bytes()).await
}
