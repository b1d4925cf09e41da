//! What a home holds of conversations.

use super::*;

#[test]
fn what_contacts_do_not_have_is_named() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    for (seed, name) in [(2, "bob"), (3, "carol")] {
        home.remember(&identity(seed, name).0.contact()).unwrap();
    }
    let bob = identity(2, "bob").0.contact();
    let said = Said::Text(SaidText { id: MessageId(0), text: Text::new("x").unwrap(), sent_ms: 1 });
    let queued = state::Change::Queued(Outgoing { first_seq: 0, what: said });
    home.commit(&[Change::Conversation(bob.key, queued)]).unwrap();
    assert_eq!(home.undelivered().unwrap(), [(bob.name, 1)]);
}

#[test]
fn what_a_kill_has_left_half_shown_is_told_once() {
    let dir = TempDir::new().unwrap();
    let mut home = make_home(&dir);
    let bob = identity(2, "bob").0.contact();
    home.remember(&bob).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let text = |number: u32| {
        let (text, round) = (Text::new("x").unwrap(), Round(1));
        Received { seq: number, number, id: MessageId(number), text, sent_ms: 1, round }
    };
    let arrived = |number| Change::Conversation(bob.key, state::Change::Text(text(number)));
    home.commit(&[arrived(0), arrived(1)]).unwrap();
    let (mark, interrupted) = home.shown_mark(&bob.key, &mut rng).unwrap();
    assert_eq!(interrupted, None);
    mark.begin(0).unwrap();
    let (mark, interrupted) = home.shown_mark(&bob.key, &mut rng).unwrap();
    assert_eq!(interrupted, Some(text(0)));
    mark.done(1).unwrap();
    assert_eq!(home.shown_mark(&bob.key, &mut rng).unwrap().1, None);
    assert!(home.conversation(&bob.key).unwrap().unshown.is_empty());
}
