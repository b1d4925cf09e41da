//! An identity service in memory, as short as can be: for tests of the client, here and elsewhere.

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use talaria_wire::crypto::identity::SIGNATURE_LEN;
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::identity::directory::{Cause, Entry, EntryHash, Head, PAGE_MAX};
use talaria_wire::identity::password::{
    Account, PasswordRecord, PendingLogin, ServerSecrets, WrongPassword,
};
use talaria_wire::identity::proof::{Renewal, Rotation};
use talaria_wire::identity::{Refusal, Request, Response, UserName};
use talaria_wire::network_file::NetworkId;

/// What is kept of an account.
pub(crate) struct Stored {
    record: PasswordRecord,
    wrapped_key: Vec<u8>,
    certificate: Vec<u8>,
    key: IdentityPublic,
    key_since: u64,
}

/// The service.
pub(crate) struct Service {
    /// Known when the network file is written, in which the service's own key stands.
    pub(crate) network: NetworkId,
    /// The key that signs heads.
    pub(crate) head_key: IdentitySecret,
    /// Its clock, in seconds since 1970.
    pub(crate) now_s: u64,
    /// The year in which certificates end.
    pub(crate) until_year: i32,
    /// Whoever registers needs this.
    pub(crate) token: Option<String>,
    /// The directory.
    pub(crate) entries: Vec<Entry>,
    secrets: ServerSecrets,
    issuer: CertifiedIssuer<'static, KeyPair>,
    users: BTreeMap<UserName, Stored>,
    rng: ChaCha20Rng,
}

/// One connection of a client.
#[derive(Default)]
pub(crate) struct Connection {
    /// The value of the TLS exporter.
    pub(crate) exporter: [u8; 32],
    registering: Option<UserName>,
    pending: Option<(UserName, PendingLogin)>,
    user: Option<UserName>,
    /// It was refused something, and is to be closed.
    pub(crate) closed: bool,
}

impl Service {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            network: NetworkId([0; 32]),
            head_key: IdentitySecret::generate(&mut rng),
            now_s: 1_000,
            until_year: 2090,
            token: None,
            entries: Vec::new(),
            secrets: ServerSecrets::generate(&mut rng),
            issuer,
            users: BTreeMap::new(),
            rng,
        }
    }

    /// The authority's certificate.
    pub(crate) fn ca(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A certificate of a server, and its key.
    pub(crate) fn server(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// Everything that the service keeps of its users.
    pub(crate) fn stored(&self) -> Vec<u8> {
        let users = self.users.values();
        let parts = users.flat_map(|user| [user.record.as_bytes(), &user.wrapped_key]);
        [parts.collect::<Vec<_>>().concat(), self.secrets.to_bytes().to_vec()].concat()
    }

    /// The directory from an entry on.
    pub(crate) fn page(&self, since: u64) -> (Vec<Entry>, Head) {
        let since = usize::try_from(since).unwrap();
        let entries = self.entries.iter().skip(since).take(PAGE_MAX).cloned().collect();
        let start = EntryHash::start(&self.network);
        let hash = self.entries.iter().fold(start, |hash, entry| hash.then(entry));
        let count = self.entries.len().try_into().unwrap();
        (entries, Head::sign(&self.network, count, hash, self.now_s, &self.head_key))
    }

    /// Adds an entry, whatever led to it. The certificate is another one if the cause asks for it.
    pub(crate) fn enter(
        &mut self,
        name: &UserName,
        cause: Cause,
        secret: &IdentitySecret,
        old: Option<&IdentitySecret>,
    ) {
        let before = self.entries.iter().rev().find(|entry| entry.name == *name);
        let keeps = matches!(cause, Cause::Disabled | Cause::Enabled | Cause::Deleted);
        let certificate_hash = match before {
            Some(entry) if keeps => entry.certificate_hash,
            _ => self.rng.random(),
        };
        let came = |entry: &&Entry| matches!(entry.cause, Cause::Registered | Cause::Rotated);
        let since = self.entries.iter().rev().filter(|entry| entry.name == *name).find(came);
        let signature = old.map_or([0; SIGNATURE_LEN], |old| {
            let since = since.map_or(0, |entry| entry.index);
            let (network, new) = (&self.network, secret.public());
            Rotation { network, name, since, old: old.public(), new }.sign(old)
        });
        let (index, time_s) = (self.entries.len() as u64, self.now_s);
        let (name, key) = (name.clone(), *secret.public());
        self.entries.push(Entry { index, time_s, cause, name, key, certificate_hash, signature });
    }

    pub(crate) fn answer(&mut self, connection: &mut Connection, request: Request) -> Response {
        let answer = self.try_answer(connection, request);
        answer.unwrap_or_else(|reason| {
            connection.closed = reason.ends();
            Response::Refused { reason }
        })
    }

    fn try_answer(
        &mut self,
        connection: &mut Connection,
        request: Request,
    ) -> Result<Response, Refusal> {
        match request {
            Request::RegisterStart { name, request, token } => {
                let name = UserName::new(&name).map_err(|_| Refusal::NameNotAllowed)?;
                if self.token.is_some() && self.token != token {
                    return Err(Refusal::BadToken);
                }
                if self.users.contains_key(&name) {
                    return Err(Refusal::NameTaken);
                }
                let response = self.secrets.answer_registration(&name, &request);
                connection.registering = Some(name);
                challenge(response)
            }
            Request::RegisterFinish { upload, csr, wrapped_key } => {
                let name = connection.registering.take().ok_or(Refusal::BadRequest)?;
                let (certificate, key) = self.issue(&name, &csr)?;
                let record = record(&upload)?;
                let (wrapped_key, key_since) = (wrapped_key.into_vec(), self.entries.len() as u64);
                let stored = Stored { record, wrapped_key, certificate, key, key_since };
                self.users.insert(name.clone(), stored);
                Ok(self.certificate(&name, Cause::Registered, [0; SIGNATURE_LEN]))
            }
            Request::LoginStart { name, request } => {
                let name = UserName::new(&name).map_err(|_| Refusal::WrongNameOrPassword)?;
                let record = self.users.get(&name).map(|user| &user.record);
                let account = Account { network: &self.network, name: &name };
                let begun = self.secrets.begin_login(account, record, &request, &mut self.rng);
                let (pending, response) = begun.map_err(|_| Refusal::BadRequest)?;
                connection.pending = Some((name, pending));
                Ok(Response::LoginChallenge { response: response.into() })
            }
            Request::LoginFinish { proof } => {
                let (name, pending) = connection.pending.take().ok_or(Refusal::BadRequest)?;
                let account = Account { network: &self.network, name: &name };
                let wrong = |WrongPassword| Refusal::WrongNameOrPassword;
                pending.finish(&proof, account).map_err(wrong)?;
                let user = self.users.get(&name).ok_or(Refusal::WrongNameOrPassword)?;
                connection.user = Some(name);
                Ok(Response::LoggedIn {
                    wrapped_key: user.wrapped_key.clone().into(),
                    certificate: user.certificate.clone().into(),
                    key_since: user.key_since,
                })
            }
            Request::Renew { name, csr, signature } => {
                self.renew(connection, &name, &csr, &signature)
            }
            Request::Directory { since, .. } => {
                let (entries, head) = self.page(since);
                Ok(Response::page(&entries, &head))
            }
            Request::Fetch { .. } => Err(Refusal::UnknownName),
            request => {
                let name = connection.user.clone().ok_or(Refusal::BadRequest)?;
                self.answer_user(&name, request)
            }
        }
    }

    /// What needs a login.
    fn answer_user(&mut self, name: &UserName, request: Request) -> Result<Response, Refusal> {
        match request {
            Request::NewHome { csr } => {
                self.replace_certificate(name, &csr)?;
                Ok(self.certificate(name, Cause::NewHome, [0; SIGNATURE_LEN]))
            }
            Request::ChangePasswordStart { request } => {
                challenge(self.secrets.answer_registration(name, &request))
            }
            Request::ChangePasswordFinish { upload, wrapped_key } => {
                let user = self.users.get_mut(name).ok_or(Refusal::BadRequest)?;
                user.record = record(&upload)?;
                user.wrapped_key = wrapped_key.into_vec();
                Ok(Response::Done {})
            }
            Request::RotateKey { csr, signature, wrapped_key } => {
                let (certificate, new) = self.issue(name, &csr)?;
                let signature = signature.into_vec().try_into();
                let signature = signature.map_err(|_| Refusal::BadSignature)?;
                let next = self.entries.len() as u64;
                let user = self.users.get_mut(name).ok_or(Refusal::BadRequest)?;
                let (network, since, old) = (&self.network, user.key_since, &user.key);
                let rotation = Rotation { network, name, since, old, new: &new };
                rotation.verify(&signature).map_err(|_| Refusal::BadSignature)?;
                (user.key, user.key_since, user.certificate) = (new, next, certificate);
                user.wrapped_key = wrapped_key.into_vec();
                Ok(self.certificate(name, Cause::Rotated, signature))
            }
            Request::Delete {} => {
                self.append(name, Cause::Deleted, [0; SIGNATURE_LEN]);
                Ok(Response::Done {})
            }
            _ => Err(Refusal::BadRequest),
        }
    }

    fn renew(
        &mut self,
        connection: &Connection,
        name: &str,
        csr: &[u8],
        signature: &[u8],
    ) -> Result<Response, Refusal> {
        let name = UserName::new(name).map_err(|_| Refusal::UnknownName)?;
        let user = self.users.get(&name).ok_or(Refusal::UnknownName)?;
        let renewal = Renewal { network: &self.network, exporter: &connection.exporter, csr };
        let signature = signature.try_into().map_err(|_| Refusal::BadSignature)?;
        renewal.verify(&user.key, &signature).map_err(|_| Refusal::BadSignature)?;
        self.replace_certificate(&name, csr)?;
        Ok(self.certificate(&name, Cause::Renewed, [0; SIGNATURE_LEN]))
    }

    fn replace_certificate(&mut self, name: &UserName, csr: &[u8]) -> Result<(), Refusal> {
        let (certificate, key) = self.issue(name, csr)?;
        let user = self.users.get_mut(name).ok_or(Refusal::BadRequest)?;
        if key != user.key {
            return Err(Refusal::BadCsr);
        }
        user.certificate = certificate;
        Ok(())
    }

    fn certificate(
        &mut self,
        name: &UserName,
        cause: Cause,
        signature: [u8; SIGNATURE_LEN],
    ) -> Response {
        let entry = self.append(name, cause, signature).to_bytes().into();
        Response::Certificate { certificate: self.users[name].certificate.clone().into(), entry }
    }

    fn append(&mut self, name: &UserName, cause: Cause, signature: [u8; SIGNATURE_LEN]) -> &Entry {
        let user = &self.users[name];
        self.entries.push(Entry {
            index: self.entries.len() as u64,
            time_s: self.now_s,
            cause,
            name: name.clone(),
            key: user.key,
            certificate_hash: Sha256::digest(&user.certificate).into(),
            signature,
        });
        self.entries.last().unwrap()
    }

    /// A certificate for the key in a request for this name.
    fn issue(&mut self, name: &UserName, csr: &[u8]) -> Result<(Vec<u8>, IdentityPublic), Refusal> {
        let der = CertificateSigningRequestDer::from(csr);
        let mut request =
            CertificateSigningRequestParams::from_der(&der).map_err(|_| Refusal::BadCsr)?;
        let point = p256::PublicKey::from_sec1_bytes(request.public_key.der_bytes());
        let point = p256::CompressedPoint::from(point.map_err(|_| Refusal::BadCsr)?);
        let key = IdentityPublic::from_bytes(&point.into()).map_err(|_| Refusal::BadCsr)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name.as_str());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(self.until_year, 1, 1);
        params.serial_number = Some(self.rng.random::<[u8; 16]>().to_vec().into());
        request.params = params;
        let certificate = request.signed_by(&self.issuer).map_err(|_| Refusal::BadCsr)?;
        Ok((certificate.der().to_vec(), key))
    }
}

fn challenge<E>(response: Result<Vec<u8>, E>) -> Result<Response, Refusal> {
    let response = response.map_err(|_| Refusal::BadRequest)?.into();
    Ok(Response::RegisterChallenge { response })
}

fn record(upload: &[u8]) -> Result<PasswordRecord, Refusal> {
    PasswordRecord::from_upload(upload).map_err(|_| Refusal::BadRequest)
}
