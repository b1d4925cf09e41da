//! The connections, in as many shards as there are threads: one task tells a whole shard of the
//! news, so that a round wakes nobody but who has to write it.
//!
//! The replies of a round are held until every shard has written them, which waits for no client.

use std::sync::{Arc, Weak};
use std::time::Duration;

use talaria_mixnet::entry::admission::ClientId;
use talaria_mixnet::entry::visit::News;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval};

use super::connection::Connection;
use crate::net::clock::Clock;

/// News that a shard may be behind before whoever has more waits for it.
const MAX_NEWS: usize = 4;
/// Connections that are told before other tasks have their turn.
const AT_ONCE: usize = 32;
/// How often silent clients are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// All connections.
#[derive(Debug)]
pub(super) struct Shards(Box<[Shard]>);

#[derive(Debug)]
struct Shard {
    posts: UnboundedSender<Post>,
    room: Arc<Semaphore>,
}

/// What a shard is told.
enum Post {
    Joined(Weak<Connection>),
    /// With the room that it takes until everybody is told.
    News(News, OwnedSemaphorePermit),
}

impl Shards {
    /// No connections yet. The tasks end with the shards, once they have told everything; if one
    /// ends before, its connections hear nothing more.
    pub(super) fn start(clock: &Clock, tasks: &mut JoinSet<()>) -> Self {
        let shards = Handle::current().metrics().num_workers();
        Self((0..shards).map(|_| Shard::start(clock.clone(), tasks)).collect())
    }

    /// From now on this connection hears all news.
    pub(super) fn join(&self, client: ClientId, connection: &Arc<Connection>) {
        let shard = usize::try_from(client.0).unwrap_or(0) % self.0.len();
        self.0[shard].post(Post::Joined(Arc::downgrade(connection)));
    }

    /// Tells everybody; waits only while a shard has not got round to what was told before.
    pub(super) async fn tell(&self, news: &News) {
        for shard in &self.0 {
            let room = shard.room.clone().acquire_owned().await;
            let room = room.expect("the semaphore is never closed");
            shard.post(Post::News(news.clone(), room));
        }
    }
}

impl Shard {
    fn start(clock: Clock, tasks: &mut JoinSet<()>) -> Self {
        let (posts, received) = unbounded_channel();
        tasks.spawn(Told { connections: Vec::new(), scratch: Vec::new(), clock }.run(received));
        Self { posts, room: Arc::new(Semaphore::new(MAX_NEWS)) }
    }

    fn post(&self, post: Post) {
        // Its task ends only with the shards.
        let _ = self.posts.send(post);
    }
}

/// The connections of a shard.
struct Told {
    /// Each is held by its own task, and closed with it.
    connections: Vec<Weak<Connection>>,
    scratch: Vec<u8>,
    clock: Clock,
}

impl Told {
    async fn run(mut self, mut posts: UnboundedReceiver<Post>) {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                post = posts.recv() => match post {
                    Some(Post::Joined(connection)) => self.connections.push(connection),
                    Some(Post::News(news, _room)) => self.tell(&news).await,
                    None => return,
                },
                _ = sweep.tick() => {
                    let now = self.clock.now();
                    self.connections.retain(|connection| {
                        connection.upgrade().is_some_and(|connection| !connection.is_over(now))
                    });
                }
            }
        }
    }

    async fn tell(&mut self, news: &News) {
        for some in self.connections.chunks(AT_ONCE) {
            for connection in some.iter().filter_map(Weak::upgrade) {
                connection.tell(news, &mut self.scratch);
            }
            yield_now().await;
        }
    }
}
