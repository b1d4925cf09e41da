//! No memory that is given back holds a private key: an allocator looks through every block before it
//! goes. What C code allocates (aws-lc, which wipes it) does not pass here.
//!
//! One test only: the allocator is that of the process.

#![allow(unsafe_code, reason = "an allocator is unsafe")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it reads the files that were made"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use talaria_server::files::keys::{self, CertificatePaths};
use talaria_server::net::tls;
use talaria_wire::crypto::IdentitySecret;

/// What must not be left, in every encoding that a file or a library has.
static SECRETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
/// Blocks in which it was.
static LEFT: AtomicUsize = AtomicUsize::new(0);

struct Watching;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

// SAFETY: everything is done by the system's allocator; in between blocks are only read.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that it wants. Zeroed, so that all of it can be read.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's until the end of this, of this size, and initialised.
        let bytes = unsafe { slice::from_raw_parts(block, layout.size()) };
        let secrets = SECRETS.get().map_or(&[][..], |secrets| secrets);
        let holds = |secret: &Vec<u8>| bytes.windows(secret.len()).any(|part| part == secret);
        if secrets.iter().any(holds) {
            LEFT.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: as the caller says.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The lines of a PEM file that have the key in them: 48 bytes each, of which the scalar has 32.
fn lines_of(pem: &Path) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(pem).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('-'));
    lines.take(2).map(|line| line.as_bytes().to_vec()).collect()
}

/// How many blocks that hold one of the secrets are given back meanwhile.
fn left_by<T>(work: impl FnOnce() -> T) -> usize {
    let before = LEFT.load(Ordering::Relaxed);
    drop(work());
    LEFT.load(Ordering::Relaxed) - before
}

#[test]
fn keys_are_wiped_when_they_have_been_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [identity, authority_key, authority] = ["identity", "ca.key", "ca.pem"].map(path);
    let [server_key, server] = ["tls.key", "tls.pem"].map(path);
    keys::identity(&identity).unwrap();
    keys::authority(&authority_key, &authority).unwrap();
    let paths = CertificatePaths {
        authority_key: &authority_key,
        authority: &authority,
        server_key: &server_key,
        server: &server,
    };
    keys::identity_certificate(&paths).unwrap();

    let digits = fs::read_to_string(&identity).unwrap().trim().to_owned();
    let mut secrets = vec![hex::decode(&digits).unwrap(), digits.into_bytes()];
    for pem in [&authority_key, &server_key] {
        secrets.extend(lines_of(pem));
        secrets.push(scalar_of(pem));
    }
    SECRETS.set(secrets).unwrap();

    // The test sees what is left, also where it is a part of something.
    let copied = || [b"..", &SECRETS.get().unwrap()[0][..]].concat();
    assert_eq!(left_by(copied), 1);

    let peer = *IdentitySecret::from_bytes(&[7; 32]).unwrap().public();
    let link = || {
        let own = keys::read_identity(&identity).unwrap();
        let server = tls::link_server_config(&own, peer).unwrap();
        (server, tls::link_client_config(&own, peer).unwrap())
    };
    assert_eq!(left_by(link), 0, "links");
    let identity_service = || {
        let (certificate, key) = keys::read_tls(&server, &server_key).unwrap();
        tls::identity_config(tls::Shown::new(certificate, &key).unwrap()).unwrap()
    };
    assert_eq!(left_by(identity_service), 0, "the identity service");
    let entry = || {
        let (certificate, key) = keys::read_tls(&server, &server_key).unwrap();
        let ca = keys::read_certificate(&authority).unwrap();
        tls::entry_config(tls::Shown::new(certificate, &key).unwrap(), ca).unwrap()
    };
    assert_eq!(left_by(entry), 0, "the entry");
    let signing = || keys::read_authority(&authority_key, &authority).unwrap();
    assert_eq!(left_by(signing), 0, "the authority");
}

/// The scalar in a file of PKCS#8.
fn scalar_of(pem: &Path) -> Vec<u8> {
    use p256::pkcs8::DecodePrivateKey;
    let secret = p256::SecretKey::from_pkcs8_pem(&fs::read_to_string(pem).unwrap()).unwrap();
    secret.to_bytes().to_vec()
}
