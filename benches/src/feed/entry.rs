//! The entry as the hops see it: it seals a batch, sends it, and looks into what comes back.

use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::{Rng, RngExt};
use rayon::ThreadPool;
use rayon::prelude::*;
use talaria_mixnet::link::{BackWord, LinkMessage};
use talaria_server::config::Limits;
use talaria_server::files::keys::read_identity;
use talaria_server::net::clock::now;
use talaria_server::net::link::{LinkEvent, Onward};
use talaria_server::roles::StartError;
use talaria_server::roles::onward::onward;
use talaria_wire::crypto::OnionPublic;
use talaria_wire::crypto::onion_key::detected_backend;
use talaria_wire::epoch::ChainKeys;
use talaria_wire::onion::{ReplyOpener, SealContext, seal_batch};
use talaria_wire::params::PEER_MESSAGE_LEN;
use talaria_wire::{Batch, DeadDropId, ExchangeRequest, HopIndex, Round};
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::chain::{Chain, Reported};
use super::error::FeedError;
use super::report::Fed;
use crate::load::Cpu;

/// Onions that are sealed at once; of each run, one pair is looked at when it comes back.
const RUN: usize = 1024;
/// How long a round may take: longer than hops wait for each other.
const PATIENCE: Duration = Duration::from_secs(300);

/// The link to the first hop, and the keys of the chain.
pub(super) struct Entry {
    onward: Onward,
    events: mpsc::Receiver<LinkEvent>,
    keys: ChainKeys,
    next: Round,
    present: Round,
}

/// The first two onions of a run, which meet each other.
struct Sample {
    at: usize,
    openers: [ReplyOpener; 2],
    messages: [[u8; PEER_MESSAGE_LEN]; 2],
}

impl Entry {
    /// Connects, and waits until the keys of the chain are known.
    pub(super) async fn connect(chain: &Chain) -> Result<Self, FeedError> {
        let own = read_identity(&chain.entry_key()).map_err(StartError::from)?;
        let network = &chain.network;
        let limits = Limits { max_onions: chain.max_onions, ..Limits::default() };
        let place = HopIndex(0);
        let link = onward(&own, &network.hops()[0], place, network, limits)?;
        let (onward, events) = Onward::start(link);
        let present = Round::at(now(), network.period_ms);
        let keys = ChainKeys::new(network, place);
        let mut entry = Self { onward, events, keys, next: present, present };
        while entry.keys.of_round(entry.next).is_none() {
            entry.hear().await?;
        }
        Ok(entry)
    }

    /// Feeds a first round that does not count, and then `rounds` that do.
    pub(super) async fn feed(
        &mut self,
        chain: &mut Chain,
        onions: usize,
        rounds: u32,
        pool: &ThreadPool,
    ) -> Result<Fed, FeedError> {
        let mut fed = Fed::new(onions);
        let mut before = Vec::<Cpu>::new();
        for number in 0..=rounds {
            let start = Instant::now();
            let (batch, samples) = block_in_place(|| pool.install(|| self.seal(onions)))?;
            let sealing = start.elapsed();
            let start = Instant::now();
            let mut replies = self.travel(batch).await?;
            let travelling = start.elapsed();
            let reports = block_in_place(|| chain.reports())?;
            check(&mut replies, onions, &samples, &reports)?;
            let name =
                if number == 0 { "warm-up".to_owned() } else { format!("{number}/{rounds}") };
            eprintln!("round {name}: sealed in {sealing:.1?}, back after {travelling:.1?}");
            if number == 0 {
                before = chain.cpu()?;
            } else {
                fed.add(sealing, travelling, &reports);
            }
        }
        let spent: Vec<_> =
            chain.cpu()?.iter().zip(&before).map(|(now, then)| now.since(then)).collect();
        fed.close(rounds, &spent, &chain.memory()?);
        Ok(fed)
    }

    fn seal(&mut self, onions: usize) -> Result<(Batch, Vec<Sample>), FeedError> {
        let keys = self.keys.of_round(self.next).ok_or(FeedError::Keys)?;
        Ok(sealed(onions, keys, self.next))
    }

    /// Sends a batch, and waits until it is back.
    async fn travel(&mut self, batch: Batch) -> Result<Batch, FeedError> {
        let round = self.next;
        self.next = round.next();
        self.onward.send(round, batch).map_err(FeedError::Failed)?;
        loop {
            if let Some((back, replies)) = self.hear().await?
                && back == round
            {
                return Ok(replies);
            }
        }
    }

    /// What the first hop says next; a batch if it is one.
    async fn hear(&mut self) -> Result<Option<(Round, Batch)>, FeedError> {
        let event = timeout(PATIENCE, self.events.recv()).await;
        match event.map_err(|_| FeedError::Silent(PATIENCE))? {
            Some(LinkEvent::Message(LinkMessage::Batch(round, replies))) => {
                Ok(Some((round, replies)))
            }
            Some(LinkEvent::Message(LinkMessage::Word(BackWord::Keys(keys)))) => {
                self.keys.take(keys, self.present).map_err(|_| FeedError::Keys)?;
                Ok(None)
            }
            Some(LinkEvent::Message(LinkMessage::Word(BackWord::Abort(_, reason)))) => {
                Err(FeedError::Failed(reason))
            }
            Some(LinkEvent::Up | LinkEvent::Message(LinkMessage::Word(BackWord::Report(_)))) => {
                Ok(None)
            }
            Some(LinkEvent::Down) | None => Err(FeedError::LinkDown),
        }
    }
}

/// Onions for a whole chain; neighbours meet at a dead drop, as people who talk do.
fn sealed(onions: usize, chain: &[OnionPublic], round: Round) -> (Batch, Vec<Sample>) {
    let context = SealContext { chain, first: HopIndex(0), round, backend: detected_backend() };
    let onion_len = context.onion_len();
    let mut batch = Batch::zeroed(onion_len, onions);
    let runs = batch.as_bytes_mut().par_chunks_mut(onion_len * RUN).enumerate();
    let samples = runs.filter_map(|(run, slots)| {
        let mut rng: ChaCha20Rng = rand::make_rng();
        let count = slots.len() / onion_len;
        let mut messages = vec![[0; PEER_MESSAGE_LEN]; count];
        messages.iter_mut().for_each(|message| rng.fill_bytes(message));
        let pairs = messages.chunks(2).map(|pair| (DeadDropId(rng.random()), pair));
        let requests: Vec<_> = pairs
            .flat_map(|(drop, pair)| {
                pair.iter().map(move |message| ExchangeRequest::new(drop, message))
            })
            .collect();
        let mut rng: ChaCha20Rng = rand::make_rng();
        let mut openers = seal_batch(&requests, &context, &mut rng, slots).into_iter();
        let openers = [openers.next()?, openers.next()?];
        Some(Sample { at: run * RUN, openers, messages: [messages[0], messages[1]] })
    });
    let samples = samples.collect();
    (batch, samples)
}

/// Looks at a pair of each run: each of the two has to have got what the other has sent.
fn check(
    replies: &mut Batch,
    onions: usize,
    samples: &[Sample],
    reports: &[Reported],
) -> Result<(), FeedError> {
    let dropped: usize = reports.iter().map(|hop| hop.dropped).sum();
    if replies.len() != onions || dropped > 0 {
        return Err(FeedError::Wrong(onions.abs_diff(replies.len()) + dropped, onions));
    }
    let mut wrong = 0;
    for Sample { at, openers: [first, second], messages } in samples {
        let mut is_wrong = |opener: &ReplyOpener, at, message| {
            let opened = opener.open(replies.slot_mut(at));
            usize::from(opened != Ok(message))
        };
        wrong += is_wrong(first, *at, &messages[1]) + is_wrong(second, at + 1, &messages[0]);
    }
    if wrong > 0 { Err(FeedError::Wrong(wrong, 2 * samples.len())) } else { Ok(()) }
}
