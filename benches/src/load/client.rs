//! One client: it answers each announced round with one submission and opens what comes back.

use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use talaria_wire::control::Control;
use talaria_wire::dead_drop::EMPTY_REPLY;
use talaria_wire::epoch::EpochKeys;
use talaria_wire::frame::{Announcement, Kind, Outcome, Replies, Submission};
use talaria_wire::{Round, RoundShape};

use super::connection::{Connection, ConnectionError};
use super::ledger::{Fate, Seen};
use super::prepare::{Awaited, Chunk};
use super::script::Script;
use super::stage::Stage;

/// Plays `client` until its connection ends, which the stage is told.
pub(super) async fn play(client: usize, stage: Rc<Stage>, connection: Connection) {
    let stage_of = stage.clone();
    let player =
        Player { client, stage: stage_of, connection, ahead: None, due: None, away: Vec::new() };
    let ended = player.run().await;
    stage.lose(client, &ended);
}

struct Player {
    client: usize,
    stage: Rc<Stage>,
    connection: Connection,
    /// A round that was announced and is not open yet.
    ahead: Option<(tokio::time::Instant, Round)>,
    /// A round that waits for its onions.
    due: Option<Due>,
    /// Submissions without an answer: rarely more than two.
    away: Vec<Away>,
}

struct Due {
    round: Round,
    onions: Awaited,
}

struct Away {
    round: Round,
    chunk: Arc<Chunk>,
    sent: Instant,
}

impl Player {
    async fn run(mut self) -> ConnectionError {
        loop {
            let turn = tokio::select! {
                frame = self.connection.read() => match frame {
                    Ok((Kind::Announcement, body)) => match Announcement::decode(body) {
                        Ok(announcement) => Ok(Turn::Announced(announcement)),
                        Err(_) => Err(ConnectionError::Unexpected("a broken announcement")),
                    },
                    Ok((Kind::EpochKeys, body)) => match EpochKeys::decode(body) {
                        Ok(keys) => self.stage.learn(keys).map(|()| Turn::Done),
                        Err(_) => Err(ConnectionError::Unexpected("broken keys")),
                    },
                    Ok((Kind::Replies, body)) => {
                        take_replies(&self.stage, self.client, &mut self.away, body)
                            .map(|()| Turn::Done)
                    }
                    Ok((_, body)) => heed(body).map(|()| Turn::Done),
                    Err(error) => Err(error),
                },
                round = opened(&mut self.ahead) => Ok(Turn::Opened(round)),
                chunk = ready(&mut self.due) => Ok(Turn::Ready(chunk)),
            };
            let done = match turn {
                Ok(Turn::Announced(Announcement { round, opens_in_ms: 0, .. })) => {
                    self.ahead = None;
                    self.announced(round).await
                }
                Ok(Turn::Announced(Announcement { round, opens_in_ms, .. })) => {
                    let opens_at = Instant::now() + Duration::from_millis(opens_in_ms.into());
                    self.ahead = Some((opens_at.into(), round));
                    Ok(())
                }
                Ok(Turn::Opened(round)) => self.announced(round).await,
                Ok(Turn::Ready(chunk)) => self.submit(chunk).await,
                Ok(Turn::Done) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    async fn announced(&mut self, round: Round) -> Result<(), ConnectionError> {
        let Some(onions) = self.stage.announced(self.client, round) else {
            return Ok(());
        };
        if let Some(missed) = self.due.take() {
            self.stage.end(self.client, missed.round, Fate::Missed);
        }
        let chunk = onions.borrow().clone();
        self.due = Some(Due { round, onions });
        match chunk {
            Some(chunk) => self.submit(chunk).await,
            None => {
                self.stage.unprepared();
                Ok(())
            }
        }
    }

    async fn submit(&mut self, chunk: Arc<Chunk>) -> Result<(), ConnectionError> {
        let Some(Due { round, .. }) = self.due.take() else {
            return Ok(());
        };
        let frame = Submission { round, onions: chunk.onions(self.client) }.to_frame();
        let sent = Instant::now();
        self.stage.sent(self.client, round, sent);
        self.away.push(Away { round, chunk, sent });
        self.connection.write(&frame).await?;
        Ok(())
    }
}

/// What there is to do next.
enum Turn {
    Announced(Announcement),
    Opened(Round),
    Ready(Arc<Chunk>),
    Done,
}

/// The round that was announced in advance, once it opens.
async fn opened(ahead: &mut Option<(tokio::time::Instant, Round)>) -> Round {
    match *ahead {
        Some((opens_at, round)) => {
            tokio::time::sleep_until(opens_at).await;
            *ahead = None;
            round
        }
        None => pending().await,
    }
}

/// The onions of the round that is due, once they are sealed.
async fn ready(due: &mut Option<Due>) -> Arc<Chunk> {
    if let Some(due) = due {
        // An error means that the thread which sealed them is gone; then there is nothing to send.
        if let Ok(chunk) = due.onions.wait_for(Option::is_some).await
            && let Some(chunk) = chunk.clone()
        {
            return chunk;
        }
    }
    pending().await
}

fn heed(body: &[u8]) -> Result<(), ConnectionError> {
    match Control::decode(body)? {
        // Right after the server has started; if it goes on so, the run ends for want of rounds.
        Control::Paused { .. } => Ok(()),
        Control::Goodbye { reason } => Err(ConnectionError::Goodbye(reason)),
        _ => Err(ConnectionError::Unexpected("a control frame that does not belong")),
    }
}

fn take_replies(
    stage: &Stage,
    client: usize,
    away: &mut Vec<Away>,
    body: &mut [u8],
) -> Result<(), ConnectionError> {
    let now = Instant::now();
    let script = stage.script();
    let replies = Replies::decode(body, script.shape())
        .map_err(|_| ConnectionError::Unexpected("broken replies"))?;
    let (round, outcome) = (replies.round, replies.outcome);
    let place = away.iter().position(|away| away.round == round);
    let place = place.ok_or(ConnectionError::Unexpected("replies to nothing that was sent"))?;
    let Away { chunk, sent, .. } = away.swap_remove(place);
    match outcome {
        Outcome::Delivered => {
            let seen = open_all(script, client, round, &chunk, body);
            stage.delivered(client, round, sent, now, seen);
        }
        Outcome::Late => stage.end(client, round, Fate::Late),
        Outcome::Failed => stage.end(client, round, Fate::Failed),
    }
    Ok(())
}

/// Opens the replies at the end of `body` in place.
fn open_all(
    script: &Script,
    client: usize,
    round: Round,
    chunk: &Chunk,
    body: &mut [u8],
) -> Vec<Seen> {
    let shape: RoundShape = script.shape();
    let start = body.len() - shape.onions() * shape.reply_len();
    let replies = body[start..].chunks_exact_mut(shape.reply_len());
    let openers = chunk.openers(client).iter();
    let opened = replies.zip(openers).map(|(reply, opener)| opener.open(reply));
    let judged = opened.enumerate().map(|(slot, opened)| match opened {
        Ok(message) if *message == script.expected(round, client, slot) => Seen::Expected,
        Ok(message) if *message == EMPTY_REPLY => Seen::Empty,
        Ok(_) => Seen::Other,
        Err(_) => Seen::Unopened,
    });
    judged.collect()
}
