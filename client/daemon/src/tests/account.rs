//! Accounts from the first request to the home on disk, over TLS.

use rand::CryptoRng;
use talaria_opaque::{Password, Stretch};
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::Cause;

use super::*;
use crate::account::{Joining, Unlocked, sync};
use crate::net::identity::IdentityConnection;
use talaria_account::AccountError;
use talaria_client::certificate::expires_s;
use talaria_client::contact::Trust;
use talaria_store::{Home, HomeError};

pub(super) fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

pub(super) fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

pub(super) async fn register(
    dir: &Path,
    file: &Path,
    name: &str,
    rng: &mut impl CryptoRng,
) -> Result<Home, ServiceError> {
    let joining = Joining::new(dir, Some(file), Stretch::WEAK)?;
    joining.register(&user(name), password("correct horse"), None, rng).await
}

async fn unlock(
    dir: &Path,
    text: &str,
    rng: &mut impl CryptoRng,
) -> Result<Unlocked, ServiceError> {
    Unlocked::open(dir, password(text), Stretch::WEAK, rng).await
}

/// The home of somebody who has registered.
pub(super) async fn reopen(dir: &Path, rng: &mut impl CryptoRng) -> Home {
    let unlocked = unlock(dir, "correct horse", rng).await.unwrap();
    Home::open(dir, &unlocked.key).unwrap()
}

struct World {
    dir: TempDir,
    entry: Entry,
    file: PathBuf,
    rng: ChaCha20Rng,
}

impl World {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let entry = Entry::new().await;
        let file = entry.network_file(&dir, &entry);
        Self { dir, entry, file, rng: ChaCha20Rng::seed_from_u64(3) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn register(&mut self, name: &str) -> Result<Home, ServiceError> {
        register(&self.path(name), &self.file, name, &mut self.rng).await
    }

    /// The home of this name, unlocked and up to date.
    async fn open(&mut self, home: &str, text: &str) -> Result<(Unlocked, Home), ServiceError> {
        let dir = self.path(home);
        let mut unlocked = unlock(&dir, text, &mut self.rng).await?;
        let mut home = Home::open(&dir, &unlocked.key)?;
        unlocked.refresh(&mut home, &mut self.rng).await?;
        Ok((unlocked, home))
    }

    fn service(&self) -> std::sync::MutexGuard<'_, Service> {
        self.entry.service.lock().unwrap()
    }
}

#[tokio::test]
async fn whoever_registers_has_a_home_that_the_password_unlocks() {
    let mut world = World::new().await;
    let made = world.register("alice").await.unwrap().identity().unwrap();
    let (_, mut home) = world.open("alice", "correct horse").await.unwrap();
    assert!(home.identity().unwrap().secret == made.secret);
    assert_eq!(home.directory().unwrap().entries(), 1);
    drop(home);
    let wrong = world.open("alice", "wrong horse").await.err().unwrap();
    assert!(wrong.is_wrong_password(), "{wrong}");
    let taken = joining_at(&world, "b");
    let taken = taken.register(&user("ALICE"), password("x"), None, &mut world.rng).await;
    assert!(taken.err().unwrap().to_string().contains("taken"));
    let again = Joining::new(&world.path("alice"), None, Stretch::WEAK);
    assert!(matches!(again, Err(HomeError::AccountExists(_))));
    let nowhere = Joining::new(&world.path("c"), None, Stretch::WEAK);
    assert!(matches!(nowhere, Err(HomeError::NoNetwork)));
}

#[tokio::test]
async fn a_login_elsewhere_restores_the_key_and_the_old_home_is_told() {
    let mut world = World::new().await;
    let made = world.register("alice").await.unwrap().identity().unwrap();
    world.service().now_s += 100;
    let (joining, alice) = (joining_at(&world, "new"), user("alice"));
    let login = joining.login(&alice, password("correct horse"), &mut world.rng);
    let home = login.await.unwrap();
    assert!(home.identity().unwrap().secret == made.secret);
    drop(home);
    let old = world.open("alice", "correct horse").await.err().unwrap();
    assert!(matches!(old, ServiceError::Home(HomeError::Superseded(_))), "{old}");
    assert!(world.open("new", "correct horse").await.is_ok());
    for name in ["alice", "nobody"] {
        let (joining, name) = (joining_at(&world, "c"), user(name));
        let refused = joining.login(&name, password("x"), &mut world.rng).await.err().unwrap();
        assert!(refused.is_wrong_password());
    }
}

fn joining_at(world: &World, name: &str) -> Joining {
    Joining::new(&world.path(name), Some(&world.file), Stretch::WEAK).unwrap()
}

#[tokio::test]
async fn a_password_that_was_changed_unlocks_the_home_and_the_old_one_does_not() {
    let mut world = World::new().await;
    drop(world.register("alice").await.unwrap());
    let (mut unlocked, mut home) = world.open("alice", "correct horse").await.unwrap();
    unlocked.change_password(&mut home, password("new horse"), &mut world.rng).await.unwrap();
    drop((unlocked, home));
    assert!(world.open("alice", "correct horse").await.err().unwrap().is_wrong_password());
    assert!(world.open("alice", "new horse").await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_rotated_is_a_key_change_for_contacts_wherever_it_was_cut_off() {
    let mut world = World::new().await;
    drop(world.register("alice").await.unwrap());
    let mut bob = world.register("bob").await.unwrap();
    let met = bob.meet(&user("alice"), now()).unwrap();
    bob.mark_verified(&met.contact).unwrap();
    let (mut unlocked, mut home) = world.open("alice", "correct horse").await.unwrap();
    unlocked.rotate_key(&mut home, &mut world.rng).await.unwrap();
    let second = *home.identity().unwrap().secret.public();
    assert_ne!(second, met.contact.key);
    drop((unlocked, home));
    let (mut unlocked, mut home) = world.open("alice", "correct horse").await.unwrap();

    // The answer is lost: the key was written down, and the next run finds that it holds.
    let new = IdentitySecret::generate(&mut world.rng);
    let request = unlocked.logged_in.rotate(&new, &mut world.rng);
    home.prepare_key(&new).unwrap();
    world.service().now_s += 5;
    unlocked.connection.ask(&request).await.unwrap();
    assert_eq!(*home.identity().unwrap().secret.public(), second);
    drop((unlocked, home));
    let (_, home) = world.open("alice", "correct horse").await.unwrap();
    assert!(home.identity().unwrap().secret == new);
    let entries = world.service().entries.len() as u64;
    assert_eq!(home.since().unwrap(), entries - 1);

    let network = world.entry.network(&world.file);
    sync(&mut IdentityConnection::open(&network).await.unwrap(), &mut bob).await.unwrap();
    let trust = bob.meet(&user("alice"), now()).unwrap().trust;
    assert!(matches!(trust, Trust::Changed { verified: true, .. }));
}

#[tokio::test]
async fn certificates_that_end_soon_are_renewed_and_lost_renewals_are_found() {
    let mut world = World::new().await;
    world.service().until_year = 2020;
    let home = world.register("alice").await.unwrap();
    let first = home.certificate().unwrap();
    drop(home);
    world.service().until_year = 2090;
    let (_, home) = world.open("alice", "correct horse").await.unwrap();
    let second = home.certificate().unwrap();
    assert!(expires_s(&first).unwrap() < expires_s(&second).unwrap());
    drop(home);
    let (_, home) = world.open("alice", "correct horse").await.unwrap();
    assert_eq!(home.certificate().unwrap(), second);
    assert_eq!(world.service().entries.last().unwrap().cause, Cause::Renewed);
    assert_eq!(world.service().entries.len(), 2);
    drop(home);
    // Another renewal, whose answer never arrived here.
    let (mut unlocked, home) = world.open("alice", "correct horse").await.unwrap();
    let (me, secret) = (unlocked.logged_in.me(), &unlocked.logged_in.secret);
    let request = talaria_account::renew(me, secret, &unlocked.connection.exporter().unwrap());
    unlocked.connection.ask(&request).await.unwrap();
    drop((unlocked, home));
    let (_, home) = world.open("alice", "correct horse").await.unwrap();
    assert_ne!(home.certificate().unwrap(), second);
}

#[tokio::test]
async fn registration_may_need_a_token_and_errors_say_what_to_do() {
    let mut world = World::new().await;
    world.service().token = Some("abc".to_owned());
    let refused = world.register("alice").await.err().unwrap();
    assert!(refused.to_string().contains("ask the operator for one"), "{refused}");
    let joining = joining_at(&world, "alice");
    let token = Some("abc".to_owned());
    let made = joining.register(&user("alice"), password("x"), token, &mut world.rng).await;
    assert_eq!(made.unwrap().identity().unwrap().name, user("alice"));
    assert!(!AccountError::WrongNameOrPassword.to_string().is_empty());
}
