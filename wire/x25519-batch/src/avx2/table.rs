//! The precomputed multiples of the generator that [`comb`](super::comb) adds up.
//!
//! Window i of 51 holds (2 j + 1) 32^i 4 B for j from 0 to 15, B being the generator: 97,920
//! bytes, computed once per process, in about a millisecond, from public constants.

use std::sync::OnceLock;

use core::arch::x86_64::{__m256d, _mm256_setzero_pd};

use super::edwards::{Addend, Extended, Scratch, generator};
use super::encoding::{load_same, unpack};
use super::group::{GROUP, Group};
use super::lanes::{LANES, from_array, from_bits, splat_bits, to_array};
use super::{Avx2, PAIR};

/// Bits of the scalar per window.
pub(super) const WIDTH: u32 = 5;
/// Windows; 51 of 5 bits cover the 252 bits of a clamped scalar that are not always zero.
pub(super) const WINDOWS: usize = 51;
/// Points per window: the odd multiples below 32.
const ENTRIES: usize = 16;
/// Registers that hold one limb of all of them.
pub(super) const REGISTERS: usize = ENTRIES / LANES;

/// The 16 addends of a window: for each of the three coordinates and five limbs the entries' values
/// side by side, four to a register.
pub(super) type Window = [[[__m256d; REGISTERS]; 5]; 3];

/// Everything that is precomputed.
pub(super) struct Table {
    pub(super) windows: Box<[Window]>,
    /// (2^255 - 1) 4 B, where every sum starts.
    pub(super) start: Extended,
}

/// The table, computed by the first caller, who has set the rounding mode.
pub(super) fn table(proof: Avx2) -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let Avx2(()) = proof;
        // SAFETY: `proof` exists only if the processor has the features that the callee enables.
        unsafe { compute() }
    })
}

#[target_feature(enable = "avx2,fma")]
fn compute() -> Table {
    let mut windows = vec![[[[_mm256_setzero_pd(); REGISTERS]; 5]; 3]; WINDOWS];
    let scratch = &mut Scratch::new();
    let first = generator(scratch).double(2, scratch);
    // `generator` is 32^i 4 B in every lane.
    let mut generator = first;
    for windows in windows.chunks_mut(PAIR) {
        let mut lanes = generator;
        for i in 0..windows.len() {
            let mut mask = [[0; LANES]; 2];
            mask[i / LANES][i % LANES] = u64::MAX;
            lanes = lanes.select(&generator, &mask.map(|half| from_bits(half)));
            generator = generator.double(WIDTH, scratch);
        }
        fill(windows, &lanes, scratch);
    }
    let start = generator.add_point(&first, &[splat_bits(u64::MAX); 2], scratch);
    Table { windows: windows.into_boxed_slice(), start }
}

/// Fills up to eight windows with the odd multiples of their generators, one generator per lane.
#[target_feature(enable = "avx2,fma")]
fn fill(windows: &mut [Window], generators: &Extended, scratch: &mut Scratch) {
    const { assert!(ENTRIES * PAIR <= GROUP) };
    let twice = generators.double(1, scratch);
    let mut bytes = vec![[[0; 32]; ENTRIES * PAIR]; 3];
    for (c, bytes) in bytes.iter_mut().enumerate() {
        let (mut group, mut point) = (Group::new(), *generators);
        for _ in 0..ENTRIES {
            let Addend { sum, difference, product } = point.addend(scratch);
            let coordinate = [sum, difference, product][c];
            for n in 0..2 {
                group.push(&coordinate.element(n), &point.z.element(n));
            }
            point = point.add_point(&twice, &[splat_bits(0); 2], scratch);
        }
        group.divide(bytes);
    }
    for (w, window) in windows.iter_mut().enumerate() {
        for (rows, bytes) in window.iter_mut().zip(&bytes) {
            for (r, of_row) in bytes.chunks_exact(LANES * PAIR).enumerate() {
                // Four entries of every generator; this window's are every eighth.
                let limbs = [0, 1, 2, 3].map(|j| limbs(&of_row[j * PAIR + w]));
                for (k, row) in rows.iter_mut().enumerate() {
                    row[r] = from_array(limbs.map(|entry| entry[k]));
                }
            }
        }
    }
}

/// The limbs of a string as an element has them, centred.
#[target_feature(enable = "avx2,fma")]
fn limbs(bytes: &[u8; 32]) -> [f64; 5] {
    unpack(load_same(bytes)).0.map(|limb| to_array(limb)[0])
}
