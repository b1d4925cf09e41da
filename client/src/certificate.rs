//! Certificates of clients, and the requests for them (PKCS#10, RFC 2986).

use p256::ecdsa::Signature;
use p256::elliptic_curve::sec1::ToSec1Point;
use rcgen::{CertificateParams, DistinguishedName, DnType, PublicKeyData, SignatureAlgorithm};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use talaria_wire::crypto::IdentitySecret;
use talaria_wire::identity::UserName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long before its end a certificate is renewed, in seconds: 30 of 90 days.
pub const RENEW_BEFORE_S: u64 = 30 * 24 * 3600;

/// What a client shows to the entry.
#[derive(Debug)]
pub struct Credentials {
    /// The certificate that was issued last.
    pub certificate: CertificateDer<'static>,
    /// The key that it is for.
    pub secret: IdentitySecret,
}

/// SHA-256 of a certificate, as the directory has it.
#[must_use]
pub fn hash_of(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// When a certificate ends, in seconds since 1970; `None` if it is none.
#[must_use]
pub fn expires_s(certificate: &[u8]) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()
}

/// A certificate signing request for `name` and the key of `secret`, in DER: the name as common
/// name, and nothing else. The signature is deterministic (RFC 6979).
///
/// # Panics
/// Never: a name is valid in a certificate, and signing does not fail.
#[must_use]
pub fn signing_request(name: &UserName, secret: &IdentitySecret) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name.as_str());
    let request = params.serialize_request(&Signer::new(secret));
    request.expect("a name and a P-256 key make a request").der().to_vec()
}

/// The key for `rcgen`, which gets to see no more of it than signatures.
struct Signer<'a> {
    secret: &'a IdentitySecret,
    point: Vec<u8>,
}

impl<'a> Signer<'a> {
    fn new(secret: &'a IdentitySecret) -> Self {
        let point = secret.public().as_p256().to_sec1_point(false).as_bytes().to_vec();
        Self { secret, point }
    }
}

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = Signature::from_slice(&self.secret.sign(message));
        let signature = signature.map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;
    use rcgen::CertificateSigningRequestParams;
    use rustls_pki_types::CertificateSigningRequestDer;

    #[test]
    fn requests_are_signed_and_have_name_and_key() {
        let alice = identity(1, "alice").0;
        let request = signing_request(&alice.name, &alice.secret);
        assert_eq!(request, signing_request(&alice.name, &alice.secret));
        // Checks the signature as well.
        let der = CertificateSigningRequestDer::from(request.clone());
        let parsed = CertificateSigningRequestParams::from_der(&der).unwrap();
        let names: Vec<_> = parsed.params.distinguished_name.iter().collect();
        assert_eq!(names.len(), 1);
        assert_eq!(parsed.public_key.der_bytes(), Signer::new(&alice.secret).point);
        let at = request.len() - 10;
        let mut forged = request;
        forged[at] ^= 1;
        let der = CertificateSigningRequestDer::from(forged);
        assert!(CertificateSigningRequestParams::from_der(&der).is_err());
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        assert_eq!(expires_s(b"garbage"), None);
    }
}
