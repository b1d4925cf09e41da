//! Onions ahead of their rounds, sealed in batches on threads of their own.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use talaria_server::net::clock::now;
use talaria_wire::crypto::onion_key::detected_backend;
use talaria_wire::crypto::{OnionPublic, OnionSecret};
use talaria_wire::epoch::{BadEpochKeys, ChainKeys, EpochKeys};
use talaria_wire::network_file::Network;
use talaria_wire::onion::{ReplyOpener, SealContext, seal_batch};
use talaria_wire::{HopIndex, Round};
use tokio::sync::watch;

use super::script::Script;

/// Clients whose onions are sealed in one go: enough to fill any batched kernel, and few enough
/// that the first clients need not wait for the last.
const CLIENTS_PER_CHUNK: usize = 128;

/// The sealed onions of some clients, and what opens their replies.
pub(super) struct Chunk {
    first: usize,
    onions_per_client: usize,
    bytes_per_client: usize,
    onions: Vec<u8>,
    openers: Vec<ReplyOpener>,
}

impl Chunk {
    /// The onions of a client, as a submission has them.
    pub(super) fn onions(&self, client: usize) -> &[u8] {
        let from = (client - self.first) * self.bytes_per_client;
        &self.onions[from..from + self.bytes_per_client]
    }

    /// What opens the replies to a client's onions, in their order.
    pub(super) fn openers(&self, client: usize) -> &[ReplyOpener] {
        let from = (client - self.first) * self.onions_per_client;
        &self.openers[from..from + self.onions_per_client]
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("first", &self.first).finish_non_exhaustive()
    }
}

/// A chunk that is there, or will be.
pub(super) type Awaited = watch::Receiver<Option<Arc<Chunk>>>;

/// Everybody's onions of one round, in the making.
#[derive(Debug)]
pub(super) struct RoundBatch {
    chunks: Vec<Awaited>,
}

impl RoundBatch {
    /// The chunk that has the onions of `client`.
    pub(super) fn chunk_of(&self, client: usize) -> Awaited {
        self.chunks[client / CLIENTS_PER_CHUNK].clone()
    }
}

/// How long sealing has taken.
#[derive(Debug, Default)]
struct Spent {
    nanos: AtomicU64,
    onions: AtomicU64,
}

/// Seals onions.
#[derive(Debug)]
pub(super) struct Workshop {
    pool: ThreadPool,
    bench: Arc<Bench>,
}

/// What the threads of the workshop share.
#[derive(Debug)]
struct Bench {
    script: Arc<Script>,
    keys: Mutex<ChainKeys>,
    period_ms: NonZeroU64,
    spent: Spent,
}

impl Workshop {
    /// A workshop with this many threads, or one for each core.
    pub(super) fn new(
        script: Arc<Script>,
        network: &Network,
        threads: Option<u16>,
    ) -> Result<Self, ThreadPoolBuildError> {
        let threads = threads.map_or(0, usize::from);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        let keys = Mutex::new(ChainKeys::new(network, HopIndex(0)));
        let (period_ms, spent) = (network.period_ms, Spent::default());
        Ok(Self { pool, bench: Arc::new(Bench { script, keys, period_ms, spent }) })
    }

    /// Takes the keys that the server has announced.
    pub(super) fn learn(&self, keys: EpochKeys) -> Result<(), BadEpochKeys> {
        let now = Round::at(now(), self.bench.period_ms);
        self.bench.keys().take(keys, now).map(|_| ())
    }

    /// Starts on the onions of a round. Rounds are finished in the order in which they are begun.
    pub(super) fn begin(&self, round: Round) -> RoundBatch {
        let clients = self.bench.script.clients();
        let firsts = (0..clients).step_by(CLIENTS_PER_CHUNK);
        RoundBatch { chunks: firsts.map(|first| self.begin_chunk(round, first)).collect() }
    }

    /// How long a whole round is likely to take, from one chunk that nobody will use.
    pub(super) async fn estimate(&self) -> Duration {
        // Round 0 was in 1970: no server announces it.
        let mut trial = self.begin_chunk(Round(0), 0);
        // An error would mean that the thread is gone, and then the estimate does not matter.
        let _ = trial.wait_for(Option::is_some).await;
        let onions = self.bench.script.clients() * self.bench.script.shape().onions();
        self.per_onion().mul_f64(onions as f64 / self.pool.current_num_threads() as f64)
    }

    /// Time on one thread to seal an onion, so far.
    pub(super) fn per_onion(&self) -> Duration {
        let spent = &self.bench.spent;
        let onions = spent.onions.load(Ordering::Relaxed).max(1);
        Duration::from_nanos(spent.nanos.load(Ordering::Relaxed) / onions)
    }

    pub(super) fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn begin_chunk(&self, round: Round, first: usize) -> Awaited {
        let (finished, awaited) = watch::channel(None);
        let bench = self.bench.clone();
        self.pool.spawn_fifo(move || {
            let chunk = bench.seal(round, first);
            // Nobody waits any more when the run has ended.
            let _ = finished.send(Some(Arc::new(chunk)));
        });
        awaited
    }
}

impl Bench {
    fn keys(&self) -> MutexGuard<'_, ChainKeys> {
        // Every change to it is whole.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of a round. Before they are announced anything takes as long to seal to.
    fn chain(&self, round: Round) -> Vec<OnionPublic> {
        let hops = self.script.shape().hops().get();
        match self.keys().of_round(round) {
            Some(keys) => keys.to_vec(),
            None => (1..=hops).map(|i| *OnionSecret::from_bytes(&[i; 32]).public()).collect(),
        }
    }

    fn seal(&self, round: Round, first: usize) -> Chunk {
        let begun = Instant::now();
        let shape = self.script.shape();
        let end = (first + CLIENTS_PER_CHUNK).min(self.script.clients());
        let requests: Vec<_> =
            (first..end).flat_map(|client| self.script.requests(round, client)).collect();
        let mut onions = vec![0; requests.len() * shape.onion_len()];
        let mut rng = self.script.sealing(round, first);
        let backend = detected_backend();
        let context = SealContext { chain: &self.chain(round), first: HopIndex(0), round, backend };
        let openers = seal_batch(&requests, &context, &mut rng, &mut onions);
        let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.spent.nanos.fetch_add(nanos, Ordering::Relaxed);
        self.spent.onions.fetch_add(requests.len() as u64, Ordering::Relaxed);
        let onions_per_client = shape.onions();
        let bytes_per_client = onions_per_client * shape.onion_len();
        Chunk { first, onions_per_client, bytes_per_client, onions, openers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chain;
    use talaria_wire::crypto::IdentitySecret;
    use talaria_wire::epoch::{Epoch, KeyTerms, SignedKey};
    use talaria_wire::network_file::{
        EntryInfo, HopInfo, IdentityInfo, NetworkFile, Terms, Validity,
    };
    use talaria_wire::params::PEER_MESSAGE_LEN;
    use talaria_wire::{Batch, Hops, RoundShape, UnixMillis};

    /// A network of two hops, and the keys of its present epoch.
    fn network_of_today() -> (Network, EpochKeys) {
        let own = [1, 2, 3, 4].map(|i| IdentitySecret::from_bytes(&[i; 32]).unwrap());
        let [entry, directory, hops @ ..] = own.each_ref().map(|own| *own.public());
        let (operator, address) = ("somebody".to_owned(), "127.0.0.1:1".to_owned());
        let entry = EntryInfo {
            operator: operator.clone(),
            address: address.clone(),
            identity: entry,
            ca: vec![1].into(),
        };
        let identity = IdentityInfo { address: address.clone(), key: directory };
        let hops = hops.map(|identity| HopInfo {
            operator: operator.clone(),
            address: address.clone(),
            identity,
        });
        let validity = Validity { from: UnixMillis(0), until: UnixMillis(4_000_000_000_000) };
        let mut file =
            NetworkFile::new(Terms::first("today", validity, entry, identity, hops.into()))
                .unwrap();
        own.iter().for_each(|own| file.sign(own));
        let network = file.verify(now(), None).unwrap();
        let present = Round::at(now(), network.period_ms);
        let keys = (0..2u8).zip(&own[2..]).map(|(hop, own)| {
            let terms = KeyTerms {
                network: network.version_hash(),
                hop: HopIndex(hop),
                epoch: Epoch::of(present, network.epoch_rounds()),
                epoch_rounds: network.epoch_rounds(),
            };
            let key = *OnionSecret::from_bytes(&[hop + 9; 32]).public();
            SignedKey::sign(key, &terms, own)
        });
        let epoch = Epoch::of(present, network.epoch_rounds());
        let keys = EpochKeys { epoch, first: HopIndex(0), keys: keys.collect() };
        (network, keys)
    }

    /// Through a real chain and back: the workshop's openers open what the script expects.
    #[test]
    fn prepared_onions_come_back_with_what_is_expected() {
        let (clients, hops) = (CLIENTS_PER_CHUNK + 3, Hops::new(2).unwrap());
        let shape = RoundShape::new(hops, 1).unwrap();
        let script = Arc::new(Script::new(1, clients, 50, shape));
        let (network, keys) = network_of_today();
        let workshop = Workshop::new(script.clone(), &network, Some(1)).unwrap();
        // Sealed to what stands for the keys until they are announced, and then to them.
        let chain = Chain([[1; 32], [2; 32]].iter().map(OnionSecret::from_bytes).collect());
        assert_eq!(workshop.bench.chain(crate::ROUND), chain.public());
        let present = Round::at(now(), network.period_ms);
        workshop.learn(keys).unwrap();
        assert_ne!(workshop.bench.chain(present), chain.public());
        let batch = workshop.begin(crate::ROUND);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let chunks: Vec<_> = (0..clients)
            .map(|client| {
                let mut awaited = batch.chunk_of(client);
                runtime.block_on(awaited.wait_for(Option::is_some)).unwrap().clone().unwrap()
            })
            .collect();
        let bytes = (0..clients).flat_map(|c| chunks[c].onions(c).to_vec()).collect();
        let mut replies = chain.run(0, Batch::from_bytes(shape.onion_len(), bytes).unwrap());
        let slots = replies.as_bytes_mut().chunks_exact_mut(shape.reply_len());
        for (i, reply) in slots.enumerate() {
            let (client, slot) = (i / 2, i % 2);
            let opened: &[u8; PEER_MESSAGE_LEN] =
                chunks[client].openers(client)[slot].open(reply).unwrap();
            assert_eq!(*opened, script.expected(crate::ROUND, client, slot));
        }
        assert!(workshop.per_onion() > Duration::ZERO);
    }
}
