//! How much one address and one name may ask for, and what happens beyond it.
//!
//! Rates are token buckets (`governor`); tries of passwords wait longer and longer besides. Nothing
//! of it is written down anywhere.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use talaria_wire::UnixMillis;
use talaria_wire::identity::{Refusal, UserName};

use super::delays::{Delays, Growth};

/// Records of a ledger that one name may write in a minute. A home writes one; there is room for some
/// that are begun and ended one after the other, and none for keeping others from writing.
const RECORDS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("it is not zero");
/// Tries of one name's password: with the longest delay there are 1,440 a day, from wherever.
const NAME_GROWTH: Growth = Growth {
    free: 5,
    first_ms: 1000,
    longest_ms: 60_000,
    forgotten_after_ms: 3_600_000,
    max_keys: 100_000,
};
/// Tries of passwords from one address, which may be that of many people.
const ADDRESS_GROWTH: Growth = Growth {
    free: 30,
    first_ms: 1000,
    longest_ms: 900_000,
    forgotten_after_ms: 3_600_000,
    max_keys: 100_000,
};

/// Limits of the identity service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityLimits {
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once from one address (IPv6: from one /64).
    pub max_per_address: usize,
    /// Seconds without a request after which a connection is closed.
    pub idle_s: u32,
    /// Requests on one connection.
    pub max_requests: u32,
    /// Registrations that one address may begin in an hour.
    pub registrations_per_hour: NonZeroU32,
    /// Requests that one address may make in a minute, those for the directory and records of ledgers
    /// not counted.
    pub requests_per_minute: NonZeroU32,
    /// Pages of the directory that one address may ask for in a minute, and records of ledgers that it
    /// may write.
    pub pages_per_minute: NonZeroU32,
    /// Entries that one name may add to the directory in a day.
    pub changes_per_day: NonZeroU32,
}

impl Default for IdentityLimits {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).expect("the defaults are not zero");
        Self {
            max_connections: 20_000,
            max_per_address: 1000,
            idle_s: 60,
            max_requests: 10_000,
            registrations_per_hour: number(240),
            requests_per_minute: number(600),
            pages_per_minute: number(6000),
            changes_per_day: number(24),
        }
    }
}

/// Who is counted as one: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin([u8; 8]);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                // No IPv6 network in use begins with zeros.
                Self([0, 0, 0, 0, a, b, c, d])
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl Origin {
    /// The site that it is part of, if it is one of many that somebody may have.
    fn site(self) -> Option<Site> {
        let [a, b, c, d, e, f, ..] = self.0;
        (self.0[..4] != [0; 4]).then_some(Site([a, b, c, d, e, f]))
    }
}

/// An IPv6 network of 48 bits: what a customer of a provider gets, 65,536 origins at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Site([u8; 6]);

/// How many addresses' worth a site may ask for: there may be several people in it.
const SITE_WORTH: NonZeroU32 = NonZeroU32::new(8).expect("it is not zero");

/// Tries of passwords from one site.
const SITE_GROWTH: Growth =
    Growth { free: ADDRESS_GROWTH.free * SITE_WORTH.get(), ..ADDRESS_GROWTH };

/// Token buckets of origins, and of the sites that they are part of.
#[derive(Debug)]
struct Buckets {
    origins: DefaultKeyedRateLimiter<Origin>,
    sites: DefaultKeyedRateLimiter<Site>,
}

impl Buckets {
    fn new(quota: fn(NonZeroU32) -> Quota, each: NonZeroU32) -> Self {
        let sites = quota(each.saturating_mul(SITE_WORTH));
        Self { origins: RateLimiter::dashmap(quota(each)), sites: RateLimiter::dashmap(sites) }
    }

    fn take(&self, origin: Origin) -> Result<(), Refusal> {
        within(&self.origins, &origin)?;
        origin.site().map_or(Ok(()), |site| within(&self.sites, &site))
    }

    fn tidy(&self) {
        self.origins.retain_recent();
        self.sites.retain_recent();
    }
}

/// Counts what is asked for.
#[derive(Debug)]
pub struct Gate {
    names: Mutex<Delays<UserName>>,
    places: Mutex<Places>,
    registrations: Buckets,
    requests: Buckets,
    pages: Buckets,
    changes: DefaultKeyedRateLimiter<UserName>,
    records: DefaultKeyedRateLimiter<UserName>,
}

/// From where passwords are tried.
#[derive(Debug)]
struct Places {
    origins: Delays<Origin>,
    sites: Delays<Site>,
}

impl Places {
    fn check(&self, origin: Origin, now: UnixMillis) -> Result<(), u64> {
        let site = origin.site().map_or(Ok(()), |site| self.sites.check(&site, now));
        self.origins.check(&origin, now).and(site)
    }

    fn count(&mut self, origin: Origin, now: UnixMillis) {
        self.origins.count(origin, now);
        if let Some(site) = origin.site() {
            self.sites.count(site, now);
        }
    }

    fn refund(&mut self, origin: Origin) {
        self.origins.refund(&origin);
        if let Some(site) = origin.site() {
            self.sites.refund(&site);
        }
    }
}

impl Gate {
    /// Nothing asked for yet.
    #[must_use]
    pub fn new(limits: &IdentityLimits) -> Self {
        let changes = limits.changes_per_day;
        let day = Duration::from_secs(24 * 3600);
        let each = Quota::with_period(day / changes.get()).unwrap_or(Quota::per_second(changes));
        Self {
            names: Mutex::new(Delays::new(NAME_GROWTH)),
            places: Mutex::new(Places {
                origins: Delays::new(ADDRESS_GROWTH),
                sites: Delays::new(SITE_GROWTH),
            }),
            registrations: Buckets::new(Quota::per_hour, limits.registrations_per_hour),
            requests: Buckets::new(Quota::per_minute, limits.requests_per_minute),
            pages: Buckets::new(Quota::per_minute, limits.pages_per_minute),
            changes: RateLimiter::dashmap(each.allow_burst(changes)),
            records: RateLimiter::dashmap(Quota::per_minute(RECORDS_PER_MINUTE)),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The refusal, if there were too many.
    pub fn request(&self, origin: Origin) -> Result<(), Refusal> {
        self.requests.take(origin)
    }

    /// Counts a request for a page of the directory, or one with a record of a ledger: every home makes
    /// these all the time, and each is a look into the database.
    ///
    /// # Errors
    /// The refusal, if there were too many.
    pub fn page(&self, origin: Origin) -> Result<(), Refusal> {
        self.pages.take(origin)
    }

    /// Counts the beginning of a registration. It is a try of the name's password too: the answer
    /// to it would help to guess one.
    ///
    /// # Errors
    /// The refusal, if there were too many.
    pub fn registration(
        &self,
        name: &UserName,
        origin: Origin,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        self.registrations.take(origin)?;
        let mut names = lock(&self.names);
        names.check(name, now).map_err(too_many)?;
        names.count(name.clone(), now);
        Ok(())
    }

    /// Counts a try of a password. It makes no difference whether anybody has the name.
    ///
    /// # Errors
    /// The refusal, if there were too many.
    pub fn login(&self, name: &UserName, origin: Origin, now: UnixMillis) -> Result<(), Refusal> {
        let (mut names, mut places) = (lock(&self.names), lock(&self.places));
        let waits = [names.check(name, now), places.check(origin, now)];
        if let Some(left) = waits.into_iter().filter_map(Result::err).max() {
            return Err(too_many(left));
        }
        names.count(name.clone(), now);
        places.count(origin, now);
        Ok(())
    }

    /// The try was right.
    pub fn known(&self, name: &UserName, origin: Origin) {
        lock(&self.names).forgive(name);
        lock(&self.places).refund(origin);
    }

    /// Counts an entry in the directory.
    ///
    /// # Errors
    /// The refusal, if there were too many.
    pub fn change(&self, name: &UserName) -> Result<(), Refusal> {
        within(&self.changes, name)
    }

    /// Counts a record of a ledger that the user with this name has signed.
    ///
    /// # Errors
    /// The refusal, if there were too many.
    pub fn ledger(&self, name: &UserName) -> Result<(), Refusal> {
        within(&self.records, name)
    }

    /// Forgets whoever has not asked for anything in a while.
    pub fn tidy(&self) {
        self.registrations.tidy();
        self.requests.tidy();
        self.pages.tidy();
        self.changes.retain_recent();
        self.records.retain_recent();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change to it is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn within<K: Clone + Eq + std::hash::Hash>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
) -> Result<(), Refusal> {
    limiter.check_key(key).map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        too_many(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    })
}

fn too_many(left_ms: u64) -> Refusal {
    let wait_s = u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX);
    Refusal::TooManyTries { wait_s: wait_s.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn gate() -> Gate {
        Gate::new(&IdentityLimits::default())
    }

    #[test]
    fn neighbours_in_one_network_are_one() {
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:2"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
    }

    #[test]
    fn guesses_wait_whoever_makes_them() {
        let (gate, now) = (gate(), UnixMillis(1_000_000));
        let alice = UserName::new("alice").unwrap();
        for i in 0..6 {
            gate.login(&alice, origin(&format!("192.0.2.{i}")), now).unwrap();
        }
        let refused = Refusal::TooManyTries { wait_s: 1 };
        assert_eq!(gate.login(&alice, origin("192.0.2.9"), now), Err(refused));
        assert_eq!(gate.registration(&alice, origin("192.0.2.9"), now), Err(refused));
        gate.login(&alice, origin("192.0.2.9"), now.plus(1000)).unwrap();
        let refused = Refusal::TooManyTries { wait_s: 2 };
        assert_eq!(gate.login(&alice, origin("192.0.2.9"), now.plus(1000)), Err(refused));
        gate.known(&alice, origin("192.0.2.9"));
        gate.login(&alice, origin("192.0.2.9"), now.plus(1001)).unwrap();
    }

    #[test]
    fn one_address_cannot_try_all_names() {
        let (gate, now) = (gate(), UnixMillis(1_000_000));
        let tries = (0..100).map(|i| {
            gate.login(&UserName::new(&format!("user{i}")).unwrap(), origin("192.0.2.1"), now)
        });
        assert_eq!(tries.filter(Result::is_ok).count(), 31);
    }

    /// The tries of names that are let through at one moment, each from another address.
    fn tries_from(addresses: impl Iterator<Item = String>) -> usize {
        let (gate, now) = (gate(), UnixMillis(1_000_000));
        let tries = addresses.enumerate().map(|(i, address)| {
            gate.login(&UserName::new(&format!("user{i}")).unwrap(), origin(&address), now)
        });
        tries.filter(Result::is_ok).count()
    }

    #[test]
    fn many_addresses_of_one_network_try_no_more_than_a_few() {
        // A /64 counts as one address of IPv4, in whichever way that is written.
        assert_eq!(tries_from((0..400).map(|i| format!("2001:db8::{i:x}"))), 31);
        assert_eq!(tries_from((0..400).map(|i| format!("2001:db8::{i:x}:0:0:1"))), 31);
        let mixed = (0..400).map(|i| ["192.0.2.1", "::ffff:192.0.2.1"][i % 2].to_owned());
        assert_eq!(tries_from(mixed), 31);
        // A /48 counts as eight, however it is cut up; what is outside counts for itself.
        assert_eq!(tries_from((0..4000).map(|i| format!("2001:db8:1:{i:x}::1"))), 241);
        assert_eq!(tries_from((0..400).map(|i| format!("2001:db8:{i:x}::1"))), 400);
        // IPv4 has no sites.
        assert_eq!(tries_from((0..400).map(|i| format!("192.0.{}.{}", i / 200, i % 200))), 400);
    }

    #[test]
    fn who_is_right_pays_nothing_for_their_network() {
        let (gate, now) = (gate(), UnixMillis(1_000_000));
        for i in 0..1000 {
            let name = UserName::new(&format!("user{i}")).unwrap();
            let origin = origin(&format!("2001:db8:1:{i:x}::1"));
            gate.login(&name, origin, now).unwrap();
            gate.known(&name, origin);
        }
    }

    #[test]
    fn a_site_has_rates_too() {
        let limits = IdentityLimits {
            registrations_per_hour: NonZeroU32::MIN,
            requests_per_minute: NonZeroU32::MIN,
            pages_per_minute: NonZeroU32::MIN,
            ..IdentityLimits::default()
        };
        let gate = Gate::new(&limits);
        let origins = || (0..100).map(|i| origin(&format!("2001:db8:1:{i:x}::1")));
        assert_eq!(origins().filter(|origin| gate.request(*origin).is_ok()).count(), 8);
        assert_eq!(origins().filter(|origin| gate.page(*origin).is_ok()).count(), 8);
        let now = UnixMillis(1_000_000);
        let registered = origins().enumerate().filter(|(i, origin)| {
            let name = UserName::new(&format!("user{i}")).unwrap();
            gate.registration(&name, *origin, now).is_ok()
        });
        assert_eq!(registered.count(), 8);
        gate.tidy();
    }

    #[test]
    fn rates_have_their_limits() {
        let gate = gate();
        let alice = UserName::new("alice").unwrap();
        let (one, other) = (origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!((0..1000).filter(|_| gate.request(one).is_ok()).count(), 600);
        assert!(gate.request(other).is_ok());
        assert_eq!((0..100).filter(|_| gate.change(&alice).is_ok()).count(), 24);
        let refused = gate.change(&alice).unwrap_err();
        assert!(matches!(refused, Refusal::TooManyTries { wait_s: 3000..=3600 }), "{refused:?}");
        assert_eq!((0..100).filter(|_| gate.ledger(&alice).is_ok()).count(), 60);
        gate.tidy();
        assert!(gate.request(one).is_err());
    }
}
