//! A running client against an entry that is only as good as it has to be.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_wire::Round;
use talaria_wire::control::Control;
use talaria_wire::crypto::{IdentitySecret, OnionSecret};
use talaria_wire::frame::{
    Accepts, Announcement, HEADER_LEN, Header, Kind, Submission, submission_len,
};
use talaria_wire::identity::UserName;
use talaria_wire::identity::ledger::{LEDGER_LEN, Ledger};
use talaria_wire::network_file::{
    EntryInfo, HopInfo, IdentityInfo, Network, NetworkFile, Noise, NoiseGoal, Terms, Validity,
};
use talaria_wire::params::PROTOCOL_VERSION;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::*;
use std::time::Duration;
use talaria_api::Token;
use talaria_client::contact::Contact;
use talaria_client::{Identity, Notice};
use talaria_fixtures::listener;
use talaria_fixtures::service::Service;
use talaria_fixtures::{epoch_keys, identity};
use talaria_wire::UnixMillis;
use talaria_wire::epoch::Epoch;
use talaria_wire::identity::directory::Cause;
use talaria_wire::reason::Farewell;
use talaria_wire::reason::Refusal;
use talaria_wire::tls_names::{ALPN_CLIENT, ENTRY_NAME};
use tokio::sync::{mpsc, oneshot};

mod account;
mod hub;

const ASKED: Asked = Asked { face: 3, token: Token(4) };
const LIMIT: Duration = Duration::from_secs(20);

/// An entry, and the identity service whose authority has signed it.
struct Entry {
    service: listener::Shared,
    service_address: String,
    acceptor: TlsAcceptor,
    listener: TcpListener,
}

impl Entry {
    async fn new() -> Self {
        let service = Arc::new(Mutex::new(Service::new(1)));
        service.lock().unwrap().now_s = now().0 / 1000 - 10;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(listener::serve(service.clone(), listener));
        Self::of(service, address).await
    }

    async fn of(service: listener::Shared, service_address: String) -> Self {
        let acceptor =
            listener::acceptor(&service.lock().unwrap(), ENTRY_NAME, Some(ALPN_CLIENT), true);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { service, service_address, acceptor, listener }
    }

    /// A network file that names this entry, with the authority and the service of another one.
    fn network_file(&self, dir: &TempDir, authority: &Self) -> PathBuf {
        self.network_file_with(Noise::NONE, dir, authority)
    }

    fn network_file_with(&self, noise: Noise, dir: &TempDir, authority: &Self) -> PathBuf {
        let [own, hop_own] = [8, 9].map(|seed| identity(seed, "xxx").0.secret);
        let mut service = authority.service.lock().unwrap();
        let info = EntryInfo {
            operator: "Eve".to_owned(),
            address: self.listener.local_addr().unwrap().to_string(),
            identity: *own.public(),
            ca: service.ca(),
        };
        let hop = HopInfo {
            operator: "Harry".to_owned(),
            address: "127.0.0.1:2".to_owned(),
            identity: *hop_own.public(),
        };
        let until = UnixMillis(now().0 / 1000 * 1000 + 3_600_000);
        let validity = Validity { from: UnixMillis(0), until };
        let key = *service.head_key.public();
        let identity = IdentityInfo { address: authority.service_address.clone(), key };
        let mut terms = Terms::first("test", validity, info, identity, vec![hop]);
        terms.noise = noise;
        let mut file = NetworkFile::new(terms).unwrap();
        file.sign(&own);
        file.sign(&hop_own);
        let path = dir.path().join("network.toml");
        std::fs::write(&path, file.to_toml()).unwrap();
        service.network = self.network(&path).id();
        path
    }

    fn network(&self, file: &Path) -> Network {
        let text = std::fs::read_to_string(file).unwrap();
        NetworkFile::parse(&text).unwrap().verify(now(), None).unwrap()
    }

    async fn accept(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let (stream, _) = self.listener.accept().await?;
        self.acceptor.accept(stream).await
    }

    /// Accepts a client, and welcomes it.
    async fn welcome(&self, network: &Network) -> TlsStream<TcpStream> {
        let mut stream = timeout(LIMIT, self.accept()).await.unwrap().unwrap();
        let (kind, body) = read_frame(&mut stream, network).await;
        assert_eq!(kind, Kind::Control);
        assert_eq!(Control::decode(&body), Ok(Control::hello(&network.version())));
        let welcome = Control::Welcome { protocol: PROTOCOL_VERSION };
        stream.write_all(&welcome.to_frame()).await.unwrap();
        let (own, hop) = (identity(9, "xxx").0.secret, OnionSecret::from_bytes(&[5; 32]));
        let present = Round::at(now(), network.period_ms);
        let keys = epoch_keys(network, &own, &hop, present);
        stream.write_all(&keys).await.unwrap();
        stream
    }
}

/// The first round of those whose keys an entry sends: more may follow than the epoch has left.
fn first_round(network: &Network) -> Round {
    let epoch_rounds = network.epoch_rounds();
    Epoch::of(Round::at(now(), network.period_ms), epoch_rounds).first_round(epoch_rounds)
}

async fn read_frame(stream: &mut TlsStream<TcpStream>, network: &Network) -> (Kind, Vec<u8>) {
    let mut head = [0; HEADER_LEN];
    timeout(LIMIT, stream.read_exact(&mut head)).await.unwrap().unwrap();
    let header = Header::parse(head, Accepts::FromClient(network.shape())).unwrap();
    let mut body = vec![0; header.len];
    stream.read_exact(&mut body).await.unwrap();
    (header.kind, body)
}

/// The person's ends of the ports of a running client.
struct Person {
    events: mpsc::UnboundedReceiver<Event>,
    shown: mpsc::UnboundedSender<u32>,
    input: mpsc::Sender<Input>,
    stop: oneshot::Sender<()>,
    name: UserName,
    secret: IdentitySecret,
    run: tokio::task::JoinHandle<Result<Summary, RunError>>,
}

impl Person {
    async fn start(dir: &TempDir, network_file: &Path) -> Self {
        Self::start_after(dir, network_file, |_, _| {}).await
    }

    /// Something happens between meeting the partner and talking.
    async fn start_after(
        dir: &TempDir,
        network_file: &Path,
        happens: impl FnOnce(&Contact, IdentitySecret),
    ) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let bob = dir.path().join("bob");
        let bob = account::register(&bob, network_file, "bob", &mut rng).await.unwrap();
        let secret_of_bob = bob.identity().unwrap().secret;
        let home = dir.path().join("home");
        let home = account::register(&home, network_file, "alice", &mut rng).await;
        let mut home = home.unwrap();
        let bob = home.meet(&UserName::new("bob").unwrap(), now()).unwrap().contact;
        happens(&bob, secret_of_bob);
        let Identity { name, secret, .. } = home.identity().unwrap();
        let (input, input_end) = mpsc::channel(8);
        let (shown, shown_end) = mpsc::unbounded_channel();
        let (output, events) = mpsc::unbounded_channel();
        let (stop, stop_end) = oneshot::channel();
        let ports = Ports { input: input_end, shown: shown_end, output, stop: stop_end };
        let run = tokio::spawn(run(home, bob, WhenSpent::Stop, ports));
        Self { events, shown, input, stop, name, secret, run }
    }

    async fn wait_for(&mut self, wanted: impl Fn(&Event) -> bool) {
        let found = async {
            while let Some(event) = self.events.recv().await {
                if wanted(&event) {
                    return;
                }
            }
            panic!("the run has ended");
        };
        timeout(LIMIT, found).await.unwrap();
    }

    async fn stop(self) -> Summary {
        self.stop.send(()).unwrap();
        drop((self.shown, self.events, self.input));
        timeout(LIMIT, self.run).await.unwrap().unwrap().unwrap()
    }
}

#[tokio::test]
async fn every_round_gets_one_submission_and_lost_connections_come_back() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file(&dir, &entry);
    let text = std::fs::read_to_string(&file).unwrap();
    let network = NetworkFile::parse(&text).unwrap().verify(now(), None).unwrap();
    let mut person = Person::start(&dir, &file).await;
    person.input.send(Input::Say("hello".to_owned(), ASKED)).await.unwrap();
    let first = first_round(&network);
    for attempt in 0..2 {
        let mut stream = entry.welcome(&network).await;
        person.wait_for(|e| matches!(e, Event::Notice(Notice::Ready { .. }))).await;
        for round in [first, Round(first.0 + attempt + 1)] {
            let announcement = Announcement { round, opens_in_ms: 0, closes_in_ms: 60_000 };
            stream.write_all(&announcement.to_frame()).await.unwrap();
            // The second time, the first round has been answered already.
            if attempt == 1 && round == first {
                continue;
            }
            let (kind, body) = read_frame(&mut stream, &network).await;
            assert_eq!((kind, body.len()), (Kind::Submission, submission_len(network.shape())));
            assert_eq!(Submission::decode(&body, network.shape()).unwrap().round, round);
        }
        drop(stream);
        person.wait_for(|e| matches!(e, Event::Disconnected { .. })).await;
    }
    assert_eq!(person.stop().await, Summary { finished: false, unacknowledged: 1 });
}

#[tokio::test]
async fn a_directory_that_nobody_has_signed_for_ten_minutes_is_told() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    entry.service.lock().unwrap().now_s = now().0 / 1000 - 700;
    let file = entry.network_file(&dir, &entry);
    let mut person = Person::start(&dir, &file).await;
    person.wait_for(|e| matches!(e, Event::DirectoryStale { age_s: 700.. })).await;
    person.stop().await;
}

/// Noise of which each side may spend 80 rounds; an eighth of it is reserved at once.
fn noise() -> Noise {
    let goal = NoiseGoal { epsilon_millionths: 1, delta_billionths: 1, charged_rounds: 160 };
    Noise { onions: 2, goal: Some(goal), ..Noise::NONE }
}

#[tokio::test]
async fn what_a_run_reserves_it_gives_back_at_its_end() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file_with(noise(), &dir, &entry);
    let person = Person::start(&dir, &file).await;
    let reserved = || {
        let record = entry.service.lock().unwrap().ledger(&person.name).1.clone();
        Ledger::open(&record, &person.secret).unwrap().reserve.charged
    };
    let begun = async {
        while reserved() == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, begun).await.unwrap();
    assert_eq!(reserved(), 10);
    let (name, secret) =
        (person.name.clone(), IdentitySecret::from_bytes(&person.secret.to_bytes()));
    person.stop().await;
    let record = entry.service.lock().unwrap().ledger(&name).1.clone();
    assert_eq!(Ledger::open(&record, &secret.unwrap()).unwrap().reserve.charged, 0);
}

#[tokio::test]
async fn nothing_is_said_while_another_home_has_the_newest_record_and_that_is_told() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file_with(noise(), &dir, &entry);
    let service = entry.service.clone();
    let person = Person::start_after(&dir, &file, |_, _| {
        let alice = UserName::new("alice").unwrap();
        *service.lock().unwrap().ledger(&alice) = (9, vec![1; LEDGER_LEN]);
    });
    let mut person = person.await;
    person.wait_for(|e| matches!(e, Event::Unrecorded)).await;
    person.stop().await;
}

#[tokio::test]
async fn a_service_that_tells_two_stories_is_told() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file(&dir, &entry);
    let service = entry.service.clone();
    let person = Person::start_after(&dir, &file, |_, _| {
        service.lock().unwrap().entries[1].certificate_hash[0] ^= 1;
    });
    let mut person = person.await;
    let contradicts = |why: &str| why.contains("contradict each other");
    person.wait_for(|e| matches!(e, Event::Directory(why) if contradicts(why))).await;
    person.stop().await;
}

#[tokio::test]
async fn an_entry_of_another_authority_is_not_talked_to() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let other = Entry::new().await;
    let file = entry.network_file(&dir, &other);
    let mut person = Person::start(&dir, &file).await;
    assert!(timeout(LIMIT, entry.accept()).await.unwrap().is_err());
    let refused = |event: &Event| {
        matches!(event, Event::Disconnected { reason, .. }
        if reason.contains("not the one in the network file"))
    };
    person.wait_for(refused).await;
    person.stop().await;
}

#[tokio::test]
async fn a_new_version_of_the_network_file_is_taken_while_the_client_runs() {
    let dir = TempDir::new().unwrap();
    let old = Entry::new().await;
    let new = Entry::of(old.service.clone(), old.service_address.clone()).await;
    let file = old.network_file(&dir, &old);
    let read = || NetworkFile::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let first = read().verify(now(), None).unwrap();
    let mut person = Person::start(&dir, &file).await;
    let mut stream = old.welcome(&first).await;
    person.wait_for(|e| matches!(e, Event::Notice(Notice::Ready { .. }))).await;

    // Another entry, and two lanes instead of one.
    new.network_file(&dir, &old);
    let mut terms = first.known().next_terms();
    (terms.entry, terms.lanes) = (read().terms().entry.clone(), 2);
    let mut second = NetworkFile::new(terms).unwrap();
    for seed in [8, 9] {
        second.sign(&identity(seed, "xxx").0.secret);
    }
    std::fs::write(&file, second.to_toml()).unwrap();
    let second = second.verify(now(), Some(first.known())).unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    let mut stream = new.welcome(&second).await;
    let round = Round::at(now(), second.period_ms);
    let announcement = Announcement { round, opens_in_ms: 0, closes_in_ms: 60_000 };
    stream.write_all(&announcement.to_frame()).await.unwrap();
    let (_, body) = read_frame(&mut stream, &second).await;
    assert_eq!(body.len(), submission_len(second.shape()));
    person.stop().await;
}

#[tokio::test]
async fn a_client_with_an_old_file_says_so_and_comes_back() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file(&dir, &entry);
    let text = std::fs::read_to_string(&file).unwrap();
    let network = NetworkFile::parse(&text).unwrap().verify(now(), None).unwrap();
    let mut person = Person::start(&dir, &file).await;
    let mut stream = timeout(LIMIT, entry.accept()).await.unwrap().unwrap();
    read_frame(&mut stream, &network).await;
    let refused = Control::Refused { reason: Refusal::Outdated };
    stream.write_all(&refused.to_frame()).await.unwrap();
    let told = |event: &Event| matches!(event, Event::Disconnected { reason, .. } if reason.contains("out of date"));
    person.wait_for(told).await;
    entry.welcome(&network).await;
    person.stop().await;
}

#[tokio::test]
async fn a_partner_with_another_key_gets_nothing_before_it_is_accepted() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file(&dir, &entry);
    let network = entry.network(&file);
    let mut person = Person::start_after(&dir, &file, |bob, old| {
        let mut service = entry.service.lock().unwrap();
        let new = identity(70, "bob").0.secret;
        service.enter(&bob.name, Cause::Rotated, &new, Some(&old));
    })
    .await;
    let _stream = entry.welcome(&network).await;
    person.wait_for(|e| matches!(e, Event::KeyChanged { verified: false, .. })).await;
    person.input.send(Input::AcceptKey(ASKED)).await.unwrap();
    person.wait_for(|e| matches!(e, Event::KeyAccepted(ASKED))).await;
    person.stop().await;
}

#[tokio::test]
async fn who_is_sent_away_does_not_come_back() {
    for reason in [Farewell::Replaced, Farewell::Superseded, Farewell::Disabled] {
        let dir = TempDir::new().unwrap();
        let entry = Entry::new().await;
        let file = entry.network_file(&dir, &entry);
        let person = Person::start(&dir, &file).await;
        let mut stream = entry.welcome(&entry.network(&file)).await;
        stream.write_all(&Control::Goodbye { reason }.to_frame()).await.unwrap();
        let ended = timeout(LIMIT, person.run).await.unwrap().unwrap();
        assert!(matches!(ended, Err(RunError::SentAway(why)) if why == reason));
    }
}

#[tokio::test]
async fn an_entry_sees_the_certificate_that_was_issued() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file(&dir, &entry);
    let person = Person::start(&dir, &file).await;
    let stream = entry.welcome(&entry.network(&file)).await;
    let (_, tls) = stream.get_ref();
    let shown = talaria_client::certificate::hash_of(&tls.peer_certificates().unwrap()[0]);
    let service = entry.service.lock().unwrap();
    let alice = service.entries.iter().find(|e| e.name.as_str() == "alice").unwrap();
    assert_eq!(alice.certificate_hash, shown);
    drop(person);
}
