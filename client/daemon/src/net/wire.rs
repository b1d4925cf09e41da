//! The thread of one connection to the entry: it reads, and sends what is due. It does nothing else,
//! so that nothing else shows in when it does.
//!
//! No disk, no password, no signature of a message and no commit is ever waited for here. What comes in
//! is stamped as it leaves the socket; announcements go to the [`Departures`] at once, ahead of
//! whatever came with them. The driver hands in what may leave, and is told what did.

use std::thread;
use std::time::Duration;

use talaria_client::certificate::Credentials;
use talaria_client::departures::{Departures, Order};
use talaria_store::NetworkSource;
use talaria_wire::control::Control;
use talaria_wire::frame::{Announcement, Kind};
use talaria_wire::network_file::Network;
use talaria_wire::{Round, UnixMillis};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::connection::{Connection, ConnectionError, Reading, Writing};
use crate::clock::now;

/// Frames that wait for the client; a server that sends more than it can ask for is not read.
const ARRIVALS: usize = 64;

/// A frame that has come in.
pub(crate) struct Arrival {
    /// When it left the socket.
    pub(crate) at: UnixMillis,
    pub(crate) kind: Kind,
    pub(crate) body: Vec<u8>,
}

/// A submission that has left.
pub(crate) struct Departed {
    pub(crate) at: UnixMillis,
    pub(crate) round: Round,
    pub(crate) serial: u64,
}

/// What the sending task is told.
enum Word {
    Announced(Instant, Announcement),
    /// The round that is due does not open.
    Paused,
    Order(Order),
    /// A frame that is not for a round.
    Write(Vec<u8>),
}

/// What the connection brings.
pub(crate) enum Brought {
    /// These submissions have left, and these frames have come. Of frames that wait, replies come
    /// last.
    News(Vec<Departed>, Vec<Arrival>),
    Broken(ConnectionError),
}

/// The driver's end of a connection.
pub(crate) struct Wire {
    words: mpsc::UnboundedSender<Word>,
    arrivals: mpsc::Receiver<Arrival>,
    departed: mpsc::UnboundedReceiver<Departed>,
    ended: oneshot::Receiver<ConnectionError>,
    stop: Option<oneshot::Sender<()>>,
}

/// The thread's end of it.
struct Ends {
    words: mpsc::UnboundedSender<Word>,
    orders: mpsc::UnboundedReceiver<Word>,
    arrivals: mpsc::Sender<Arrival>,
    departed: mpsc::UnboundedSender<Departed>,
    stop: oneshot::Receiver<()>,
}

/// A connection, and the version of the network file that led to it.
pub(crate) struct Connected {
    pub(crate) wire: Wire,
    pub(crate) network: Network,
}

impl Wire {
    /// Connects, on a thread of its own, to where the network file says, as it says it now.
    pub(crate) async fn open(
        source: NetworkSource,
        own: Credentials,
    ) -> Result<Connected, ConnectionError> {
        let (words, orders) = mpsc::unbounded_channel();
        let (arrivals, arrivals_end) = mpsc::channel(ARRIVALS);
        let (departed, departed_end) = mpsc::unbounded_channel();
        let (stop, stop_end) = oneshot::channel();
        let (opened, opened_end) = oneshot::channel();
        let (ended, ended_end) = oneshot::channel();
        let ends = Ends { words: words.clone(), orders, arrivals, departed, stop: stop_end };
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new().name("talaria-wire".to_owned());
        thread.spawn(move || {
            runtime.block_on(async move {
                match Connection::open(source, own).await {
                    Err(error) => drop(opened.send(Err(error))),
                    Ok((connection, network)) => {
                        let period_ms = network.period_ms;
                        if opened.send(Ok(network)).is_ok() {
                            let departures = Departures::new(period_ms);
                            // Nobody listens if the driver has let go of the connection.
                            let _ = ended.send(ends.serve(connection, departures).await);
                        }
                    }
                }
            });
        })?;
        let network = opened_end.await.unwrap_or(Err(ConnectionError::Closed))?;
        let wire = Self {
            words,
            arrivals: arrivals_end,
            departed: departed_end,
            ended: ended_end,
            stop: Some(stop),
        };
        Ok(Connected { wire, network })
    }

    /// Hands over what may leave.
    pub(crate) fn order(&self, order: Order) {
        // Nobody listens after the end, which the driver is about to be told of.
        let _ = self.words.send(Word::Order(order));
    }

    /// Writes a frame that is not for a round.
    pub(crate) fn write(&self, frame: Vec<u8>) {
        let _ = self.words.send(Word::Write(frame));
    }

    /// What comes next. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Brought {
        let (mut left, mut frames) = (Vec::new(), Vec::new());
        tokio::select! {
            Some(departed) = self.departed.recv() => left.push(departed),
            Some(arrival) = self.arrivals.recv() => frames.push(arrival),
            else => {
                let error = (&mut self.ended).await.unwrap_or(ConnectionError::Closed);
                return Brought::Broken(error);
            }
        }
        while let Ok(arrival) = self.arrivals.try_recv() {
            frames.push(arrival);
        }
        // After the frames: what left before they came is among it.
        while let Ok(departed) = self.departed.try_recv() {
            left.push(departed);
        }
        frames.sort_by_key(|arrival| arrival.kind == Kind::Replies);
        Brought::News(left, frames)
    }

    /// Ends the connection, says goodbye to the server if it listens, and tells what has left until
    /// then: nothing does after it.
    pub(crate) async fn close(mut self) -> Vec<Departed> {
        drop(self.stop.take());
        self.arrivals.close();
        let mut left = Vec::new();
        while let Some(departed) = self.departed.recv().await {
            left.push(departed);
        }
        left
    }
}

impl Ends {
    async fn serve(self, connection: Connection, departures: Departures) -> ConnectionError {
        let Self { words, orders, arrivals, departed, mut stop } = self;
        let (mut reading, mut writing) = connection.split();
        let error = {
            let sending = Sending { departures, clock: Clock::start(), departed, orders };
            tokio::select! {
                error = read(&mut reading, &words, &arrivals) => error,
                error = sending.send(&mut writing) => error,
                _ = &mut stop => ConnectionError::Closed,
            }
        };
        writing.close().await;
        error
    }
}

/// Reads to the end, and passes on what comes.
async fn read(
    reading: &mut Reading,
    words: &mpsc::UnboundedSender<Word>,
    arrivals: &mpsc::Sender<Arrival>,
) -> ConnectionError {
    loop {
        let (kind, body) = match reading.next().await {
            Ok(frame) => frame,
            Err(error) => return error,
        };
        let (instant, at) = (Instant::now(), now());
        // What cannot be understood the client makes something of.
        let word = match kind {
            Kind::Announcement => Announcement::decode(&body)
                .map(|announcement| Word::Announced(instant, announcement))
                .ok(),
            Kind::Control => {
                let control = Control::decode(&body).ok();
                control.filter(|it| matches!(it, Control::Paused { .. })).map(|_| Word::Paused)
            }
            _ => None,
        };
        if let Some(word) = word {
            let _ = words.send(word);
        }
        if arrivals.send(Arrival { at, kind, body }).await.is_err() {
            return ConnectionError::Closed;
        }
    }
}

/// How long before its moment the thread waits for nothing else any more.
///
/// Timers of the runtime have milliseconds, and go off at a fraction of one that depends on when the
/// thread was last awake: on a client that talks, when it was handed what it says. Nothing of that may
/// show, so the last part is left to a timer of the system.
const APPROACH: Duration = Duration::from_millis(3);

/// Milliseconds since the connection began, by a clock that is never set.
struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn at(&self, instant: Instant) -> UnixMillis {
        let since = instant.saturating_duration_since(self.0).as_millis();
        UnixMillis(u64::try_from(since).unwrap_or(u64::MAX))
    }

    fn instant(&self, moment: UnixMillis) -> Instant {
        self.0 + Duration::from_millis(moment.0)
    }

    /// Waits until little time is left.
    async fn approach(&self, moment: Option<UnixMillis>) {
        match moment {
            Some(moment) => sleep_until(self.instant(moment) - APPROACH).await,
            None => std::future::pending().await,
        }
    }

    /// Waits for what is left, and for nothing else: this thread does nothing else either.
    fn arrive(&self, moment: UnixMillis) {
        thread::sleep(self.instant(moment).saturating_duration_since(Instant::now()));
    }
}

/// The task from which submissions leave.
struct Sending {
    departures: Departures,
    clock: Clock,
    departed: mpsc::UnboundedSender<Departed>,
    orders: mpsc::UnboundedReceiver<Word>,
}

impl Sending {
    async fn send(mut self, writing: &mut Writing) -> ConnectionError {
        loop {
            let due = self.departures.poll_timeout();
            let frame = tokio::select! {
                biased;
                () = self.clock.approach(due) => self.leave(due),
                Some(word) = self.orders.recv() => self.hear(word),
            };
            if let Some(frame) = frame
                && let Err(error) = writing.write(&frame).await
            {
                return error;
            }
        }
    }

    fn leave(&mut self, due: Option<UnixMillis>) -> Option<Vec<u8>> {
        self.clock.arrive(due?);
        let leaving = self.departures.handle_timeout(self.clock.at(Instant::now()))?;
        let (round, serial) = (leaving.round, leaving.serial);
        // Told before it is written: what may have left, has.
        let _ = self.departed.send(Departed { at: now(), round, serial });
        Some(leaving.frame)
    }

    fn hear(&mut self, word: Word) -> Option<Vec<u8>> {
        match word {
            Word::Announced(instant, announcement) => {
                self.departures.announce(self.clock.at(instant), &announcement);
            }
            Word::Paused => self.departures.pause(),
            Word::Order(order) => self.departures.obey(order),
            Word::Write(frame) => return Some(frame),
        }
        None
    }
}
