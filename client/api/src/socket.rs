//! Requests and events as bytes: MessagePack behind a length, or the same as lines of JSON.
//!
//! A frame is four bytes of length, big-endian, and a body of at most [`BODY_MAX`] bytes of
//! MessagePack with named fields; of a frame only the encoding is taken that this module writes. A
//! line is an object of JSON of at most [`LINE_MAX`] bytes and a line feed; programs write it in
//! their own way, so the order of fields and the space between them are free. Fields and kinds that
//! are not known are refused in both.
//!
//! Nothing here reads or writes: bytes come in as they are, and go out to the end of a buffer.

use rmp_serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::event::Event;
use crate::request::Request;

/// Bytes before a body.
pub const LENGTH_LEN: usize = 4;
/// The most bytes of a body: the longest text, and what belongs to it.
pub const BODY_MAX: usize = 66_560;
/// The most bytes of a line, without its end: a character may take six of them.
pub const LINE_MAX: usize = 6 * BODY_MAX;
/// Nothing that is sent here is deeper.
const DEPTH_MAX: usize = 4;

/// What travels through a socket: a [`Request`] or an [`Event`].
pub trait Message: Serialize + DeserializeOwned + sealed::Sealed {}

impl Message for Request {}
impl Message for Event {}

mod sealed {
    #[expect(unnameable_types, reason = "so that nothing else can be a message")]
    pub trait Sealed {}
    impl Sealed for super::Request {}
    impl Sealed for super::Event {}
}

/// Why bytes are no message, or a message makes no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SocketError {
    /// It is longer than anything may be.
    #[error("a message on the socket is too long")]
    TooLong,
    /// It is not the encoding of a message that is known.
    #[error("a message on the socket is malformed, or of a kind that is not known")]
    Malformed,
}

/// A message, and the bytes at the front that were it.
pub type Taken<T> = (T, usize);

/// Writes `message` as a frame to the end of `out`.
///
/// # Errors
/// [`SocketError::TooLong`]; `out` is as before then.
pub fn write_frame(message: &impl Message, out: &mut Vec<u8>) -> Result<(), SocketError> {
    let body = to_body(message);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= BODY_MAX);
    out.extend_from_slice(&length.ok_or(SocketError::TooLong)?.to_be_bytes());
    out.extend_from_slice(&body);
    Ok(())
}

/// Takes the frame at the front of `bytes`; `None` if more of it has to come.
///
/// # Errors
/// [`SocketError`]: nothing after it can be understood. The length is judged as soon as it is there.
pub fn read_frame<T: Message>(bytes: &[u8]) -> Result<Option<Taken<T>>, SocketError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_LEN>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length) as usize;
    if length > BODY_MAX {
        return Err(SocketError::TooLong);
    }
    match rest.get(..length) {
        Some(body) => Ok(Some((from_body(body)?, LENGTH_LEN + length))),
        None => Ok(None),
    }
}

/// Writes `message` as a line to the end of `out`.
///
/// # Errors
/// [`SocketError::TooLong`]; `out` is as before then.
pub fn write_line(message: &impl Message, out: &mut Vec<u8>) -> Result<(), SocketError> {
    // What has no place in a frame has none in a line.
    if to_body(message).len() > BODY_MAX {
        return Err(SocketError::TooLong);
    }
    let mut line = serde_json::to_vec(message).expect("a message can be encoded");
    line.push(b'\n');
    out.append(&mut line);
    Ok(())
}

/// Takes the line at the front of `bytes`; `None` if more of it has to come.
///
/// # Errors
/// [`SocketError::TooLong`]; [`SocketError::Malformed`], and then the next line may be another.
pub fn read_line<T: Message>(bytes: &[u8]) -> Result<Option<Taken<T>>, SocketError> {
    let seen = &bytes[..bytes.len().min(LINE_MAX + 1)];
    let Some(end) = seen.iter().position(|&byte| byte == b'\n') else {
        return if seen.len() > LINE_MAX { Err(SocketError::TooLong) } else { Ok(None) };
    };
    let line = seen[..end].trim_ascii();
    // Of an array, serde would take the fields in their order.
    if line.first() != Some(&b'{') {
        return Err(SocketError::Malformed);
    }
    let message: T = serde_json::from_slice(line).map_err(|_| SocketError::Malformed)?;
    if to_body(&message).len() > BODY_MAX {
        return Err(SocketError::TooLong);
    }
    Ok(Some((message, end + 1)))
}

fn to_body(message: &impl Message) -> Vec<u8> {
    rmp_serde::to_vec_named(message).expect("a message can be encoded")
}

fn from_body<T: Message>(body: &[u8]) -> Result<T, SocketError> {
    let mut decoder = Deserializer::from_read_ref(body);
    decoder.set_max_depth(DEPTH_MAX);
    let message = T::deserialize(&mut decoder).map_err(|_| SocketError::Malformed)?;
    // Of the many encodings of one message only one is taken, and nothing may follow it.
    if to_body(&message) == body { Ok(message) } else { Err(SocketError::Malformed) }
}

#[cfg(test)]
mod tests;
