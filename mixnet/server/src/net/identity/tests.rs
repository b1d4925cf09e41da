//! The service on a real socket: bad bytes, idle connections, and a search for secrets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use talaria_wire::identity::request::{LENGTH_LEN, MESSAGE_MAX, body_len};
use talaria_wire::identity::{Refusal, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::net::shutdown::{self, Trigger};
use crate::net::tls::{Shown, identity_config, provider};
use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair};
use talaria_fixtures::user::{NETWORK, Talk, TestUser};
use talaria_identity::certificate::Authority;
use talaria_identity::control::{Command, Reply, to_line};
use talaria_identity::limits::IdentityLimits;
use talaria_identity::service::Registrations;
use talaria_opaque::ServerSecrets;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::tls_names::IDENTITY_NAME;

/// A running service.
struct Running {
    folder: tempfile::TempDir,
    address: SocketAddr,
    ca: CertificateDer<'static>,
    trigger: Trigger,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(change: impl FnOnce(&mut ServiceConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![IDENTITY_NAME.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut service = config(Registrations::Open);
        change(&mut service);
        let node = IdentityNode::open(IdentityNodeConfig {
            service,
            database: Database::File(folder.path().join("users.db")),
            tls: Arc::new(
                identity_config(Shown::new(certificate.clone(), &secret).unwrap()).unwrap(),
            ),
            control: folder.path().join("control.sock"),
        });
        let node = node.await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = shutdown::pair();
        let task = tokio::spawn(node.run(listener, shutdown));
        Self { folder, address, ca: certificate, trigger, task }
    }

    async fn connect(&self) -> Online {
        self.connect_from([127, 0, 0, 1]).await.unwrap()
    }

    async fn connect_from(&self, from: [u8; 4]) -> io::Result<Online> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = self.tcp_from(from).await?;
        let name = ServerName::try_from(IDENTITY_NAME).unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        Ok(Online { stream, seen: vec![] })
    }

    async fn tcp_from(&self, from: [u8; 4]) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(from)), 0))?;
        socket.connect(self.address).await
    }

    /// What the operator is told.
    async fn command(&self, command: &Command, more: &str) -> Vec<Reply> {
        let mut socket =
            tokio::net::UnixStream::connect(self.folder.path().join("control.sock")).await.unwrap();
        socket.write_all(to_line(command).as_bytes()).await.unwrap();
        let _ = socket.write_all(more.as_bytes()).await;
        let _ = socket.shutdown().await;
        let mut text = String::new();
        socket.read_to_string(&mut text).await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn stop(self) -> tempfile::TempDir {
        self.trigger.ask();
        self.task.await.unwrap();
        self.folder
    }
}

/// A connection, and all that was said on it.
struct Online {
    stream: TlsStream<TcpStream>,
    seen: Vec<u8>,
}

impl Online {
    async fn send(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(bytes);
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn receive(&mut self) -> io::Result<Response> {
        let mut length = [0; LENGTH_LEN];
        self.stream.read_exact(&mut length).await?;
        let mut body = vec![0; body_len(length).unwrap()];
        self.stream.read_exact(&mut body).await?;
        self.seen.extend_from_slice(&body);
        Ok(Response::decode(&body).unwrap())
    }

    async fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = timeout(Duration::from_secs(20), self.stream.read(&mut byte)).await;
        matches!(read, Ok(Ok(0) | Err(_)))
    }
}

impl Talk for Online {
    async fn ask(&mut self, request: Request) -> Response {
        self.send(&request.to_message()).await;
        self.receive().await.unwrap()
    }

    fn exporter(&self) -> [u8; 32] {
        let (_, tls) = self.stream.get_ref();
        let label = talaria_wire::identity::proof::EXPORTER_LABEL;
        tls.export_keying_material([0; 32], label, None).unwrap()
    }
}

async fn is_served(running: &Running, honest: &mut TestUser) {
    let mut to = running.connect_from([127, 0, 0, 77]).await.unwrap();
    let (answer, _) = honest.login(&mut to).await;
    assert!(matches!(answer, Response::LoggedIn { .. }), "{answer:?}");
}

fn refused(response: &Response) -> Refusal {
    match response {
        Response::Refused { reason } => *reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn users_are_served_and_renewals_are_bound_to_their_connection() {
    let running = Running::start(|_| {}).await;
    let mut alice = TestUser::new("alice");
    let registered = alice.register(&mut running.connect().await).await;
    assert!(matches!(registered, Response::Certificate { .. }));
    is_served(&running, &mut alice).await;
    let mut to = running.connect().await;
    let renewal = alice.renewal(&to.exporter());
    let mut other = running.connect().await;
    assert_eq!(refused(&other.ask(renewal.clone()).await), Refusal::BadSignature);
    assert!(matches!(to.ask(renewal).await, Response::Certificate { .. }));
    let mut taken = running.connect().await;
    let answer = TestUser::new("alice").register(&mut taken).await;
    assert_eq!(refused(&answer), Refusal::NameTaken);
    assert!(taken.is_closed().await);
    running.stop().await;
}

/// Bytes after the handshake, and the answer to them before the end.
fn bad_bytes() -> Vec<(&'static str, Vec<u8>, Option<Refusal>)> {
    let request = Request::Directory { since: 0, wait_ms: 0 }.to_message();
    let body = &request[LENGTH_LEN..];
    let framed = |body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap();
        [&length.to_be_bytes()[..], body].concat()
    };
    let replaced = |from: &[u8], to: &[u8]| {
        let at = body.windows(from.len()).position(|window| window == from).unwrap();
        framed(&[&body[..at], to, &body[at + from.len()..]].concat())
    };
    let bad = Some(Refusal::BadRequest);
    vec![
        ("an empty message", vec![0; 4], bad),
        ("a message that is too long", 65_537u32.to_be_bytes().to_vec(), bad),
        ("the longest length there is", vec![0xff; 4], bad),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), bad),
        ("no MessagePack", framed(&[0xc1; 30]), bad),
        ("zeros", framed(&[0; MESSAGE_MAX]), bad),
        ("arrays in arrays", framed(&[0x91; 60_000]), bad),
        ("another version", replaced(b"\xa1v\x02", b"\xa1v\x01"), Some(Refusal::Version)),
        ("an unknown request", replaced(b"Directory", b"Dirextory"), bad),
        ("an unknown field", replaced(b"since", b"sinec"), bad),
        ("a number in a longer form", replaced(b"since\x00", b"since\xcc\x00"), bad),
        ("a negative number", replaced(b"since\x00", b"since\xff"), bad),
        ("a field that is missing", replaced(b"\x82\xa5since\x00", b"\x81"), bad),
        ("something behind", framed(&[body, &[0xc0]].concat()), bad),
        ("a message twice in one", framed(&[body, body].concat()), bad),
        ("an answer", framed(&Response::Done {}.to_message()[LENGTH_LEN..]), bad),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_request_end_the_connection_and_nothing_else() {
    let running = Running::start(|_| {}).await;
    let mut honest = TestUser::new("honest");
    honest.register(&mut running.connect().await).await;
    for (what, bytes, reason) in bad_bytes() {
        let mut to = running.connect().await;
        to.send(&bytes).await;
        let answer = to.receive().await.ok();
        assert_eq!(answer.as_ref().map(refused), reason, "{what}");
        assert!(to.is_closed().await, "{what}");
        is_served(&running, &mut honest).await;
    }
    // Half of a message, and then no more: the answer is that there is none.
    let mut half = running.connect().await;
    let request = Request::Fetch { name: "honest".to_owned() }.to_message();
    half.send(&request[..request.len() / 2]).await;
    half.stream.shutdown().await.unwrap();
    assert!(half.is_closed().await);
    // A whole message, and then no more: it is answered.
    let mut whole = running.connect().await;
    whole.send(&request).await;
    whole.stream.shutdown().await.unwrap();
    assert!(matches!(whole.receive().await, Ok(Response::Certificate { .. })));
    // Nobody waits for the directory who has closed the connection, or asks for something else.
    let head = Request::Directory { since: 1, wait_ms: 30_000 }.to_message();
    let mut gone = running.connect().await;
    gone.send(&[&head[..], &head].concat()).await;
    assert!(gone.is_closed().await);
    // No TLS at all.
    let mut plain = running.tcp_from([127, 0, 0, 1]).await.unwrap();
    plain.write_all(b"\x16\x03\x01 nonsense, and no handshake\r\n\r\n").await.unwrap();
    let mut rest = vec![];
    let _ = timeout(Duration::from_secs(20), plain.read_to_end(&mut rest)).await.unwrap();
    is_served(&running, &mut honest).await;
    running.stop().await;
}

#[tokio::test]
async fn silent_connections_end_and_many_requests_do_too() {
    let short = |config: &mut ServiceConfig| {
        (config.limits.idle_s, config.limits.max_requests) = (1, 3);
    };
    let running = Running::start(short).await;
    let mut silent = running.connect().await;
    assert!(silent.is_closed().await);
    let mut slow = running.connect().await;
    let message = Request::Delete {}.to_message();
    for byte in message {
        if slow.stream.write_all(&[byte]).await.is_err() || slow.stream.flush().await.is_err() {
            break;
        }
        sleep(Duration::from_millis(250)).await;
    }
    assert!(slow.is_closed().await, "a message has to come whole");
    let mut busy = running.connect().await;
    for _ in 0..3 {
        busy.ask(Request::Directory { since: 0, wait_ms: 0 }).await;
    }
    assert!(busy.is_closed().await);
    running.stop().await;
}

/// As many idle connections as there may be files, up to 5,000; from several addresses, since the
/// service allows one address only some.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn honest_users_are_served_beside_thousands_of_idle_connections() {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let count = usize::try_from(files / 2).unwrap_or(usize::MAX).saturating_sub(200).min(5000);
    let small = |config: &mut ServiceConfig| config.limits.max_connections = 3000;
    let running = Running::start(small).await;
    let mut honest = TestUser::new("honest");
    honest.register(&mut running.connect().await).await;
    let mut idle = Vec::with_capacity(count);
    for i in 0..count {
        let last = u8::try_from(i % 50).unwrap();
        idle.push(running.tcp_from([127, 0, 1, last]).await.unwrap());
        if i % 500 == 499 {
            is_served(&running, &mut honest).await;
        }
    }
    is_served(&running, &mut honest).await;
    let Reply::User(user) = &running.command(&Command::ListUsers {}, "").await[0] else { panic!() };
    assert_eq!(user.name, "honest");
    // The oldest had to go when there was no room.
    if count > 3000 {
        let mut byte = [0];
        let read = timeout(Duration::from_secs(20), idle[0].read(&mut byte)).await;
        assert!(matches!(read, Ok(Ok(0) | Err(_))));
    }
    running.stop().await;
}

#[tokio::test]
async fn the_operator_has_a_socket_and_nobody_else() {
    use std::os::unix::fs::PermissionsExt;
    let running = Running::start(|config| config.registrations = Registrations::Token).await;
    let path = running.folder.path().join("control.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let in_use = control::Socket::bind(path.clone()).await;
    assert!(matches!(in_use, Err(ControlError::InUse(_))));
    let replies = running.command(&Command::NewTokens { count: 1, valid_s: 60 }, "").await;
    let [Reply::NewToken { token, .. }, Reply::Done {}] = &replies[..] else { panic!() };
    let mut alice = TestUser::new("alice");
    alice.register_with(&mut running.connect().await, Some(token.clone())).await;
    let replies = running.command(&Command::DisableUser { name: "Alice".to_owned() }, "").await;
    assert!(matches!(&replies[..], [Reply::User(_), Reply::Done {}]));
    let nobody = running.command(&Command::ShowUser { name: "bob".to_owned() }, "").await;
    assert!(matches!(&nobody[..], [Reply::Error(why)] if why.contains("no user \"bob\"")));

    let backup = running.command(&Command::Backup {}, "").await;
    let lines: Vec<_> = backup
        .iter()
        .filter_map(|reply| match reply {
            Reply::Backup(line) => Some(line.clone() + "\n"),
            _ => None,
        })
        .collect();
    assert!(matches!(backup.last(), Some(Reply::Done {})) && lines.len() == 6);
    let restore = Command::Restore { replace: false };
    let restored = running.command(&restore, &lines.concat()).await;
    assert!(matches!(restored[..], [Reply::Restored { entries: 2 }]), "{restored:?}");
    let cut = running.command(&restore, &lines[..5].concat()).await;
    assert!(matches!(&cut[..], [Reply::Error(why)] if why.contains("cut short")), "{cut:?}");
    running.command(&Command::EnableUser { name: "alice".to_owned() }, "").await;
    let loses = running.command(&restore, &lines.concat()).await;
    assert!(matches!(&loses[..], [Reply::Error(why)] if why.contains("--replace")), "{loses:?}");
    let restored = running.command(&Command::Restore { replace: true }, &lines.concat()).await;
    assert!(matches!(restored[..], [Reply::Restored { entries: 2 }]));
    running.stop().await;
    assert!(!path.exists());
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Everything that this thread logs from now on.
    fn everything() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber.finish()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Neither the files of the service nor anything that was sent to it or logged has password or
/// private key; and above the level of debugging nothing about a user is logged.
#[tokio::test]
async fn nothing_that_the_service_has_opens_anything() {
    let (log, _guard) = Log::everything();
    let running = Running::start(|_| {}).await;
    let mut alice = TestUser::new("alice");
    alice.password = "correct horse battery staple".to_owned();
    let mut traffic = vec![];
    let mut to = running.connect().await;
    alice.register(&mut to).await;
    traffic.append(&mut to.seen);
    let mut to = running.connect().await;
    let (answer, export) = alice.login(&mut to).await;
    let Response::LoggedIn { key_since, .. } = answer else { panic!() };
    let (second, rotate) = alice.rotation(key_since, &export);
    to.ask(rotate).await;
    traffic.append(&mut to.seen);
    running.connect().await.send(b"GET / HTTP/1.1\r\n\r\n").await;
    running.command(&Command::DisableUser { name: "alice".to_owned() }, "").await;
    let backup = running.command(&Command::Backup {}, "").await;
    traffic.extend(backup.iter().flat_map(|reply| to_line(reply).into_bytes()));

    let folder = running.stop().await;
    let logged = log.text();
    assert!(logged.contains("identity service ready"), "{logged}");
    for line in logged.lines() {
        let about = [line.contains("alice"), line.contains("127.0.0.1")];
        let is_for_debugging = line.contains("DEBUG") || line.contains("TRACE");
        assert!(about == [false; 2] || is_for_debugging && about != [true; 2], "{line}");
    }
    let mut searched = vec![("traffic".to_owned(), traffic), ("log".to_owned(), logged.into())];
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        searched.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    assert!(searched.iter().any(|(name, _)| name.ends_with("users.db")));
    let mut found_name = 0;
    for (place, bytes) in &searched {
        let has = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        found_name += usize::from(has(b"alice"));
        for secret in [&alice.key, &second] {
            let scalar = secret.to_bytes();
            assert!(!has(&*scalar), "the key is in {place}");
            assert!(!has(hex::encode(*scalar).as_bytes()), "the key is in {place}");
        }
        assert!(!has(alice.password.as_bytes()), "the password is in {place}");
        assert!(!has(hex::encode(&alice.password).as_bytes()), "the password is in {place}");
    }
    assert!(found_name >= 2, "the search finds what is there");
}

/// A service with keys of its own.
fn config(registrations: Registrations) -> ServiceConfig {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Talaria network");
    ServiceConfig {
        network: NETWORK,
        head_key: IdentitySecret::generate(&mut rng),
        secrets: ServerSecrets::generate(&mut rng),
        authority: Authority::new(Issuer::new(params, IdentitySecret::generate(&mut rng).into())),
        entry: *IdentitySecret::from_bytes(&[1; 32]).unwrap().public(),
        registrations,
        limits: IdentityLimits::default(),
    }
}
