//! The precomputed multiples of the generator that [`comb`](super::comb) adds up.
//!
//! Window i of 42 holds (2 j + 1) 64^i 4 B for j from 0 to 31, B being the generator: 161,280
//! bytes, computed once per process, in well under a millisecond, from public constants.

use std::sync::OnceLock;

use core::arch::x86_64::__m512i;

use super::Avx512;
use super::edwards::{Extended, generator};
use super::field::Operand;
use super::group::{GROUP, Group};
use super::lanes::{LANES, from_array, splat};

/// Bits of the scalar per window.
pub(super) const WIDTH: u32 = 6;
/// Windows; 42 of 6 bits are the 252 bits of a clamped scalar that are not always zero.
pub(super) const WINDOWS: usize = 42;
/// Points per window: the odd multiples below 64.
const ENTRIES: usize = 32;

/// The 32 addends of a window: for each of the three coordinates and five limbs the entries' values
/// side by side, eight to a register.
pub(super) type Window = [[[__m512i; ENTRIES / LANES]; 5]; 3];

/// Everything that is precomputed.
pub(super) struct Table {
    pub(super) windows: Box<[Window]>,
    /// (2^252 - 1) 4 B, where every sum starts.
    pub(super) start: Extended,
}

/// The table, computed by the first caller.
pub(super) fn table(proof: Avx512) -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let Avx512(()) = proof;
        // SAFETY: `proof` exists only if the processor has the features that the callee enables.
        unsafe { compute() }
    })
}

#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn compute() -> Table {
    let mut windows = vec![[[[splat(0); ENTRIES / LANES]; 5]; 3]; WINDOWS];
    let first = generator().double(2);
    // `generator` is 64^i 4 B in every lane.
    let (mut generator, mut start) = (first, first);
    for (v, windows) in windows.chunks_mut(LANES).enumerate() {
        let mut lanes = generator;
        for i in 0..LANES {
            lanes = lanes.select(&generator, 1 << i);
            generator = generator.double(WIDTH);
            if v * LANES + i + 1 == WINDOWS {
                start = generator.add_point(&first, 0xff);
            }
        }
        fill(windows, &lanes);
    }
    Table { windows: windows.into_boxed_slice(), start }
}

/// Fills up to eight windows with the odd multiples of their generators, one generator per lane.
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn fill(windows: &mut [Window], generators: &Extended) {
    let twice = generators.double(1);
    let mut bytes = vec![[[0; 32]; GROUP]; 3];
    for (c, bytes) in bytes.iter_mut().enumerate() {
        let (mut group, mut point) = (Group::new(), *generators);
        for _ in 0..ENTRIES {
            group.push(&coordinate(&point, c), &point.z.carry());
            point = point.add_point(&twice, 0);
        }
        group.divide(bytes);
    }
    for (w, window) in windows.iter_mut().enumerate() {
        for (rows, bytes) in window.iter_mut().zip(&bytes) {
            for (k, row) in rows.iter_mut().enumerate() {
                for (r, register) in row.iter_mut().enumerate() {
                    let entry = |j: usize| digit(&bytes[(r * LANES + j) * LANES + w], k);
                    *register = from_array([0, 1, 2, 3, 4, 5, 6, 7].map(entry));
                }
            }
        }
    }
}

/// Coordinate `c` of the point's addend, times Z.
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn coordinate(point: &Extended, c: usize) -> Operand {
    let addend = point.addend();
    [addend.sum, addend.difference, addend.product][c]
}

/// Bits 52 `k` to 52 `k` + 51 of a string.
fn digit(bytes: &[u8; 32], k: usize) -> u64 {
    let bit = 52 * k;
    let word = bytes[bit / 8..].iter().take(8).rev().fold(0, |word, &b| word << 8 | u64::from(b));
    (word >> (bit % 8)) & ((1 << 52) - 1)
}
