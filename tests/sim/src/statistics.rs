//! Statements about chance that hold for every seed but one in very many.

/// How often something happened.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Times that it did.
    pub hits: u32,
    /// Times that it could have.
    pub of: u32,
}

impl Rate {
    /// The share of hits that was seen.
    #[must_use]
    pub fn seen(self) -> f64 {
        f64::from(self.hits) / f64::from(self.of)
    }

    /// The least and the greatest probability that explain what was seen: outside of each of the
    /// two, what was seen or anything further away has a probability below `doubt`.
    ///
    /// It is Chernoff's bound (Hoeffding, JASA 1963, theorem 1), which holds for all numbers: n
    /// times the relative entropy of the share to the probability is at most ln(1/`doubt`).
    #[must_use]
    pub fn bounds(self, doubt: f64) -> (f64, f64) {
        let (seen, reach) = (self.seen(), doubt.recip().ln() / f64::from(self.of));
        let plausible = |p: f64| relative_entropy(seen, p) <= reach;
        (halve(seen, 0.0, plausible), halve(seen, 1.0, plausible))
    }
}

/// Of a coin of probability `a` to one of probability `b`, in nats.
fn relative_entropy(a: f64, b: f64) -> f64 {
    let part = |a: f64, b: f64| if a == 0.0 { 0.0 } else { a * (a / b).ln() };
    part(a, b) + part(1.0 - a, 1.0 - b)
}

/// The end of the interval from `inside` towards `end` in which `holds` is true.
fn halve(mut inside: f64, end: f64, holds: impl Fn(f64) -> bool) -> f64 {
    if holds(end) {
        return end;
    }
    let mut outside = end;
    for _ in 0..60 {
        let middle = f64::midpoint(inside, outside);
        *(if holds(middle) { &mut inside } else { &mut outside }) = middle;
    }
    outside
}

/// Whether two samples of bytes have distributions that differ, in their values or in one of their
/// bits, beyond what chance does in 1 of 10⁹ cases: Pearson's chi-square for homogeneity.
///
/// The samples should have some thousand bytes each.
#[must_use]
pub fn differ(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (count(one), count(other));
    // A bias of one bit is spread over all values, and may be lost among them.
    let mut bits = (0..8).map(|bit| [&one, &other].map(|counts| count_bit(counts, bit)));
    bits.any(|[one, other]| are_apart(&one, &other)) || are_apart(&one, &other)
}

/// For how often each of several things was seen in two samples.
fn are_apart(one: &[u32], other: &[u32]) -> bool {
    let total = |counts: &[u32]| f64::from(counts.iter().sum::<u32>());
    let shares = [total(one), total(other)].map(|part| part / (total(one) + total(other)));
    let (mut sum, mut cells) = (0.0, 0u32);
    for (a, b) in one.iter().zip(other).filter(|(a, b)| **a + **b > 0) {
        cells += 1;
        for (seen, share) in [a, b].into_iter().zip(shares) {
            let expected = f64::from(a + b) * share;
            sum += (f64::from(*seen) - expected).powi(2) / expected;
        }
    }
    cells > 1 && sum > chi_square_limit(f64::from(cells - 1))
}

/// How often a bit was 0 and 1.
fn count_bit(counts: &[u32; 256], bit: u8) -> [u32; 2] {
    let mut both = [0; 2];
    for (value, count) in counts.iter().enumerate() {
        both[value >> bit & 1] += count;
    }
    both
}

fn count(bytes: &[u8]) -> [u32; 256] {
    let mut counts = [0; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    counts
}

/// Upper 10⁻¹⁰ point of the chi-square distribution (Wilson and Hilferty, PNAS 1931).
fn chi_square_limit(degrees: f64) -> f64 {
    let z = 6.361;
    degrees * (1.0 - 2.0 / (9.0 * degrees) + z * (2.0 / (9.0 * degrees)).sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::{Rng, RngExt, SeedableRng};

    fn random(seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; 8000];
        ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    }

    #[test]
    fn equal_distributions_do_not_differ() {
        assert!((0..300).all(|seed| !differ(&random(seed), &random(seed + 300))));
        assert!(!differ(&[7; 5000], &[7; 4000]));
    }

    #[test]
    fn unequal_ones_do() {
        let mut dice = ChaCha20Rng::seed_from_u64(1);
        let mut one_in = |n| dice.random_ratio(1, n);
        let altered = [
            random(1).iter().map(|byte| byte & !0x10).collect(),
            random(2).iter().map(|byte| if one_in(20) { 3 } else { *byte }).collect(),
            random(3).iter().map(|byte| byte | u8::from(one_in(5))).collect(),
            vec![7; 8000],
        ];
        for altered in &altered {
            assert!(differ(altered, &random(4)) && differ(&random(4), altered));
        }
        assert!(differ(&[7; 5000], &[8; 4000]));
    }

    #[test]
    fn bounds_hold_what_was_seen_and_narrow() {
        for (hits, of) in [(0, 100), (3, 100), (50, 100), (100, 100), (5_000, 10_000)] {
            let rate = Rate { hits, of };
            let (low, high) = rate.bounds(1e-6);
            assert!(low <= rate.seen() && rate.seen() <= high);
            assert!(high - low < 8.0 / f64::from(of).sqrt());
            assert!((low == 0.0) == (hits == 0) && (high == 1.0) == (hits == of));
        }
        // (1 − p)^100 = 10⁻⁶.
        let (_, high) = Rate { hits: 0, of: 100 }.bounds(1e-6);
        assert!((high - (1.0 - 1e-6f64.powf(0.01))).abs() < 1e-12);
    }
}
