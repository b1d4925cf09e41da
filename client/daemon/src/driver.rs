//! The task of a running client: it turns frames, inputs and time into actions, and executes them.
//!
//! When a submission leaves is not its business, but that of the connection's own thread
//! ([`crate::net::wire`]): whatever this task waits for shows nowhere. Commits are written on threads
//! that may block; the client goes on meanwhile, and only what has to come after them waits.

mod directory;
mod following;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use talaria_wire::UnixMillis;
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::{BadPage, Head, TwoHeads};
use talaria_wire::peer_message::MessageId;
use talaria_wire::reason::{Farewell, Refusal};
use tokio::time::sleep;
use tracing::debug;

use crate::blocking::Shelf;
use crate::clock::{now, reached};
use crate::ledger::{self, Sending};
use crate::net::backoff::Backoff;
use crate::net::connection::ConnectionError;
use crate::net::identity::ServiceError;
use crate::net::tls::client_config;
use crate::net::wire::{Arrival, Brought, Connected, Departed, Wire};
use crate::run::{Asked, BACKLOG_UNITS, Event, Input, Ports, RunError, Summary, WhenSpent};
use following::{Followed, Following};
use talaria_client::certificate::Credentials;
use talaria_client::client::{Action, Change, Client, CloseReason};
use talaria_client::contact::Contact;
use talaria_client::departures::Order;
use talaria_client::notice::Notice;
use talaria_client::{ConversationState, Identity};
use talaria_store::{Home, HomeError, NetworkSource};
use talaria_wire::Round;
use talaria_wire::network_file::Network;

/// Inputs that share a commit.
const INPUTS_AT_ONCE: usize = 256;

type Connecting = Pin<Box<dyn Future<Output = Result<Connected, ConnectionError>> + Send>>;
type Committing = Pin<Box<dyn Future<Output = Result<(), HomeError>> + Send>>;

/// Where the connection stands.
enum Link {
    Up(Box<Wire>),
    Coming(Connecting),
}

/// What has happened.
enum Happened {
    Connected(Box<Connected>),
    News(Vec<Departed>, Vec<Arrival>),
    Committed(Result<(), HomeError>),
    Followed(Result<Followed, ServiceError>),
    Broken(ConnectionError),
    Timeout,
    Input(usize),
    Shown(Option<u32>),
    Stopped,
}

struct Driver {
    home: Shelf,
    client: Client,
    rng: StdRng,
    ports: Ports,
    source: NetworkSource,
    link: Link,
    /// Changes that are being written: actions wait for them.
    committing: Option<Committing>,
    /// Who is talked to.
    partner: UserName,
    following: Following,
    /// The partner's key has changed, or the partner has gone: nothing is sent.
    held_back: bool,
    /// It was told that the directory contradicts itself.
    contradicted: bool,
    /// It was told that the directory is old.
    told_stale: bool,
    /// It was told that nothing is said before more is recorded.
    told_unrecorded: bool,
    backoff: Backoff,
    inputs: Vec<Input>,
    /// Whose texts are on their way to the disk, in their order.
    saying: VecDeque<(MessageId, Asked)>,
    input_open: bool,
    shown_open: bool,
    finished: bool,
}

/// Talks with `contact` until both sides have ended, or `ports.stop` says so. A conversation
/// whose privacy budget is used up idles, or goes on, as `when_spent` says.
///
/// # Errors
/// [`RunError`] if the home cannot be written or the server will never take this client. Lost
/// connections are no errors: they are made again.
pub async fn run(
    home: Home,
    contact: Contact,
    when_spent: WhenSpent,
    ports: Ports,
) -> Result<Summary, RunError> {
    let partner = contact.name.clone();
    let shelf = Shelf::new(home);
    let mut rng = StdRng::try_from_rng(&mut SysRng).map_err(|_| RunError::NoRandomness)?;
    let mut drawing = StdRng::from_rng(&mut rng);
    let begun = shelf.with(move |home| Begun::read(home, contact, &mut drawing)).await?;
    let Begun { source, network, credentials, identity, last_round, contact, state, .. } = begun;
    let (entries, head, proof, sending) = (begun.entries, begun.head, begun.proof, begun.sending);
    let mut client = Client::new(&network, identity, last_round);
    client.go_beyond_budget(when_spent == WhenSpent::GoOn);
    // Nothing is reserved before the service has said so.
    client.record(state.charged);
    client.open(contact, state);
    let link = Link::Coming(connect(&source, credentials, Duration::ZERO));
    let following = Following::begin(&source, entries, sending);
    let mut driver = Driver {
        home: shelf,
        client,
        rng,
        ports,
        source,
        link,
        committing: None,
        partner,
        following,
        held_back: false,
        contradicted: proof.is_some(),
        told_stale: false,
        told_unrecorded: false,
        backoff: Backoff::default(),
        inputs: Vec::new(),
        saying: VecDeque::new(),
        input_open: true,
        shown_open: true,
        finished: false,
    };
    if let Some(heads) = proof {
        let bad = HomeError::Directory(BadPage::TwoStories(Box::new(heads)));
        driver.show(Event::Directory(bad.to_string()));
    }
    // How old it is will be seen when the first pages have come.
    driver.client.know_head(head);
    driver.drive().await
}

/// What a run begins with.
struct Begun {
    source: NetworkSource,
    network: Network,
    credentials: Credentials,
    identity: Identity,
    last_round: Option<Round>,
    contact: Contact,
    state: ConversationState,
    /// In the copy of the directory.
    entries: u64,
    /// The head of it.
    head: Option<Head>,
    /// The service has signed two stories.
    proof: Option<TwoHeads>,
    /// What is charged, for the service.
    sending: Sending,
}

impl Begun {
    fn read(home: &mut Home, contact: Contact, rng: &mut StdRng) -> Result<Self, RunError> {
        let source = home.network_source()?;
        let network = source.load(now())?;
        let credentials = home.credentials()?;
        client_config(&network, &credentials)?;
        home.remember(&contact)?;
        // The client counts anew in every run.
        home.commit(&[Change::IdlePairsUnmet(0)])?;
        let state = home.conversation(&contact.key)?;
        let (identity, last_round) = (home.identity()?, home.last_round()?);
        let proof = home.contradiction()?;
        let sending = Sending::next(home, true, rng)?;
        let copy = home.directory()?;
        let (entries, head) = (copy.entries(), copy.head().copied());
        Ok(Self {
            source,
            network,
            credentials,
            identity,
            last_round,
            contact,
            state,
            entries,
            head,
            proof,
            sending,
        })
    }
}

fn connect(source: &NetworkSource, own: Credentials, after: Duration) -> Connecting {
    let source = source.clone();
    Box::pin(async move {
        sleep(after).await;
        Wire::open(source, own).await
    })
}

impl Driver {
    async fn drive(mut self) -> Result<Summary, RunError> {
        loop {
            self.execute().await?;
            if self.finished {
                break;
            }
            match self.wait().await {
                Happened::Stopped => break,
                happened => self.take_in(happened).await?,
            }
        }
        self.part().await
    }

    /// Waits for whatever comes first. Every branch can be dropped without losing anything.
    async fn wait(&mut self) -> Happened {
        let deadline = self.client.poll_timeout();
        let takes_input = self.input_open && self.backlog() < BACKLOG_UNITS;
        let inputs = &mut self.inputs;
        tokio::select! {
            happened = next(&mut self.link) => happened,
            written = written(&mut self.committing) => Happened::Committed(written),
            followed = self.following.next() => Happened::Followed(followed),
            () = sleep_until(deadline) => Happened::Timeout,
            n = self.ports.input.recv_many(inputs, INPUTS_AT_ONCE), if takes_input => {
                Happened::Input(n)
            }
            number = self.ports.shown.recv(), if self.shown_open => Happened::Shown(number),
            _ = &mut self.ports.stop => Happened::Stopped,
        }
    }

    fn backlog(&self) -> u32 {
        self.client.conversation().map_or(0, |state| state.next_seq - state.acked)
    }

    async fn take_in(&mut self, happened: Happened) -> Result<(), RunError> {
        match happened {
            Happened::Connected(connected) => {
                let Connected { wire, network } = *connected;
                self.client.adopt(&network);
                wire.write(self.client.handle_connected(now()));
                self.link = Link::Up(Box::new(wire));
            }
            Happened::News(left, frames) => {
                self.note_departed(left);
                self.take_frames(frames).await?;
            }
            Happened::Committed(written) => written?,
            Happened::Followed(followed) => self.take_followed(followed).await?,
            Happened::Broken(error) => self.disconnect(&error.to_string()).await?,
            Happened::Timeout => self.client.handle_timeout(now(), &mut self.rng),
            Happened::Input(0) => self.input_open = false,
            Happened::Input(_) => self.take_inputs().await?,
            Happened::Shown(Some(number)) => self.client.shown(number),
            Happened::Shown(None) => self.shown_open = false,
            Happened::Stopped => {}
        }
        Ok(())
    }

    fn note_departed(&mut self, left: Vec<Departed>) {
        for Departed { at, round, serial } in left {
            self.client.handle_departed(at, round, serial, &mut self.rng);
        }
    }

    async fn take_frames(&mut self, frames: Vec<Arrival>) -> Result<(), RunError> {
        for Arrival { at, kind, body } in frames {
            if let Err(error) = self.client.handle_frame(at, kind, &body, &mut self.rng) {
                return self.disconnect(&error.to_string()).await;
            }
        }
        Ok(())
    }

    async fn take_inputs(&mut self) -> Result<(), RunError> {
        for input in std::mem::take(&mut self.inputs) {
            match input {
                Input::Say(text, asked) => match self.client.say(&text, now()) {
                    Ok(id) => self.saying.push_back((id, asked)),
                    Err(error) => self.show(Event::Refused(error, asked)),
                },
                Input::End => self.client.end(),
                Input::Leave => self.client.leave(),
                Input::AcceptKey(asked) => self.accept_key(asked).await?,
                Input::Again(asked) => {
                    if let Err(error) = self.client.again() {
                        self.show(Event::Refused(error, asked));
                    }
                }
            }
        }
        Ok(())
    }

    /// Executes what the client has decided, in its order, as far as a commit does not have to be
    /// waited for.
    async fn execute(&mut self) -> Result<(), RunError> {
        loop {
            while let Some(order) = self.client.poll_order() {
                self.order(order);
            }
            if self.committing.is_some() {
                return Ok(());
            }
            let Some(action) = self.client.poll_action() else { return Ok(()) };
            match action {
                // Nothing that comes after may be seen before this is durable.
                Action::Commit(changes) => {
                    let writing = self.home.with(move |home| home.commit(&changes));
                    self.committing = Some(Box::pin(writing));
                }
                Action::Order(order) => self.order(order),
                Action::Notify(notice) => self.notify(notice),
                Action::Close(CloseReason::Refused(
                    reason @ (Refusal::Version | Refusal::Network | Refusal::Forked),
                )) => return Err(RunError::Refused(reason)),
                Action::Close(CloseReason::Goodbye(
                    reason @ (Farewell::Replaced | Farewell::Superseded | Farewell::Disabled),
                )) => return Err(RunError::SentAway(reason)),
                Action::Close(reason) => self.disconnect(&reason.to_string()).await?,
            }
        }
    }

    /// The same, to the end.
    async fn execute_all(&mut self) -> Result<(), RunError> {
        loop {
            self.execute().await?;
            if self.committing.is_none() {
                return Ok(());
            }
            written(&mut self.committing).await?;
        }
    }

    fn order(&self, order: Order) {
        if let Link::Up(wire) = &self.link {
            wire.order(order);
        }
    }

    fn notify(&mut self, notice: Notice) {
        match notice {
            Notice::Ready { .. } => self.backoff.reset(),
            Notice::Finished => self.finished = true,
            Notice::Sent { id } => return self.tell_sent(id),
            _ => {}
        }
        self.show(Event::Notice(notice));
    }

    fn tell_sent(&mut self, id: MessageId) {
        let asked = self.saying.pop_front_if(|(said, _)| *said == id).map(|(_, asked)| asked);
        self.show(Event::Sent { id, asked });
    }

    /// Whoever showed events may be gone; the rounds go on until the run is stopped.
    fn show(&self, event: Event) {
        let _ = self.ports.output.send(event);
    }

    async fn disconnect(&mut self, reason: &str) -> Result<(), RunError> {
        self.hang_up().await;
        self.client.handle_disconnected(now());
        let retry_in = self.backoff.next(&mut self.rng);
        debug!(reason, ?retry_in, "no connection");
        let credentials = self.home.with(|home| home.credentials()).await?;
        self.link = Link::Coming(connect(&self.source, credentials, retry_in));
        self.show(Event::Disconnected { reason: reason.to_owned(), retry_in });
        Ok(())
    }

    /// Closes the connection, if there is one; what has left until then is known afterwards.
    async fn hang_up(&mut self) {
        let nothing = Link::Coming(Box::pin(std::future::pending()));
        if let Link::Up(wire) = std::mem::replace(&mut self.link, nothing) {
            let left = wire.close().await;
            self.note_departed(left);
        }
    }

    /// The end: what was taken over is committed, what was shown is marked.
    async fn part(mut self) -> Result<Summary, RunError> {
        self.hang_up().await;
        self.client.retire();
        while let Ok(input) = self.ports.input.try_recv() {
            self.inputs.push(input);
        }
        if !self.finished {
            self.take_inputs().await?;
        }
        self.execute_all().await?;
        self.ports.output = tokio::sync::mpsc::unbounded_channel().0;
        while let Some(number) = self.ports.shown.recv().await {
            self.client.shown(number);
            self.execute_all().await?;
        }
        // What the service gets is the same whatever was said.
        self.following.end();
        if let Ok(network) = self.source.load(now()) {
            ledger::part(&self.home, &network, self.rng).await?;
        }
        let state = self.client.conversation();
        let unacknowledged = state.map_or(0, ConversationState::unacknowledged);
        Ok(Summary { finished: self.finished, unacknowledged })
    }
}

/// What the connection brings next.
async fn next(link: &mut Link) -> Happened {
    match link {
        Link::Up(wire) => match wire.next().await {
            Brought::News(left, frames) => Happened::News(left, frames),
            Brought::Broken(error) => Happened::Broken(error),
        },
        Link::Coming(connecting) => match connecting.await {
            Ok(connected) => Happened::Connected(Box::new(connected)),
            Err(error) => Happened::Broken(error),
        },
    }
}

/// When the changes are durable, or cannot be.
async fn written(committing: &mut Option<Committing>) -> Result<(), HomeError> {
    match committing {
        Some(writing) => {
            let written = writing.await;
            *committing = None;
            written
        }
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<UnixMillis>) {
    match deadline {
        Some(deadline) => reached(deadline).await,
        None => std::future::pending().await,
    }
}
