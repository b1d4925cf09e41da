//! Every backend against x25519-dalek: random strings, patterns at the limbs' boundaries, all
//! lengths.

#[path = "support/fuzz_body.rs"]
mod fuzz_body;
mod support;

use proptest::prelude::*;
use support::{
    Bytes, backends, base_point, many_scalars, one_scalar, random, reference, reference_public, rng,
};
use x25519_batch::Backend;

/// Random points and scalars; a build without optimisation affords fewer.
const RANDOM: usize = if cfg!(debug_assertions) { 2_000 } else { 10_000 };

/// `n` random pairs, as per-lane scalars and as multiples of the base point.
fn compare_random(backend: Backend, n: usize, seed: u64) {
    let mut rng = rng(seed);
    let mut left = n;
    while left > 0 {
        let len = left.min(1000);
        let (scalars, points) = (random(&mut rng, len), random(&mut rng, len));
        let products = many_scalars(backend, &scalars, &points);
        let publics = base_point(backend, &scalars);
        for i in 0..len {
            let name = backend.name();
            assert_eq!(products[i], reference(&scalars[i], &points[i]), "{name}");
            assert_eq!(publics[i], reference_public(&scalars[i]), "{name}");
        }
        left -= len;
    }
}

#[test]
fn random_pairs() {
    for backend in backends() {
        compare_random(backend, RANDOM, 1);
    }
}

#[test]
#[ignore = "takes minutes in a release build"]
fn random_pairs_a_million() {
    for backend in Backend::available().filter(|&backend| backend != Backend::portable()) {
        compare_random(backend, 1_000_000, 2);
    }
}

#[test]
fn one_scalar_random_points() {
    let mut rng = rng(3);
    let points = random(&mut rng, RANDOM / 4);
    for backend in backends() {
        for scalar in random(&mut rng, 2) {
            let products = one_scalar(backend, &scalar, &points);
            for (point, product) in points.iter().zip(products) {
                assert_eq!(product, reference(&scalar, point), "{}", backend.name());
            }
        }
    }
}

#[test]
fn every_length_to_300() {
    let mut rng = rng(4);
    let (scalars, points) = (random(&mut rng, 300), random(&mut rng, 300));
    let pairs = scalars.iter().zip(&points);
    let products: Vec<Bytes> = pairs.map(|(s, p)| reference(s, p)).collect();
    let same: Vec<Bytes> = points.iter().map(|p| reference(&scalars[0], p)).collect();
    let publics = base_point(Backend::portable(), &scalars);
    for n in 0..=300 {
        // The portable backend treats every element alike; two lengths in a hundred will do.
        for backend in backends().into_iter().filter(|b| n % 50 < 2 || b.name() != "portable") {
            let (s, p) = (&scalars[..n], &points[..n]);
            assert_eq!(one_scalar(backend, &scalars[0], p), same[..n], "length {n}");
            assert_eq!(many_scalars(backend, s, p), products[..n], "length {n}");
            assert_eq!(base_point(backend, s), publics[..n], "length {n}");
        }
    }
}

/// Strings with runs of ones or zeros that end at the boundaries of limbs (51 and 52 bits) and words
/// (64), and single bits there.
fn boundary_patterns() -> Vec<Bytes> {
    let edges =
        [0, 1, 2, 3, 26, 50, 51, 52, 53, 63, 64, 65, 101, 102, 103, 104, 105, 127, 128, 129];
    let edges =
        edges.into_iter().chain([152, 153, 154, 155, 156, 157, 191, 192, 193, 203, 204, 205]);
    let edges = edges.chain([207, 208, 209, 251, 252, 253, 254]);
    let mut out = vec![[0; 32], [0xff; 32], [0xaa; 32], [0x55; 32]];
    for edge in edges.chain([255]) {
        let bit = |i: usize, b: bool| (u8::from(b)) << (i % 8);
        for pattern in [|i, e| i == e, |i, e| i < e, |i, e| i >= e, |i, e| i != e] {
            let pattern: fn(usize, usize) -> bool = pattern;
            let mut bytes = [0; 32];
            for i in 0..256 {
                bytes[i / 8] |= bit(i, pattern(i, edge));
            }
            out.push(bytes);
        }
    }
    out
}

#[test]
fn patterns_at_limb_boundaries() {
    let patterns = boundary_patterns();
    for backend in backends() {
        let publics = base_point(backend, &patterns);
        for (scalar, public) in patterns.iter().zip(publics) {
            let expected = reference_public(scalar);
            assert_eq!(public, expected, "{}, {}", backend.name(), hex::encode(scalar));
        }
        // All pairs would take minutes in a debug build: every seventh scalar, all points.
        for scalar in patterns.iter().step_by(7) {
            for (point, product) in patterns.iter().zip(one_scalar(backend, scalar, &patterns)) {
                assert_eq!(product, reference(scalar, point), "{}", hex::encode(point));
            }
        }
        let reversed: Vec<Bytes> = patterns.iter().rev().copied().collect();
        let products = many_scalars(backend, &patterns, &reversed);
        for i in 0..patterns.len() {
            assert_eq!(products[i], reference(&patterns[i], &reversed[i]));
        }
    }
}

#[test]
fn scalars_differ_by_clamped_bits_only() {
    let mut rng = rng(5);
    let (scalar, points) = (random(&mut rng, 1)[0], random(&mut rng, 8));
    let mut scalars = vec![scalar; 8];
    for (i, scalar) in scalars.iter_mut().enumerate() {
        scalar[0] ^= u8::try_from(i).unwrap();
        scalar[31] ^= if i % 2 == 0 { 0x80 } else { 0 };
    }
    let clamped_apart = |i: usize| reference(&scalar, &points[i]);
    for backend in backends() {
        let products = many_scalars(backend, &scalars, &points);
        assert_eq!(products, (0..8).map(clamped_apart).collect::<Vec<_>>());
        let publics = base_point(backend, &scalars);
        assert_eq!(publics, vec![publics[0]; 8]);
    }
}

#[test]
fn fuzz_body_on_a_small_corpus() {
    for n in [0, 1, 31, 32, 33, 64, 65, 97, 321, 1000] {
        fuzz_body::check(&vec![0; n]);
        fuzz_body::check(&vec![0xff; n]);
        let ramp = (0..n).map(|i| u8::try_from(i % 251).unwrap());
        fuzz_body::check(&ramp.collect::<Vec<_>>());
    }
    for bytes in boundary_patterns() {
        fuzz_body::check(&bytes.repeat(3));
    }
}

#[test]
#[should_panic(expected = "one result per point")]
fn lengths_must_agree() {
    Backend::portable().one_scalar(&[0; 32], &[[9; 32]], &mut []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 32 } else { 512 }))]

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
        fuzz_body::check(&data);
    }

    /// Diffie-Hellman commutes across the shapes of call and the backends.
    #[test]
    fn agreement(a in any::<Bytes>(), b in any::<Bytes>()) {
        for left in backends() {
            for right in backends() {
                let publics = base_point(left, &[a, b]);
                let ab = one_scalar(left, &a, &publics[1..]);
                let ba = many_scalars(right, &[b], &publics[..1]);
                prop_assert_eq!(ab, ba);
            }
        }
    }
}
