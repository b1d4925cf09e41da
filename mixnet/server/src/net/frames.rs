//! Frames on a byte stream: read whole, without losing bytes when a read is abandoned.

use std::io;

use talaria_wire::frame::{Accepts, FrameBuffer, FrameError, Kind};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::WRITE;

/// Why no frame could be read. The connection is of no more use.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The peer closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The peer sent a frame that does not belong here.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reads frames from one side of a connection.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    buffer: FrameBuffer,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads from `reader` the frames that `accepts` allows.
    pub fn new(reader: R, accepts: Accepts) -> Self {
        Self { reader, buffer: FrameBuffer::new(accepts) }
    }

    /// The stream, and what was read of the next frame.
    pub fn into_parts(self) -> (R, FrameBuffer) {
        (self.reader, self.buffer)
    }

    /// The next frame: its kind and its body, until the next call.
    ///
    /// Dropping the future loses nothing: the next call goes on where it was.
    ///
    /// # Errors
    /// [`ReadError`], after which there is nothing more to read.
    pub async fn next(&mut self) -> Result<(Kind, &[u8]), ReadError> {
        loop {
            let missing = self.buffer.missing()?;
            if missing == 0 {
                break;
            }
            let mut reader = (&mut self.reader).take(missing as u64);
            if reader.read_buf(self.buffer.space()).await? == 0 {
                return Err(ReadError::Closed);
            }
        }
        let (kind, body) = self.buffer.take();
        Ok((kind, body))
    }
}

/// Writes bytes and flushes; gives up on a peer that does not read.
///
/// # Errors
/// An [`io::Error`]; of kind `TimedOut` if the peer was too slow.
pub async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let written = timeout(WRITE, async {
        writer.write_all(bytes).await?;
        writer.flush().await
    });
    written.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests {
    use super::super::greeting::read_control;
    use super::*;
    use talaria_wire::control::Control;
    use talaria_wire::reason::Farewell;
    use talaria_wire::{Hops, RoundShape};

    fn accepts() -> Accepts {
        Accepts::FromEntry(RoundShape::new(Hops::new(1).unwrap(), 1).unwrap())
    }

    #[tokio::test]
    async fn frames_arrive_whole_in_whatever_pieces_they_come() {
        let goodbye = Control::Goodbye { reason: Farewell::Idle };
        let bytes = [goodbye.to_frame(), goodbye.to_frame()].concat();
        for piece in 1..bytes.len() {
            let mut mock = tokio_test_stream(&bytes, piece);
            let mut frames = FrameReader::new(&mut mock, accepts());
            for _ in 0..2 {
                assert_eq!(read_control(&mut frames).await.unwrap(), goodbye);
            }
            assert!(matches!(frames.next().await, Err(ReadError::Closed)));
        }
    }

    #[tokio::test]
    async fn an_abandoned_read_loses_nothing() {
        let goodbye = Control::Goodbye { reason: Farewell::Idle }.to_frame();
        let (mut writer, reader) = tokio::io::duplex(4);
        let mut frames = FrameReader::new(reader, accepts());
        for piece in goodbye.chunks(3) {
            writer.write_all(piece).await.unwrap();
            let abandoned = timeout(std::time::Duration::ZERO, frames.next()).await;
            if abandoned.is_ok() {
                break;
            }
        }
        drop(writer);
        // Whether the last poll completed or not, the reader ends without an error in between.
        match frames.next().await {
            Ok((kind, _)) => assert_eq!(kind, Kind::Control),
            Err(error) => assert!(matches!(error, ReadError::Closed)),
        }
    }

    #[tokio::test]
    async fn a_bad_header_ends_the_reading() {
        let mut mock = tokio_test_stream(&[9, 0, 0, 0], 4);
        let mut frames = FrameReader::new(&mut mock, accepts());
        assert!(matches!(frames.next().await, Err(ReadError::Frame(FrameError::UnknownKind(9)))));
    }

    /// A stream that gives `bytes` in pieces of `piece`.
    fn tokio_test_stream(bytes: &[u8], piece: usize) -> impl AsyncRead + Unpin {
        let (mut writer, reader) = tokio::io::duplex(piece);
        let bytes = bytes.to_vec();
        tokio::spawn(async move { writer.write_all(&bytes).await });
        reader
    }
}
