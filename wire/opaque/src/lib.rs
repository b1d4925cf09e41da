//! Passwords: OPAQUE (RFC 9807), which proves that one is known without showing it to anybody.
//!
//! Ristretto255, triple Diffie-Hellman with SHA-512, and Argon2id on the client. The name and the
//! network are bound into every run. This module hides the library, which belongs to an older
//! generation of the same traits.

use std::fmt;

use opaque_ke::argon2::{Algorithm, Argon2, Params, Version};
use opaque_ke::ciphersuite::CipherSuite;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialFinalization, CredentialRequest,
    CredentialResponse, Identifiers, RegistrationRequest, RegistrationResponse, RegistrationUpload,
    Ristretto255, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup, TripleDh,
};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use talaria_wire::identity::UserName;
use talaria_wire::identity::wrapping::ExportKey;
use talaria_wire::network_file::NetworkId;

/// The most bytes of a password.
pub const PASSWORD_MAX: usize = 1024;
/// How the service calls itself in every run.
const SERVER: &[u8] = b"talaria identity service";

struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, sha2_0_10::Sha512>;
    type Ksf = Argon2<'static>;
}

/// A password, as it was typed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Password(String);

/// A password that is empty or has more than [`PASSWORD_MAX`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a password has 1 to {PASSWORD_MAX} bytes")]
pub struct BadPassword;

impl Password {
    /// Takes a password.
    ///
    /// # Errors
    /// [`BadPassword`] if it is empty or too long.
    pub fn new(text: String) -> Result<Self, BadPassword> {
        let password = Self(text);
        if password.0.is_empty() || password.0.len() > PASSWORD_MAX {
            return Err(BadPassword);
        }
        Ok(password)
    }

    /// The password, for judging its strength and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// How much work one try of a password is (Argon2id, RFC 9106). Part of the protocol: who logs in
/// has to do the same as who registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    memory_kib: u32,
    passes: u32,
}

impl Stretch {
    /// What people use: 64 MiB, 3 passes, one lane (RFC 9106, section 4, second choice, but for
    /// the lanes).
    pub const STRONG: Self = Self { memory_kib: 64 * 1024, passes: 3 };
    /// Next to no work: for tests, and for measuring the service.
    pub const WEAK: Self = Self { memory_kib: 8, passes: 1 };

    fn argon2(self) -> Argon2<'static> {
        let params = Params::new(self.memory_kib, self.passes, 1, None);
        let params = params.expect("the two choices are within the limits of Argon2");
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
    }
}

/// What both sides have to agree about.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// The user.
    pub name: &'a UserName,
}

impl<'a> Account<'a> {
    fn identifiers(self) -> Identifiers<'a> {
        Identifiers { client: Some(self.name.as_str().as_bytes()), server: Some(SERVER) }
    }

    fn server_parameters(self) -> ServerLoginParameters<'a, 'a> {
        ServerLoginParameters { context: Some(&self.network.0), identifiers: self.identifiers() }
    }
}

/// Bytes that are not the message of OPAQUE which they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a message of a registration or login")]
pub struct BadMessage;

/// The password is wrong, or there is nobody of this name: one cannot tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the name or the password is wrong")]
pub struct WrongPassword;

/// The user's side of a registration, or of a change of the password.
pub struct Registration {
    state: ClientRegistration<Suite>,
    password: Password,
}

impl Registration {
    /// Begins; the bytes go to the service.
    ///
    /// # Errors
    /// [`BadMessage`] never for a [`Password`].
    pub fn start(
        password: Password,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), BadMessage> {
        let start = ClientRegistration::start(&mut Older(rng), password.0.as_bytes())
            .map_err(|_| BadMessage)?;
        Ok((Self { state: start.state, password }, start.message.serialize().to_vec()))
    }

    /// Ends, with the answer of the service; the bytes go there as well.
    ///
    /// # Errors
    /// [`BadMessage`] if the answer is none.
    pub fn finish(
        self,
        response: &[u8],
        account: Account<'_>,
        stretch: Stretch,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<u8>, ExportKey), BadMessage> {
        let response = RegistrationResponse::deserialize(response).map_err(|_| BadMessage)?;
        let argon2 = stretch.argon2();
        let parameters =
            ClientRegistrationFinishParameters::new(account.identifiers(), Some(&argon2));
        let finish = self
            .state
            .finish(&mut Older(rng), self.password.0.as_bytes(), response, parameters)
            .map_err(|_| BadMessage)?;
        Ok((finish.message.serialize().to_vec(), export_key(&finish.export_key)))
    }
}

/// The user's side of a login.
pub struct Login {
    state: ClientLogin<Suite>,
    password: Password,
}

impl Login {
    /// Begins; the bytes go to the service.
    ///
    /// # Errors
    /// [`BadMessage`] never for a [`Password`].
    pub fn start(
        password: Password,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), BadMessage> {
        let start =
            ClientLogin::start(&mut Older(rng), password.0.as_bytes()).map_err(|_| BadMessage)?;
        Ok((Self { state: start.state, password }, start.message.serialize().to_vec()))
    }

    /// Ends, with the answer of the service; the bytes go there as well.
    ///
    /// # Errors
    /// [`WrongPassword`] if name or password are wrong, or the answer is none.
    pub fn finish(
        self,
        response: &[u8],
        account: Account<'_>,
        stretch: Stretch,
        rng: &mut impl CryptoRng,
    ) -> Result<(Vec<u8>, ExportKey), WrongPassword> {
        let response = CredentialResponse::deserialize(response).map_err(|_| WrongPassword)?;
        let argon2 = stretch.argon2();
        let parameters = ClientLoginFinishParameters::new(
            Some(&account.network.0),
            account.identifiers(),
            Some(&argon2),
        );
        let finish = self
            .state
            .finish(&mut Older(rng), self.password.0.as_bytes(), response, parameters)
            .map_err(|_| WrongPassword)?;
        Ok((finish.message.serialize().to_vec(), export_key(&finish.export_key)))
    }
}

/// What the service keeps of a password. It can be tried against guesses only together with
/// [`ServerSecrets`].
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordRecord(Vec<u8>);

impl PasswordRecord {
    /// The record that a registration ends with.
    ///
    /// # Errors
    /// [`BadMessage`] if the upload is none.
    pub fn from_upload(upload: &[u8]) -> Result<Self, BadMessage> {
        let upload = RegistrationUpload::<Suite>::deserialize(upload).map_err(|_| BadMessage)?;
        Ok(Self(ServerRegistration::finish(upload).serialize().to_vec()))
    }

    /// A record that was stored.
    ///
    /// # Errors
    /// [`BadMessage`] if it was not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadMessage> {
        ServerRegistration::<Suite>::deserialize(bytes).map_err(|_| BadMessage)?;
        Ok(Self(bytes.to_vec()))
    }

    /// What to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PasswordRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordRecord(…)")
    }
}

/// What the service answers registrations and logins with. It has to stay the same: without it
/// nobody can log in any more.
pub struct ServerSecrets(ServerSetup<Suite>);

impl ServerSecrets {
    /// New ones.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(ServerSetup::new(&mut Older(rng)))
    }

    /// Those that were kept.
    ///
    /// # Errors
    /// [`BadMessage`] if the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadMessage> {
        ServerSetup::deserialize(bytes).map(Self).map_err(|_| BadMessage)
    }

    /// For the file that keeps them, and nothing else.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize().to_vec())
    }

    /// Answers the beginning of a registration.
    ///
    /// # Errors
    /// [`BadMessage`] if it is none.
    pub fn answer_registration(
        &self,
        name: &UserName,
        request: &[u8],
    ) -> Result<Vec<u8>, BadMessage> {
        let request = RegistrationRequest::deserialize(request).map_err(|_| BadMessage)?;
        let start = ServerRegistration::<Suite>::start(&self.0, request, name.as_str().as_bytes())
            .map_err(|_| BadMessage)?;
        Ok(start.message.serialize().to_vec())
    }

    /// Answers the beginning of a login. For a name that is not registered there is no record,
    /// and the answer looks the same (RFC 9807, section 10.9).
    ///
    /// # Errors
    /// [`BadMessage`] if it is none.
    pub fn begin_login(
        &self,
        account: Account<'_>,
        record: Option<&PasswordRecord>,
        request: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(PendingLogin, Vec<u8>), BadMessage> {
        let request = CredentialRequest::deserialize(request).map_err(|_| BadMessage)?;
        let record = record.map(|record| ServerRegistration::deserialize(&record.0));
        let record = record.transpose().map_err(|_| BadMessage)?;
        let name = account.name.as_str().as_bytes();
        let parameters = account.server_parameters();
        let start = ServerLogin::start(&mut Older(rng), &self.0, record, request, name, parameters)
            .map_err(|_| BadMessage)?;
        Ok((PendingLogin(start.state), start.message.serialize().to_vec()))
    }
}

impl fmt::Debug for ServerSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecrets(…)")
    }
}

/// The service's side of a login that has begun.
pub struct PendingLogin(ServerLogin<Suite>);

impl PendingLogin {
    /// Whether the user knows the password.
    ///
    /// # Errors
    /// [`WrongPassword`], also if the proof is none or of another login.
    pub fn finish(self, proof: &[u8], account: Account<'_>) -> Result<(), WrongPassword> {
        let proof = CredentialFinalization::deserialize(proof).map_err(|_| WrongPassword)?;
        let finish = self.0.finish(proof, account.server_parameters());
        finish.map(|_| ()).map_err(|_| WrongPassword)
    }
}

impl fmt::Debug for PendingLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingLogin(…)")
    }
}

fn export_key(bytes: &[u8]) -> ExportKey {
    ExportKey::from_bytes(bytes.try_into().expect("an output of SHA-512 has 64 bytes"))
}

/// A generator with the traits of the older generation.
struct Older<'a, R>(&'a mut R);

impl<R: CryptoRng> opaque_ke::rand::RngCore for Older<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill_bytes(dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), opaque_ke::rand::Error> {
        self.0.fill_bytes(dest);
        Ok(())
    }
}

impl<R: CryptoRng> opaque_ke::rand::CryptoRng for Older<'_, R> {}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    const NETWORK: NetworkId = NetworkId([7; 32]);

    fn password(text: &str) -> Password {
        Password::new(text.to_owned()).unwrap()
    }

    struct World {
        rng: ChaCha20Rng,
        server: ServerSecrets,
        name: UserName,
    }

    impl World {
        fn new() -> Self {
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            let server = ServerSecrets::generate(&mut rng);
            Self { rng, server, name: UserName::new("alice").unwrap() }
        }

        fn register(&mut self, text: &str) -> (PasswordRecord, ExportKey) {
            let account = Account { network: &NETWORK, name: &self.name };
            let (registration, request) =
                Registration::start(password(text), &mut self.rng).unwrap();
            let response = self.server.answer_registration(&self.name, &request).unwrap();
            let (upload, key) =
                registration.finish(&response, account, Stretch::WEAK, &mut self.rng).unwrap();
            (PasswordRecord::from_upload(&upload).unwrap(), key)
        }

        /// What the user has, and what the service thinks.
        fn login(
            &mut self,
            text: &str,
            record: Option<&PasswordRecord>,
            network: &NetworkId,
        ) -> (Option<ExportKey>, Option<Result<(), WrongPassword>>, usize) {
            let account = Account { network: &NETWORK, name: &self.name };
            let (login, request) = Login::start(password(text), &mut self.rng).unwrap();
            let (pending, response) =
                self.server.begin_login(account, record, &request, &mut self.rng).unwrap();
            let seen = Account { network, name: &self.name };
            match login.finish(&response, seen, Stretch::WEAK, &mut self.rng) {
                Ok((proof, key)) => {
                    (Some(key), Some(pending.finish(&proof, account)), response.len())
                }
                Err(WrongPassword) => (None, None, response.len()),
            }
        }
    }

    #[test]
    fn the_right_password_gives_the_same_key_again() {
        let mut world = World::new();
        let (record, key) = world.register("correct horse");
        let wrapped =
            key.wrap(talaria_wire::identity::WrappedThing::HomeKey, b"thing", &mut world.rng);
        let (again, service, _) = world.login("correct horse", Some(&record), &NETWORK);
        assert_eq!(service, Some(Ok(())));
        let thing = again.unwrap().unwrap(talaria_wire::identity::WrappedThing::HomeKey, &wrapped);
        assert_eq!(&*thing.unwrap(), b"thing");
    }

    #[test]
    fn wrong_passwords_unknown_names_and_other_networks_look_alike() {
        let mut world = World::new();
        let (record, _) = world.register("correct horse");
        let right = world.login("correct horse", Some(&record), &NETWORK).2;
        for (text, record, network) in [
            ("wrong", Some(&record), &NETWORK),
            ("correct horse", None, &NETWORK),
            ("correct horse", Some(&record), &NetworkId([8; 32])),
        ] {
            let (key, service, len) = world.login(text, record, network);
            assert!(key.is_none() && service.is_none() && len == right);
        }
    }

    #[test]
    fn proofs_of_other_logins_and_garbage_are_refused() {
        let mut world = World::new();
        let (record, _) = world.register("correct horse");
        let account = Account { network: &NETWORK, name: &world.name.clone() };
        let mut proofs = Vec::new();
        let mut pending = Vec::new();
        for _ in 0..2 {
            let (login, request) = Login::start(password("correct horse"), &mut world.rng).unwrap();
            let (begun, response) =
                world.server.begin_login(account, Some(&record), &request, &mut world.rng).unwrap();
            let (proof, _) =
                login.finish(&response, account, Stretch::WEAK, &mut world.rng).unwrap();
            proofs.push(proof);
            pending.push(begun);
        }
        for (pending, proof) in pending.into_iter().zip([&proofs[1][..], b"garbage"]) {
            assert_eq!(pending.finish(proof, account), Err(WrongPassword));
        }
        assert!(world.server.answer_registration(&world.name, b"garbage").is_err());
        assert!(PasswordRecord::from_upload(&[0; 192]).is_err());
        assert!(PasswordRecord::from_bytes(b"garbage").is_err());
    }

    #[test]
    fn the_service_goes_on_with_its_secrets_after_a_restart() {
        let mut world = World::new();
        let (record, _) = world.register("correct horse");
        world.server = ServerSecrets::from_bytes(&world.server.to_bytes()).unwrap();
        let record = PasswordRecord::from_bytes(record.as_bytes()).unwrap();
        assert!(world.login("correct horse", Some(&record), &NETWORK).0.is_some());
        world.server = ServerSecrets::generate(&mut world.rng);
        assert!(world.login("correct horse", Some(&record), &NETWORK).0.is_none());
        assert!(ServerSecrets::from_bytes(b"garbage").is_err());
    }
}
