//! Multiples of the base point by a comb on the Edwards curve: 42 additions and no doubling.
//!
//! # The digits
//!
//! A clamped scalar is s = 8 t with t below 2^252. With `b_k` the bits of t,
//!
//! ```text
//! sum over k < 252 of (2 b_k - 1) 2^k = 2 t - (2^252 - 1)
//! ```
//!
//! so s B = 2 t (4 B) = sum of `(2 b_k - 1) 2^k` (4 B), plus (2^252 - 1) 4 B. Taken six at a time
//! the signs make odd digits from -63 to 63: no digit is zero, nothing is carried from one to the
//! next, and a window needs only the 32 odd multiples below 64. (Signed digits of this kind are
//! Joye and Tunstall's, *Exponent recoding and regular exponentiation algorithms*, 2009.)
//!
//! # Constant time
//!
//! The table is read whole: every lookup loads all 32 entries' limbs, at addresses that depend on
//! the window's number, and `vpermi2q` and a masked move pick each lane's entry inside registers.
//! `vpermi2q` is a crossbar of fixed latency, whatever its indices are. The rest is the field's
//! arithmetic, of which [`ladder`](super::ladder) says why it is constant-time. The addition is
//! complete, so no scalar needs another path.

use core::arch::x86_64::{
    __m512i, _mm512_mask_blend_epi64, _mm512_mask_xor_epi64, _mm512_or_si512,
    _mm512_permutex2var_epi64, _mm512_sllv_epi64, _mm512_srlv_epi64, _mm512_test_epi64_mask,
    _mm512_testn_epi64_mask,
};

use zeroize::Zeroize;

use super::edwards::{Addend, Extended};
use super::encoding::{Words, clamp, load};
use super::field::Operand;
use super::group::{GROUP, Group};
use super::lanes::{LANES, splat};
use super::table::{Table, WIDTH, WINDOWS, Window};

/// Vectors that go through the table together, so that each window is brought from the
/// second-level cache once for 64 scalars.
const BLOCK: usize = 8;

/// Sums in progress.
struct Block {
    sums: [Extended; BLOCK],
    scalars: [Words; BLOCK],
}

impl Drop for Block {
    fn drop(&mut self) {
        self.sums.zeroize();
        self.scalars.zeroize();
    }
}

/// Writes the u-coordinates of s B, for every clamped scalar s.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
pub(super) fn base_point(table: &Table, scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
    for (scalars, out) in scalars.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
        let mut group = Group::new();
        for scalars in scalars.chunks(BLOCK * LANES) {
            multiply(table, scalars, &mut group);
        }
        group.divide(out);
    }
}

/// Pushes the fractions of up to a block of scalars.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn multiply(table: &Table, scalars: &[[u8; 32]], group: &mut Group) {
    let mut block = Block { sums: [table.start; BLOCK], scalars: [[splat(0); 4]; BLOCK] };
    let vectors = scalars.len().div_ceil(LANES);
    for (words, scalars) in block.scalars.iter_mut().zip(scalars.chunks(LANES)) {
        *words = clamp(load(scalars));
    }
    for (i, window) in table.windows.iter().enumerate() {
        for v in 0..vectors {
            add_window(&mut block.sums[v], window, digits(&block.scalars[v], i));
        }
    }
    for sum in &block.sums[..vectors] {
        let (numerator, denominator) = sum.u();
        group.push(&numerator, &denominator);
    }
}

/// Bits 6 i + 3 to 6 i + 8 of the scalars in the low bits of each lane; the rest is not zero.
#[inline]
#[target_feature(enable = "avx512f")]
fn digits(scalars: &Words, i: usize) -> __m512i {
    const { assert!(WIDTH as usize * WINDOWS == 252) };
    let bit = WIDTH as usize * i + 3;
    let (word, shift) = (bit / 64, (bit % 64) as u64);
    // A shift by 64, where the window starts a word, gives zero.
    let high = _mm512_sllv_epi64(scalars[(word + 1) % 4], splat(64 - shift));
    _mm512_or_si512(_mm512_srlv_epi64(scalars[word], splat(shift)), high)
}

/// Adds the multiple 2 w - 63 of the window's generator, w being the low six bits of a lane.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512dq")]
fn add_window(sum: &mut Extended, window: &Window, w: __m512i) {
    // Entry j is 2 j + 1 = 2 w - 63 if w is at least 32, else minus that, and in both cases j is w
    // with its low bits flipped or not.
    let minus = _mm512_testn_epi64_mask(w, splat(32));
    let index = _mm512_mask_xor_epi64(w, minus, w, splat(31));
    let addend = Addend {
        sum: look_up(&window[0], index),
        difference: look_up(&window[1], index),
        product: look_up(&window[2], index),
    };
    *sum = sum.add(&addend, &sum.z, minus);
}

/// A second reference, without which the optimiser would inline the function into its only caller,
/// and `scripts/check-disassembly.sh` would not find it: rustc 1.95 does not pass `inline(never)`
/// on for functions with target features.
// SAFETY: nothing calls through it.
#[used]
static APART: unsafe fn(&mut Extended, &Window, __m512i) = add_window;

/// Each lane's entry, by the low five bits of its index.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn look_up(rows: &[[__m512i; 4]; 5], index: __m512i) -> Operand {
    let high = _mm512_test_epi64_mask(index, splat(16));
    let mut out = [index; 5];
    for (limb, [a, b, c, d]) in out.iter_mut().zip(rows) {
        let below = _mm512_permutex2var_epi64(*a, index, *b);
        let above = _mm512_permutex2var_epi64(*c, index, *d);
        *limb = _mm512_mask_blend_epi64(high, below, above);
    }
    Operand(out)
}
