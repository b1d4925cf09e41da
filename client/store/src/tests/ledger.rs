//! What several homes of one account have charged counts as one.

use super::*;
use talaria_client::contact::Contact;
use talaria_client::conversation::budget::Price;
use talaria_wire::network_file::{Noise, NoiseGoal};

/// What one side may spend in the network of these tests, and what of it is reserved at once.
const EACH: u64 = 80;
const RESERVED: u64 = 10;
const PRICE: Price = Price { rounds: EACH, epsilon_millionths: 700_000, delta_billionths: 100_000 };

/// The record that the service keeps, and its number.
#[derive(Default)]
struct Kept(u64, Vec<u8>);

impl Kept {
    fn take(&mut self, record: &Record) {
        if self.0 == record.after {
            *self = Self(record.after + 1, record.bytes.clone());
        }
    }
}

struct World {
    dir: TempDir,
    kept: Kept,
    rng: ChaCha20Rng,
}

impl World {
    fn new() -> Self {
        let rng = ChaCha20Rng::seed_from_u64(4);
        Self { dir: TempDir::new().unwrap(), kept: Kept::default(), rng }
    }

    /// A new home of the same account.
    fn home(&self, name: &str) -> Home {
        let mut terms = first(2000).next_terms();
        let goal = NoiseGoal {
            epsilon_millionths: PRICE.epsilon_millionths,
            delta_billionths: PRICE.delta_billionths,
            charged_rounds: 2 * EACH,
        };
        terms.noise = Noise { onions: 236, alpha_tenths: 40, goal: Some(goal) };
        let file = put(&self.dir, "network.toml", &sign(terms));
        try_make_home(&self.dir.path().join(name), &file, &identity(1, "alice").0).unwrap()
    }

    fn write(&mut self, home: &mut Home, reserving: bool) -> Recorded {
        let record = home.next_record(reserving, &mut self.rng).unwrap();
        self.kept.take(&record);
        home.record_answered(self.kept.0, &self.kept.1).unwrap()
    }

    fn take_over(&mut self, home: &mut Home) {
        assert!(matches!(self.write(home, false), Recorded::Foreign));
        home.take_over(self.kept.0, &self.kept.1).unwrap();
        assert!(matches!(self.write(home, false), Recorded::Own(_)));
    }
}

fn somebody(seed: u64) -> Contact {
    identity(seed, &format!("user{seed}")).0.contact()
}

fn charge(home: &mut Home, contact: &Contact, rounds: u64) {
    home.remember(contact).unwrap();
    let charged = state::Change::Charged { rounds, at: Some(PRICE) };
    home.commit(&[Change::Conversation(contact.key, charged)]).unwrap();
}

fn rounds(recorded: Recorded, contact: &Contact) -> u64 {
    match recorded {
        Recorded::Own(reserved) => reserved.rounds(&contact.name),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_home_counts_what_the_one_before_it_has_charged_and_reserved() {
    let (mut world, [bob, carol, dave]) = (World::new(), [2, 3, 4].map(somebody));
    let mut old = world.home("old");
    charge(&mut old, &bob, 7);
    charge(&mut old, &carol, 30);
    let recorded = world.write(&mut old, true);
    assert_eq!(rounds(recorded, &bob), 7 + RESERVED);
    assert_eq!(rounds(world.write(&mut old, true), &dave), RESERVED, "who may come yet");

    let mut new = world.home("new");
    charge(&mut new, &carol, 3);
    world.take_over(&mut new);
    for contact in [&bob, &dave] {
        new.remember(contact).unwrap();
    }
    let charged = |home: &Home, contact: &Contact| home.charged(&contact.key).unwrap();
    assert_eq!(charged(&new, &bob), (7 + RESERVED, Some(PRICE)));
    assert_eq!(charged(&new, &carol), (30 + RESERVED, Some(PRICE)));
    assert_eq!(charged(&new, &dave), (RESERVED, Some(PRICE)));
    assert_eq!(rounds(world.write(&mut new, false), &bob), 7 + RESERVED);

    // A home that has parted in good order has reserved nothing.
    let mut third = world.home("third");
    world.take_over(&mut third);
    third.remember(&carol).unwrap();
    assert_eq!(charged(&third, &carol), (30 + RESERVED, Some(PRICE)));
}

#[test]
fn people_that_a_home_does_not_know_stay_in_its_records() {
    let (mut world, bob) = (World::new(), somebody(2));
    let mut first = world.home("first");
    charge(&mut first, &bob, 9);
    world.write(&mut first, false);
    let mut second = world.home("second");
    world.take_over(&mut second);
    let mut third = world.home("third");
    world.take_over(&mut third);
    third.remember(&bob).unwrap();
    assert_eq!(third.charged(&bob.key).unwrap(), (9, Some(PRICE)));
}

#[test]
fn a_record_whose_answer_was_lost_is_known_again_and_a_copys_is_not() {
    let (mut world, bob) = (World::new(), somebody(2));
    let mut home = world.home("home");
    charge(&mut home, &bob, 5);
    for _ in 0..3 {
        let record = home.next_record(true, &mut world.rng).unwrap();
        world.kept.take(&record);
    }
    assert_eq!(rounds(world.write(&mut home, true), &bob), 5 + RESERVED);
    assert_eq!(home.charged(&bob.key).unwrap().0, 5, "nothing was taken over");
    let path = world.dir.path().join("home");
    drop(home);

    let copy = world.dir.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&path).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let mut home = Home::open(&path, &key()).unwrap();
    charge(&mut home, &bob, 11);
    world.write(&mut home, true);
    let mut copy = Home::open(&copy, &key()).unwrap();
    world.take_over(&mut copy);
    assert_eq!(copy.charged(&bob.key).unwrap().0, 11 + RESERVED);
}

#[test]
fn a_service_that_was_put_back_costs_the_home_that_goes_on_nothing() {
    let (mut world, bob) = (World::new(), somebody(2));
    let mut home = world.home("home");
    charge(&mut home, &bob, 5);
    world.write(&mut home, true);
    let copy = Kept(world.kept.0, world.kept.1.clone());
    charge(&mut home, &bob, 9);
    world.write(&mut home, true);
    world.kept = copy;
    assert!(matches!(world.write(&mut home, true), Recorded::Older));
    assert_eq!(rounds(world.write(&mut home, true), &bob), 9 + RESERVED);
    assert_eq!(home.charged(&bob.key).unwrap().0, 9);
}

#[test]
fn after_a_record_that_does_not_open_nothing_is_left() {
    let (mut world, bob) = (World::new(), somebody(2));
    let mut old = world.home("old");
    world.write(&mut old, true);
    world.kept.1[40] ^= 1;
    let mut new = world.home("new");
    world.take_over(&mut new);
    new.remember(&bob).unwrap();
    let (charged, at) = new.charged(&bob.key).unwrap();
    assert_eq!((charged, at.unwrap().rounds_for(PRICE)), (1, 0));
}

#[test]
fn who_has_no_place_counts_as_the_worst_of_those_without_one() {
    let mut world = World::new();
    let mut home = world.home("home");
    let people: Vec<Contact> = (2..205).map(somebody).collect();
    for (contact, rounds) in people.iter().zip(1..) {
        charge(&mut home, contact, rounds);
    }
    world.write(&mut home, false);
    let mut new = world.home("new");
    world.take_over(&mut new);
    let mut counts = people.iter().map(|contact| {
        new.remember(contact).unwrap();
        new.charged(&contact.key).unwrap().0
    });
    assert!(counts.by_ref().take(3).all(|charged| charged == 3));
    assert!(counts.eq(4..=203));
    assert_eq!(new.next_record(false, &mut world.rng).unwrap().bytes.len(), world.kept.1.len());
}
