//! The greeting: both sides learn that they speak the same protocol for the same network.

use std::io;

use talaria_wire::control::{BadControl, Control, NoGreeting, NotWelcome};
use talaria_wire::frame::Kind;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::reason::Refusal;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use super::frames::{FrameReader, ReadError, write};

/// Why the greeting failed.
#[derive(Debug, Error)]
pub enum GreetingError {
    /// Nothing could be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A control frame could not be understood.
    #[error(transparent)]
    Control(#[from] BadControl),
    /// Another frame than the one that had to come.
    #[error(transparent)]
    Unexpected(#[from] NoGreeting),
    /// One of the two said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The peer goes on in a version of the protocol that is not spoken here.
    #[error("the peer speaks version {0} of the protocol")]
    Version(u16),
    /// It does not say that it is one of ours.
    #[error("the peer has named no protocol of ours")]
    Stranger,
    /// Nothing could be written.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
}

impl From<NotWelcome> for GreetingError {
    fn from(error: NotWelcome) -> Self {
        match error {
            NotWelcome::Refused(reason) => reason.into(),
            NotWelcome::Version(version) => Self::Version(version),
            NotWelcome::Unexpected(unexpected) => unexpected.into(),
        }
    }
}

/// Makes sure that a TLS session has agreed on `protocol`: rustls lets in who names none.
///
/// # Errors
/// [`GreetingError::Stranger`].
pub fn require_protocol(
    session: &rustls::ServerConnection,
    protocol: &[u8],
) -> Result<(), GreetingError> {
    if session.alpn_protocol() == Some(protocol) { Ok(()) } else { Err(GreetingError::Stranger) }
}

/// Reads one control message.
///
/// # Errors
/// [`GreetingError`] if something else comes.
pub async fn read_control<R: AsyncRead + Unpin>(
    frames: &mut FrameReader<R>,
) -> Result<Control, GreetingError> {
    match frames.next().await? {
        (Kind::Control, body) => Ok(Control::decode(body)?),
        _ => Err(NoGreeting.into()),
    }
}

/// Reads a hello, and says what to answer: `Err` if it does not fit.
///
/// # Errors
/// [`GreetingError`] if something else comes.
pub async fn read_hello<R: AsyncRead + Unpin>(
    frames: &mut FrameReader<R>,
    own: &NetworkVersion,
) -> Result<Result<(), Refusal>, GreetingError> {
    Ok(read_control(frames).await?.check_hello(own)?)
}

/// Answers a hello. What is to be refused is an error after it has been said.
///
/// # Errors
/// [`GreetingError`], after which the connection ends.
pub async fn answer_hello<T>(
    writer: &mut (impl AsyncWrite + Unpin),
    answer: Result<T, Refusal>,
) -> Result<T, GreetingError> {
    write(writer, &Control::answer(&answer).to_frame()).await?;
    Ok(answer?)
}
