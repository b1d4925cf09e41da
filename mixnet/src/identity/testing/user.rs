//! Users of the identity service, as their programs build requests.

use chacha20::ChaCha20Rng;
use p256::pkcs8::EncodePrivateKey;
use rand::SeedableRng;
use rcgen::{CertificateParams, DistinguishedName, DnType, Issuer, KeyPair};
use serde_bytes::ByteBuf;
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::password::{Account, Login, Password, Registration, ServerSecrets};
use talaria_wire::identity::proof::{Renewal, Rotation};
use talaria_wire::identity::{ExportKey, Request, Response, Stretch, UserName, WrappedThing};
use talaria_wire::network_file::NetworkId;

use crate::identity::certificate::Authority;
use crate::identity::limits::IdentityLimits;
use crate::identity::service::{Registrations, ServiceConfig};

pub(crate) const NETWORK: NetworkId = NetworkId([7; 32]);

pub(crate) fn name(text: &str) -> UserName {
    UserName::new(text).unwrap()
}

/// A service with keys of its own.
pub(crate) fn config(registrations: Registrations) -> ServiceConfig {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Talaria network");
    ServiceConfig {
        network: NETWORK,
        head_key: IdentitySecret::generate(&mut rng),
        secrets: ServerSecrets::generate(&mut rng),
        authority: Authority::new(Issuer::new(params, KeyPair::generate().unwrap())),
        registrations,
        limits: IdentityLimits::default(),
    }
}

/// A connection to the service.
pub(crate) trait Talk {
    /// Asks and waits for the answer.
    async fn ask(&mut self, request: Request) -> Response;

    /// The value of the TLS exporter.
    fn exporter(&self) -> [u8; 32];
}

/// A user with a password and a key.
pub(crate) struct TestUser {
    pub(crate) name: UserName,
    pub(crate) password: String,
    pub(crate) key: IdentitySecret,
    rng: ChaCha20Rng,
}

impl TestUser {
    pub(crate) fn new(text: &str) -> Self {
        let mut rng = ChaCha20Rng::from_rng(&mut rand::rng());
        let key = IdentitySecret::generate(&mut rng);
        Self { name: name(text), password: format!("secret of {text}"), key, rng }
    }

    fn password(&self) -> Password {
        Password::new(self.password.clone()).unwrap()
    }

    /// A signing request for a key.
    pub(crate) fn csr_of(&self, key: &IdentitySecret) -> Vec<u8> {
        let der = key.as_p256().to_pkcs8_der().unwrap();
        let key = KeyPair::try_from(der.as_bytes()).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.name.as_str());
        params.serialize_request(&key).unwrap().der().to_vec()
    }

    pub(crate) fn csr(&self) -> ByteBuf {
        self.csr_of(&self.key).into()
    }

    pub(crate) fn register_start(&mut self, token: Option<String>) -> (Registration, Request) {
        let (registration, request) = Registration::start(self.password(), &mut self.rng).unwrap();
        let name = self.name.as_str().to_owned();
        (registration, Request::RegisterStart { name, request: request.into(), token })
    }

    /// What ends a registration or a change of the password, and the wrapped key.
    pub(crate) fn upload(
        &mut self,
        registration: Registration,
        answer: Response,
    ) -> (ByteBuf, ByteBuf) {
        let Response::RegisterChallenge { response } = answer else { panic!("{answer:?}") };
        let account = Account { network: &NETWORK, name: &self.name };
        let ended = registration.finish(&response, account, Stretch::WEAK, &mut self.rng);
        let (upload, export) = ended.unwrap();
        (upload.into(), self.wrap(&export))
    }

    pub(crate) fn wrap(&mut self, export: &ExportKey) -> ByteBuf {
        let key = self.key.to_bytes();
        export.wrap(WrappedThing::IdentityKey, &*key, &mut self.rng).into()
    }

    pub(crate) async fn register_with(
        &mut self,
        to: &mut impl Talk,
        token: Option<String>,
    ) -> Response {
        let (registration, start) = self.register_start(token);
        let answer = to.ask(start).await;
        if matches!(answer, Response::Refused { .. }) {
            return answer;
        }
        let (upload, wrapped_key) = self.upload(registration, answer);
        to.ask(Request::RegisterFinish { upload, csr: self.csr(), wrapped_key }).await
    }

    pub(crate) async fn register(&mut self, to: &mut impl Talk) -> Response {
        self.register_with(to, None).await
    }

    pub(crate) fn login_start(&mut self) -> (Login, Request) {
        let (login, request) = Login::start(self.password(), &mut self.rng).unwrap();
        let name = self.name.as_str().to_owned();
        (login, Request::LoginStart { name, request: request.into() })
    }

    /// The proof, and the key that opens what is wrapped; for a wrong password a proof that is none.
    pub(crate) fn login_finish(&mut self, login: Login, answer: Response) -> (Request, ExportKey) {
        let Response::LoginChallenge { response } = answer else { panic!("{answer:?}") };
        let account = Account { network: &NETWORK, name: &self.name };
        match login.finish(&response, account, Stretch::WEAK, &mut self.rng) {
            Ok((proof, export)) => (Request::LoginFinish { proof: proof.into() }, export),
            Err(_) => {
                let proof = vec![1; 64].into();
                (Request::LoginFinish { proof }, ExportKey::from_bytes([0; 64]))
            }
        }
    }

    /// Logs in; the answer, and the export key.
    pub(crate) async fn login(&mut self, to: &mut impl Talk) -> (Response, ExportKey) {
        let (login, start) = self.login_start();
        let answer = to.ask(start).await;
        if matches!(answer, Response::Refused { .. }) {
            return (answer, ExportKey::from_bytes([0; 64]));
        }
        let (finish, export) = self.login_finish(login, answer);
        (to.ask(finish).await, export)
    }

    pub(crate) fn renewal(&self, exporter: &[u8; 32]) -> Request {
        let csr = self.csr();
        let renewal = Renewal { network: &NETWORK, exporter, csr: &csr };
        let signature = renewal.sign(&self.key).to_vec().into();
        Request::Renew { name: self.name.as_str().to_owned(), csr, signature }
    }

    /// A new key, and the request that makes it the user's.
    pub(crate) fn rotation(&mut self, since: u64, export: &ExportKey) -> (IdentitySecret, Request) {
        let new = IdentitySecret::generate(&mut self.rng);
        let rotation = Rotation {
            network: &NETWORK,
            name: &self.name,
            since,
            old: self.key.public(),
            new: new.public(),
        };
        let signature = rotation.sign(&self.key).to_vec().into();
        let csr = self.csr_of(&new).into();
        let wrapped_key = export.wrap(WrappedThing::IdentityKey, &*new.to_bytes(), &mut self.rng);
        (new, Request::RotateKey { csr, signature, wrapped_key: wrapped_key.into() })
    }
}
