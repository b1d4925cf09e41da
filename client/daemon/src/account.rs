//! What a person does with their account, from the first request to the home on disk.
//!
//! Every step leaves home and service in a state from which the next run goes on, wherever it is
//! cut off: the home is complete when `account.toml` is there, a new password is written down
//! beside the old one before the service gets it, and so is a new key.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{CryptoRng, SeedableRng};
use talaria_opaque::{Password, Stretch};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::UserName;
use talaria_wire::identity::directory::Cause;
use talaria_wire::network_file::Network;

use crate::blocking::blocking;
use crate::clock::now;
use crate::ledger;
use crate::net::identity::{IdentityConnection, ServiceError};
use talaria_account::{
    AccountError, Issued, LoggedIn, LoginSent, Me, PasswordChange, PasswordChanged,
    RegistrationSent, renew, renewed,
};
use talaria_client::certificate::{RENEW_BEFORE_S, expires_s, hash_of};
use talaria_store::{self as store, AccountFile, Home, HomeError, HomeKey, NetworkSource, NewHome};

/// The network of a home that may not exist yet, and the file that it comes from.
#[derive(Debug)]
pub struct Joining {
    /// The home.
    pub dir: PathBuf,
    /// The network.
    pub network: Network,
    /// Where its file lies, unless it is that of the home.
    pub network_file: Option<PathBuf>,
    /// How much work a try of the password is.
    pub stretch: Stretch,
}

/// A home that was unlocked, and the connection on which that happened.
pub struct Unlocked {
    /// What opens the home.
    pub key: HomeKey,
    /// What the login gave.
    pub logged_in: LoggedIn,
    /// Logged in.
    pub connection: IdentityConnection,
}

impl Joining {
    /// Reads the network file that was given, or else that of the home.
    ///
    /// # Errors
    /// [`HomeError::NoNetwork`] if there is neither; another [`HomeError`] if it cannot be used or
    /// if the home has an account already.
    pub fn new(
        dir: &Path,
        network_file: Option<&Path>,
        stretch: Stretch,
    ) -> Result<Self, HomeError> {
        Home::require_free(dir)?;
        let network = match network_file {
            Some(file) => store::read_network(file, now(), None)?,
            None => NetworkSource::of_home(dir)?.load(now())?,
        };
        let (dir, network_file) = (dir.to_owned(), network_file.map(Path::to_owned));
        Ok(Self { dir, network, network_file, stretch })
    }

    fn me(&self, name: &UserName) -> Me {
        Me { network: self.network.id(), name: name.clone(), stretch: self.stretch }
    }

    /// Registers a name, and makes its home.
    ///
    /// # Errors
    /// [`ServiceError`]; after [`ServiceError::HomeNotWritten`] the name is registered.
    pub async fn register(
        &self,
        name: &UserName,
        password: Password,
        token: Option<String>,
        rng: &mut impl CryptoRng,
    ) -> Result<Home, ServiceError> {
        let mut service = IdentityConnection::open(&self.network).await?;
        let (sent, request) = RegistrationSent::start(self.me(name), password, token, rng)?;
        let (answer, mut rng) = (service.ask(&request).await?, StdRng::from_rng(rng));
        // The password is stretched, which takes a second and a lot of memory.
        let proving = blocking(move || Ok::<_, AccountError>((sent.prove(answer, &mut rng)?, rng)));
        let ((proven, request), mut rng) = proving.await?;
        let registered = proven.finish(service.ask(&request).await?)?;
        let key = HomeKey::generate(&mut rng);
        let wrapped_key = key.wrap(&registered.export, &mut rng);
        let home = self.settle(name, &registered.secret, registered.issued, &key, wrapped_key);
        let mut home = home.map_err(ServiceError::HomeNotWritten)?;
        sync(&mut service, &mut home).await?;
        ledger::settle(&mut service, &mut home, &mut rng).await?;
        Ok(home)
    }

    /// Brings an account here: its private key is fetched, and its other homes end.
    ///
    /// # Errors
    /// [`ServiceError`]; calling it again is always possible.
    pub async fn login(
        &self,
        name: &UserName,
        password: Password,
        rng: &mut impl CryptoRng,
    ) -> Result<Home, ServiceError> {
        let mut service = IdentityConnection::open(&self.network).await?;
        let logged_in = login(&mut service, self.me(name), password, rng).await?;
        let issued = logged_in.home_made(service.ask(&logged_in.new_home()).await?)?;
        let key = HomeKey::generate(rng);
        let wrapped_key = key.wrap(&logged_in.export, rng);
        let mut home = self.settle(name, &logged_in.secret, issued, &key, wrapped_key)?;
        sync(&mut service, &mut home).await?;
        ledger::settle(&mut service, &mut home, rng).await?;
        Ok(home)
    }

    fn settle(
        &self,
        name: &UserName,
        secret: &IdentitySecret,
        issued: Issued,
        key: &HomeKey,
        wrapped_key: Vec<u8>,
    ) -> Result<Home, HomeError> {
        let new = NewHome {
            name: name.clone(),
            secret,
            certificate: issued.certificate,
            since: issued.entry.index,
            earlier: issued.entry.cause == Cause::NewHome,
            network: &self.network,
            network_file: self.network_file.as_deref(),
            key,
            wrapped_key,
        };
        Home::create(&self.dir, new)
    }
}

async fn login(
    service: &mut IdentityConnection,
    me: Me,
    password: Password,
    rng: &mut impl CryptoRng,
) -> Result<LoggedIn, ServiceError> {
    let (sent, request) = LoginSent::start(me, password, rng)?;
    let (answer, mut rng) = (service.ask(&request).await?, StdRng::from_rng(rng));
    let (proven, request) = blocking(move || sent.prove(answer, &mut rng)).await?;
    Ok(proven.finish(service.ask(&request).await?)?)
}

/// Takes the directory as far as it goes.
///
/// # Errors
/// [`ServiceError`]; what came before it is kept.
pub async fn sync(service: &mut IdentityConnection, home: &mut Home) -> Result<(), ServiceError> {
    loop {
        let since = home.directory()?.entries();
        let (entries, head) = service.page(since).await?;
        if !home.append_directory(&entries, &head, now())? {
            return Ok(());
        }
    }
}

impl Unlocked {
    /// Unlocks the home in `dir`: logs in, since only that gives what opens it.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn open(
        dir: &Path,
        password: Password,
        stretch: Stretch,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, ServiceError> {
        let file = AccountFile::read(dir)?;
        let network = NetworkSource::of_home(dir)?.load(now())?;
        let mut connection = IdentityConnection::open(&network).await?;
        let me = Me { network: network.id(), name: file.name.clone(), stretch };
        let logged_in = login(&mut connection, me, password, rng).await?;
        let key = file.unlock(&logged_in.export)?;
        Ok(Self { key, logged_in, connection })
    }

    /// Brings a home that was opened up to date: the directory, what an interrupted run has left
    /// behind, the certificate if it ends soon, and what was charged in other homes.
    ///
    /// # Errors
    /// [`ServiceError`]; [`HomeError::Superseded`] if the account goes on in another home, and
    /// then the directory is up to date.
    pub async fn refresh(
        &mut self,
        home: &mut Home,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ServiceError> {
        sync(&mut self.connection, home).await?;
        let Some(user) = home.own_user()? else {
            return Err(HomeError::NotInDirectory.into());
        };
        let key = self.logged_in.secret.public();
        if user.key != *key {
            return Err(HomeError::NotInDirectory.into());
        }
        if home.has_prepared(&self.logged_in.secret)? {
            let (secret, certificate) = (&self.logged_in.secret, &self.logged_in.certificate);
            home.set_key(secret, certificate, user.session_since)?;
        }
        home.require_current()?;
        let certificate = home.certificate()?;
        if hash_of(&certificate) != user.certificate_hash {
            home.set_certificate(&self.logged_in.certificate)?;
        }
        self.renew_if_due(home).await?;
        ledger::settle(&mut self.connection, home, rng).await
    }

    async fn renew_if_due(&mut self, home: &mut Home) -> Result<(), ServiceError> {
        let ends = expires_s(&home.certificate()?).unwrap_or(0);
        if ends > now().0 / 1000 + RENEW_BEFORE_S {
            return Ok(());
        }
        let (me, secret) = (self.logged_in.me(), &self.logged_in.secret);
        let request = renew(me, secret, &self.connection.exporter()?);
        let issued = renewed(me, secret, self.connection.ask(&request).await?)?;
        Ok(home.set_certificate(&issued.certificate)?)
    }

    /// Changes the password.
    ///
    /// # Errors
    /// [`ServiceError`]; if the answer of the service was lost, one of the two passwords holds, and
    /// both open the home.
    pub async fn change_password(
        &mut self,
        home: &mut Home,
        new: Password,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ServiceError> {
        let (old, me) = (&self.logged_in, self.logged_in.me().clone());
        let (change, request) = PasswordChange::start(me, new, rng)?;
        let challenge = self.connection.ask(&request).await?;
        let secret = IdentitySecret::from_bytes(&old.secret.to_bytes())
            .expect("the bytes of a key are a key");
        let mut stretching = StdRng::from_rng(rng);
        let proving = move || change.prove(&secret, challenge, &mut stretching);
        let changed = blocking(proving).await?;
        let [old, new] = [&old.export, &changed.export].map(|export| self.key.wrap(export, rng));
        home.set_wrapped(vec![old, new.clone()])?;
        let answer = self.connection.ask(&changed.request).await?;
        PasswordChanged::finish(&answer)?;
        Ok(home.set_wrapped(vec![new])?)
    }

    /// Replaces the key pair. Contacts are told, and have to compare safety numbers again.
    ///
    /// # Errors
    /// [`ServiceError`]; if the answer of the service was lost, the next run finds out.
    pub async fn rotate_key(
        &mut self,
        home: &mut Home,
        rng: &mut impl CryptoRng,
    ) -> Result<(), ServiceError> {
        let new = IdentitySecret::generate(rng);
        let request = self.logged_in.rotate(&new, rng);
        home.prepare_key(&new)?;
        let issued = self.logged_in.rotated(&new, self.connection.ask(&request).await?)?;
        home.set_key(&new, &issued.certificate, issued.entry.index)?;
        sync(&mut self.connection, home).await?;
        // The one that is there opens with the old key only, which no new home gets.
        ledger::settle(&mut self.connection, home, rng).await
    }
}
