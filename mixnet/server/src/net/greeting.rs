//! The greeting: both sides learn that they speak the same protocol for the same network.

use std::io;

use talaria_wire::control::{BadControl, Control, Refusal};
use talaria_wire::frame::Kind;
use talaria_wire::network_file::NetworkVersion;
use talaria_wire::params::PROTOCOL_VERSION;
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
    #[error("the peer does not greet as it should")]
    Unexpected,
    /// The peer said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing could be written.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
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
        _ => Err(GreetingError::Unexpected),
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
    match read_control(frames).await? {
        Control::Hello { protocol, .. } if protocol != PROTOCOL_VERSION => {
            Ok(Err(Refusal::Version))
        }
        Control::Hello { network, sequence, version: hash, .. } => {
            Ok(own.greet(&NetworkVersion { network, sequence, hash }))
        }
        _ => Err(GreetingError::Unexpected),
    }
}

/// Answers a hello. What is to be refused is an error after it has been said.
///
/// # Errors
/// [`GreetingError`], after which the connection ends.
pub async fn answer_hello<T>(
    writer: &mut (impl AsyncWrite + Unpin),
    answer: Result<T, Refusal>,
) -> Result<T, GreetingError> {
    let control = match &answer {
        Ok(_) => Control::Welcome { protocol: PROTOCOL_VERSION },
        Err(reason) => Control::Refused { reason: *reason },
    };
    write(writer, &control.to_frame()).await?;
    Ok(answer?)
}
