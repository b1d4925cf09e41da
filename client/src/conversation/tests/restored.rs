//! Homes that are restored from copies: what is shown as delivered is there.

use super::*;

/// What a copy of a home holds, and what its person had seen then.
#[derive(Clone)]
struct Copy {
    state: ConversationState,
    heard: Vec<String>,
    own: Vec<(MessageId, String, Mark)>,
}

impl Copy {
    fn of(side: &Side) -> Self {
        let (state, heard) = (side.committed.clone(), side.heard.clone());
        Self { state, heard, own: side.own.clone() }
    }

    fn restore(self, side: &mut Side) {
        let Self { state, heard, own } = self;
        side.pending.clear();
        (side.heard, side.own) = (heard, own);
        side.committed = state.clone();
        side.conversation = open(0, state);
        side.settle();
    }
}

/// What happens in a step, beside a round.
#[derive(Clone, Copy, Debug)]
enum Event {
    Nothing,
    /// A side says something, as long as so many fragments.
    Say(usize, usize),
    Copied(usize),
    /// A side goes on with one of its copies.
    Restored(usize, prop::sample::Index),
    Again(usize),
}

fn event() -> impl Strategy<Value = Event> {
    let long = prop_oneof![4 => Just(0usize), 1 => 300usize..1000];
    prop_oneof![
        6 => Just(Event::Nothing),
        12 => (0usize..2, long).prop_map(|(side, len)| Event::Say(side, len)),
        3 => (0usize..2).prop_map(Event::Copied),
        1 => (0usize..2, any::<prop::sample::Index>()).prop_map(|(side, at)| Event::Restored(side, at)),
        1 => (0usize..2).prop_map(Event::Again),
    ]
}

struct World {
    wire: Wire,
    copies: [Vec<Copy>; 2],
    said: u32,
}

impl World {
    fn new() -> Self {
        let mut wire = Wire::new();
        wire.sides.iter_mut().for_each(|side| side.may_be_old = true);
        let copies = wire.sides.each_ref().map(|side| vec![Copy::of(side)]);
        Self { wire, copies, said: 0 }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Nothing => {}
            Event::Say(side, len) => {
                self.said += 1;
                let text = format!("{side}-{}-{}", self.said, "x".repeat(len));
                self.wire.sides[side].say(&text, UnixMillis(self.said.into()));
            }
            Event::Copied(side) => self.copies[side].push(Copy::of(&self.wire.sides[side])),
            Event::Restored(side, at) => {
                let copy = at.get(&self.copies[side]).clone();
                copy.restore(&mut self.wire.sides[side]);
            }
            Event::Again(side) => self.again(side),
        }
    }

    fn again(&mut self, side: usize) {
        self.wire.sides[side].conversation.again();
        self.wire.sides[side].settle();
    }

    /// Long enough for everything that waits.
    fn run(&mut self) {
        for _ in 0..250 {
            self.wire.step(&Fate::default());
        }
    }

    /// Whatever a side sees as delivered is with the other one, as often as it was said.
    fn check(&self) {
        for (side, other) in [(0, 1), (1, 0)] {
            let heard = &self.wire.sides[other].heard;
            for (_, text, mark) in &self.wire.sides[side].own {
                let times = heard.iter().filter(|heard| *heard == text).count();
                assert!(times <= 1, "{text} came {times} times");
                assert!(*mark != Mark::Waiting, "{text} waits for ever");
                assert!(*mark != Mark::Delivered || times == 1, "{text} is not there");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_is_shown_as_delivered_is_there_whatever_was_restored(
        events in prop::collection::vec((event(), rough()), 1..150),
    ) {
        let mut world = World::new();
        for (event, fate) in events {
            world.take(event);
            world.wire.step(&fate);
        }
        world.run();
        world.check();
        // What a restored home has sent before may still lie in the partner's window, and make for
        // another story once more.
        for _ in 0..3 {
            for side in 0..2 {
                world.again(side);
            }
            world.run();
            world.check();
        }
        for side in &world.wire.sides {
            prop_assert!(side.own.iter().all(|own| own.2 == Mark::Delivered));
        }
    }
}

/// Rounds that fail as others do, but without new keys.
fn rough() -> impl Strategy<Value = Fate> {
    fate().prop_map(|fate| Fate { renewed: false, interrupted: [false; 2], ..fate })
}

/// A conversation of 100 texts each way, of which both homes are restored to any point.
#[test]
fn copies_of_any_point_of_a_hundred_texts_are_safe_on_either_side_and_on_both() {
    let mut world = World::new();
    for _ in 0..100 {
        for side in 0..2 {
            world.take(Event::Say(side, 0));
            world.take(Event::Copied(side));
        }
        world.wire.step(&Fate::default());
    }
    let copies = world.copies;
    for at in 0..copies[0].len() {
        for (which, other) in
            [([true, false], 0), ([false, true], 0), ([true; 2], 17), ([true; 2], 60)]
        {
            let mut world = World::new();
            let newest = copies[0].len() - 1;
            for side in 0..2 {
                let place = if which[side] { (at + side * other) % newest } else { newest };
                copies[side][place].clone().restore(&mut world.wire.sides[side]);
            }
            world.wire.round = 1000;
            world.said = 1000;
            world.take(Event::Say(0, 0));
            world.take(Event::Say(1, 0));
            for _ in 0..80 {
                world.wire.step(&Fate::default());
            }
            world.check();
        }
    }
}

/// The texts of two copies that go on apart have the same numbers.
#[test]
fn a_text_is_never_put_together_from_two() {
    let mut world = World::new();
    let long = 4 * 320;
    world.run();
    world.take(Event::Copied(0));
    world.take(Event::Say(0, long));
    world.wire.step(&Fate::default());
    world.wire.step(&Fate::default());
    assert!(world.wire.sides[1].committed.partial.is_some());
    let copy = world.copies[0].last().unwrap().clone();
    copy.restore(&mut world.wire.sides[0]);
    world.take(Event::Say(0, long));
    world.run();
    world.check();
    assert_eq!(world.wire.sides[1].heard.len(), 1);
}
