//! What a hop keeps of its noise: what each of the replies must be.

use rand::CryptoRng;
use rayon::prelude::*;
use talaria_wire::dead_drop::EMPTY_REPLY;
use talaria_wire::onion::{ReplyOpener, SealContext, seal_batch};
use talaria_wire::params::PEER_MESSAGE_LEN;
use talaria_wire::{DeadDropId, ExchangeRequest};

/// Onions that are made by one task: an even number, so that no pair is torn apart.
pub(super) const RUN: usize = 256;

/// The noise of one round, seen from home.
#[derive(Debug, Default)]
pub struct Canary {
    broods: Vec<Brood>,
}

impl Canary {
    pub(super) fn new(broods: Vec<Brood>) -> Self {
        Self { broods }
    }

    /// How many onions it is about.
    #[must_use]
    pub fn onions(&self) -> usize {
        self.broods.iter().map(|brood| brood.openers.len()).sum()
    }

    /// How many of the replies are not what they must be: each of these onions was dropped or
    /// altered by a later hop. `reply` gives the reply to each, in the order in which the onions
    /// were made.
    #[must_use]
    pub fn altered<'a>(&self, reply: impl Fn(usize) -> &'a [u8] + Sync) -> usize {
        let altered = |(run, brood): (usize, &Brood)| brood.altered(|i| reply(run * RUN + i));
        self.broods.par_iter().enumerate().map(altered).sum()
    }
}

/// Onions that were made together.
#[derive(Debug)]
pub(super) struct Brood {
    openers: Vec<ReplyOpener>,
    /// What the first of them leave, of which each gets its neighbour's; the others meet nobody.
    messages: Vec<[u8; PEER_MESSAGE_LEN]>,
}

impl Brood {
    /// Fills `slots` with onions, of which the first `meeting` meet their neighbours.
    pub(super) fn make(
        slots: &mut [u8],
        meeting: usize,
        context: &SealContext<'_>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let slot_len = context.onion_len();
        let (mut messages, mut requests) = (Vec::new(), Vec::new());
        let mut place = DeadDropId::random(rng);
        for onion in 0..slots.len() / slot_len {
            if onion >= meeting || onion.is_multiple_of(2) {
                place = DeadDropId::random(rng);
            }
            let mut message = [0; PEER_MESSAGE_LEN];
            rng.fill_bytes(&mut message);
            requests.push(ExchangeRequest::new(place, &message));
            if onion < meeting {
                messages.push(message);
            }
        }
        let openers = seal_batch(&requests, context, rng, slots);
        Self { openers, messages }
    }

    fn altered<'a>(&self, reply: impl Fn(usize) -> &'a [u8]) -> usize {
        let is_right = |(i, opener): (usize, &ReplyOpener)| {
            let mut bytes = reply(i).to_vec();
            let expected = self.messages.get(i ^ 1).unwrap_or(&EMPTY_REPLY);
            opener.open(&mut bytes).is_ok_and(|message| message == expected)
        };
        self.openers.iter().enumerate().filter(|onion| !is_right(*onion)).count()
    }
}
