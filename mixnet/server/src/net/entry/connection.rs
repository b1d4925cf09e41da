//! One client's connection: one task that reads submissions and writes announcements and replies.
//!
//! Whatever the client does, it costs the round nothing: a slow reader or writer is cut off, a
//! silent one is forgotten, and every submission gets exactly one answer of the same size.

use talaria_wire::control::Control;
use talaria_wire::frame::Submission;
use talaria_wire::reason::Farewell;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::door::Guest;
use crate::net::frames::{FrameReader, ReadError, write};
use talaria_mixnet::entry::visit::{News, Visit};

/// Why a connection ended.
#[derive(Debug, Error)]
pub(super) enum Ended {
    /// Nothing more can be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nothing more can be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// The client did not take its frames as fast as they came.
    #[error("the client reads too slowly")]
    TooSlow,
    /// The client may not be here any more.
    #[error(transparent)]
    Dismissed(#[from] Farewell),
}

/// One connection after its greeting.
pub(super) struct Connection<R, W> {
    pub(super) guest: Guest,
    pub(super) visit: Visit,
    pub(super) frames: FrameReader<R>,
    pub(super) writer: W,
    pub(super) news: broadcast::Receiver<News>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    /// Serves the client until something ends it.
    pub(super) async fn serve(mut self) -> Ended {
        let ended = self.run().await;
        let farewell = match ended {
            Ended::Dismissed(reason) => Some(reason),
            Ended::Read(ReadError::Frame(_)) => Some(Farewell::Protocol),
            Ended::Read(_) | Ended::Write(_) | Ended::TooSlow => None,
        };
        if let Some(reason) = farewell {
            let _ = write(&mut self.writer, &Control::Goodbye { reason }.to_frame()).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.writer).await;
        }
        ended
    }

    async fn run(&mut self) -> Ended {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            if let Err(ended) = self.turn(&mut buffer).await {
                return ended;
            }
            if !buffer.is_empty()
                && let Err(error) = write(&mut self.writer, &buffer).await
            {
                return error.into();
            }
        }
    }

    /// Waits for the next thing that happens, and appends what it has the client told.
    async fn turn(&mut self, buffer: &mut Vec<u8>) -> Result<(), Ended> {
        let clock = *self.guest.clock();
        tokio::select! {
            biased;
            reason = self.guest.dismissed() => Err(reason.into()),
            news = self.news.recv() => match news {
                Ok(news) => Ok(self.visit.hear(&news, buffer)?),
                Err(RecvError::Closed) => Err(Farewell::ShuttingDown.into()),
                Err(RecvError::Lagged(_)) => Err(Ended::TooSlow),
            },
            frame = self.frames.next() => {
                let guest = &self.guest;
                let submit = |_, submission: Submission<'_>| guest.submit(submission);
                Ok(self.visit.handle_frame(clock.now(), frame?, submit, buffer)?)
            }
            () = clock.sleep_until(Some(self.visit.poll_timeout())) => {
                Ok(self.visit.handle_timeout(clock.now())?)
            }
        }
    }
}
