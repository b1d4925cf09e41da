//! Accounts against a service in memory.

use chacha20::ChaCha20Rng;
use rand::SeedableRng;
use talaria_opaque::{Password, Stretch};
use talaria_wire::identity::directory::{Cause, Copy};
use talaria_wire::identity::wrapping::WrappedThing;

use super::error::unexpected;
use super::*;
use talaria_client::certificate::{expires_s, hash_of};
use talaria_fixtures::identity;
use talaria_wire::identity::{Refusal, Request, Response, UserName};

use talaria_fixtures::service::{Connection, Service};

struct World {
    service: Service,
    rng: ChaCha20Rng,
    /// Everything that was sent to the service.
    traffic: Vec<u8>,
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

impl World {
    fn new() -> Self {
        let rng = ChaCha20Rng::seed_from_u64(1);
        Self { service: Service::new(7), rng, traffic: Vec::new() }
    }

    fn me(&self, name: &str) -> Me {
        let (network, name) = (self.service.network, UserName::new(name).unwrap());
        Me { network, name, stretch: Stretch::WEAK }
    }

    /// By way of the bytes.
    fn ask(&mut self, connection: &mut Connection, request: &Request) -> Response {
        let message = request.to_message();
        self.traffic.extend_from_slice(&message);
        let request = Request::decode(&message[4..]).unwrap();
        let message = self.service.answer(connection, request).to_message();
        Response::decode(&message[4..]).unwrap()
    }

    fn register(&mut self, name: &str, text: &str) -> Result<Registered, AccountError> {
        let (connection, me) = (&mut Connection::default(), self.me(name));
        let started = RegistrationSent::start(me, password(text), None, &mut self.rng);
        let (sent, request) = started.unwrap();
        let challenge = self.ask(connection, &request);
        let (proven, request) = sent.prove(challenge, &mut self.rng)?;
        let answer = self.ask(connection, &request);
        proven.finish(answer)
    }

    fn login(
        &mut self,
        connection: &mut Connection,
        name: &str,
        text: &str,
    ) -> Result<LoggedIn, AccountError> {
        let me = self.me(name);
        let (sent, request) = LoginSent::start(me, password(text), &mut self.rng).unwrap();
        let challenge = self.ask(connection, &request);
        let (proven, request) = sent.prove(challenge, &mut self.rng)?;
        let answer = self.ask(connection, &request);
        proven.finish(answer)
    }

    fn copy(&self) -> Copy {
        let mut copy = Copy::new(self.service.network, *self.service.head_key.public());
        let (entries, head) = self.service.page(0);
        copy.append(&entries, &head, self.service.now_s).unwrap();
        copy
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn the_key_that_was_registered_comes_back_with_the_password_alone() {
    let mut world = World::new();
    let registered = world.register("alice", "correct horse").unwrap();
    let connection = &mut Connection::default();
    let logged_in = world.login(connection, "alice", "correct horse").unwrap();
    assert!(logged_in.secret == registered.secret);
    assert_eq!(logged_in.certificate, registered.issued.certificate);
    insta::assert_snapshot!(format!("{:?}", (&registered.export, &registered.secret)), @"(ExportKey(…), IdentitySecret { public: IdentityPublic(03871d350cbe37fa4ea973c3ab837df73a5aecb0d39771798ebb183e7175f8310a), .. })");
    assert!(format!("{logged_in:?}").contains(&format!("{:?}", registered.secret)));
    let wrapped = registered.export.wrap(WrappedThing::HomeKey, b"home", &mut world.rng);
    assert_eq!(&*logged_in.export.unwrap(WrappedThing::HomeKey, &wrapped).unwrap(), b"home");

    let request = logged_in.new_home();
    let issued = logged_in.home_made(world.ask(connection, &request)).unwrap();
    assert_eq!((issued.entry.index, issued.entry.cause), (1, Cause::NewHome));
    assert_ne!(issued.certificate, registered.issued.certificate);
    let user = world.copy().user(&logged_in.me().name).cloned().unwrap();
    assert_eq!(user.certificate_hash, hash_of(&issued.certificate));
}

#[test]
fn what_is_refused_says_why_and_wrong_names_look_like_wrong_passwords() {
    let mut world = World::new();
    world.register("alice", "correct horse").unwrap();
    let taken = world.register("Alice", "other").unwrap_err();
    assert_eq!(taken, AccountError::Refused(Refusal::NameTaken));
    for (name, text) in [("alice", "wrong horse"), ("mallory", "correct horse")] {
        let refused = world.login(&mut Connection::default(), name, text).unwrap_err();
        assert_eq!(refused, AccountError::WrongNameOrPassword);
    }
    let (sent, _) = LoginSent::start(world.me("alice"), password("x"), &mut world.rng).unwrap();
    let refused = sent.prove(Response::Done {}, &mut world.rng).err();
    assert_eq!(refused, Some(AccountError::Unexpected("Done")));
    let refused = Response::Refused { reason: Refusal::WrongNameOrPassword };
    assert_eq!(unexpected(&refused), AccountError::WrongNameOrPassword);
}

#[test]
fn neither_password_nor_private_key_reaches_the_service() {
    let mut world = World::new();
    let registered = world.register("alice", "correct horse").unwrap();
    let connection = &mut Connection::default();
    let logged_in = world.login(connection, "alice", "correct horse").unwrap();
    let new = identity(9, "alice").0.secret;
    let request = logged_in.rotate(&new, &mut world.rng);
    logged_in.rotated(&new, world.ask(connection, &request)).unwrap();
    for bytes in [&world.traffic, &world.service.stored()] {
        assert!(!contains(bytes, b"correct horse"));
        assert!(!contains(bytes, &registered.secret.to_bytes()[..]));
        assert!(!contains(bytes, &new.to_bytes()[..]));
    }
    assert!(contains(&world.traffic, b"alice"));
}

#[test]
fn a_key_is_replaced_by_one_that_the_old_one_has_signed() {
    let mut world = World::new();
    let registered = world.register("alice", "correct horse").unwrap();
    let connection = &mut Connection::default();
    let logged_in = world.login(connection, "alice", "correct horse").unwrap();
    let new = identity(9, "alice").0.secret;
    let request = logged_in.rotate(&new, &mut world.rng);
    let answer = world.ask(connection, &request);
    // An answer that speaks of another key is not taken.
    let other = logged_in.rotated(&registered.secret, answer.clone());
    assert_eq!(other, Err(AccountError::Wrong("entry")));
    let issued = logged_in.rotated(&new, answer).unwrap();
    let user = world.copy().user(&logged_in.me().name).cloned().unwrap();
    assert_eq!((user.key, user.key_since), (*new.public(), issued.entry.index));
    let again = world.login(&mut Connection::default(), "alice", "correct horse").unwrap();
    assert!(again.secret == new);
}

#[test]
fn a_new_password_opens_the_same_key_and_the_old_one_nothing() {
    let mut world = World::new();
    let registered = world.register("alice", "old horse").unwrap();
    let connection = &mut Connection::default();
    let logged_in = world.login(connection, "alice", "old horse").unwrap();
    let me = logged_in.me().clone();
    let started = PasswordChange::start(me, password("new horse"), &mut world.rng);
    let (change, request) = started.unwrap();
    let challenge = world.ask(connection, &request);
    let changed = change.prove(&logged_in.secret, challenge, &mut world.rng).unwrap();
    let answer = world.ask(connection, &changed.request);
    assert_eq!(PasswordChanged::finish(&answer), Ok(()));
    let again = world.login(&mut Connection::default(), "alice", "new horse").unwrap();
    assert!(again.secret == registered.secret);
    let wrapped = changed.export.wrap(WrappedThing::HomeKey, b"home", &mut world.rng);
    assert!(again.export.unwrap(WrappedThing::HomeKey, &wrapped).is_ok());
    let old = world.login(&mut Connection::default(), "alice", "old horse");
    assert_eq!(old.unwrap_err(), AccountError::WrongNameOrPassword);
}

#[test]
fn certificates_are_renewed_by_the_key_on_one_connection() {
    let mut world = World::new();
    let registered = world.register("alice", "correct horse").unwrap();
    assert!(expires_s(&registered.issued.certificate).unwrap() > 3_700_000_000);
    let me = world.me("alice");
    let mut connection = Connection::default();
    connection.exporter = [5; 32];
    let connection = &mut connection;
    let request = renew(&me, &registered.secret, &[6; 32]);
    let elsewhere = renewed(&me, &registered.secret, world.ask(connection, &request));
    assert_eq!(elsewhere, Err(AccountError::Refused(Refusal::BadSignature)));
    let request = renew(&me, &registered.secret, &[5; 32]);
    let issued = renewed(&me, &registered.secret, world.ask(connection, &request)).unwrap();
    assert_eq!(issued.entry.cause, Cause::Renewed);
    assert_ne!(issued.certificate, registered.issued.certificate);
}
