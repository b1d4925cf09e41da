//! The field's operations at the ends of their bounds, against big integers; the bounds themselves
//! are asserted inside the operations, as everywhere in debug builds.

#![allow(clippy::needless_range_loop)]

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use num_bigint::BigUint;

use super::Avx512;
use super::field::{BIAS, Factor, LOOSE, Loose, Operand, Reduced, TOP, multiply, square};
use super::group::invert;
use super::lanes::{LANES, from_array, to_array};

const DIGIT: u64 = (1 << 52) - 1;

/// Runs a body that needs the features, where the processor has them.
macro_rules! with_features {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            if Avx512::detect().is_some() {
                // SAFETY: the processor has the features that the callee enables.
                unsafe { bodies::$name() }
            }
        }
    )*};
}

with_features! {
    products_and_squares sums_and_differences_at_the_bounds a24_and_factor canonical_form inversion
}

fn p() -> BigUint {
    (BigUint::from(1_u8) << 255) - 19_u8
}

/// The integer that limbs stand for.
fn value(limbs: [u64; 5]) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |sum, &limb| (sum << 52) + limb)
}

/// The integer that an operand's digits stand for.
fn digits([a, b, c, d, e]: [u64; 5]) -> BigUint {
    value([a & DIGIT, b & DIGIT, c & DIGIT, d & DIGIT, e])
}

/// Eight sets of limbs, below or at `max`: all at the maximum, all zero, and mixtures of maxima,
/// zeros and random values. `junk` is set above the limbs' 52 bits where the multiplier ignores it.
fn samples(rng: &mut ChaCha8Rng, max: [u64; 5], junk: u64) -> [[u64; 5]; LANES] {
    let mut out = [max; LANES];
    for (i, limbs) in out.iter_mut().enumerate().skip(1) {
        for (k, limb) in limbs.iter_mut().enumerate() {
            *limb = match (i, rng.next_u32() % 4) {
                (1, _) | (_, 0) => 0,
                (_, 1) => max[k],
                _ => rng.next_u64() % max[k],
            };
        }
    }
    for limbs in &mut out {
        for limb in &mut limbs[..4] {
            *limb |= junk;
        }
    }
    out
}

const OPERAND: [u64; 5] = [DIGIT, DIGIT, DIGIT, DIGIT, TOP];

mod bodies {
    use super::*;

    #[target_feature(enable = "avx512f")]
    fn vectors(x: &[[u64; 5]; LANES]) -> [core::arch::x86_64::__m512i; 5] {
        let mut z = [from_array([0; LANES]); 5];
        for k in 0..5 {
            let mut row = [0; LANES];
            for i in 0..LANES {
                row[i] = x[i][k];
            }
            z[k] = from_array(row);
        }
        z
    }

    #[target_feature(enable = "avx512f")]
    fn limbs(z: &[core::arch::x86_64::__m512i; 5]) -> [[u64; 5]; LANES] {
        let mut out = [[0; 5]; LANES];
        for k in 0..5 {
            for (i, lane) in to_array(z[k]).into_iter().enumerate() {
                out[i][k] = lane;
            }
        }
        out
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn products_and_squares() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for round in 0..500 {
            let junk = if round % 2 == 0 { 0 } else { !DIGIT };
            let (x, y) = (samples(&mut rng, OPERAND, junk), samples(&mut rng, OPERAND, junk));
            let (a, b) = (Operand(vectors(&x)), Operand(vectors(&y)));
            let [product, other] = multiply([&a, &b], [&b, &b]);
            let [squared] = square([&b]);
            let (product, other) = (limbs(&product.0), limbs(&other.0));
            let squared = limbs(&squared.0);
            for i in 0..LANES {
                let expected = digits(x[i]) * digits(y[i]) % p();
                assert_eq!(value(product[i]) % p(), expected);
                let expected = digits(y[i]) * digits(y[i]) % p();
                assert_eq!(value(other[i]) % p(), expected);
                assert_eq!(value(squared[i]) % p(), expected);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn sums_and_differences_at_the_bounds() {
        assert_eq!(value(BIAS) % p(), BigUint::ZERO);
        for k in 0..5 {
            assert!(BIAS[k] >= LOOSE[k]);
            assert!(BIAS[k].checked_add(LOOSE[k] + DIGIT).is_some());
        }
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..500 {
            let (x, y) = (samples(&mut rng, LOOSE, 0), samples(&mut rng, LOOSE, 0));
            let (a, b) = (Loose::new(vectors(&x)), Loose::new(vectors(&y)));
            let sum = limbs(&a.add(&b).carry().0);
            let difference = limbs(&a.sub(&b).carry().0);
            for i in 0..LANES {
                assert_eq!(digits(sum[i]) % p(), (value(x[i]) + value(y[i])) % p());
                let expected = (value(x[i]) + value(BIAS) - value(y[i])) % p();
                assert_eq!(digits(difference[i]) % p(), expected);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn a24_and_factor() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for round in 0..500 {
            let junk = if round % 2 == 0 { 0 } else { !DIGIT };
            let (x, y) = (samples(&mut rng, OPERAND, junk), samples(&mut rng, LOOSE, 0));
            let a = Operand(vectors(&x));
            let scaled = limbs(&a.mul_a24(&Loose::new(vectors(&y))).carry().0);
            let w = samples(&mut rng, OPERAND, 0);
            let factor = Factor::new(&Reduced(vectors(&w)));
            let product = limbs(&factor.multiply(&a).0);
            // The rows of a factor at their maximum, which no element reaches.
            let rows = Factor([Operand(vectors(&[OPERAND; LANES])); 5]);
            let extreme = limbs(&rows.multiply(&Operand(vectors(&[OPERAND; LANES]))).0);
            let shifts = (0..5).fold(BigUint::ZERO, |sum, k| sum + (BigUint::from(OPERAND[k])));
            for i in 0..LANES {
                let expected = (digits(x[i]) * 121_666_u32 + value(y[i])) % p();
                assert_eq!(digits(scaled[i]) % p(), expected);
                assert_eq!(value(product[i]) % p(), digits(x[i]) * value(w[i]) % p());
                assert_eq!(value(extreme[i]) % p(), &shifts * value(OPERAND) % p());
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn canonical_form() {
        let low = |x: u64| [x, DIGIT, DIGIT, DIGIT, (1 << 47) - 1];
        let ends = [
            [0; 5],
            [1, 0, 0, 0, 0],
            low(DIGIT - 19),
            low(DIGIT - 18),
            low(DIGIT - 17),
            low(DIGIT),
            [0, 0, 0, 0, 1 << 47],
            OPERAND,
        ];
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        for round in 0..500 {
            let x = if round == 0 { ends } else { samples(&mut rng, OPERAND, !DIGIT) };
            let canonical = Operand(vectors(&x)).canonical();
            let (out, zeros) = (limbs(&canonical.0), canonical.zero_lanes());
            for i in 0..LANES {
                assert!(out[i].iter().all(|&limb| limb <= DIGIT));
                assert_eq!(value(out[i]), digits(x[i]) % p());
                assert_eq!(zeros >> i & 1 == 1, value(out[i]) == BigUint::ZERO);
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
    pub(super) fn inversion() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..20 {
            let x = samples(&mut rng, OPERAND, 0);
            let inverse = limbs(&invert(&Operand(vectors(&x))).canonical().0);
            for i in 0..LANES {
                let expected = digits(x[i]).modpow(&(p() - 2_u8), &p());
                assert_eq!(value(inverse[i]), expected);
            }
        }
    }
}
