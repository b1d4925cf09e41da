//! Certificates of users: what is asked of a signing request, and what the authority signs.
//!
//! Of a request (PKCS#10, RFC 2986) only the key is taken; every field of the certificate (X.509,
//! RFC 5280) is the authority's.

use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
    date_time_ymd,
};
use talaria_wire::crypto::{IdentityPublic, IdentitySecret};
use talaria_wire::identity::UserName;
use talaria_wire::identity::request::CSR_MAX;
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_X509_COMMON_NAME};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

/// How long a certificate is valid.
pub const VALID_FOR: Duration = Duration::from_secs(90 * 24 * 3600);
/// From how long before it is made, for clocks that are behind.
const BACKDATED: Duration = Duration::from_secs(300);
/// Bytes of a serial number.
pub const SERIAL_LEN: usize = 16;

/// The algorithm identifier of ecdsa-with-SHA256, DER.
const ECDSA_WITH_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";

/// Why a signing request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadCsr {
    /// Longer than [`CSR_MAX`] bytes.
    #[error("longer than {CSR_MAX} bytes")]
    TooLong,
    /// Not DER of exactly one request.
    #[error("not a certificate signing request")]
    Malformed,
    /// The subject is not the common name alone, or not this name.
    #[error("the subject is not the user's name alone")]
    Subject,
    /// Not a P-256 key.
    #[error("not a P-256 key")]
    Key,
    /// Not signed with ECDSA and SHA-256 by the key.
    #[error("the signature does not fit")]
    Signature,
}

/// A signing request that was checked: its sender has the private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Csr {
    key: IdentityPublic,
}

impl Csr {
    /// Parses and checks a request for `name`.
    ///
    /// # Errors
    /// [`BadCsr`].
    pub fn parse(der: &[u8], name: &UserName) -> Result<Self, BadCsr> {
        if der.len() > CSR_MAX {
            return Err(BadCsr::TooLong);
        }
        let (rest, csr) = X509CertificationRequest::from_der(der).map_err(|_| BadCsr::Malformed)?;
        let info = &csr.certification_request_info;
        if !rest.is_empty() || info.version.0 != 0 {
            return Err(BadCsr::Malformed);
        }
        if common_name(&info.subject) != Some(name.as_str()) {
            return Err(BadCsr::Subject);
        }
        let key = p256_key(&info.subject_pki).ok_or(BadCsr::Key)?;
        if !is_signed_with_sha256(der, info.raw.len()) {
            return Err(BadCsr::Signature);
        }
        csr.verify_signature().map_err(|_| BadCsr::Signature)?;
        Ok(Self { key })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &IdentityPublic {
        &self.key
    }
}

/// Whether what is signed, of `signed` bytes, is followed by ecdsa-with-SHA256 in its one encoding
/// (RFC 5758, section 3.2) and a bit string of whole bytes. The parser takes others as well.
fn is_signed_with_sha256(der: &[u8], signed: usize) -> bool {
    let header = match der.get(1) {
        Some(&long) if long >= 0x80 => 2 + usize::from(long & 0x7f),
        _ => 2,
    };
    let rest = der.get(header + signed..).and_then(|rest| rest.strip_prefix(ECDSA_WITH_SHA256));
    // A signature is short enough for a length of one byte.
    rest.is_some_and(|rest| matches!(rest, [0x03, 0..0x80, 0x00, ..]))
}

/// The common name, if it is all there is.
fn common_name<'a>(subject: &'a X509Name<'_>) -> Option<&'a str> {
    let mut attributes = subject.iter_attributes();
    let only = attributes.next().filter(|one| *one.attr_type() == OID_X509_COMMON_NAME)?;
    if attributes.next().is_some() { None } else { only.as_str().ok() }
}

fn p256_key(info: &SubjectPublicKeyInfo<'_>) -> Option<IdentityPublic> {
    let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
    if info.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY || curve != OID_EC_P256 {
        return None;
    }
    let key = p256::PublicKey::from_sec1_bytes(&info.subject_public_key.data).ok()?;
    IdentityPublic::from_bytes(&p256::CompressedPoint::from(key).into()).ok()
}

/// The authority of the network.
pub struct Authority(Issuer<'static, AuthorityKey>);

/// A P-256 key for `rcgen`, which gets to see no more of it than signatures: its own type of key keeps
/// an encoding of it that is never wiped.
pub struct AuthorityKey {
    secret: IdentitySecret,
    /// The public key, uncompressed.
    point: Vec<u8>,
}

impl From<IdentitySecret> for AuthorityKey {
    fn from(secret: IdentitySecret) -> Self {
        let point = p256::Sec1Point::from(*secret.public().as_p256()).as_bytes().to_vec();
        Self { secret, point }
    }
}

impl std::fmt::Debug for AuthorityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthorityKey(…)")
    }
}

impl PublicKeyData for AuthorityKey {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for AuthorityKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = p256::ecdsa::Signature::from_slice(&self.secret.sign(message));
        let signature = signature.map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(…)")
    }
}

impl Authority {
    /// The authority with this certificate and key.
    #[must_use]
    pub fn new(issuer: Issuer<'static, AuthorityKey>) -> Self {
        Self(issuer)
    }

    /// A certificate (DER) for client authentication: the name, the key of the request, and 90
    /// days from `now_s` in seconds since 1970.
    ///
    /// # Errors
    /// If the authority's key cannot sign.
    pub fn issue(
        &self,
        name: &UserName,
        csr: &Csr,
        now_s: u64,
        serial: [u8; SERIAL_LEN],
    ) -> Result<Vec<u8>, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        params.serial_number = Some(SerialNumber::from_slice(&positive(serial)));
        let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now_s);
        (params.not_before, params.not_after) = (now - BACKDATED, now + VALID_FOR);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&UserKey::new(&csr.key), &self.0)?;
        Ok(certificate.der().to_vec())
    }
}

/// A number of always the same length that is not negative (RFC 5280, section 4.1.2.2).
fn positive(mut serial: [u8; SERIAL_LEN]) -> [u8; SERIAL_LEN] {
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}

/// SHA-256 of a certificate: what the directory has of it.
#[must_use]
pub fn certificate_hash(der: &[u8]) -> [u8; 32] {
    sha256(der)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// The uncompressed point, as certificates have it.
struct UserKey(Vec<u8>);

impl UserKey {
    fn new(key: &IdentityPublic) -> Self {
        Self(p256::Sec1Point::from(*key.as_p256()).as_bytes().to_vec())
    }
}

impl PublicKeyData for UserKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests;
