//! Registrations and logins a second at the identity service, on one core, beside what OPAQUE's own
//! operations take in the same run.
//!
//! The service runs in this process over an SQLite file, one request at a time and without a
//! network; what users compute is not measured.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests and benchmarks touch the world"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use rcgen::{CertificateParams, Issuer};
use talaria_identity::certificate::Authority;
use talaria_identity::limits::IdentityLimits;
use talaria_identity::service::{Peer, Registrations, Service, ServiceConfig, Session};
use talaria_identity::store::SqliteStore;
use talaria_opaque::{Account, PasswordRecord, ServerSecrets};
use talaria_tests::identity::User;
use talaria_wire::UnixMillis;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::{Request, Response};
use talaria_wire::network_file::NetworkId;

const NETWORK: NetworkId = NetworkId([7; 32]);
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
/// `cargo bench` measures this many; as a test it tries a few.
const USERS: u64 = 2000;

/// The time of many operations.
#[derive(Default)]
struct Cost {
    count: u32,
    wall: Duration,
}

impl Cost {
    fn add(&mut self, since: Instant) {
        self.wall += since.elapsed();
        self.count += 1;
    }

    fn show(&self, what: &str) {
        let rate = f64::from(self.count) / self.wall.as_secs_f64();
        println!("{what:<34} {:>9.3} ms {rate:>9.0} /s", 1e3 / rate);
    }
}

fn service_config() -> ServiceConfig {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key = IdentitySecret::generate(&mut rng).into();
    let most = std::num::NonZeroU32::MAX;
    ServiceConfig {
        network: NETWORK,
        head_key: IdentitySecret::generate(&mut rng),
        secrets: ServerSecrets::generate(&mut rng),
        authority: Authority::new(Issuer::new(CertificateParams::default(), key)),
        entry: *IdentitySecret::generate(&mut rng).public(),
        registrations: Registrations::Open,
        limits: IdentityLimits {
            registrations_per_hour: most,
            requests_per_minute: most,
            pages_per_minute: most,
            ..IdentityLimits::default()
        },
    }
}

/// A connection from an address of its own: one address alone would be slowed down.
fn session(i: u64) -> Session {
    let [.., b, c, d] = i.to_be_bytes();
    let origin = std::net::IpAddr::from([10, b, c, d]).into();
    let peer = Peer { origin, exporter: [0; 32] };
    Session::new(peer, ChaCha20Rng::from_rng(&mut rand::rng()))
}

fn user(i: u64) -> User {
    User::new(NETWORK, &format!("person-{i}"), i)
}

/// Both requests of each registration.
async fn registrations(service: &Service<SqliteStore>, users: u64) -> Cost {
    let mut cost = Cost::default();
    for i in 0..users {
        let (mut user, mut session) = (user(i), session(i));
        let (registration, start) = user.register_start();
        let (answer, first) = timed(service, &mut session, start).await;
        let finish = user.register_finish(registration, &answer).expect("a free name");
        let begun = Instant::now();
        let answer = service.answer(&mut session, finish, NOW).await;
        cost.add(begun.checked_sub(first).unwrap_or(begun));
        assert!(matches!(answer, Response::Certificate { .. }), "{answer:?}");
    }
    cost
}

async fn logins(service: &Service<SqliteStore>, users: u64) -> Cost {
    let mut cost = Cost::default();
    for i in 0..users {
        let (mut user, mut session) = (user(i), session(i));
        let (login, start) = user.login_start();
        let (answer, first) = timed(service, &mut session, start).await;
        let (finish, _) = user.login_finish(login, &answer).expect("the right password");
        let begun = Instant::now();
        let answer = service.answer(&mut session, finish, NOW).await;
        cost.add(begun.checked_sub(first).unwrap_or(begun));
        assert!(matches!(answer, Response::LoggedIn { .. }), "{answer:?}");
    }
    cost
}

/// The first answer to a login, for names that are registered or not: it is to take the same time.
async fn challenges(service: &Service<SqliteStore>, users: u64, who: &str) -> Cost {
    let mut cost = Cost::default();
    for i in 0..users {
        let mut user = User::new(NETWORK, &format!("{who}-{i}"), i);
        let (_, start) = user.login_start();
        let begun = Instant::now();
        let answer = service.answer(&mut session(i), start, NOW).await;
        cost.add(begun);
        assert!(matches!(answer, Response::LoginChallenge { .. }), "{answer:?}");
    }
    cost
}

async fn timed(
    service: &Service<SqliteStore>,
    session: &mut Session,
    request: Request,
) -> (Response, Duration) {
    let begun = Instant::now();
    let answer = service.answer(session, request, NOW).await;
    (answer, begun.elapsed())
}

/// OPAQUE alone: the service's part of a registration, and of a login.
fn opaque(rounds: u64) -> (Cost, Cost) {
    let secrets = service_config().secrets;
    let (mut registration_cost, mut login_cost) = (Cost::default(), Cost::default());
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for i in 0..rounds {
        let mut user = user(i);
        let name = user.name.clone();
        let account = Account { network: &NETWORK, name: &name };
        let (registration, start) = user.register_start();
        let Request::RegisterStart { request, .. } = start else { continue };
        let begun = Instant::now();
        let response = secrets.answer_registration(&name, &request).expect("a request");
        let first = begun.elapsed();
        let answer = Response::RegisterChallenge { response: response.into() };
        let finish = user.register_finish(registration, &answer);
        let Some(Request::RegisterFinish { upload, .. }) = finish else { continue };
        let begun = Instant::now();
        let record = PasswordRecord::from_upload(&upload).expect("an upload");
        registration_cost.add(begun.checked_sub(first).unwrap_or(begun));

        let (login, start) = user.login_start();
        let Request::LoginStart { request, .. } = start else { continue };
        let begun = Instant::now();
        let begin = secrets.begin_login(account, Some(&record), &request, &mut rng);
        let (pending, response) = begin.expect("a request");
        let first = begun.elapsed();
        let answer = Response::LoginChallenge { response: response.into() };
        let (finish, _) = user.login_finish(login, &answer).expect("the right password");
        let Request::LoginFinish { proof } = finish else { continue };
        let begun = Instant::now();
        pending.finish(&proof, account).expect("the right password");
        login_cost.add(begun.checked_sub(first).unwrap_or(begun));
    }
    (registration_cost, login_cost)
}

fn main() {
    let bench = std::env::args().any(|argument| argument == "--bench");
    let users = if bench { USERS } else { 5 };
    let (registration, login) = opaque(users);
    registration.show("OPAQUE's part of a registration");
    login.show("OPAQUE's part of a login");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(measure(folder.path(), users));
}

async fn measure(folder: &Path, users: u64) {
    let store = SqliteStore::open(&folder.join("users.db")).await.expect("a new database");
    let service = Service::new(store, service_config(), NOW).await.expect("an empty one");
    let service = Arc::new(service);
    registrations(&service, users).await.show("a registration");
    logins(&service, users).await.show("a login");
    challenges(&service, users, "person").await.show("its first answer, name known");
    challenges(&service, users, "nobody").await.show("its first answer, name unknown");
}
