//! A running client against an entry that is only as good as it has to be.

use std::path::PathBuf;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use talaria_wire::Round;
use talaria_wire::control::Control;
use talaria_wire::crypto::OnionSecret;
use talaria_wire::frame::{
    Accepts, Announcement, HEADER_LEN, Header, Kind, Submission, submission_len,
};
use talaria_wire::network_file::{EntryInfo, HopInfo, Network, NetworkFile, Terms, Validity};
use talaria_wire::params::PROTOCOL_VERSION;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::contact::Name;
use crate::identity::tests::{epoch_keys, identity};
use crate::store::Home;

const LIMIT: Duration = Duration::from_secs(20);

/// A certificate authority, and the entry that it signed.
struct Entry {
    ca_pem: String,
    acceptor: TlsAcceptor,
    listener: TcpListener,
}

impl Entry {
    async fn new() -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_pem = params.self_signed(&ca_key).unwrap().pem();
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![ALPN.to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { ca_pem, acceptor: TlsAcceptor::from(Arc::new(config)), listener }
    }

    /// A network file that names this entry, with the authority of `ca_pem`.
    fn network_file(&self, dir: &TempDir, ca_pem: &str) -> PathBuf {
        let [own, hop_own] = [8, 9].map(|seed| identity(seed, "x").0.secret);
        let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap();
        let info = EntryInfo {
            operator: "Eve".to_owned(),
            address: self.listener.local_addr().unwrap().to_string(),
            identity: *own.public(),
            ca,
        };
        let hop = HopInfo {
            operator: "Harry".to_owned(),
            address: "127.0.0.1:2".to_owned(),
            identity: *hop_own.public(),
        };
        let until = UnixMillis(now().0 / 1000 * 1000 + 3_600_000);
        let validity = Validity { from: UnixMillis(0), until };
        let mut file = NetworkFile::new(Terms::first("test", validity, info, vec![hop])).unwrap();
        file.sign(&own);
        file.sign(&hop_own);
        let path = dir.path().join("network.toml");
        std::fs::write(&path, file.to_toml()).unwrap();
        path
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
        let (own, hop) = (identity(9, "x").0.secret, OnionSecret::from_bytes(&[5; 32]));
        let present = Round::at(now(), network.period_ms);
        let keys = epoch_keys(network, &own, &hop, present);
        stream.write_all(&keys).await.unwrap();
        stream
    }
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
    run: tokio::task::JoinHandle<Result<Summary, RunError>>,
}

impl Person {
    fn start(dir: &TempDir, network_file: &std::path::Path) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let name = Name::new("Alice").unwrap();
        let home = dir.path().join("home");
        let home = Home::create(&home, network_file, name, now(), &mut rng).unwrap();
        let (input, input_end) = mpsc::channel(8);
        let (shown, shown_end) = mpsc::unbounded_channel();
        let (output, events) = mpsc::unbounded_channel();
        let (stop, stop_end) = oneshot::channel();
        let ports = Ports { input: input_end, shown: shown_end, output, stop: stop_end };
        let bob = identity(2, "Bob").0.contact();
        let run = tokio::spawn(run(home, bob, WhenSpent::Stop, ports));
        Self { events, shown, input, stop, run }
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
    let file = entry.network_file(&dir, &entry.ca_pem);
    let text = std::fs::read_to_string(&file).unwrap();
    let network = NetworkFile::parse(&text).unwrap().verify(now(), None).unwrap();
    let mut person = Person::start(&dir, &file);
    person.input.send(Input::Say("hello".to_owned())).await.unwrap();
    let first = Round::at(now(), network.period_ms);
    for attempt in 0..2 {
        let mut stream = entry.welcome(&network).await;
        person.wait_for(|e| matches!(e, Event::Notice(Notice::Ready { .. }))).await;
        for round in [first, Round(first.0 + attempt + 1)] {
            let announcement = Announcement { round, opens_in_ms: 0, closes_in_ms: 1000 };
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
async fn an_entry_of_another_authority_is_not_talked_to() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let other = Entry::new().await;
    let file = entry.network_file(&dir, &other.ca_pem);
    let mut person = Person::start(&dir, &file);
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
    let [old, new] = [Entry::new().await, Entry::new().await];
    let file = old.network_file(&dir, &old.ca_pem);
    let read = || NetworkFile::parse(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let first = read().verify(now(), None).unwrap();
    let mut person = Person::start(&dir, &file);
    let mut stream = old.welcome(&first).await;
    person.wait_for(|e| matches!(e, Event::Notice(Notice::Ready { .. }))).await;

    // Another entry, and two lanes instead of one.
    new.network_file(&dir, &new.ca_pem);
    let mut terms = first.known().next_terms();
    (terms.entry, terms.lanes) = (read().terms().entry.clone(), 2);
    let mut second = NetworkFile::new(terms).unwrap();
    for seed in [8, 9] {
        second.sign(&identity(seed, "x").0.secret);
    }
    std::fs::write(&file, second.to_toml()).unwrap();
    let second = second.verify(now(), Some(first.known())).unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    let mut stream = new.welcome(&second).await;
    let round = Round::at(now(), second.period_ms);
    let announcement = Announcement { round, opens_in_ms: 0, closes_in_ms: 1000 };
    stream.write_all(&announcement.to_frame()).await.unwrap();
    let (_, body) = read_frame(&mut stream, &second).await;
    assert_eq!(body.len(), submission_len(second.shape()));
    person.stop().await;
}

#[tokio::test]
async fn a_client_with_an_old_file_says_so_and_comes_back() {
    let dir = TempDir::new().unwrap();
    let entry = Entry::new().await;
    let file = entry.network_file(&dir, &entry.ca_pem);
    let text = std::fs::read_to_string(&file).unwrap();
    let network = NetworkFile::parse(&text).unwrap().verify(now(), None).unwrap();
    let mut person = Person::start(&dir, &file);
    let mut stream = timeout(LIMIT, entry.accept()).await.unwrap().unwrap();
    read_frame(&mut stream, &network).await;
    let refused = Control::Refused { reason: Refusal::Outdated };
    stream.write_all(&refused.to_frame()).await.unwrap();
    let told = |event: &Event| matches!(event, Event::Disconnected { reason, .. } if reason.contains("out of date"));
    person.wait_for(told).await;
    entry.welcome(&network).await;
    person.stop().await;
}
