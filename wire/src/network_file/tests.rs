//! Network files: what is signed, what follows upon what, and that every mistake has its name.

use chacha20::ChaCha20Rng;
use proptest::prelude::*;
use rand::SeedableRng;
use rustls_pki_types::CertificateDer;

use super::*;
use crate::crypto::IdentitySecret;
use crate::params::UnixMillis;

const FROM: UnixMillis = UnixMillis(1_800_000_000_000);
const NOW: UnixMillis = UnixMillis(1_800_000_000_500);
const UNTIL: UnixMillis = UnixMillis(1_900_000_000_000);

/// The key of server `i`: 0 is the entry, the others are hops.
fn key(i: u8) -> IdentitySecret {
    IdentitySecret::from_bytes(&[i + 1; 32]).unwrap()
}

fn hop(i: u8) -> HopInfo {
    HopInfo {
        operator: format!("operator {i}"),
        address: format!("[::1]:{}", 7400 + u16::from(i)),
        identity: *key(i).public(),
    }
}

fn entry(i: u8) -> EntryInfo {
    EntryInfo {
        operator: "Eve".to_owned(),
        address: "127.0.0.1:7400".to_owned(),
        identity: *key(i).public(),
        ca: CertificateDer::from(vec![1, 2, 3, 4]),
    }
}

/// The identity service; no server has its key.
fn identity() -> IdentityInfo {
    IdentityInfo { address: "[::1]:7500".to_owned(), key: *key(100).public() }
}

fn terms() -> Terms {
    let validity = Validity { from: FROM, until: UNTIL };
    Terms::first("Test net", validity, entry(0), identity(), (1..=3).map(hop).collect())
}

fn signed(terms: Terms, signers: &[u8]) -> NetworkFile {
    let mut file = NetworkFile::new(terms).unwrap();
    signers.iter().for_each(|i| file.sign(&key(*i)));
    file
}

fn known() -> Known {
    signed(terms(), &[0, 1, 2, 3]).into_known().unwrap()
}

/// Version 2: hop 4 in the place of hop 2.
fn replaced() -> Terms {
    let mut terms = known().next_terms();
    terms.hops[1] = hop(4);
    terms
}

#[test]
fn a_file_that_all_have_signed_is_a_network() {
    let file = signed(terms(), &[0, 1, 2, 3]);
    let read = NetworkFile::parse(&file.to_toml()).unwrap();
    assert_eq!(read, file);
    let network = read.verify(NOW, None).unwrap();
    assert_eq!(network.id().0, network.version_hash().0);
    assert_eq!((network.lanes, network.sequence, network.hops().len()), (1, 1, 3));
}

#[test]
fn everything_but_the_signatures_is_hashed() {
    let changes: [fn(&mut Terms); 16] = [
        |t| t.name.push('s'),
        |t| t.validity.from.0 -= 1000,
        |t| t.validity.until.0 += 1000,
        |t| t.period_ms = 2001.try_into().unwrap(),
        |t| t.lanes = 2,
        |t| t.dialing_every = 11,
        |t| t.noise.onions = 2,
        |t| t.noise.alpha_tenths = 21,
        |t| t.epoch_rounds = 65,
        |t| t.entry.address.insert(0, '1'),
        |t| t.entry.ca = CertificateDer::from(vec![1]),
        |t| t.identity.address.insert(0, '1'),
        |t| t.identity.key = *key(101).public(),
        |t| t.hops[1].address.insert(0, '1'),
        |t| t.hops[1].operator.push('1'),
        |t| t.hops.swap(0, 1),
    ];
    let mut hashes = vec![terms().hash()];
    for change in changes {
        let mut changed = terms();
        change(&mut changed);
        let changed = NetworkFile::new(changed).unwrap();
        hashes.push(changed.version().hash);
        // Signatures of the unchanged terms do not fit the changed ones.
        let mut changed = changed;
        let taken = changed.take_signatures(&signed(terms(), &[1]));
        assert!(matches!(
            taken,
            Err(NetworkFileError::NotValid(VerifyError::WrongSignature(who))) if who.contains("hop")
        ));
    }
    let different: std::collections::HashSet<_> = hashes.iter().map(|hash| hash.0).collect();
    assert_eq!(different.len(), hashes.len());
    assert_eq!(signed(terms(), &[1]).version().hash, terms().hash());
}

#[test]
fn every_operator_has_to_sign() {
    for (missing, said) in
        [(0, "Eve (entry)"), (1, "operator 1 (hop 1)"), (3, "operator 3 (hop 3)")]
    {
        let signers: Vec<_> = (0..=3).filter(|i| *i != missing).collect();
        let error = signed(terms(), &signers).verify(NOW, None).unwrap_err();
        assert!(matches!(error, VerifyError::MissingSignature(_)));
        assert!(error.to_string().contains(said), "{error}");
    }
    let nobody = signed(terms(), &[]);
    assert_eq!(nobody.missing(None).len(), 4);
    assert!(nobody.into_known().is_err());
}

#[test]
fn signatures_of_copies_can_be_put_together() {
    let mut file = signed(terms(), &[0, 1]);
    file.take_signatures(&signed(terms(), &[1, 3])).unwrap();
    assert_eq!(
        file.missing(None),
        [Signer { operator: "operator 2".into(), hop: Some(crate::HopIndex(1)) }]
    );
    file.take_signatures(&signed(terms(), &[2])).unwrap();
    assert!(file.verify(NOW, None).is_ok());
}

#[test]
fn a_signature_that_does_not_fit_is_named() {
    let text = signed(terms(), &[0, 1, 2, 3]).to_toml();
    let wrong = |from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        NetworkFile::parse(&changed).unwrap().verify(NOW, None).unwrap_err()
    };
    for error in [wrong("[::1]:7402", "[::1]:9999"), wrong("every = 10", "every = 5")] {
        assert_eq!(error, VerifyError::WrongSignature("Eve (entry)".to_owned()));
    }
    // A stranger's signature does no harm, as long as it fits.
    assert!(signed(terms(), &[0, 1, 2, 3, 9]).verify(NOW, None).is_ok());
    let own = &hex::encode(key(2).public().to_bytes());
    let at = text.rfind(own).unwrap();
    let (before, after) = text.split_at(at);
    let theirs = after.replacen(own, &hex::encode(key(9).public().to_bytes()), 1);
    let stranger = NetworkFile::parse(&[before, &theirs].concat()).unwrap();
    assert!(
        matches!(stranger.into_known(), Err(VerifyError::WrongSignature(who)) if who.len() == 66)
    );
}

#[test]
fn a_file_has_its_time() {
    let file = signed(terms(), &[0, 1, 2, 3]);
    let at = |now| file.clone().verify(UnixMillis(now), None).map(|_| ());
    assert_eq!(at(FROM.0 - 1), Err(VerifyError::NotYetValid(FROM)));
    assert_eq!(at(FROM.0), Ok(()));
    assert_eq!(at(UNTIL.0 - 1), Ok(()));
    let expired = at(UNTIL.0).unwrap_err();
    assert_eq!(expired, VerifyError::Expired(UNTIL));
    let said = expired.to_string();
    assert!(said.contains("until 2030-03-17T17:46:40Z") && said.contains("ask the operator"));
}

#[test]
fn a_successor_is_the_same_network_and_needs_the_old_operators() {
    let known = known();
    let next = signed(replaced(), &[0, 1, 2, 3, 4]).verify(NOW, Some(&known)).unwrap();
    assert_eq!(next.id(), known.version().network);
    assert_ne!(next.version_hash(), known.version().hash);
    // The operator who leaves has to agree.
    let error = signed(replaced(), &[0, 1, 3, 4]).verify(NOW, Some(&known)).unwrap_err();
    assert!(
        matches!(&error, VerifyError::NotSignedBefore { signer, .. } if signer.operator == "operator 2")
    );
    // Whoever has nothing to compare it with takes it.
    assert!(signed(replaced(), &[0, 1, 3, 4]).verify(NOW, None).is_ok());
    assert_eq!(signed(replaced(), &[0]).missing(Some(&known)).len(), 4);

    // The entry is not asked when it is replaced.
    let mut terms = known.next_terms();
    terms.entry = entry(5);
    assert!(signed(terms, &[5, 1, 2, 3]).verify(NOW, Some(&known)).is_ok());
}

#[test]
fn versions_may_be_left_out_as_long_as_the_operators_stay() {
    let all = [0, 1, 2, 3, 4];
    let second = signed(replaced(), &all).into_known().unwrap();
    let mut third = second.next_terms();
    third.lanes = 2;
    assert!(signed(third.clone(), &all).verify(NOW, Some(&known())).is_ok());
    let without_the_former = signed(third, &[0, 1, 3, 4]);
    assert!(without_the_former.clone().verify(NOW, Some(&second)).is_ok());
    let error = without_the_former.verify(NOW, Some(&known())).unwrap_err();
    assert!(matches!(error, VerifyError::NotSignedBefore { sequence: 3, known: 1, .. }));
}

#[test]
fn what_is_older_or_forked_or_elsewhere_is_refused() {
    let all = [0, 1, 2, 3, 4];
    let first = signed(terms(), &all);
    let second = signed(replaced(), &all).into_known().unwrap();
    let back = first.clone().verify(NOW, Some(&second)).unwrap_err();
    assert_eq!(back, VerifyError::RolledBack { sequence: 1, known: 2 });
    assert!(first.verify(NOW, Some(&known())).is_ok());

    let mut fork = replaced();
    fork.lanes = 2;
    let fork = signed(fork, &all);
    assert_eq!(fork.clone().verify(NOW, Some(&second)), Err(VerifyError::Forked(2)));
    let third = fork.into_known().unwrap().next_terms();
    assert_eq!(signed(third, &all).verify(NOW, Some(&second)), Err(VerifyError::OtherPrevious(3)));

    let mut elsewhere = terms();
    elsewhere.name = "Other".to_owned();
    let elsewhere = signed(elsewhere, &all).verify(NOW, Some(&second)).unwrap_err();
    assert_eq!(elsewhere, VerifyError::OtherNetwork("Other".to_owned()));

    let mut faster = second.next_terms();
    faster.period_ms = 1000.try_into().unwrap();
    assert_eq!(signed(faster, &all).verify(NOW, Some(&second)), Err(VerifyError::OtherPeriod));
}

#[test]
fn greetings_of_other_versions_are_refused_with_what_to_do() {
    let first = known().version();
    let second = signed(replaced(), &[]).version();
    let mut fork = replaced();
    fork.lanes = 2;
    let fork = signed(fork, &[]).version();
    assert_eq!(first.greet(&first), Ok(()));
    assert_eq!(second.greet(&first), Err(Refusal::Outdated));
    assert_eq!(first.greet(&second), Err(Refusal::Behind));
    assert_eq!(second.greet(&fork), Err(Refusal::Forked));
    let elsewhere = NetworkVersion { network: NetworkId([0; 32]), ..first };
    assert_eq!(first.greet(&elsewhere), Err(Refusal::Network));
}

#[test]
fn mistakes_are_named() {
    let mut noisy = terms();
    let goal =
        NoiseGoal { epsilon_millionths: 693_147, delta_billionths: 100_000, charged_rounds: 1000 };
    noisy.noise = Noise { onions: 1846, alpha_tenths: 26, goal: Some(goal) };
    let file = signed(noisy, &[0, 1]).to_toml();
    assert!(NetworkFile::parse(&file).is_ok());
    let mistakes = [
        ("period_ms = 2000", "period_ms = 10", "`period_ms` has to be 50 to 3600000"),
        ("period_ms = 2000", "period_ms = 0", "`period_ms` has to be"),
        ("lanes = 1", "lanes = 0", "`lanes` has to be 1 to 16"),
        ("version = 3", "version = 2", "old format 2"),
        ("version = 3", "version = 4", "update it"),
        ("lanes = 1", "lanes = 1\ncolour = 3", "unknown field `colour`"),
        ("127.0.0.1:7400", "127.0.0.1", "not an address of the form host:port"),
        ("127.0.0.1:7400", "a b:7400", "not an address of the form host:port"),
        ("BEGIN", "START", "not a certificate"),
        ("[::1]:7500", "[::1]", "not an address of the form host:port"),
        ("[::1]:7500\"", "[::1]:7500\"\noperator = \"Eve\"", "unknown field `operator`"),
        ("\nkey = \"0", "\nkey = \"1", "`key` is not a key"),
        ("[identity]", "[identities]", "unknown field `identities`"),
        ("operator 1\"", "operator 1\"\nonion_key = \"00\"", "unknown field `onion_key`"),
        ("identity = \"0", "identity = \"zz", "`identity` is not a key"),
        ("identity = \"0", "identity = \"1", "`identity` is not a key"),
        ("sequence = 1", "sequence = 0", "`sequence` has to be"),
        ("sequence = 1", "sequence = 2", "neither `origin` nor `previous`"),
        ("sequence = 1", "sequence = 1\norigin = \"00\"", "`origin` is not a hash"),
        ("valid_from = \"2027-01-15T08:00:00Z", "valid_from = \"2027-01-15", "not a time"),
        (
            "valid_from = \"2027-01-15T08:00:00Z",
            "valid_from = \"2027-01-15T08:00:00.5Z",
            "not a time",
        ),
        ("valid_from = \"2027", "valid_from = \"2031", "later than `valid_from`"),
        ("onions = 1846", "onions = 1847", "`noise.onions` has to be an even number"),
        ("onions = 1846", "onions = 4000002", "`noise.onions` has to be an even number"),
        ("alpha_tenths = 26", "alpha_tenths = 19", "`noise.alpha_tenths` has to be 20 to 40"),
        ("alpha_tenths = 26", "alpha_tenths = 2.6", "invalid type"),
        ("charged_rounds = 1000", "charged_rounds = 0", "charged_rounds` has to be"),
        ("every = 10", "every = 0", "`dialing.every` has to be 1 to 1000"),
        ("epoch_rounds = 64", "epoch_rounds = 1", "`epoch_rounds` has to be 2 to 65536"),
        ("name = \"Test net", "name = \"Test\\u202enet", "is not a name"),
        ("operator = \"Eve", "operator = \" Eve", "is not a name"),
        ("operator = \"Eve", "operator = \"", "is not a name"),
        ("signature = \"", "signature = \"00", "128 hexadecimal digits"),
    ];
    for (from, to, message) in mistakes {
        let changed = file.replacen(from, to, 1);
        assert_ne!(changed, file, "{from}");
        let error = NetworkFile::parse(&changed).unwrap_err().to_string();
        assert!(error.contains(message), "{message}: {error}");
    }
    assert!(NetworkFile::parse(&" ".repeat(NETWORK_FILE_MAX + 1)).is_err());
    assert!(NetworkFile::parse("").is_err());
    // A key signs once.
    let at = file.rfind("[[signature]]").unwrap();
    let twice = [&file, "\n", file.split_at(at).1].concat();
    assert!(matches!(NetworkFile::parse(&twice), Err(NetworkFileError::BadSignature)));
}

#[test]
fn keys_that_stand_twice_are_refused() {
    let refused = |change: fn(&mut Terms)| {
        let mut terms = terms();
        change(&mut terms);
        matches!(NetworkFile::new(terms), Err(NetworkFileError::RepeatedKey(_)))
    };
    assert!(!refused(|_| ()));
    assert!(refused(|t| t.hops[1].identity = t.hops[2].identity));
    assert!(refused(|t| t.hops[1].identity = t.entry.identity));
    assert!(refused(|t| t.identity.key = t.entry.identity));
    assert!(refused(|t| t.identity.key = t.hops[2].identity));
}

#[test]
fn public_parts_are_signed_by_their_own_key() {
    for part in [
        PublicPart::sign(Role::Hop(hop(1)), &key(1)).unwrap(),
        PublicPart::sign(Role::Entry(entry(0), identity()), &key(0)).unwrap(),
    ] {
        let text = part.to_toml();
        assert_eq!(PublicPart::parse(&text).unwrap(), part);
        let moved = text.replacen(":740", ":741", 1);
        assert!(matches!(PublicPart::parse(&moved), Err(NetworkFileError::NotOwn(_))));
        assert!(PublicPart::parse(&[&text, "[dog]\n"].concat()).is_err());
        match part.role() {
            Role::Hop(_) => assert!(part.clone().into_entry().is_err() && part.into_hop().is_ok()),
            Role::Entry(..) => {
                assert!(part.clone().into_hop().is_err() && part.into_entry().is_ok());
            }
        }
    }
    let entry = PublicPart::sign(Role::Entry(entry(0), identity()), &key(0)).unwrap().to_toml();
    let moved = entry.replace(":7500", ":7501");
    assert!(matches!(PublicPart::parse(&moved), Err(NetworkFileError::NotOwn(_))));
    let without = entry.split("[identity]").next().unwrap();
    assert!(PublicPart::parse(without).is_err());
    let stolen = PublicPart::sign(Role::Hop(hop(1)), &key(2));
    assert!(matches!(stolen, Err(NetworkFileError::NotOwn(who)) if who == "operator 1"));
    let nameless = HopInfo { operator: String::new(), ..hop(1) };
    assert!(PublicPart::sign(Role::Hop(nameless), &key(1)).is_err());
}

prop_compose! {
    fn any_terms()(
        name in "[a-z]([a-zA-Z0-9 ._@-]{0,62}[0-9])?",
        (from, length) in (0u64..100_000_000_000, 1u64..100_000_000_000),
        (period_ms, lanes, dialing_every) in (50u64..=3_600_000, 1u8..=16, 1u16..=1000),
        (pairs, alpha_tenths) in (0u32..=2_000_000, 20u8..=40),
        goal in prop::option::of((1u32.., 1u32..=1_000_000_000, 1u64..=1 << 62)),
        (identity_host, identity_key) in ("[a-z0-9.-]{1,40}", 101u8..=200),
        (epoch_rounds, hops, ca) in (2u32..=65_536, 1u8..=16, prop::collection::vec(any::<u8>(), 1..300)),
        history in prop::option::of((2u64..=1 << 62, any::<[u8; 32]>(), any::<[u8; 32]>())),
    ) -> Terms {
        let seconds = |seconds: u64| UnixMillis(seconds * 1000);
        let validity = Validity { from: seconds(from), until: seconds(from + length) };
        let entry = EntryInfo { ca: CertificateDer::from(ca), ..entry(0) };
        let identity = IdentityInfo {
            address: format!("{identity_host}:{}", u16::from(identity_key) * 300),
            key: *key(identity_key).public(),
        };
        let goal = goal.map(|(epsilon_millionths, delta_billionths, charged_rounds)| NoiseGoal {
            epsilon_millionths, delta_billionths, charged_rounds
        });
        Terms {
            sequence: history.map_or(1, |(sequence, ..)| sequence),
            origin: history.map(|(_, origin, _)| NetworkId(origin)),
            previous: history.map(|(.., previous)| VersionHash(previous)),
            period_ms: period_ms.try_into().unwrap(),
            lanes,
            dialing_every,
            noise: Noise { onions: 2 * pairs, alpha_tenths, goal },
            epoch_rounds,
            ..Terms::first(&name, validity, entry, identity, (1..=hops).map(hop).collect())
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_an_error_or_a_file(text: String) {
        let _ = NetworkFile::parse(&text);
        let _ = PublicPart::parse(&text);
    }

    #[test]
    fn files_round_trip(terms in any_terms(), signers in prop::collection::btree_set(0u8..17, 0..4)) {
        let signers: Vec<_> = signers.into_iter().collect();
        let file = signed(terms, &signers);
        let again = NetworkFile::parse(&file.to_toml()).unwrap();
        prop_assert_eq!(&again, &file);
        prop_assert_eq!(again.version(), file.version());
    }

    #[test]
    fn altered_files_are_never_a_network(at: prop::sample::Index, with in 0x20u8..0x7f) {
        let good = signed(terms(), &[0, 1, 2, 3]);
        let mut bytes = good.to_toml().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = with;
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let taken = NetworkFile::parse(&text).ok().and_then(|file| file.verify(NOW, None).ok());
        if let Some(network) = taken {
            prop_assert_eq!(network.version(), good.version());
        }
    }

    #[test]
    fn a_signature_has_no_second_encoding(seed: u64, at in 0usize..64, bit in 0u8..8) {
        let own = IdentitySecret::generate(&mut ChaCha20Rng::seed_from_u64(seed));
        let mut part = HopInfo { identity: *own.public(), ..hop(1) };
        part.operator = "x".to_owned();
        let good = PublicPart::sign(Role::Hop(part), &own).unwrap().to_toml();
        let digits = good.find("signature = \"").unwrap() + 13 + 2 * at;
        let mut bytes = good.into_bytes();
        let digit = u8::from_str_radix(std::str::from_utf8(&bytes[digits..digits + 2]).unwrap(), 16);
        let changed = hex::encode([digit.unwrap() ^ (1 << bit)]);
        bytes[digits..digits + 2].copy_from_slice(changed.as_bytes());
        prop_assert!(PublicPart::parse(std::str::from_utf8(&bytes).unwrap()).is_err());
    }
}
