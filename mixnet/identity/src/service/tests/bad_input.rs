//! Everything that users may not send, each with its answer, and a user who is served all the same.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use serde_bytes::ByteBuf;
use talaria_wire::crypto::IdentitySecret;

use super::*;

type On = SqliteStore;

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn csr(params: &CertificateParams, key: &KeyPair) -> ByteBuf {
    params.serialize_request(key).unwrap().der().to_vec().into()
}

/// Signing requests that are not for the key and the name, and what is said to them.
fn bad_csrs(user: &TestUser) -> Vec<(&'static str, ByteBuf)> {
    let own = KeyPair::generate().unwrap();
    let name = user.name.as_str();
    let good = user.csr();
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut two = params(name);
    two.distinguished_name.push(DnType::CountryName, "XX");
    let mut none = params(name);
    none.distinguished_name = DistinguishedName::new();
    vec![
        ("an empty one", ByteBuf::new()),
        ("no DER", ByteBuf::from(vec![0xff; 300])),
        ("half of one", ByteBuf::from(&good[..good.len() / 2])),
        ("one with something behind it", ByteBuf::from([&good[..], b"more"].concat())),
        ("one that is too long", ByteBuf::from(vec![0x30; 2049])),
        ("PEM", ByteBuf::from(b"-----BEGIN CERTIFICATE REQUEST-----\n".to_vec())),
        ("another signature", forged),
        ("another name", csr(&params("mallory"), &own)),
        ("the name in another form", csr(&params(&name.to_uppercase()), &own)),
        ("two subjects", csr(&two, &own)),
        ("no subject", csr(&none, &own)),
        ("an Ed25519 key", csr(&params(name), &KeyPair::generate_for(&PKCS_ED25519).unwrap())),
        ("a P-384 key", {
            let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
            csr(&params(name), &p384)
        }),
        ("a certificate", ByteBuf::from(params(name).self_signed(&own).unwrap().der().to_vec())),
    ]
}

/// A connection that has begun to register, and what ends it.
async fn begun(service: &Arc<Service<On>>, user: &mut TestUser) -> (Direct<On>, ByteBuf, ByteBuf) {
    let mut to = Direct::new(service);
    let (registration, start) = user.register_start(None);
    let answer = to.ask(start).await;
    let (upload, wrapped_key) = user.upload(registration, answer);
    (to, upload, wrapped_key)
}

fn start(name: &str, request: &[u8]) -> Request {
    let request = ByteBuf::from(request);
    Request::RegisterStart { name: name.to_owned(), request, token: None }
}

fn login(name: &str, request: &[u8]) -> Request {
    Request::LoginStart { name: name.to_owned(), request: ByteBuf::from(request) }
}

/// Requests that are refused on a connection that has said nothing else.
fn bad_first_requests(honest: &mut TestUser) -> Vec<(&'static str, Request, Refusal)> {
    use Refusal::{BadRequest, BadSignature, NameNotAllowed, NameTaken, UnknownName};
    let (_, good) = TestUser::new("newcomer").register_start(None);
    let Request::RegisterStart { request, .. } = good else { unreachable!() };
    let (_, good_login) = honest.login_start();
    let Request::LoginStart { request: login_request, .. } = good_login else { unreachable!() };
    let bytes = |n: usize| ByteBuf::from(vec![7; n]);
    let wrong = Refusal::WrongNameOrPassword;
    let renew = |name: &str, csr: ByteBuf, signature: ByteBuf| Request::Renew {
        name: name.to_owned(),
        csr,
        signature,
    };
    vec![
        ("an empty name", start("", &request), NameNotAllowed),
        ("a short name", start("al", &request), NameNotAllowed),
        ("a long name", start(&"a".repeat(33), &request), NameNotAllowed),
        ("a very long name", start(&"a".repeat(60_000), &request), NameNotAllowed),
        ("a name with a space", start("al ice", &request), NameNotAllowed),
        ("a name with a control character", start("al\u{7}ice", &request), NameNotAllowed),
        ("a name that turns the text around", start("al\u{202e}ice", &request), NameNotAllowed),
        ("a name of two scripts", start("аlice", &request), NameNotAllowed),
        ("a name that is taken", start("honest.mill", &request), NameTaken),
        ("a name that is taken, in another form", start("ＨＯＮＥＳＴ.mill", &request), NameTaken),
        ("a name that looks like one that is taken", start("honest.mi11", &request), NameTaken),
        ("no OPAQUE request", start("newcomer", b""), BadRequest),
        ("an OPAQUE request that is no point", start("newcome2", &[0xff; 32]), BadRequest),
        ("the identity as OPAQUE request", start("newcome3", &[0; 32]), BadRequest),
        ("a long OPAQUE request", start("newcome4", &[1; 60_000]), BadRequest),
        ("a login without a request", login("nobody", b""), BadRequest),
        ("a login with a registration", login("nobod2", &request), BadRequest),
        ("a login that is no point", login("nobod3", &[0xff; 96]), BadRequest),
        ("a login with a name that is none", login("a b", &login_request), wrong),
        (
            "the end of a registration without its beginning",
            Request::RegisterFinish {
                upload: bytes(192),
                csr: honest.csr(),
                wrapped_key: bytes(80),
            },
            BadRequest,
        ),
        (
            "the end of a login without its beginning",
            Request::LoginFinish { proof: bytes(64) },
            BadRequest,
        ),
        ("a new home without a login", Request::NewHome { csr: honest.csr() }, BadRequest),
        (
            "a password without a login",
            Request::ChangePasswordStart { request: request.clone() },
            BadRequest,
        ),
        (
            "the end of a password without a login",
            Request::ChangePasswordFinish { upload: bytes(192), wrapped_key: bytes(80) },
            BadRequest,
        ),
        (
            "a key without a login",
            Request::RotateKey { csr: honest.csr(), signature: bytes(64), wrapped_key: bytes(80) },
            BadRequest,
        ),
        ("a farewell without a login", Request::Delete {}, BadRequest),
        ("a renewal for nobody", renew("nobody", honest.csr(), bytes(64)), UnknownName),
        ("a renewal without a name", renew("", honest.csr(), bytes(64)), UnknownName),
        (
            "a renewal that is not signed",
            renew("honest.mill", honest.csr(), bytes(64)),
            BadSignature,
        ),
        ("a short signature", renew("honest.mill", honest.csr(), bytes(63)), BadSignature),
        ("a long signature", renew("honest.mill", honest.csr(), bytes(6000)), BadSignature),
        ("a renewal of another connection", honest.renewal(&[9; 32]), BadSignature),
        ("a certificate of nobody", Request::Fetch { name: "nobody".to_owned() }, UnknownName),
        ("a certificate of no name", Request::Fetch { name: "\u{0}".to_owned() }, UnknownName),
    ]
}

/// The honest user logs in: nobody is kept out by what others send.
async fn is_served(service: &Arc<Service<On>>, honest: &mut TestUser, meanwhile: &str) {
    let (answer, _) = honest.login(&mut Direct::new(service)).await;
    assert!(matches!(answer, Response::LoggedIn { .. }), "{meanwhile}: {answer:?}");
}

#[tokio::test]
async fn first_requests_are_refused() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut honest = TestUser::new("honest.mill");
    honest.register(&mut Direct::new(&service)).await;
    let before = service.head.borrow().entries;
    for (what, request, reason) in bad_first_requests(&mut honest) {
        let answer = Direct::new(&service).ask(request).await;
        assert_eq!(refused(&answer), reason, "{what}");
        is_served(&service, &mut honest, what).await;
    }
    assert_eq!(service.head.borrow().entries, before, "none of it is in the directory");
}

#[tokio::test]
async fn registrations_are_refused_at_their_end_and_the_name_stays_free() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut honest = TestUser::new("honest.mill");
    honest.register(&mut Direct::new(&service)).await;
    let bytes = |n: usize| ByteBuf::from(vec![0xff; n]);
    for (i, (what, csr)) in bad_csrs(&TestUser::new("carol")).into_iter().enumerate() {
        let mut carol = TestUser::new("carol");
        let (mut to, upload, wrapped_key) = begun(&service, &mut carol).await;
        let finish = Request::RegisterFinish { upload, csr, wrapped_key };
        assert_eq!(refused(&to.ask(finish).await), Refusal::BadCsr, "{what}");
        let mut next = Direct::new(&service);
        next.now = NOW.plus(100_000 * i as u64);
        is_served(&service, &mut honest, what).await;
        service.gate.known(&carol.name, next.session.peer.origin);
    }
    for (what, upload, wrapped) in [
        ("no upload", ByteBuf::new(), None),
        ("an upload that is no point", bytes(192), None),
        ("a long upload", bytes(60_000), None),
        ("no wrapped key", ByteBuf::new(), Some(0)),
        ("a short wrapped key", ByteBuf::new(), Some(79)),
        ("a long wrapped key", ByteBuf::new(), Some(60_000)),
    ] {
        let mut carol = TestUser::new("carol");
        let (mut to, good, wrapped_key) = begun(&service, &mut carol).await;
        let upload = if wrapped.is_some() { good } else { upload };
        let wrapped_key = wrapped.map_or(wrapped_key, bytes);
        let finish = Request::RegisterFinish { upload, csr: carol.csr(), wrapped_key };
        assert_eq!(refused(&to.ask(finish).await), Refusal::BadRequest, "{what}");
        is_served(&service, &mut honest, what).await;
        service.gate.known(&carol.name, to.session.peer.origin);
    }
    let registered = TestUser::new("carol").register(&mut Direct::new(&service)).await;
    assert!(matches!(registered, Response::Certificate { .. }));
}

#[tokio::test]
async fn messages_of_opaque_are_taken_once_and_where_they_belong() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut alice = TestUser::new("alice");
    let (mut to, upload, wrapped_key) = begun(&service, &mut alice).await;
    let finish = Request::RegisterFinish { upload, csr: alice.csr(), wrapped_key };
    // Two at once for one name: one of them has it.
    let mut twin = TestUser::new("alice");
    let (mut other, upload, wrapped_key) = begun(&service, &mut twin).await;
    let twin_finish = Request::RegisterFinish { upload, csr: twin.csr(), wrapped_key };
    assert!(matches!(to.ask(finish.clone()).await, Response::Certificate { .. }));
    assert_eq!(refused(&to.ask(finish.clone()).await), Refusal::BadRequest, "replayed");
    assert_eq!(refused(&other.ask(twin_finish).await), Refusal::NameTaken, "too late");
    assert_eq!(refused(&Direct::new(&service).ask(finish).await), Refusal::BadRequest);

    let (login, start) = alice.login_start();
    let mut to = Direct::new(&service);
    let challenge = to.ask(start.clone()).await;
    let (proof, _) = alice.login_finish(login, challenge);
    let mut replay = Direct::new(&service);
    replay.ask(start).await;
    let reason = refused(&replay.ask(proof.clone()).await);
    assert_eq!(reason, Refusal::WrongNameOrPassword, "the proof of another login");
    assert!(matches!(to.ask(proof.clone()).await, Response::LoggedIn { .. }));
    assert_eq!(refused(&to.ask(proof).await), Refusal::BadRequest, "replayed");
}

#[tokio::test]
async fn who_is_logged_in_can_do_no_more_than_they_may() {
    let (_folder, service) = on_sqlite(Registrations::Open).await;
    let mut alice = TestUser::new("alice");
    alice.register(&mut Direct::new(&service)).await;
    for (what, csr) in bad_csrs(&alice) {
        let mut to = Direct::new(&service);
        alice.login(&mut to).await;
        assert_eq!(refused(&to.ask(Request::NewHome { csr }).await), Refusal::BadCsr, "{what}");
    }
    let mut to = Direct::new(&service);
    let (answer, export) = alice.login(&mut to).await;
    let Response::LoggedIn { key_since, .. } = answer else { panic!() };
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let other = IdentitySecret::generate(&mut rng);
    let csr = alice.csr_of(&other).into();
    assert_eq!(refused(&to.ask(Request::NewHome { csr }).await), Refusal::BadCsr, "another key");

    let (_, good) = alice.rotation(key_since, &export);
    let Request::RotateKey { csr, signature, wrapped_key } = good else { unreachable!() };
    let (_, early) = alice.rotation(key_since + 1, &export);
    let unsigned = ByteBuf::from(vec![0; 64]);
    let short = ByteBuf::from(vec![0; 79]);
    for (what, request, reason) in [
        (
            "not signed",
            Request::RotateKey {
                csr: csr.clone(),
                signature: unsigned,
                wrapped_key: wrapped_key.clone(),
            },
            Refusal::BadSignature,
        ),
        ("for another time", early, Refusal::BadSignature),
        (
            "to the same key",
            Request::RotateKey {
                csr: alice.csr(),
                signature: signature.clone(),
                wrapped_key: wrapped_key.clone(),
            },
            Refusal::BadCsr,
        ),
        (
            "without a wrapped key",
            Request::RotateKey { csr, signature, wrapped_key: short },
            Refusal::BadRequest,
        ),
    ] {
        let mut to = Direct::new(&service);
        alice.login(&mut to).await;
        assert_eq!(refused(&to.ask(request).await), reason, "{what}");
    }
    is_served(&service, &mut alice, "afterwards").await;
}
