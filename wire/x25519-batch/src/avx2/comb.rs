//! Multiples of the base point by a comb on the Edwards curve: 51 additions and no doubling.
//!
//! # The digits
//!
//! A clamped scalar is s = 8 t with t below 2^252. With `b_k` the bits of t, of which those from 252
//! on are zero,
//!
//! ```text
//! sum over k < 255 of (2 b_k - 1) 2^k = 2 t - (2^255 - 1)
//! ```
//!
//! so s B = 2 t (4 B) = sum of `(2 b_k - 1) 2^k` (4 B), plus (2^255 - 1) 4 B. Taken five at a time
//! the signs make odd digits from -31 to 31: no digit is zero, nothing is carried from one to the
//! next, and a window needs only the 16 odd multiples below 32. (Signed digits of this kind are
//! Joye and Tunstall's, *Exponent recoding and regular exponentiation algorithms*, 2009.)
//!
//! # Constant time
//!
//! The table is read whole: every lookup loads all 16 entries' limbs, at addresses that depend on
//! the window's number, and `vpermps` and blends pick each lane's entry inside registers. `vpermps`
//! is a crossbar of fixed latency, whatever its indices are. The rest is the field's arithmetic, of
//! which [`ladder`](super::ladder) says what is known. The addition is complete, so no scalar
//! needs another path.

use core::arch::x86_64::{
    __m256d, __m256i, _mm_cvtsi64_si128, _mm256_and_si256, _mm256_blendv_pd, _mm256_castpd_ps,
    _mm256_castps_pd, _mm256_castsi256_pd, _mm256_cmpgt_epi64, _mm256_or_si256,
    _mm256_permutevar8x32_ps, _mm256_sll_epi64, _mm256_slli_epi64, _mm256_srl_epi64,
    _mm256_xor_si256,
};

use zeroize::Zeroize;

use super::PAIR;
use super::edwards::{Addend, Extended, Scratch};
use super::encoding::{Words, clamp, load};
use super::field::Element;
use super::group::{GROUP, Group};
use super::lanes::{LANES, splat_bits};
use super::table::{REGISTERS, Table, WIDTH, WINDOWS, Window};

/// Pairs of vectors that go through the table together, so that each window is brought from the
/// second-level cache once for 64 scalars.
const BLOCK: usize = 8;

/// Sums in progress.
struct Block {
    sums: [Extended; BLOCK],
    scalars: [[Words; 2]; BLOCK],
    scratch: Scratch,
}

impl Drop for Block {
    fn drop(&mut self) {
        self.sums.zeroize();
        for words in &mut self.scalars {
            words.zeroize();
        }
        self.scratch.zeroize();
    }
}

/// Writes the u-coordinates of s B, for every clamped scalar s.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
pub(super) fn base_point(table: &Table, scalars: &[[u8; 32]], out: &mut [[u8; 32]]) {
    for (scalars, out) in scalars.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
        let mut group = Group::new();
        for scalars in scalars.chunks(BLOCK * PAIR) {
            multiply(table, scalars, &mut group);
        }
        group.divide(out);
    }
}

/// Pushes the fractions of up to a block of scalars.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn multiply(table: &Table, scalars: &[[u8; 32]], group: &mut Group) {
    let mut block = Block {
        sums: [table.start; BLOCK],
        scalars: [[[splat_bits(0); 4]; 2]; BLOCK],
        scratch: Scratch::new(),
    };
    for (words, scalars) in block.scalars.iter_mut().zip(scalars.chunks(PAIR)) {
        let (first, second) = scalars.split_at(LANES.min(scalars.len()));
        *words = [clamp(load(first)), clamp(load(second))];
    }
    let pairs = scalars.len().div_ceil(PAIR);
    for (i, window) in table.windows.iter().enumerate() {
        for (sum, [first, second]) in block.sums[..pairs].iter_mut().zip(&block.scalars) {
            add_window(sum, window, [digits(first, i), digits(second, i)], &mut block.scratch);
        }
    }
    for (sum, scalars) in block.sums.iter().zip(scalars.chunks(PAIR)) {
        let [numerator, denominator] = sum.u(&mut block.scratch);
        for n in 0..scalars.len().div_ceil(LANES) {
            group.push(&numerator.element(n), &denominator.element(n));
        }
    }
}

/// Bits 5 i + 3 to 5 i + 7 of the scalars in the low bits of each lane; the rest is not zero.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn digits(scalars: &Words, i: usize) -> __m256i {
    const { assert!(WIDTH as usize * WINDOWS >= 252 && WIDTH as usize * WINDOWS <= 256) };
    let bit = WIDTH as usize * i + 3;
    let (word, shift) = (bit / 64, (bit % 64) as i64);
    let low = _mm256_srl_epi64(scalars[word], _mm_cvtsi64_si128(shift));
    // A shift by 64, where the window starts a word, gives zero.
    match scalars.get(word + 1) {
        Some(next) => _mm256_or_si256(low, _mm256_sll_epi64(*next, _mm_cvtsi64_si128(64 - shift))),
        None => low,
    }
}

/// Adds the multiple 2 w - 31 of the window's generator, w being the low five bits of a lane.
#[inline(never)]
#[target_feature(enable = "avx2,fma")]
fn add_window(sum: &mut Extended, window: &Window, w: [__m256i; 2], scratch: &mut Scratch) {
    // Entry j is 2 j + 1 = 2 w - 31 if w is at least 16, else minus that, and in both cases j is w
    // with its low bits flipped or not.
    let minus = w.map(|w| {
        let top = _mm256_sll_epi64(w, _mm_cvtsi64_si128(64 - i64::from(WIDTH)));
        _mm256_cmpgt_epi64(top, splat_bits(u64::MAX))
    });
    let index = [0, 1].map(|n: usize| Index::new(_mm256_xor_si256(w[n], minus[n])));
    let mut addend = Addend { sum: sum.x, difference: sum.x, product: sum.x };
    addend.sum.set(|n| look_up(&window[0], &index[n]));
    addend.difference.set(|n| look_up(&window[1], &index[n]));
    addend.product.set(|n| look_up(&window[2], &index[n]));
    sum.add(&addend, &minus, scratch);
}

/// A second reference, without which the optimiser would inline the function into its only caller,
/// and `scripts/check-disassembly.sh` would not find it: rustc 1.95 does not pass `inline(never)`
/// on for functions with target features.
// SAFETY: nothing calls through it.
#[used]
static APART: unsafe fn(&mut Extended, &Window, [__m256i; 2], &mut Scratch) = add_window;

/// The number of an entry in each lane.
struct Index {
    /// The 32-bit halves of the double within its register of four.
    halves: __m256i,
    /// Bit 2 of the number, and bit 3, as the top bit.
    bit_2: __m256d,
    bit_3: __m256d,
}

impl Index {
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn new(number: __m256i) -> Index {
        let low = _mm256_and_si256(_mm256_slli_epi64::<1>(number), splat_bits(6));
        let high = _mm256_or_si256(_mm256_slli_epi64::<32>(low), splat_bits(1 << 32));
        Index {
            halves: _mm256_or_si256(low, high),
            bit_2: _mm256_castsi256_pd(_mm256_slli_epi64::<61>(number)),
            bit_3: _mm256_castsi256_pd(_mm256_slli_epi64::<60>(number)),
        }
    }
}

/// Each lane's entry.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn look_up(rows: &[[__m256d; REGISTERS]; 5], index: &Index) -> Element {
    let mut out = rows.map(|row| row[0]);
    for (limb, row) in out.iter_mut().zip(rows) {
        let mut of_row = *row;
        for entry in &mut of_row {
            let doubles = _mm256_castpd_ps(*entry);
            *entry = _mm256_castps_pd(_mm256_permutevar8x32_ps(doubles, index.halves));
        }
        let [a, b, c, d] = of_row;
        let below = _mm256_blendv_pd(a, b, index.bit_2);
        let above = _mm256_blendv_pd(c, d, index.bit_2);
        *limb = _mm256_blendv_pd(below, above, index.bit_3);
    }
    Element::new(out)
}
