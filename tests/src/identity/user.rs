//! A user, as programs build requests.

use chacha20::ChaCha20Rng;
use p256::pkcs8::EncodePrivateKey;
use rand::SeedableRng;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use talaria_opaque::{Account, Login, Password, Registration, Stretch};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::{ExportKey, Request, Response, UserName, WrappedThing};
use talaria_wire::network_file::NetworkId;

/// Somebody with a name, a password and a key. Passwords are stretched next to not at all.
pub struct User {
    /// The name.
    pub name: UserName,
    /// The key.
    pub key: IdentitySecret,
    network: NetworkId,
    rng: ChaCha20Rng,
}

impl User {
    /// A user of a network, whose key depends on the name and on `seed`.
    ///
    /// # Panics
    /// If the name is none.
    #[must_use]
    pub fn new(network: NetworkId, name: &str, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let key = IdentitySecret::generate(&mut rng);
        Self { name: UserName::new(name).expect("a good name"), key, network, rng }
    }

    fn password(&self) -> Password {
        Password::new(format!("the password of {}", self.name)).expect("neither empty nor long")
    }

    fn account(&self) -> Account<'_> {
        Account { network: &self.network, name: &self.name }
    }

    /// A certificate signing request.
    ///
    /// # Panics
    /// Never, for a key of this kind.
    #[must_use]
    pub fn csr(&self) -> Vec<u8> {
        let der = self.key.as_p256().to_pkcs8_der().expect("a P-256 key has this form");
        let key = KeyPair::try_from(der.as_bytes()).expect("a P-256 key in PKCS#8");
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name.as_str());
        params.serialize_request(&key).expect("the key signs").der().to_vec()
    }

    /// Begins to register.
    ///
    /// # Panics
    /// Never, for a password.
    pub fn register_start(&mut self) -> (Registration, Request) {
        let (registration, request) =
            Registration::start(self.password(), &mut self.rng).expect("a password");
        let (name, request) = (self.name.as_str().to_owned(), request.into());
        (registration, Request::RegisterStart { name, request, token: None })
    }

    /// Ends it; `None` if the service has refused.
    ///
    /// # Panics
    /// If the service answers nonsense.
    pub fn register_finish(
        &mut self,
        registration: Registration,
        answer: &Response,
    ) -> Option<Request> {
        let Response::RegisterChallenge { response } = answer else { return None };
        let (account, mut rng) = (self.account(), ChaCha20Rng::from_rng(&mut rand::rng()));
        let ended = registration.finish(response, account, Stretch::WEAK, &mut rng);
        let (upload, export) = ended.expect("an answer of OPAQUE");
        let key = self.key.to_bytes();
        let wrapped_key = export.wrap(WrappedThing::IdentityKey, &*key, &mut rng).into();
        let csr = self.csr().into();
        Some(Request::RegisterFinish { upload: upload.into(), csr, wrapped_key })
    }

    /// Begins to log in.
    ///
    /// # Panics
    /// Never, for a password.
    pub fn login_start(&mut self) -> (Login, Request) {
        let (login, request) = Login::start(self.password(), &mut self.rng).expect("a password");
        let (name, request) = (self.name.as_str().to_owned(), request.into());
        (login, Request::LoginStart { name, request })
    }

    /// Ends it; `None` if the password is wrong.
    pub fn login_finish(
        &mut self,
        login: Login,
        answer: &Response,
    ) -> Option<(Request, ExportKey)> {
        let Response::LoginChallenge { response } = answer else { return None };
        let (account, mut rng) = (self.account(), ChaCha20Rng::from_rng(&mut rand::rng()));
        let (proof, export) = login.finish(response, account, Stretch::WEAK, &mut rng).ok()?;
        Some((Request::LoginFinish { proof: proof.into() }, export))
    }
}
