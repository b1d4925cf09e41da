//! Delays that grow with every try: pure, told what time it is.
//!
//! A try counts when it begins. Whoever guesses passwords with OPAQUE knows after the first answer
//! whether the guess was right, and need never send the second message.

use std::collections::{BTreeMap, BTreeSet};

use talaria_wire::UnixMillis;

/// How delays grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// Tries without a delay.
    pub free: u32,
    /// The first delay, in milliseconds; each one that follows is twice as long.
    pub first_ms: u64,
    /// The longest.
    pub longest_ms: u64,
    /// Tries are forgotten when there was none for this long.
    pub forgotten_after_ms: u64,
    /// Keys that are remembered, at most; those with the oldest tries are forgotten first.
    pub max_keys: usize,
}

#[derive(Clone, Copy, Debug)]
struct Tries {
    count: u32,
    last: UnixMillis,
    /// For how long there may not be another one.
    delay_ms: u64,
}

/// Tries by key: by address or by name.
#[derive(Debug)]
pub struct Delays<K> {
    growth: Growth,
    tries: BTreeMap<K, Tries>,
    /// The same keys, those with the oldest tries first.
    oldest: BTreeSet<(UnixMillis, K)>,
}

impl<K: Ord + Clone> Delays<K> {
    /// Without any tries yet.
    #[must_use]
    pub fn new(growth: Growth) -> Self {
        Self { growth, tries: BTreeMap::new(), oldest: BTreeSet::new() }
    }

    /// Whether there may be a try now; it is not counted.
    ///
    /// # Errors
    /// For how long there may not be one, in milliseconds.
    pub fn check(&self, key: &K, now: UnixMillis) -> Result<(), u64> {
        // With a clock that was set back nobody waits longer than the delay.
        let left = |tries: &Tries| tries.delay_ms.saturating_sub(now.since(tries.last));
        match self.tries.get(key).map(left) {
            None | Some(0) => Ok(()),
            Some(left) => Err(left),
        }
    }

    /// Counts a try.
    pub fn count(&mut self, key: K, now: UnixMillis) {
        self.forget(now);
        let before = self.tries.get(&key).copied();
        if let Some(tries) = before {
            self.oldest.remove(&(tries.last, key.clone()));
        }
        let count = before.map_or(0, |tries| tries.count).saturating_add(1);
        let delay_ms = self.delay_after(count);
        self.tries.insert(key.clone(), Tries { count, last: now, delay_ms });
        self.oldest.insert((now, key));
        while self.tries.len() > self.growth.max_keys {
            self.drop_oldest();
        }
    }

    /// Takes all tries of a key back: it has shown that it may.
    pub fn forgive(&mut self, key: &K) {
        if let Some(tries) = self.tries.remove(key) {
            self.oldest.remove(&(tries.last, key.clone()));
        }
    }

    /// Takes one try of a key back.
    pub fn refund(&mut self, key: &K) {
        if let Some(tries) = self.tries.get_mut(key) {
            tries.count = tries.count.saturating_sub(1);
            tries.delay_ms = 0;
        }
    }

    /// The delay that follows upon so many tries.
    fn delay_after(&self, count: u32) -> u64 {
        let Some(doublings) = count.checked_sub(self.growth.free + 1) else { return 0 };
        let factor = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
        self.growth.first_ms.saturating_mul(factor).min(self.growth.longest_ms)
    }

    fn forget(&mut self, now: UnixMillis) {
        while let Some((last, _)) = self.oldest.first()
            && now.since(*last) >= self.growth.forgotten_after_ms
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, key)) = self.oldest.pop_first() {
            self.tries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GROWTH: Growth = Growth {
        free: 2,
        first_ms: 1000,
        longest_ms: 5000,
        forgotten_after_ms: 60_000,
        max_keys: 3,
    };

    /// Tries as soon as it may; gives the delays that there were.
    fn delays(delays: &mut Delays<u8>, tries: usize) -> Vec<u64> {
        let mut now = UnixMillis(0);
        let mut waited = vec![];
        for _ in 0..tries {
            let wait = delays.check(&1, now).err().unwrap_or(0);
            now = now.plus(wait);
            assert_eq!(delays.check(&1, now), Ok(()));
            delays.count(1, now);
            waited.push(wait);
        }
        waited
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        assert_eq!(delays(&mut Delays::new(GROWTH), 7), [0, 0, 0, 1000, 2000, 4000, 5000]);
    }

    #[test]
    fn forgiven_and_forgotten_tries_do_not_count() {
        let mut all = Delays::new(GROWTH);
        delays(&mut all, 6);
        all.forgive(&1);
        assert_eq!(delays(&mut all, 4), [0, 0, 0, 1000]);
        all.count(2, UnixMillis(1_000_000));
        assert_eq!(all.check(&1, UnixMillis(0)), Ok(()));
        assert_eq!(all.tries.len(), 1);
    }

    #[test]
    fn a_refund_takes_one_try_back() {
        let mut all = Delays::new(GROWTH);
        for _ in 0..100 {
            assert_eq!(all.check(&1, UnixMillis(5)), Ok(()));
            all.count(1, UnixMillis(5));
            all.refund(&1);
        }
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_waits_end(
            tries in prop::collection::vec((0u8..8, 0u64..3000, 0u8..4), 0..200),
        ) {
            let mut all = Delays::new(GROWTH);
            let mut now = UnixMillis(0);
            for (key, after, what) in tries {
                now = now.plus(after);
                match what {
                    0 => all.forgive(&key),
                    1 => all.refund(&key),
                    _ => all.count(key, now),
                }
                prop_assert!(all.tries.len() <= GROWTH.max_keys);
                prop_assert_eq!(all.tries.len(), all.oldest.len());
                let left = all.check(&key, now).err().unwrap_or(0);
                prop_assert!(left <= GROWTH.longest_ms);
                prop_assert_eq!(all.check(&key, now.plus(left)), Ok(()));
            }
        }
    }
}
