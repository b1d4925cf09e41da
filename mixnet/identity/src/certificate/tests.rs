//! Signing requests of every bad kind, and the fields of a certificate.

use super::*;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SanType};
use x509_parser::prelude::X509Certificate;

const NOW_S: u64 = 1_800_000_000;

fn alice() -> UserName {
    UserName::new("alice").unwrap()
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn request(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    params.serialize_request(key).unwrap().der().to_vec()
}

fn authority() -> Authority {
    let key = IdentitySecret::from_bytes(&[9; 32]).unwrap().into();
    let mut params = named("Talaria network");
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    Authority::new(Issuer::new(params, key))
}

#[test]
fn a_good_request_gives_its_key_and_nothing_else() {
    let key = KeyPair::generate().unwrap();
    let mut params = named("alice");
    params.subject_alt_names = vec![SanType::DnsName("entry.talaria".try_into().unwrap())];
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let csr = Csr::parse(&request(&params, &key), &alice()).unwrap();
    assert_eq!(UserKey::new(csr.key()).0, key.der_bytes());

    let der = authority().issue(&alice(), &csr, NOW_S, [0xff; SERIAL_LEN]).unwrap();
    let (rest, certificate) = X509Certificate::from_der(&der).unwrap();
    assert!(rest.is_empty());
    assert_eq!(certificate.subject().to_string(), "CN=alice");
    assert_eq!(certificate.issuer().to_string(), "CN=Talaria network");
    assert_eq!(certificate.raw_serial(), [&[0x7f][..], &[0xff; SERIAL_LEN - 1]].concat());
    let valid = certificate.validity();
    let now = i64::try_from(NOW_S).unwrap();
    assert_eq!(valid.not_before.timestamp(), now - 300);
    assert_eq!(valid.not_after.timestamp(), now + 90 * 24 * 3600);
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any && usage.other.is_empty());
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    assert!(!certificate.is_ca());
    assert_eq!(certificate.subject_alternative_name().unwrap(), None);
    assert_eq!(certificate.public_key().subject_public_key.data, key.der_bytes());
}

#[test]
fn bad_requests_are_refused() {
    let key = KeyPair::generate().unwrap();
    let good = request(&named("alice"), &key);
    assert!(Csr::parse(&good, &alice()).is_ok());
    let refused = |der: &[u8]| Csr::parse(der, &alice()).unwrap_err();

    assert_eq!(refused(b""), BadCsr::Malformed);
    assert_eq!(refused(&good[..good.len() - 1]), BadCsr::Malformed);
    assert_eq!(refused(&[&good[..], &[0]].concat()), BadCsr::Malformed);
    assert_eq!(refused(&vec![0x30; CSR_MAX + 1]), BadCsr::TooLong);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&forged), BadCsr::Signature);

    for name in ["bob", "Alice", "alice ", ""] {
        assert_eq!(refused(&request(&named(name), &key)), BadCsr::Subject, "{name}");
    }
    let mut two = named("alice");
    two.distinguished_name.push(DnType::OrganizationName, "alice");
    assert_eq!(refused(&request(&two, &key)), BadCsr::Subject);
    let mut organisation = CertificateParams::default();
    organisation.distinguished_name = DistinguishedName::new();
    organisation.distinguished_name.push(DnType::OrganizationName, "alice");
    assert_eq!(refused(&request(&organisation, &key)), BadCsr::Subject);
    let mut nobody = CertificateParams::default();
    nobody.distinguished_name = DistinguishedName::new();
    assert_eq!(refused(&request(&nobody, &key)), BadCsr::Subject);

    for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
        let other = KeyPair::generate_for(algorithm).unwrap();
        assert_eq!(refused(&request(&named("alice"), &other)), BadCsr::Key);
    }
    // ecdsa-with-SHA256 becomes ecdsa-with-SHA384.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let at = good.windows(oid.len()).position(|window| window == oid).unwrap();
    let mut sha384 = good;
    sha384[at + 7] = 3;
    assert_eq!(refused(&sha384), BadCsr::Signature);
}

#[test]
fn every_bit_of_a_request_matters() {
    let good = request(&named("alice"), &KeyPair::generate().unwrap());
    for at in 0..good.len() {
        let mut bent = good.clone();
        bent[at] ^= 1;
        assert!(Csr::parse(&bent, &alice()).is_err(), "byte {at}");
    }
}
