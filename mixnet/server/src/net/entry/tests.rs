//! Who comes in and who has to go: an entry with sockets, beside an identity service that says
//! whatever the test wants.

use std::path::Path;
use std::time::Duration;

use crate::files::directory::proof_in;
use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use talaria_wire::control::Control;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::frame::{Accepts, Kind};
use talaria_wire::identity::directory::{
    Cause, Entry as DirectoryEntry, EntryHash, Head, PAGE_MAX,
};
use talaria_wire::identity::request::{LENGTH_LEN, body_len};
use talaria_wire::identity::{Request, Response, UserName};
use talaria_wire::network_file::{Network, NetworkId};
use talaria_wire::reason::{Farewell, Refusal};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::net::frames::{FrameReader, write};
use crate::net::shutdown;
use crate::net::testing::{keys, network};
use talaria_mixnet::schedule::ScheduleConfig;
use talaria_wire::HopIndex;
use talaria_wire::tls_names::{ENTRY_NAME, IDENTITY_NAME};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A certificate with its key.
struct Certified {
    der: CertificateDer<'static>,
    key: KeyPair,
}

impl Certified {
    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    fn hash(&self) -> [u8; 32] {
        digest(&SHA256, &self.der).as_ref().try_into().unwrap()
    }
}

struct Authority {
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    fn certify(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Certified {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Certified { der, key }
    }

    fn user(&self, name: &str) -> Certified {
        self.certify(name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// How a client connects that shows this certificate.
    fn connector(&self, certificate: Option<&Certified>, protocol: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match certificate {
            Some(own) => {
                config.with_client_auth_cert(vec![own.der.clone()], own.key_der()).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = protocol.iter().map(|name| name.to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

/// The directory as the service has it.
#[derive(Clone)]
struct Directory {
    network: NetworkId,
    entries: Vec<DirectoryEntry>,
    head: Head,
    /// Nobody waits for an entry.
    hurries: bool,
}

/// An identity service that answers requests for the directory.
struct Service {
    head_key: IdentitySecret,
    directory: watch::Sender<Directory>,
    listener: JoinHandle<()>,
}

impl Service {
    async fn serve(
        authority: &Authority,
        listener: TcpListener,
        head_key: IdentitySecret,
        network: NetworkId,
    ) -> Self {
        let own = authority.certify(IDENTITY_NAME, ExtendedKeyUsagePurpose::ServerAuth);
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.der.clone()], own.key_der())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let head = Head::sign(&network, 0, EntryHash::start(&network), 0, &head_key);
        let (directory, known) =
            watch::channel(Directory { network, entries: vec![], head, hurries: false });
        let listener = tokio::spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                open.spawn(answer(acceptor.clone(), tcp, known.clone()));
            }
        });
        Self { head_key, directory, listener }
    }

    fn write(&self, cause: Cause, name: &str, certificate: &Certified) {
        self.directory.send_modify(|directory| {
            let index = directory.entries.len() as u64;
            let entry = DirectoryEntry {
                index,
                time_s: index,
                cause,
                name: UserName::new(name).unwrap(),
                key: *self.head_key.public(),
                certificate_hash: certificate.hash(),
                signature: [0; 64],
            };
            let hash = directory.head.hash.then(&entry);
            directory.entries.push(entry);
            let network = &directory.network;
            directory.head = Head::sign(network, index + 1, hash, index, &self.head_key);
        });
    }
}

async fn answer(acceptor: TlsAcceptor, tcp: TcpStream, mut known: watch::Receiver<Directory>) {
    let Ok(mut stream) = acceptor.accept(tcp).await else { return };
    loop {
        let mut length = [0; LENGTH_LEN];
        if stream.read_exact(&mut length).await.is_err() {
            return;
        }
        let mut body = vec![0; body_len(length).unwrap()];
        stream.read_exact(&mut body).await.unwrap();
        let Ok(Request::Follow { since, wait_ms, .. }) = Request::decode(&body) else {
            panic!("the entry asks for nothing else");
        };
        let since = usize::try_from(since).unwrap();
        let more = known.wait_for(|directory| directory.hurries || directory.entries.len() > since);
        let _ = timeout(Duration::from_millis(wait_ms.into()), more).await;
        let page = {
            let directory = known.borrow();
            let entries: Vec<_> = directory.entries.iter().skip(since).take(PAGE_MAX).collect();
            let entries: Vec<_> = entries.into_iter().cloned().collect();
            Response::page(&entries, &directory.head)
        };
        if write(&mut stream, &page.to_message()).await.is_err() {
            return;
        }
    }
}

/// An entry, its network, and where its identity service should be.
struct World {
    authority: Authority,
    network: Network,
    entry_key: IdentitySecret,
    address: std::net::SocketAddr,
    folder: tempfile::TempDir,
    running: Option<(shutdown::Trigger, JoinHandle<()>)>,
}

impl World {
    /// Everything runs, and nobody is registered.
    async fn new() -> (Self, Service) {
        let authority = Authority::new();
        let [entry_key, hop_key, head_key] = keys();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let identity = listener.local_addr().unwrap().to_string();
        let network = network(&authority.der, [&entry_key, &hop_key, &head_key], identity);
        let service = Service::serve(&authority, listener, head_key, network.id()).await;
        let folder = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let mut world = Self { authority, network, entry_key, address, folder, running: None };
        world.start().await;
        (world, service)
    }

    async fn start(&mut self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.address = listener.local_addr().unwrap();
        let (trigger, stop) = shutdown::pair();
        let (reports, _) = mpsc::unbounded_channel();
        let config = self.config(self.folder.path());
        self.running = Some((trigger, tokio::spawn(run(config, listener, reports, stop))));
    }

    async fn stop(&mut self) {
        let (trigger, running) = self.running.take().unwrap();
        trigger.ask();
        running.await.unwrap();
    }

    fn config(&self, folder: &Path) -> EntryNodeConfig {
        let own = self.authority.certify(ENTRY_NAME, ExtendedKeyUsagePurpose::ServerAuth);
        let (network, ca) = (&self.network, self.authority.der.clone());
        let hop = &network.hops()[0];
        let shape = network.shape();
        EntryNodeConfig {
            entry: EntryConfig {
                shape,
                schedule: ScheduleConfig::for_period(network.period_ms),
                max_clients: 10,
            },
            network: network.version(),
            keys: ChainKeys::new(network, HopIndex(0)),
            tls: Arc::new(
                super::super::tls::entry_config(
                    super::super::tls::Shown::new(own.der.clone(), &own.key_der()).unwrap(),
                    ca.clone(),
                )
                .unwrap(),
            ),
            identity: FollowerConfig {
                address: network.identity.address.clone(),
                tls: Arc::new(super::super::tls::identity_client_config(ca).unwrap()),
                network: network.id(),
                key: network.identity.key,
                folder: folder.to_owned(),
                own: Arc::new(IdentitySecret::from_bytes(&[1; 32]).unwrap()),
            },
            onward: OnwardConfig {
                address: hop.address.clone(),
                name: "hop 1".to_owned(),
                tls: Arc::new(
                    super::super::tls::link_client_config(&self.entry_key, hop.identity).unwrap(),
                ),
                network: network.version(),
                reply_len: shape.reply_len(),
                max_slots: 100,
                silence: LIMIT,
            },
        }
    }

    /// Connects as a client does, and gives the answer to the greeting.
    async fn connect(&self, certificate: Option<&Certified>) -> Option<(Control, Client)> {
        self.connect_with(certificate, &[talaria_wire::tls_names::ALPN_CLIENT]).await
    }

    async fn connect_with(
        &self,
        certificate: Option<&Certified>,
        protocol: &[&[u8]],
    ) -> Option<(Control, Client)> {
        let connector = self.authority.connector(certificate, protocol);
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(ENTRY_NAME).unwrap();
        let mut stream = connector.connect(name, tcp).await.ok()?;
        // In TLS 1.3 the client learns only from what it reads that it is not taken.
        write(&mut stream, &Control::hello(&self.network.version()).to_frame()).await.ok()?;
        let frames = FrameReader::new(stream, Accepts::FromEntry(self.network.shape()));
        let mut client = Client { frames };
        Some((client.control().await?, client))
    }

    /// The reason for which somebody is refused.
    async fn refusal(&self, certificate: &Certified) -> Refusal {
        match self.connect(Some(certificate)).await {
            Some((Control::Refused { reason }, _)) => reason,
            other => panic!("{:?}", other.map(|(control, _)| control)),
        }
    }

    async fn comes_in(&self, certificate: &Certified) -> Client {
        match self.connect(Some(certificate)).await {
            Some((Control::Welcome { .. }, client)) => client,
            other => panic!("{:?}", other.map(|(control, _)| control)),
        }
    }
}

struct Client {
    frames: FrameReader<TlsStream<TcpStream>>,
}

impl Client {
    /// The next control message; `None` if the connection ends.
    async fn control(&mut self) -> Option<Control> {
        let next = async {
            loop {
                match self.frames.next().await {
                    Ok((Kind::Control, body)) => match Control::decode(body).unwrap() {
                        // The network has no hops: whoever stays is told so sooner or later.
                        Control::Paused { .. } => {}
                        said => return Some(said),
                    },
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        };
        timeout(LIMIT, next).await.expect("something happens in time")
    }

    async fn goodbye(&mut self) -> Farewell {
        match self.control().await {
            Some(Control::Goodbye { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }
}

mod slow;

#[tokio::test]
async fn only_certificates_of_the_network_for_clients_get_through_tls() {
    let (world, service) = World::new().await;
    assert!(world.connect(None).await.is_none());
    let stranger = Authority::new().user("mallory");
    assert!(world.connect(Some(&stranger)).await.is_none());
    let server = world.authority.certify("mallory", ExtendedKeyUsagePurpose::ServerAuth);
    service.write(Cause::Registered, "mallory", &server);
    assert!(world.connect(Some(&server)).await.is_none(), "it is not for clients");
}

#[tokio::test]
async fn who_names_no_protocol_of_ours_is_not_answered() {
    let (world, service) = World::new().await;
    let ann = world.authority.user("anna");
    service.write(Cause::Registered, "anna", &ann);
    let others: [&[&[u8]]; 3] = [&[], &[b"h2"], &[talaria_wire::tls_names::ALPN_LINK]];
    for protocol in others {
        assert!(world.connect_with(Some(&ann), protocol).await.is_none());
    }
    world.comes_in(&ann).await;
}

#[tokio::test]
async fn only_users_of_the_directory_come_in_and_a_new_one_waits_for_its_entry() {
    let (world, service) = World::new().await;
    let [ann, bob] = ["anna", "bobby"].map(|name| world.authority.user(name));
    service.write(Cause::Registered, "anna", &ann);
    world.comes_in(&ann).await;
    let asked = Instant::now();
    assert_eq!(world.refusal(&bob).await, Refusal::Certificate);
    assert!(asked.elapsed() >= Duration::from_secs(2));
    tokio::join!(world.comes_in(&bob), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        service.write(Cause::Registered, "bobby", &bob);
    });
}

#[tokio::test]
async fn a_newer_connection_replaces_the_older_one() {
    let (world, service) = World::new().await;
    let ann = world.authority.user("anna");
    service.write(Cause::Registered, "anna", &ann);
    let mut first = world.comes_in(&ann).await;
    let mut second = world.comes_in(&ann).await;
    assert_eq!(first.goodbye().await, Farewell::Replaced);
    assert_eq!(first.control().await, None);
    let _third = world.comes_in(&ann).await;
    assert_eq!(second.goodbye().await, Farewell::Replaced);
}

#[tokio::test]
async fn whoever_is_shut_out_leaves_at_once() {
    let (world, service) = World::new().await;
    let [ann, renewed] = ["anna", "anna"].map(|name| world.authority.user(name));
    service.write(Cause::Registered, "anna", &ann);
    let mut client = world.comes_in(&ann).await;
    service.write(Cause::Disabled, "anna", &ann);
    assert_eq!(client.goodbye().await, Farewell::Disabled);
    assert_eq!(world.refusal(&ann).await, Refusal::Disabled);
    service.write(Cause::Enabled, "anna", &ann);
    let mut client = world.comes_in(&ann).await;
    service.write(Cause::Renewed, "anna", &renewed);
    assert_eq!(client.goodbye().await, Farewell::Superseded);
    assert_eq!(world.refusal(&ann).await, Refusal::Certificate);
    let mut client = world.comes_in(&renewed).await;
    service.write(Cause::Deleted, "anna", &renewed);
    assert_eq!(client.goodbye().await, Farewell::Disabled);
}

#[tokio::test]
async fn without_the_identity_service_the_entry_goes_on_with_what_it_knows() {
    let (mut world, service) = World::new().await;
    let [ann, bob] = ["anna", "bobby"].map(|name| world.authority.user(name));
    service.write(Cause::Registered, "anna", &ann);
    let _here = world.comes_in(&ann).await;
    service.listener.abort();
    service.write(Cause::Registered, "bobby", &bob);
    assert_eq!(world.refusal(&bob).await, Refusal::Unchecked);
    world.comes_in(&ann).await;
    world.stop().await;
    world.start().await;
    world.comes_in(&ann).await;
    assert_eq!(world.refusal(&bob).await, Refusal::Unchecked);

    // It comes back, and the entry finds it.
    let listener = TcpListener::bind(&world.network.identity.address).await.unwrap();
    let known = service.directory.borrow().clone();
    let again =
        Service::serve(&world.authority, listener, service.head_key, world.network.id()).await;
    again.directory.send_replace(known);
    let deadline = Instant::now() + LIMIT;
    while !matches!(world.connect(Some(&bob)).await, Some((Control::Welcome { .. }, _))) {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_service_that_tells_another_story_is_not_believed() {
    let (world, service) = World::new().await;
    let [ann, bob, eve] = ["anna", "bobby", "evelyn"].map(|name| world.authority.user(name));
    service.write(Cause::Registered, "anna", &ann);
    world.comes_in(&ann).await;
    // The same number of entries, and then one more, without Ann.
    let network = world.network.id();
    service.directory.send_modify(|directory| {
        directory.entries.clear();
        directory.head = Head::sign(&network, 0, EntryHash::start(&network), 0, &service.head_key);
    });
    service.write(Cause::Registered, "bobby", &bob);
    service.write(Cause::Registered, "evelyn", &eve);
    assert_eq!(world.refusal(&eve).await, Refusal::Unchecked);
    world.comes_in(&ann).await;
}

#[tokio::test]
async fn two_heads_that_contradict_each_other_are_kept_as_proof() {
    let (world, service) = World::new().await;
    let [ann, eve] = ["anna", "evelyn"].map(|name| world.authority.user(name));
    service.write(Cause::Registered, "anna", &ann);
    world.comes_in(&ann).await;
    let (network, first) = (world.network.id(), service.directory.borrow().head);
    // As many entries, and others.
    service.directory.send_modify(|directory| {
        directory.entries.clear();
        directory.head = Head::sign(&network, 0, EntryHash::start(&network), 0, &service.head_key);
        directory.hurries = true;
    });
    service.write(Cause::Registered, "evelyn", &eve);
    let second = service.directory.borrow().head;
    let deadline = Instant::now() + LIMIT;
    let proof = loop {
        let text = proof_in(world.folder.path(), &network).map(std::fs::read_to_string);
        match text {
            Some(Ok(text)) if text.lines().count() == 3 => break text,
            _ => assert!(Instant::now() < deadline),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    for head in [first, second] {
        assert!(proof.contains(&hex::encode(head.to_bytes())), "{proof}");
    }
    world.comes_in(&ann).await;
}
