//! Messages of the identity service on a byte stream.

use talaria_wire::identity::request::{LENGTH_LEN, body_len};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Why no message could be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The peer closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    /// The length is none that a message has.
    #[error("a message is empty or too long")]
    Length,
}

/// Reads messages; one that has come stays until it is taken.
#[derive(Debug)]
pub struct MessageReader<R> {
    reader: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    /// Reads from `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new() }
    }

    /// Waits until a whole message is there. Dropping the future loses nothing, and nothing is read
    /// of the next message.
    ///
    /// # Errors
    /// [`ReadError`], after which there is nothing more to read.
    pub async fn fill(&mut self) -> Result<(), ReadError> {
        self.read_to(LENGTH_LEN).await?;
        let len = self.len()?;
        self.read_to(LENGTH_LEN + len).await
    }

    /// Takes the body of the message that is there.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let body = self.buffer.split_off(LENGTH_LEN.min(self.buffer.len()));
        self.buffer = Vec::new();
        body
    }

    fn len(&self) -> Result<usize, ReadError> {
        let length = self.buffer.first_chunk().ok_or(ReadError::Closed)?;
        body_len(*length).map_err(|_| ReadError::Length)
    }

    /// Never reads into the next message, so that the buffer has one at most.
    async fn read_to(&mut self, len: usize) -> Result<(), ReadError> {
        while self.buffer.len() < len {
            let missing = (len - self.buffer.len()) as u64;
            if (&mut self.reader).take(missing).read_buf(&mut self.buffer).await? == 0 {
                return Err(ReadError::Closed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use talaria_wire::identity::Request;
    use tokio::io::AsyncWriteExt;
    use tokio::time::{Duration, timeout};

    #[tokio::test]
    async fn messages_arrive_whole_in_whatever_pieces_they_come() {
        let request = Request::Directory { since: 5, wait_ms: 7 };
        let bytes = [request.to_message(), request.to_message()].concat();
        for piece in 1..bytes.len() {
            let (mut writer, reader) = tokio::io::duplex(piece);
            let sent = bytes.clone();
            tokio::spawn(async move { writer.write_all(&sent).await });
            let mut messages = MessageReader::new(reader);
            for _ in 0..2 {
                while timeout(Duration::ZERO, messages.fill()).await.is_err() {
                    tokio::task::yield_now().await;
                }
                assert!(Request::decode(&messages.take()) == Ok(request.clone()));
            }
            assert!(matches!(messages.fill().await, Err(ReadError::Closed)));
        }
    }

    #[tokio::test]
    async fn lengths_that_no_message_has_are_refused_before_anything_is_read() {
        for length in [0u32, 65_537, u32::MAX] {
            let bytes = [&length.to_be_bytes()[..], &[0; 8]].concat();
            let mut messages = MessageReader::new(&bytes[..]);
            assert!(matches!(messages.fill().await, Err(ReadError::Length)));
        }
    }
}
