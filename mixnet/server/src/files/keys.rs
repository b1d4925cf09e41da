//! Key files: one secret each, readable by the owner only, written whole or not at all.
//!
//! What is read or made of a private key is wiped when it is not needed any more, its encodings
//! too: no crate gets one that would keep a copy (`rcgen::KeyPair` does, and the PEM reader of
//! `rustls-pki-types`). What remains are pages that the kernel has read a file into.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding, SecretDocument};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use talaria_identity::certificate::AuthorityKey;
use talaria_opaque::ServerSecrets;
use talaria_wire::crypto::IdentitySecret;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::write_atomically;
use talaria_wire::tls_names::{ENTRY_NAME, IDENTITY_NAME};

/// A key file cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others than its owner can read it.
    #[error("{0} can be read by others: run `chmod 600 {0}`")]
    Exposed(PathBuf),
    /// It does not hold a key, or a certificate.
    #[error("{0} does not hold a key or a certificate, as it should: put it back from a backup")]
    Malformed(PathBuf),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// Reads 32 secret bytes, in hexadecimal.
fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let text = read_private(path)?;
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text.trim(), &mut *bytes)
        .map_err(|_| KeyError::Malformed(path.to_owned()))?;
    Ok(bytes)
}

fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let io = |error| KeyError::Io { what: "read", path: path.to_owned(), error };
    if fs::metadata(path).map_err(io)?.permissions().mode() & 0o077 != 0 {
        return Err(KeyError::Exposed(path.to_owned()));
    }
    Ok(Zeroizing::new(fs::read_to_string(path).map_err(io)?))
}

/// Writes a file that only its owner can read.
///
/// # Errors
/// [`KeyError::Io`]; the file is then as it was.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    write_atomically(path, bytes).map_err(|error| KeyError::Io {
        what: "write",
        path: path.to_owned(),
        error,
    })
}

fn write_secret(path: &Path, bytes: &[u8; 32]) -> Result<(), KeyError> {
    let mut text = Zeroizing::new([0; 65]);
    text[64] = b'\n';
    hex::encode_to_slice(bytes, &mut text[..64]).expect("64 digits hold 32 bytes");
    write_file(path, &*text)
}

/// The identity key in `path`.
///
/// # Errors
/// [`KeyError`] if the file cannot be used.
pub fn read_identity(path: &Path) -> Result<IdentitySecret, KeyError> {
    IdentitySecret::from_bytes(&*read_secret(path)?)
        .map_err(|_| KeyError::Malformed(path.to_owned()))
}

/// The identity key in `path`, made now if the file is not there.
///
/// # Errors
/// [`KeyError`] if the file cannot be used or made.
pub fn identity(path: &Path) -> Result<IdentitySecret, KeyError> {
    if !path.exists() {
        write_secret(path, &IdentitySecret::generate(&mut rand::rng()).to_bytes())?;
    }
    read_identity(path)
}

/// Makes the certificate authority of a network, unless both files are there.
///
/// # Errors
/// [`KeyError`] if the files cannot be made.
pub fn authority(key_path: &Path, certificate_path: &Path) -> Result<(), KeyError> {
    if key_path.exists() && certificate_path.exists() {
        return Ok(());
    }
    let secret = IdentitySecret::generate(&mut rand::rng());
    let pem = to_pem(&secret, key_path)?;
    let key = AuthorityKey::from(secret);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Talaria network");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&key)?;
    write_file(key_path, pem.as_bytes())?;
    write_file(certificate_path, certificate.pem().as_bytes())
}

/// Paths of the authority's TLS files, and of those of the entry or of the identity service.
#[derive(Debug)]
pub struct CertificatePaths<'a> {
    /// The authority's key.
    pub authority_key: &'a Path,
    /// The authority's certificate.
    pub authority: &'a Path,
    /// The server's TLS key.
    pub server_key: &'a Path,
    /// The server's TLS certificate.
    pub server: &'a Path,
}

/// Makes the entry's TLS certificate, unless both files are there.
///
/// # Errors
/// [`KeyError`] if the authority's files cannot be used, or the entry's not made.
pub fn entry_certificate(paths: &CertificatePaths<'_>) -> Result<(), KeyError> {
    server_certificate(paths, ENTRY_NAME, "Talaria entry")
}

/// Makes the identity service's TLS certificate, unless both files are there.
///
/// # Errors
/// [`KeyError`] if the authority's files cannot be used, or the service's not made.
pub fn identity_certificate(paths: &CertificatePaths<'_>) -> Result<(), KeyError> {
    server_certificate(paths, IDENTITY_NAME, "Talaria identity service")
}

fn server_certificate(
    paths: &CertificatePaths<'_>,
    name: &str,
    common_name: &str,
) -> Result<(), KeyError> {
    if paths.server_key.exists() && paths.server.exists() {
        return Ok(());
    }
    let authority = read_authority(paths.authority_key, paths.authority)?;
    let secret = IdentitySecret::generate(&mut rand::rng());
    let pem = to_pem(&secret, paths.server_key)?;
    let key = AuthorityKey::from(secret);
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &authority)?;
    write_file(paths.server_key, pem.as_bytes())?;
    write_file(paths.server, certificate.pem().as_bytes())
}

/// A private key as its file has it: PKCS#8 (RFC 5208) in PEM.
fn to_pem(secret: &IdentitySecret, path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let pem = secret.as_p256().to_pkcs8_pem(LineEnding::LF);
    pem.map_err(|_| KeyError::Malformed(path.to_owned()))
}

/// A P-256 key from a file of [`to_pem`].
fn read_p256(path: &Path) -> Result<IdentitySecret, KeyError> {
    let malformed = || KeyError::Malformed(path.to_owned());
    let secret = p256::SecretKey::from_pkcs8_pem(&read_private(path)?).map_err(|_| malformed())?;
    let scalar: Zeroizing<[u8; 32]> = Zeroizing::new(secret.to_bytes().into());
    IdentitySecret::from_bytes(&scalar).map_err(|_| malformed())
}

/// The authority, to sign certificates with. Its key is one of P-256.
///
/// # Errors
/// [`KeyError`] if one of the files cannot be used.
pub fn read_authority(
    key: &Path,
    certificate: &Path,
) -> Result<Issuer<'static, AuthorityKey>, KeyError> {
    let key = AuthorityKey::from(read_p256(key)?);
    let pem = fs::read_to_string(certificate).map_err(|error| KeyError::Io {
        what: "read",
        path: certificate.to_owned(),
        error,
    })?;
    Issuer::from_ca_cert_pem(&pem, key).map_err(|_| KeyError::Malformed(certificate.to_owned()))
}

/// The secrets of OPAQUE in `path`.
///
/// # Errors
/// [`KeyError`] if the file cannot be used.
pub fn read_opaque_secrets(path: &Path) -> Result<ServerSecrets, KeyError> {
    let malformed = || KeyError::Malformed(path.to_owned());
    let text = read_private(path)?;
    let bytes = Zeroizing::new(hex::decode(text.trim()).map_err(|_| malformed())?);
    ServerSecrets::from_bytes(&bytes).map_err(|_| malformed())
}

/// Makes the secrets of OPAQUE, unless the file is there.
///
/// # Errors
/// [`KeyError`] if it cannot be made.
pub fn opaque_secrets(path: &Path) -> Result<(), KeyError> {
    if path.exists() {
        return Ok(());
    }
    let secrets = ServerSecrets::generate(&mut rand::rng());
    let text = Zeroizing::new(hex::encode(&*secrets.to_bytes()) + "\n");
    write_file(path, text.as_bytes())
}

/// A certificate.
///
/// # Errors
/// [`KeyError`] if the file cannot be used.
pub fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, KeyError> {
    let pem = fs::read(path).map_err(|error| KeyError::Io {
        what: "read",
        path: path.to_owned(),
        error,
    })?;
    CertificateDer::from_pem_slice(&pem).map_err(|_| KeyError::Malformed(path.to_owned()))
}

/// A TLS key and its certificate. The key is wiped when it is dropped.
///
/// # Errors
/// [`KeyError`] if one of the files cannot be used.
pub fn read_tls(
    certificate: &Path,
    key: &Path,
) -> Result<(CertificateDer<'static>, Zeroizing<PrivateKeyDer<'static>>), KeyError> {
    let parsed = read_certificate(certificate)?;
    let secret = parse_tls_key(&read_private(key)?);
    Ok((parsed, secret.ok_or_else(|| KeyError::Malformed(key.to_owned()))?))
}

fn parse_tls_key(pem: &str) -> Option<Zeroizing<PrivateKeyDer<'static>>> {
    let (label, document) = SecretDocument::from_pem(pem.trim()).ok()?;
    let der = document.as_bytes().to_vec();
    Some(Zeroizing::new(match label {
        "PRIVATE KEY" => PrivatePkcs8KeyDer::from(der).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(der).into(),
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(der).into(),
        _ => {
            drop(Zeroizing::new(der));
            return None;
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        let made = identity(&path).unwrap();
        assert!(identity(&path).unwrap() == made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read_identity(&path), Err(KeyError::Exposed(_))));
    }

    #[test]
    fn an_authority_is_made_once_and_signs_for_servers() {
        let folder = tempfile::tempdir().unwrap();
        let [authority_key, certificate, server_key, server] =
            ["ca.key", "ca.pem", "tls.key", "tls.pem"].map(|name| folder.path().join(name));
        authority(&authority_key, &certificate).unwrap();
        let made = fs::read(&authority_key).unwrap();
        authority(&authority_key, &certificate).unwrap();
        assert_eq!(fs::read(&authority_key).unwrap(), made);
        let paths = CertificatePaths {
            authority_key: &authority_key,
            authority: &certificate,
            server_key: &server_key,
            server: &server,
        };
        identity_certificate(&paths).unwrap();
        let (own, secret) = read_tls(&server, &server_key).unwrap();
        crate::net::tls::Shown::new(own.clone(), &secret).unwrap();
        let (_, other) = read_tls(&server, &authority_key).unwrap();
        assert!(crate::net::tls::Shown::new(own, &other).is_err(), "a key of another one");
        write_file(&server_key, b"-----BEGIN PRIVATE KEY-----\nAAAA\n").unwrap();
        assert!(matches!(read_tls(&server, &server_key), Err(KeyError::Malformed(_))));
    }

    #[test]
    fn secrets_of_opaque_are_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("opaque.key");
        opaque_secrets(&path).unwrap();
        let first = read_opaque_secrets(&path).unwrap().to_bytes();
        opaque_secrets(&path).unwrap();
        assert_eq!(read_opaque_secrets(&path).unwrap().to_bytes(), first);
        write_file(&path, b"00").unwrap();
        assert!(matches!(read_opaque_secrets(&path), Err(KeyError::Malformed(_))));
    }

    #[test]
    fn broken_keys_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        write_file(&path, b"not a key").unwrap();
        let error = identity(&path).unwrap_err().to_string();
        assert!(error.contains("identity.key does not hold a key"), "{error}");
        assert!(matches!(read_identity(&folder.path().join("none")), Err(KeyError::Io { .. })));
    }
}
