//! Messages on a link: written, read frame by frame, and read as a whole.

use std::io;

use talaria_mixnet::link::{LinkMessage, Malformed, Word};
use talaria_wire::frame::Kind;
use talaria_wire::link::{Assembly, BatchHead, Inlet, chunks};
use tokio::io::{AsyncRead, AsyncWrite};

use super::broken::BrokenLink;
use crate::net::frames::{FrameReader, write};

/// Writes one message.
///
/// # Errors
/// An I/O error, also when the peer reads too slowly.
pub async fn write_message(
    writer: &mut (impl AsyncWrite + Unpin),
    message: &LinkMessage<impl Word>,
) -> io::Result<()> {
    write(writer, &message.to_frame()).await?;
    match message {
        LinkMessage::Batch(_, batch) => write_slots(writer, batch.as_bytes()).await,
        LinkMessage::Word(_) => Ok(()),
    }
}

/// Writes slots of the batch whose head was written last.
///
/// # Errors
/// As [`write_message`].
pub async fn write_slots(writer: &mut (impl AsyncWrite + Unpin), slots: &[u8]) -> io::Result<()> {
    for frame in chunks(slots) {
        write(writer, &frame).await?;
    }
    Ok(())
}

/// What one frame brings.
#[derive(Debug)]
pub enum Incoming<'a, W> {
    /// A batch begins.
    Head(BatchHead),
    /// The next bytes of the batch that began.
    Chunk(&'a [u8]),
    /// Something else than a batch.
    Word(W),
    /// Something that means nothing in this direction.
    Ignored,
}

/// The next frame of a link that has been greeted.
///
/// # Errors
/// [`BrokenLink`], after which the connection is of no more use.
pub async fn read_incoming<R: AsyncRead + Unpin, W: Word>(
    frames: &mut FrameReader<R>,
) -> Result<Incoming<'_, W>, BrokenLink> {
    Ok(match frames.next().await? {
        (Kind::BatchHead, body) => Incoming::Head(BatchHead::decode(body).map_err(|_| Malformed)?),
        (Kind::Chunk, body) => Incoming::Chunk(body),
        (kind, body) => W::parse(kind, body)?.map_or(Incoming::Ignored, Incoming::Word),
    })
}

/// Reads messages from a link that has been greeted, batches as a whole.
#[derive(Debug)]
pub struct LinkReader<R> {
    frames: FrameReader<R>,
    assembly: Assembly,
}

impl<R: AsyncRead + Unpin> LinkReader<R> {
    /// Takes batches of at most `max_slots` slots of `slot_len` bytes.
    pub fn new(frames: FrameReader<R>, slot_len: usize, max_slots: usize) -> Self {
        Self { frames, assembly: Assembly::new(Inlet::new(slot_len, max_slots)) }
    }

    /// The next message.
    ///
    /// # Errors
    /// [`BrokenLink`], after which the connection is of no more use.
    pub async fn next<W: Word>(&mut self) -> Result<LinkMessage<W>, BrokenLink> {
        loop {
            let whole = match read_incoming(&mut self.frames).await? {
                Incoming::Head(head) => self.assembly.head(head)?,
                Incoming::Chunk(bytes) => self.assembly.chunk(bytes)?,
                Incoming::Word(word) => return Ok(LinkMessage::Word(word)),
                Incoming::Ignored => None,
            };
            if let Some((round, batch)) = whole {
                return Ok(LinkMessage::Batch(round, batch));
            }
        }
    }
}
