//! Users for the clients: registered at the identity service before the run begins, or kept from a
//! run before.
//!
//! The password's stretching is next to none, for nobody guards these users. Their names are
//! random letters.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::Rng;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use talaria_opaque::{Account, Password, Registration, Stretch};
use talaria_server::net::identity::{MessageReader, ReadError};
use talaria_server::net::tls::{identity_client_config, identity_name};
use talaria_wire::identity::wrapping::WrappedThing;
use talaria_wire::identity::{Refusal, Request, Response, UserName};
use talaria_wire::network_file::{Network, NetworkId};
use talaria_wire::tls_names::ALPN_CLIENT;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::dial::connect_from;
use super::error::LoadError;
use super::progress::{self, Waiting};

/// Registrations from one loopback address: a service takes 240 in an hour.
const USERS_PER_SOURCE: usize = 200;
/// Registrations at once.
const AT_ONCE: usize = 64;
/// Letters of which no two look alike, alone or together.
const LETTERS: &[u8; 16] = b"abcefghjkopstuxz";

/// What a client shows to the entry.
#[derive(Debug)]
pub(super) struct User {
    certificate: CertificateDer<'static>,
    /// PKCS#8, DER.
    key: Vec<u8>,
}

/// A user in a file: one JSON object a line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    certificate: String,
    key: String,
}

impl User {
    fn parse(line: &str) -> Option<Self> {
        let kept: Kept = serde_json::from_str(line).ok()?;
        let certificate = hex::decode(kept.certificate).ok()?.into();
        Some(Self { certificate, key: hex::decode(kept.key).ok()? })
    }

    fn to_line(&self) -> String {
        let kept =
            Kept { certificate: hex::encode(&self.certificate), key: hex::encode(&self.key) };
        let line = serde_json::to_string(&kept).expect("two strings can be written");
        line + "\n"
    }
}

/// Why a user could not be registered.
#[derive(Debug, Error)]
pub(super) enum RegisterError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the identity service does not keep the protocol")]
    Unexpected,
    #[error("a certificate signing request cannot be made: {0}")]
    Csr(#[from] rcgen::Error),
}

/// How each client connects to the entry: everything but the certificate is the same.
pub(super) struct Entrance {
    roots: Arc<RootCertStore>,
    provider: Arc<rustls::crypto::CryptoProvider>,
    users: Vec<User>,
}

impl Entrance {
    pub(super) fn new(network: &Network, users: Vec<User>) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(network.entry.ca.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(Self { roots: Arc::new(roots), provider, users })
    }

    /// For the client of this number.
    pub(super) fn of(&self, client: usize) -> Result<ClientConfig, rustls::Error> {
        let User { certificate, key } = &self.users[client];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.clone()));
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots.clone())
            .with_client_auth_cert(vec![certificate.clone()], key)?;
        config.alpn_protocols = vec![ALPN_CLIENT.to_vec()];
        config.enable_sni = false;
        config.resumption = rustls::client::Resumption::disabled();
        Ok(config)
    }
}

/// So many users of `network`: those in `folder` if one is given, and the others registered now, and
/// kept there.
pub(super) async fn prepare(
    network: &Network,
    count: usize,
    folder: Option<&Path>,
) -> Result<Vec<User>, LoadError> {
    let path = folder.map(|folder| file_in(folder, network.id()));
    let mut users = path.as_deref().map_or(Ok(Vec::new()), |path| read(path, count))?;
    let missing = count - users.len();
    if missing > 0 {
        let new = register_all(network, missing).await?;
        if let Some(path) = &path {
            keep(path, &new)?;
        }
        users.extend(new);
    }
    Ok(users)
}

fn file_in(folder: &Path, network: NetworkId) -> PathBuf {
    let digits: String = network.to_string().chars().take(32).collect();
    folder.join(format!("users-{digits}.jsonl"))
}

fn read(path: &Path, count: usize) -> Result<Vec<User>, LoadError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(LoadError::Read(path.to_owned(), error)),
    };
    let lines = BufReader::new(file).lines().take(count);
    let users = lines.map(|line| {
        let line = line.map_err(|error| LoadError::Read(path.to_owned(), error))?;
        User::parse(&line).ok_or_else(|| LoadError::Users(path.to_owned()))
    });
    users.collect()
}

fn keep(path: &Path, users: &[User]) -> Result<(), LoadError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let lines: String = users.iter().map(User::to_line).collect();
    Ok(file.write_all(lines.as_bytes())?)
}

/// Registers users, many at once; the first failure ends it.
async fn register_all(network: &Network, count: usize) -> Result<Vec<User>, LoadError> {
    let named = &network.identity.address;
    let address = tokio::net::lookup_host(named).await?.next();
    let address = address.ok_or_else(|| LoadError::NoSuchAddress(named.clone()))?;
    let tls = Arc::new(identity_client_config(network.entry.ca.clone())?);
    let registrar = Arc::new(Registrar { address, tls, network: network.id() });
    let run: u64 = rand::rng().next_u64();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut lines = Waiting::new("registering", "registered", count);
    let mut under_way = JoinSet::new();
    let mut users = Vec::with_capacity(count);
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            for number in 0..count {
                let Ok(place) = places.clone().acquire_owned().await else { break };
                let (registrar, source) = (registrar.clone(), source(address, run, number));
                under_way.spawn_local(async move {
                    let user = registrar.register(source).await;
                    drop(place);
                    user
                });
                while let Some(done) = under_way.try_join_next() {
                    users.push(finished(done)?);
                    lines.at(users.len());
                }
            }
            while let Some(done) = under_way.join_next().await {
                users.push(finished(done)?);
                lines.at(users.len());
            }
            Ok::<_, LoadError>(())
        })
        .await?;
    let rate = lines.done(users.len());
    progress::note(&format!("a user was registered in {:.2} ms on average", 1000.0 / rate));
    Ok(users)
}

fn finished(
    done: Result<Result<User, RegisterError>, tokio::task::JoinError>,
) -> Result<User, LoadError> {
    match done {
        Ok(user) => user.map_err(|error| LoadError::Registration(error.to_string())),
        Err(error) => Err(LoadError::Registration(error.to_string())),
    }
}

/// Where users are registered.
struct Registrar {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    network: NetworkId,
}

impl Registrar {
    async fn register(&self, source: Option<IpAddr>) -> Result<User, RegisterError> {
        let name = random_name();
        let mut service = self.connect(source).await?;
        let password = Password::new(name.as_str().to_owned());
        let password = password.expect("a name is neither empty nor too long for a password");
        let (registration, request) = Registration::start(password, &mut rand::rng())
            .map_err(|_| RegisterError::Unexpected)?;
        let request = Request::RegisterStart {
            name: name.as_str().to_owned(),
            request: request.into(),
            token: None,
        };
        let Response::RegisterChallenge { response } = service.ask(&request).await? else {
            return Err(RegisterError::Unexpected);
        };
        let account = Account { network: &self.network, name: &name };
        let (upload, export) = registration
            .finish(&response, account, Stretch::WEAK, &mut rand::rng())
            .map_err(|_| RegisterError::Unexpected)?;
        let (key, csr) = signing_request(&name)?;
        // Nobody will ask for the key: it is the bytes that count.
        let wrapped = export.wrap(WrappedThing::IdentityKey, &[0; 32], &mut rand::rng());
        let request = Request::RegisterFinish {
            upload: upload.into(),
            csr: csr.into(),
            wrapped_key: wrapped.into(),
        };
        match service.ask(&request).await? {
            Response::Certificate { certificate, .. } => {
                Ok(User { certificate: certificate.into_vec().into(), key })
            }
            _ => Err(RegisterError::Unexpected),
        }
    }

    async fn connect(&self, source: Option<IpAddr>) -> Result<Service, RegisterError> {
        let tcp = connect_from(source, self.address).await?;
        tcp.set_nodelay(true)?;
        let connector = TlsConnector::from(self.tls.clone());
        Ok(Service { stream: connector.connect(identity_name(), tcp).await? })
    }
}

/// A connection to the identity service.
struct Service {
    stream: TlsStream<TcpStream>,
}

impl Service {
    async fn ask(&mut self, request: &Request) -> Result<Response, RegisterError> {
        self.stream.write_all(&request.to_message()).await?;
        self.stream.flush().await?;
        let mut messages = MessageReader::new(&mut self.stream);
        messages.fill().await?;
        match Response::decode(&messages.take()).map_err(|_| RegisterError::Unexpected)? {
            Response::Refused { reason } => Err(reason.into()),
            response => Ok(response),
        }
    }
}

/// A key (PKCS#8) and the request to sign a certificate of this name for it, both DER.
fn signing_request(name: &UserName) -> Result<(Vec<u8>, Vec<u8>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name.as_str());
    let csr = params.serialize_request(&key)?;
    Ok((key.serialize_der(), csr.der().to_vec()))
}

/// Sixteen letters that nobody else has, nor a name that looks the same.
fn random_name() -> UserName {
    let mut number = rand::rng().next_u64();
    let letters = (0..16).map(|_| {
        let letter = LETTERS[(number % 16) as usize];
        number /= 16;
        char::from(letter)
    });
    UserName::new(&letters.collect::<String>()).expect("letters of one script are a name")
}

/// Where a user is registered from: over loopback, from many addresses, since a service counts
/// what comes from each.
fn source(target: SocketAddr, run: u64, number: usize) -> Option<IpAddr> {
    if !matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback()) || cfg!(not(target_os = "linux"))
    {
        return None;
    }
    let place = number / USERS_PER_SOURCE;
    let low = |number: usize| u8::try_from(2 + number % 250).expect("below 252");
    let run = low(usize::try_from(run % 250).expect("below 250"));
    Some(IpAddr::V4(Ipv4Addr::new(127, run, low(place / 250), low(place))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn names_look_different_and_users_survive_a_file() {
        let mut skeletons: Vec<_> = (0..1000).map(|_| random_name().skeleton()).collect();
        skeletons.sort();
        skeletons.dedup();
        assert_eq!(skeletons.len(), 1000);
        let alone: Vec<_> = LETTERS.iter().map(|letter| char::from(*letter)).collect();
        for letter in &alone {
            let name = UserName::new(&letter.to_string().repeat(3)).unwrap();
            assert_eq!(name.skeleton(), name.as_str(), "{letter} looks like another letter");
        }

        let folder = tempfile::tempdir().unwrap();
        let path = file_in(&folder.path().join("new"), NetworkId([1; 32]));
        assert!(read(&path, 10).unwrap().is_empty());
        let user = |i: u8| User { certificate: vec![i].into(), key: vec![i, i] };
        keep(&path, &[user(1), user(2)]).unwrap();
        keep(&path, &[user(3)]).unwrap();
        let kept = read(&path, 10).unwrap();
        assert_eq!(kept.len(), 3);
        assert_eq!((kept[2].certificate.as_ref(), kept[2].key.as_slice()), (&[3][..], &[3, 3][..]));
        assert_eq!(read(&path, 2).unwrap().len(), 2);
        fs::write(&path, "{}\n").unwrap();
        assert!(matches!(read(&path, 1), Err(LoadError::Users(_))));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn no_address_registers_more_than_a_service_takes() {
        let target = "127.0.0.1:7401".parse().unwrap();
        let mut users_of = HashMap::<_, usize>::new();
        for number in 0..200_000 {
            *users_of.entry(source(target, 7, number)).or_default() += 1;
        }
        assert!(users_of.values().all(|users| *users <= USERS_PER_SOURCE));
        assert_eq!(source("192.0.2.1:7401".parse().unwrap(), 7, 0), None);
    }
}
