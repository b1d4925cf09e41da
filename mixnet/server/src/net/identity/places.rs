//! Who is connected, and who has to go when there is no room: those who ask for nothing, the one
//! that has done so for the longest time first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use talaria_identity::limits::Origin;

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    /// Nothing, or its handshake.
    Nothing,
    /// It waits for the directory to grow.
    Waiting,
    /// It is being answered.
    Asking,
}

#[derive(Debug)]
struct Guest {
    origin: Origin,
    doing: Doing,
    /// When it began to do so.
    since: u64,
    stop: watch::Sender<bool>,
}

/// Connections by their number. Pure.
#[derive(Debug)]
struct Table {
    max: usize,
    max_per_origin: usize,
    /// Counts what happens, in the place of a clock.
    time: u64,
    guests: BTreeMap<u64, Guest>,
    origins: BTreeMap<Origin, usize>,
}

impl Table {
    fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    /// Takes somebody in, for whom others may have to go.
    fn admit(&mut self, origin: Origin) -> Option<(u64, watch::Receiver<bool>)> {
        if self.origins.get(&origin).is_some_and(|count| *count >= self.max_per_origin) {
            self.evict(Some(origin))?;
        }
        if self.guests.len() >= self.max {
            self.evict(None)?;
        }
        let id = self.tick();
        let (stop, stopped) = watch::channel(false);
        self.guests.insert(id, Guest { origin, doing: Doing::Nothing, since: id, stop });
        *self.origins.entry(origin).or_default() += 1;
        Some((id, stopped))
    }

    /// Sends somebody away who is not being answered.
    fn evict(&mut self, origin: Option<Origin>) -> Option<()> {
        let may_go = |guest: &Guest| {
            guest.doing != Doing::Asking && origin.is_none_or(|origin| guest.origin == origin)
        };
        let candidates = self.guests.iter().filter(|(_, guest)| may_go(guest));
        let (id, _) = candidates.min_by_key(|(_, guest)| (guest.doing, guest.since))?;
        self.remove(*id)
    }

    fn remove(&mut self, id: u64) -> Option<()> {
        let guest = self.guests.remove(&id)?;
        guest.stop.send_replace(true);
        if let Some(count) = self.origins.get_mut(&guest.origin) {
            *count -= 1;
            if *count == 0 {
                self.origins.remove(&guest.origin);
            }
        }
        Some(())
    }

    fn does(&mut self, id: u64, doing: Doing) {
        let since = self.tick();
        if let Some(guest) = self.guests.get_mut(&id) {
            (guest.doing, guest.since) = (doing, since);
        }
    }
}

/// The places of a service.
#[derive(Debug)]
pub(super) struct Places(Mutex<Table>);

impl Places {
    pub(super) fn new(max: usize, max_per_origin: usize) -> Arc<Self> {
        let (guests, origins) = (BTreeMap::new(), BTreeMap::new());
        Arc::new(Self(Mutex::new(Table { max, max_per_origin, time: 0, guests, origins })))
    }

    /// A place, unless all are taken by connections that are being answered.
    pub(super) fn admit(self: &Arc<Self>, origin: Origin) -> Option<Place> {
        let (id, stopped) = self.table().admit(origin)?;
        Some(Place { id, stopped, places: self.clone() })
    }

    /// Sends one connection away.
    pub(super) fn make_room(&self) {
        self.table().evict(None);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change to it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    stopped: watch::Receiver<bool>,
    places: Arc<Places>,
}

impl Place {
    pub(super) fn does(&self, doing: Doing) {
        self.places.table().does(self.id, doing);
    }

    /// Tells when the place is needed by somebody else.
    pub(super) fn stop(&self) -> Stop {
        Stop(self.stopped.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().remove(self.id);
    }
}

/// Whether a place is lost.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until it is.
    pub(super) async fn cancelled(&self) {
        let _ = self.0.clone().wait_for(|stopped| *stopped).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn origin(last: u8) -> Origin {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn is_stopped(place: &Place) -> bool {
        *place.stopped.borrow()
    }

    #[test]
    fn who_has_done_nothing_for_longest_goes_first() {
        let places = Places::new(3, 3);
        let [a, b, c] = [1, 2, 3].map(|i| places.admit(origin(i)).unwrap());
        a.does(Doing::Asking);
        b.does(Doing::Waiting);
        a.does(Doing::Nothing);
        let d = places.admit(origin(4)).unwrap();
        assert_eq!([&a, &b, &c].map(is_stopped), [false, false, true]);
        let e = places.admit(origin(5)).unwrap();
        assert_eq!([&a, &b, &d].map(is_stopped), [true, false, false]);
        d.does(Doing::Asking);
        e.does(Doing::Asking);
        let f = places.admit(origin(6)).unwrap();
        assert!(is_stopped(&b));
        f.does(Doing::Asking);
        assert!(places.admit(origin(7)).is_none(), "all are being answered");
        drop(f);
        assert!(places.admit(origin(7)).is_some());
    }

    #[test]
    fn an_address_makes_room_for_itself() {
        let places = Places::new(10, 2);
        let other = places.admit(origin(2)).unwrap();
        let first = places.admit(origin(1)).unwrap();
        let _second = places.admit(origin(1)).unwrap();
        let _third = places.admit(origin(1)).unwrap();
        assert!(is_stopped(&first) && !is_stopped(&other));
    }

    proptest! {
        #[test]
        fn there_are_never_more_than_there_may_be(events in prop::collection::vec((0u8..4, 0u8..3), 0..100)) {
            let places = Places::new(5, 3);
            let mut held: Vec<Place> = vec![];
            for (event, which) in events {
                match event {
                    0 | 1 => held.extend(places.admit(origin(which))),
                    2 if !held.is_empty() => drop(held.remove(usize::from(which) % held.len())),
                    _ => {
                        if let Some(place) = held.get(usize::from(which)) {
                            place.does([Doing::Nothing, Doing::Waiting, Doing::Asking][usize::from(which)]);
                        }
                    }
                }
                let table = places.table();
                prop_assert!(table.guests.len() <= 5);
                prop_assert_eq!(table.origins.values().sum::<usize>(), table.guests.len());
                prop_assert!(table.origins.values().all(|count| (1..=3).contains(count)));
            }
        }
    }
}
