//! The field's operations at the ends of their bounds, against big integers: the intrinsics of
//! `field` and `product`, whose own bounds are asserted inside them, as everywhere in debug builds,
//! and the operations on pairs, which is what the ladder runs.

#![allow(clippy::needless_range_loop)]

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use num_bigint::BigInt;

use super::field::{Element, LIMB, pow2};
use super::group::invert;
use super::lanes::{LANES, from_array, from_bits, to_array, to_bits};
use super::pair::Pair;
use super::product::{multiply, square};
use super::rounding::Nearest;
use super::routines::Work;
use super::{Avx2, PAIR, in_vectors, rounding};
use crate::Backend;

/// Rounds of random limbs.
const ROUNDS: usize = if cfg!(debug_assertions) { 1000 } else { 10_000 };

/// Limbs of four elements.
type Limbs = [[f64; 5]; LANES];

/// Runs a body that needs the features, where the processor has them.
macro_rules! with_features {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            if Avx2::detect().is_some() {
                let _mode = Nearest::new();
                // SAFETY: the processor has the features that the callee enables.
                unsafe { bodies::$name() }
            }
        }
    )*};
}

with_features! {
    products_and_squares limb_4_beyond_2_53 sums_and_differences scaled_sums pairs_equal_vectors
    canonical_form inversion
}

fn p() -> BigInt {
    (BigInt::from(1_u8) << 255) - 19_u8
}

/// The integer that limbs stand for.
fn value(limbs: [f64; 5]) -> BigInt {
    limbs.iter().rev().fold(BigInt::ZERO, |sum, &limb| (sum << 51) + limb as i64)
}

/// The same modulo p.
fn residue(x: &BigInt) -> BigInt {
    let x = x % p();
    if x < BigInt::ZERO { x + p() } else { x }
}

/// Four sets of limbs up to `max` either way, each at random of one kind: all at one end, or so near
/// it that sums go where only the ends take them while low bits vary, a little or all of them,
/// mixtures of both ends, and mixtures with zeros and random values.
fn samples(rng: &mut ChaCha8Rng, max: f64) -> Limbs {
    let mut out = [[max; 5]; LANES];
    for limbs in &mut out {
        let kind = rng.next_u32() % 7;
        let width = [19, 44][rng.next_u32() as usize % 2];
        for limb in limbs {
            let near = max - (rng.next_u64() % (1 << width)) as f64;
            let sign = [1.0, -1.0][rng.next_u32() as usize % 2];
            let random = (rng.next_u64() % (2 * max as u64 + 1)) as f64 - max;
            *limb = match kind {
                0 => max,
                1 => -max,
                2 => near,
                3 => -near,
                4 => sign * max,
                5 => sign * near,
                _ => [0.0, max, -max, random][rng.next_u32() as usize % 4],
            };
        }
    }
    out
}

/// Asserts that a result is within the bound and what it should be.
fn check(result: [f64; 5], expected: &BigInt) {
    for limb in result {
        assert!(limb.abs() <= LIMB, "{limb} is over the bound");
    }
    assert_eq!(residue(&value(result)), residue(expected));
}

mod bodies {
    use super::*;

    #[target_feature(enable = "avx2,fma")]
    fn element(x: &Limbs) -> Element {
        let row = |k: usize| from_array([x[0][k], x[1][k], x[2][k], x[3][k]]);
        Element([row(0), row(1), row(2), row(3), row(4)])
    }

    #[target_feature(enable = "avx2,fma")]
    fn limbs(z: &Element) -> Limbs {
        let mut out = [[0.0; 5]; LANES];
        for k in 0..5 {
            for (i, lane) in to_array(z.0[k]).into_iter().enumerate() {
                out[i][k] = lane;
            }
        }
        out
    }

    /// Two samples as a pair, and apart.
    #[target_feature(enable = "avx2,fma")]
    fn pair(rng: &mut ChaCha8Rng) -> (Pair, [Limbs; 2]) {
        let x = [samples(rng, LIMB), samples(rng, LIMB)];
        (Pair::new([&element(&x[0]), &element(&x[1])]), x)
    }

    /// Checks every lane of a pair against what `expected` makes of its vector and lane.
    #[target_feature(enable = "avx2,fma")]
    fn check_pair(result: &Pair, expected: impl Fn(usize, usize) -> BigInt) {
        for n in 0..2 {
            let result = limbs(&result.element(n));
            for i in 0..LANES {
                check(result[i], &expected(n, i));
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn products_and_squares() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut work = Work::new();
        for _ in 0..ROUNDS {
            let ((a, x), (b, y)) = (pair(&mut rng), pair(&mut rng));
            let mut z = a;
            z.product(&a, &b, &mut work);
            check_pair(&z, |n, i| value(x[n][i]) * value(y[n][i]));
            z.square(&a, &mut work);
            check_pair(&z, |n, i| value(x[n][i]).pow(2));
            let product = limbs(&multiply(&element(&x[0]), &element(&y[0])));
            let squared = limbs(&square(&element(&x[0])));
            for i in 0..LANES {
                check(product[i], &(value(x[0][i]) * value(y[0][i])));
                check(squared[i], &value(x[0][i]).pow(2));
            }
        }
    }

    /// A product whose bracket of limb 4 is 8.6 * 2^50, where doubles are the even numbers: right
    /// only because t(9) is even. Random limbs near their maximum come there once in 1600 times.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn limb_4_beyond_2_53() {
        let x = [
            1_109_188_638_854_942_i64,
            1_092_099_749_381_023,
            1_110_677_009_021_885,
            1_105_424_881_705_731,
            1_116_314_124_489_059,
        ];
        let y = [
            1_099_942_542_088_829_i64,
            1_116_712_447_463_314,
            1_110_065_482_187_080,
            1_108_120_787_169_248,
            1_124_791_445_307_771,
        ];
        let (x, y) = (x.map(|limb| limb as f64), y.map(|limb| limb as f64));
        let (a, b) = (element(&[x; LANES]), element(&[y; LANES]));
        let mut z = Pair::new([&a, &a]);
        z.product(&Pair::new([&a, &b]), &Pair::new([&b, &a]), &mut Work::new());
        check_pair(&z, |_, _| value(x) * value(y));
        check(limbs(&multiply(&a, &b))[0], &(value(x) * value(y)));
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn sums_and_differences() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut work = Work::new();
        for _ in 0..ROUNDS {
            let ((a, x), (b, y)) = (pair(&mut rng), pair(&mut rng));
            let (mut sum, mut difference) = (a, a);
            Pair::sum_and_difference([&mut sum, &mut difference], &a, &b, &mut work);
            check_pair(&sum, |n, i| value(x[n][i]) + value(y[n][i]));
            check_pair(&difference, |n, i| value(x[n][i]) - value(y[n][i]));
            difference.difference(&b, &a, &mut work);
            check_pair(&difference, |n, i| value(y[n][i]) - value(x[n][i]));
            let sum = limbs(&element(&x[0]).add(&element(&y[0])));
            let difference = limbs(&element(&x[0]).sub(&element(&y[0])));
            for i in 0..LANES {
                check(sum[i], &(value(x[0][i]) + value(y[0][i])));
                check(difference[i], &(value(x[0][i]) - value(y[0][i])));
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn scaled_sums() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut work = Work::new();
        for _ in 0..ROUNDS {
            let ((a, x), (b, y)) = (pair(&mut rng), pair(&mut rng));
            let mut z = a;
            z.scaled_sum(&a, &b, &mut work);
            check_pair(&z, |n, i| value(x[n][i]) * 121_666 + value(y[n][i]));
            let scaled = limbs(&element(&x[0]).mul_a24(&element(&y[0])));
            for i in 0..LANES {
                check(scaled[i], &(value(x[0][i]) * 121_666 + value(y[0][i])));
            }
        }
    }

    /// The operations on pairs do the same operations as the intrinsics, only in another order: the
    /// results agree limb by limb.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn pairs_equal_vectors() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut work = Work::new();
        for _ in 0..ROUNDS {
            let ((a, x), (b, y)) = (pair(&mut rng), pair(&mut rng));
            let bits: [u64; PAIR] = core::array::from_fn(|_| rng.next_u64());
            let [first, second] = [[0, 1, 2, 3], [4, 5, 6, 7]].map(|n| n.map(|i: usize| bits[i]));
            let masks = [from_bits(first), from_bits(second)];
            let [mut product, mut squared, mut sum, mut minus] = [a; 4];
            let [mut difference, mut scaled, mut s, mut t] = [a; 4];
            product.product(&a, &b, &mut work);
            squared.square(&a, &mut work);
            Pair::sum_and_difference([&mut sum, &mut minus], &a, &b, &mut work);
            difference.difference(&a, &b, &mut work);
            scaled.scaled_sum(&a, &b, &mut work);
            Pair::select([&mut s, &mut t], [&a, &b], [&b, &a], &masks);
            for n in 0..2 {
                let (a, b) = (element(&x[n]), element(&y[n]));
                let mask = from_bits([first, second][n]);
                for (pair, vector) in [
                    (&product, multiply(&a, &b)),
                    (&squared, square(&a)),
                    (&sum, a.add(&b)),
                    (&minus, a.sub(&b)),
                    (&difference, a.sub(&b)),
                    (&scaled, a.mul_a24(&b)),
                    (&s, a.select(&b, mask)),
                    (&t, b.select(&a, mask)),
                ] {
                    assert_eq!(limbs(&pair.element(n)), limbs(&vector));
                }
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn canonical_form() {
        // Zero of both signs, small numbers around 0 and p, limbs at the powers of two, and numbers
        // whose carries run through all limbs.
        let digit = pow2(51) - 1.0;
        let half = pow2(50);
        let ends: [[f64; 5]; 12] = [
            [0.0; 5],
            [-0.0; 5],
            [1.0, 0.0, 0.0, 0.0, 0.0],
            [-1.0, 0.0, 0.0, 0.0, 0.0],
            [-20.0, 0.0, 0.0, 0.0, 0.0],
            [-19.0, 0.0, 0.0, 0.0, 0.0],
            [-18.0, 0.0, 0.0, 0.0, 0.0],
            [half, half - 1.0, half - 1.0, half - 1.0, half - 1.0],
            [half - 9.0, -half, -half, -half, half],
            [-half, -half, -half, -half, -half],
            [half, half, half, half, half],
            [digit - 2.0 * half, 0.0, 0.0, 0.0, -half],
        ];
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for round in 0..ROUNDS {
            let x = match ends.as_chunks::<LANES>().0.get(round) {
                Some(ends) => *ends,
                None => samples(&mut rng, LIMB),
            };
            let canonical = element(&x).canonical();
            let (digits, zeros) = (canonical.0.map(|limb| to_bits(limb)), canonical.zero_lanes());
            for i in 0..LANES {
                assert!(digits.iter().all(|limb| limb[i] < 1 << 51));
                let digits = digits.map(|limb| limb[i] as f64);
                assert_eq!(value(digits), residue(&value(x[i])), "{:?}", x[i]);
                assert_eq!(to_bits(zeros)[i] == u64::MAX, value(digits) == BigInt::ZERO);
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn inversion() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        for _ in 0..10 {
            let x = samples(&mut rng, LIMB);
            let inverse = limbs(&invert(&element(&x)));
            for i in 0..LANES {
                check(inverse[i], &residue(&value(x[i])).modpow(&(p() - 2_u8), &p()));
            }
        }
    }
}

/// Every rounding mode, flushed denormals, exceptions that are not masked: the caller's environment
/// neither matters nor changes.
#[test]
fn the_callers_rounding_mode_does_not_matter_and_comes_back() {
    let Some(backend) = Backend::avx2() else {
        return;
    };
    let (scalars, points) = ([[7; 32]; 9], [[9; 32]; 9]);
    let mut expected = [[[0; 32]; 9]; 2];
    Backend::portable().many_scalars(&scalars, &points, &mut expected[0]);
    Backend::portable().base_point(&scalars, &mut expected[1]);
    let before = rounding::load();
    for mode in [0x1f80, 0x3f80, 0x5f80, 0x7f80, 0x9fc0, 0xffff, 0x0f80, 0x0000] {
        let mut out = [[[0; 32]; 9]; 2];
        rounding::store(mode);
        backend.many_scalars(&scalars, &points, &mut out[0]);
        backend.base_point(&scalars, &mut out[1]);
        let after = rounding::load();
        rounding::store(before);
        assert_eq!(after, mode, "{mode:#x} has not come back");
        assert_eq!(out, expected, "wrong in mode {mode:#x}");
    }
}

#[test]
fn remainders_below_four_are_left_to_the_portable_backend() {
    assert_eq!([0, 1, 2, 3].map(in_vectors), [0; 4]);
    assert_eq!([4, 5, 7, 8, 9, 11].map(in_vectors), [4, 5, 7, 8, 8, 8]);
    assert_eq!([12, 259, 260].map(in_vectors), [12, 256, 260]);
}

/// The registers are dirty before, so that their being zero after is the wiping's merit.
#[test]
fn registers_are_wiped() {
    let Some(avx2) = Avx2::detect() else {
        return;
    };
    let mut out = [[1_u64; LANES]; 16];
    // SAFETY: the processor has AVX2; the first block writes a register that it declares.
    unsafe { core::arch::asm!("vpcmpeqd ymm7, ymm7, ymm7", out("ymm7") _) };
    avx2.wipe();
    // SAFETY: the processor has AVX; the block writes the 512 bytes of `out` and no register.
    unsafe {
        core::arch::asm!(
            "vmovdqu [{0}], ymm0", "vmovdqu [{0} + 32], ymm1", "vmovdqu [{0} + 64], ymm2",
            "vmovdqu [{0} + 96], ymm3", "vmovdqu [{0} + 128], ymm4", "vmovdqu [{0} + 160], ymm5",
            "vmovdqu [{0} + 192], ymm6", "vmovdqu [{0} + 224], ymm7", "vmovdqu [{0} + 256], ymm8",
            "vmovdqu [{0} + 288], ymm9", "vmovdqu [{0} + 320], ymm10", "vmovdqu [{0} + 352], ymm11",
            "vmovdqu [{0} + 384], ymm12", "vmovdqu [{0} + 416], ymm13",
            "vmovdqu [{0} + 448], ymm14", "vmovdqu [{0} + 480], ymm15",
            in(reg) &raw mut out, options(nostack, preserves_flags),
        );
    }
    assert_eq!(out, [[0; LANES]; 16]);
}
