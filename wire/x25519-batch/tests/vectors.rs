//! Published vectors, on every backend: RFC 7748, Project Wycheproof, points of low order.
//!
//! Each vector runs in all three shapes of call where it fits, in lane 0 and next to others.

mod support;

use support::{Bytes, backends, base_point, bytes, many_scalars, one_scalar, reference};
use wycheproof::TestResult;
use wycheproof::xdh::{TestFlag, TestName, TestSet};
use x25519_batch::Backend;

const BASE: Bytes = {
    let mut nine = [0; 32];
    nine[0] = 9;
    nine
};

/// Checks one product, alone and repeated over more than a vector.
fn check(backend: Backend, scalar: Bytes, point: Bytes, product: Bytes) {
    let name = backend.name();
    for n in [1, 9] {
        assert_eq!(one_scalar(backend, &scalar, &vec![point; n]), vec![product; n], "{name}");
        let products = many_scalars(backend, &vec![scalar; n], &vec![point; n]);
        assert_eq!(products, vec![product; n], "{name}");
    }
}

#[test]
fn rfc7748_section_5_2() {
    for backend in backends() {
        check(
            backend,
            bytes("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            bytes("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
            bytes("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"),
        );
        check(
            backend,
            bytes("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
            bytes("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493"),
            bytes("95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"),
        );
    }
}

#[test]
fn rfc7748_section_6_1() {
    let alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let alice_public = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    let bob_public = bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    for backend in backends() {
        let publics = base_point(backend, &[alice, bob]);
        assert_eq!(publics, [alice_public, bob_public], "{}", backend.name());
        check(backend, alice, BASE, alice_public);
        check(backend, alice, bob_public, shared);
        check(backend, bob, alice_public, shared);
    }
}

/// The iteration of RFC 7748, section 5.2.
fn iterate(backend: Backend, rounds: u32) -> Bytes {
    let (mut k, mut u) = (BASE, BASE);
    for _ in 0..rounds {
        let mut product = [[0; 32]];
        backend.one_scalar(&k, &[u], &mut product);
        (u, [k]) = (k, product);
    }
    k
}

#[test]
fn rfc7748_iterated_1000_times() {
    let first = bytes("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    let thousandth = bytes("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
    for backend in backends() {
        assert_eq!(iterate(backend, 1), first, "{}", backend.name());
        assert_eq!(iterate(backend, 1000), thousandth, "{}", backend.name());
    }
}

#[test]
#[ignore = "takes a minute in a release build"]
fn rfc7748_iterated_1000000_times() {
    let millionth = bytes("7c3911e0ab2586fd864497297e575e6f3bc601c0883c30df5f4dd2d24f665424");
    for backend in backends() {
        assert_eq!(iterate(backend, 1_000_000), millionth, "{}", backend.name());
    }
}

#[test]
fn wycheproof() {
    let set = TestSet::load(TestName::X25519).unwrap();
    let mut count = 0;
    let (mut scalars, mut points, mut products) = (Vec::new(), Vec::new(), Vec::new());
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        count += 1;
        let fixed = |s: &[u8]| Bytes::try_from(s);
        let Ok(point) = fixed(&test.public_key) else {
            // A string of another length cannot be passed to this interface at all.
            assert!(test.flags.contains(&TestFlag::PublicKeyTooLong), "test {}", test.tc_id);
            continue;
        };
        assert_ne!(test.result, TestResult::Invalid, "test {}", test.tc_id);
        scalars.push(fixed(&test.private_key).unwrap());
        points.push(point);
        products.push(fixed(&test.shared_secret).unwrap());
    }
    assert_eq!(count, set.number_of_tests);
    assert!(products.len() > 500, "{} vectors", products.len());
    for backend in backends() {
        assert_eq!(many_scalars(backend, &scalars, &points), products, "{}", backend.name());
        for ((scalar, point), product) in scalars.iter().zip(&points).zip(&products) {
            assert_eq!(one_scalar(backend, scalar, &[*point]), [*product], "{}", backend.name());
        }
    }
}

/// The u-coordinates of order 1, 2, 4 and 8 on the curve and its twist, and the same plus p and
/// 2p: all the strings that RFC 7748's X25519 maps to zero.
fn low_order() -> Vec<Bytes> {
    let mut points: Vec<Bytes> = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    .map(bytes)
    .into();
    for i in 0..points.len() {
        let mut high = points[i];
        high[31] |= 0x80;
        points.push(high);
    }
    points
}

#[test]
fn low_order_points_give_zero_and_spoil_no_neighbour() {
    let mut rng = support::rng(7);
    let scalars = support::random(&mut rng, 14);
    let (low, good) = (low_order(), support::random(&mut rng, 14));
    // Good points between bad ones, in the same vector and in the same inversion.
    let points: Vec<Bytes> = low.iter().zip(&good).flat_map(|(a, b)| [*a, *b]).collect();
    for backend in backends() {
        for scalar in &scalars {
            for (i, out) in one_scalar(backend, scalar, &points).iter().enumerate() {
                let expected = if i % 2 == 0 { [0; 32] } else { reference(scalar, &points[i]) };
                assert_eq!(*out, expected, "{}, point {i}", backend.name());
            }
            assert_eq!(one_scalar(backend, scalar, &low), vec![[0; 32]; low.len()]);
        }
    }
}

#[test]
fn points_that_are_not_canonical_are_reduced() {
    let scalars = support::random(&mut support::rng(8), 4);
    let mut points = Vec::new();
    // p to p + 18, which is 2^255 - 1, stand for 0 to 18.
    for offset in 0..19_u8 {
        let (mut point, mut reduced) = ([0xff; 32], [0; 32]);
        point[0] = 0xed + offset;
        reduced[0] = offset;
        for high in [0x7f, 0xff] {
            point[31] = high;
            points.push((point, reduced));
        }
        reduced[31] = 0x80;
        points.push((point, reduced));
    }
    let (points, reduced): (Vec<Bytes>, Vec<Bytes>) = points.into_iter().unzip();
    for backend in backends() {
        for scalar in &scalars {
            let products = one_scalar(backend, scalar, &points);
            assert_eq!(products, one_scalar(backend, scalar, &reduced), "{}", backend.name());
            for (point, product) in points.iter().zip(&products) {
                assert_eq!(*product, reference(scalar, point), "{}", backend.name());
            }
        }
    }
}
