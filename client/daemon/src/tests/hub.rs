//! Faces at a running client.

use talaria_api::{self as api, Code, Request, Text, Trouble};

use super::*;
use crate::hub::marks::Marks;
use crate::hub::{Face, Hub, TooMuch};

struct World {
    dir: TempDir,
    entry: Entry,
    network: Network,
    rng: ChaCha20Rng,
}

impl World {
    async fn new() -> (Self, talaria_store::Home, Contact) {
        let dir = TempDir::new().unwrap();
        let entry = Entry::new().await;
        let file = entry.network_file(&dir, &entry);
        let network = entry.network(&file);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let bob = dir.path().join("bob");
        account::register(&bob, &file, "bob", &mut rng).await.unwrap();
        let home = account::register(&dir.path().join("home"), &file, "alice", &mut rng).await;
        let mut home = home.unwrap();
        let bob = home.meet(&UserName::new("bob").unwrap(), now()).unwrap().contact;
        home.remember(&bob).unwrap();
        (Self { dir, entry, network, rng }, home, bob)
    }

    fn start(&mut self, home: talaria_store::Home, contact: &Contact) -> (Hub, Face) {
        Hub::start(home, contact.clone(), WhenSpent::Stop, &mut self.rng).unwrap()
    }
}

/// A text that has arrived and was not shown.
fn arrived(contact: &Contact, number: u32) -> talaria_client::Change {
    use talaria_client::conversation::state::{Change, Received};
    let text = talaria_client::Text::new(format!("text {number}")).unwrap();
    let (id, round) = (talaria_wire::peer_message::MessageId(number), Round(1));
    let received = Received { seq: number, number, id, text, sent_ms: 1, round };
    talaria_client::Change::Conversation(contact.key, Change::Text(received))
}

async fn next(face: &mut Face) -> Option<api::Event> {
    timeout(LIMIT, face.next()).await.unwrap()
}

async fn next_but_rounds(face: &mut Face) -> api::Event {
    loop {
        match next(face).await.unwrap() {
            api::Event::Error(t) if t.code == Code::Disconnected => {}
            api::Event::Ready { .. } | api::Event::Round { .. } => {}
            other => return other,
        }
    }
}

fn say(token: u64, conversation: &str) -> Request {
    let (token, conversation) = (Token(token), conversation.to_owned());
    Request::Say { token, conversation, text: Text("hello".to_owned()) }
}

fn shown(number: u32) -> Request {
    Request::Shown { conversation: "bob".to_owned(), number }
}

#[tokio::test]
async fn every_face_is_told_and_only_who_asked_gets_the_token() {
    let (mut world, home, bob) = World::new().await;
    let (mut hub, mut one) = world.start(home, &bob);
    let mut other = hub.join_face();
    let gone = hub.join_face();
    drop(gone);
    one.ask(say(7, "bob")).unwrap();
    let sent = |token| api::Event::Sent { id: 0, conversation: "bob".to_owned(), token };
    assert_eq!(next_but_rounds(&mut one).await, sent(Some(Token(7))));
    assert_eq!(next_but_rounds(&mut other).await, sent(None));
    one.ask(say(8, "carol")).unwrap();
    let refused = next_but_rounds(&mut one).await;
    assert!(matches!(
        refused,
        api::Event::Error(Trouble { code: Code::Refused, token: Some(Token(8)), .. })
    ));
    hub.stop();
    // Only the other face's end is left, and no answer to somebody else's request.
    while let Some(event) = next(&mut other).await {
        assert!(!matches!(event, api::Event::Error(t) if t.code == Code::Refused));
    }
    drop((one, other));
    let summary = timeout(LIMIT, hub.ended()).await.unwrap().unwrap();
    assert_eq!(summary, Summary { finished: false, unacknowledged: 1 });
}

#[tokio::test]
async fn rounds_go_on_while_a_face_takes_nothing() {
    let (mut world, home, bob) = World::new().await;
    let (mut hub, face) = world.start(home, &bob);
    let mut stream = world.entry.welcome(&world.network).await;
    let first = first_round(&world.network);
    for round in (first.0..).take(20).map(Round) {
        let announcement = Announcement { round, opens_in_ms: 0, closes_in_ms: 1000 };
        stream.write_all(&announcement.to_frame()).await.unwrap();
        let (kind, _) = read_frame(&mut stream, &world.network).await;
        assert_eq!(kind, Kind::Submission);
    }
    hub.stop();
    drop(face);
    timeout(LIMIT, hub.ended()).await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_follows_a_message_before_it_was_shown_and_kills_are_noticed() {
    let (mut world, mut home, bob) = World::new().await;
    home.commit(&[arrived(&bob, 0), arrived(&bob, 1), arrived(&bob, 2)]).unwrap();
    let (mut hub, mut face) = world.start(home, &bob);
    let number = |event| match event {
        api::Event::Message { number, .. } => number,
        other => panic!("{other:?}"),
    };
    assert_eq!(number(next_but_rounds(&mut face).await), 0);
    let early = timeout(Duration::from_millis(50), face.next()).await;
    assert!(early.is_err(), "the first text is not shown yet");
    // What was not told cannot have been shown.
    face.ask(shown(2)).unwrap();
    face.ask(shown(0)).unwrap();
    assert_eq!(number(next_but_rounds(&mut face).await), 1);
    hub.stop();
    drop(face);
    timeout(LIMIT, hub.ended()).await.unwrap().unwrap();

    // The second text was told, and nobody has said that it was shown; the third was not told.
    let path = world.dir.path().join("home");
    let home = account::reopen(&path, &mut world.rng).await;
    let (mut hub, mut face) = world.start(home, &bob);
    let again = next(&mut face).await.unwrap();
    assert!(matches!(again, api::Event::Repeated { id: 1, .. }), "{again:?}");
    assert_eq!(number(next_but_rounds(&mut face).await), 2);
    hub.stop();
    drop(face);
    timeout(LIMIT, hub.ended()).await.unwrap().unwrap();
}

#[tokio::test]
async fn too_many_requests_are_refused_and_not_kept() {
    let (mut world, home, bob) = World::new().await;
    let (mut hub, face) = world.start(home, &bob);
    // Nothing of this test yields to the run while it asks.
    let requests = face.requests();
    let taken = (0..5000).take_while(|token| requests.try_ask(say(*token, "bob")).is_ok());
    assert!(taken.count() < 5000);
    assert_eq!(requests.try_ask(say(0, "bob")), Err(TooMuch));
    hub.stop();
    drop(face);
    timeout(LIMIT, hub.ended()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_face_that_is_behind_does_not_take_a_mark_back() {
    let (mut world, mut home, bob) = World::new().await;
    home.commit(&[arrived(&bob, 0), arrived(&bob, 1), arrived(&bob, 2)]).unwrap();
    let (mark, _) = home.shown_mark(&bob.key, &mut world.rng).unwrap();
    let marks = Marks::new(mark);
    marks.begin(1);
    marks.done(1);
    marks.begin(0);
    marks.done(0);
    let (_, interrupted) = home.shown_mark(&bob.key, &mut world.rng).unwrap();
    assert_eq!(interrupted, None);
    let unshown = home.conversation(&bob.key).unwrap().unshown;
    assert_eq!(unshown.iter().map(|text| text.number).collect::<Vec<_>>(), [2]);
}
