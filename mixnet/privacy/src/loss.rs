//! The privacy loss of one charged round: how strongly a view speaks for one of two stories.
//!
//! P and Q are the distributions of what the last hop sees if one or the other of two neighbouring
//! stories is true. A view o has the loss ln(P(o)/Q(o)), drawn with o from P (Dwork and Rothblum
//! 2016; Sommer, Meiser and Mohammadi, PETS 2019, section 4). Where Q has nothing, the loss is
//! infinite: that mass gives the story away, and is part of δ as it is.

use talaria_mixnet::mix::noise::pairs::PairDistribution;

/// The privacy-loss distribution of one round, in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct PrivacyLoss {
    atoms: Vec<Atom>,
    infinite: f64,
}

/// Views with the same loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Atom {
    /// ln(P/Q), finite.
    pub(super) loss: f64,
    /// The mass of P.
    pub(super) mass: f64,
}

impl PrivacyLoss {
    /// A round whose pairs move by one, for the integer table itself.
    ///
    /// The table is symmetric, so both directions (one pair more, one pair less) have this loss.
    #[must_use]
    pub fn of_pairs(distribution: &PairDistribution) -> Self {
        Self::of_pairs_moved(distribution, 1)
    }

    /// A round whose pairs move by `by`, in either direction: stories that differ in so many
    /// pairs. It is worth about `by`² rounds whose pairs move by one (`mixnet/PRIVACY.md`,
    /// section 10).
    #[must_use]
    pub fn of_pairs_moved(distribution: &PairDistribution, by: usize) -> Self {
        let mut loss = Self { atoms: Vec::new(), infinite: 0.0 };
        let moved = std::iter::repeat_n(0, by).chain(distribution.weights());
        for (weight, before) in distribution.weights().zip(moved) {
            let mass = weight as f64 / 2f64.powi(64);
            if weight > 0 && before > 0 {
                // They are nearly equal; their exact difference keeps what a quotient loses.
                let step = (i128::from(weight) - i128::from(before)) as f64;
                loss.atoms.push(Atom { loss: (step / before as f64).ln_1p(), mass });
            } else {
                loss.infinite += mass;
            }
        }
        loss
    }

    /// From views with the masses that P and Q give them, each adding up to at most 1.
    pub(super) fn of_views(views: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut loss = Self { atoms: Vec::new(), infinite: 0.0 };
        for (p, q) in views {
            if p > 0.0 && q > 0.0 {
                loss.add(p, (p / q).ln());
            } else {
                loss.infinite += p;
            }
        }
        loss
    }

    /// Adds views of known loss.
    pub(super) fn add(&mut self, mass: f64, loss: f64) {
        if mass > 0.0 {
            self.atoms.push(Atom { loss, mass });
        }
    }

    /// The loss of seeing two independent views: `self`'s and `other`'s.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Self { atoms: Vec::new(), infinite: self.infinite + other.infinite };
        both.infinite -= self.infinite * other.infinite;
        for one in &self.atoms {
            for two in &other.atoms {
                both.add(one.mass * two.mass, one.loss + two.loss);
            }
        }
        both
    }

    /// The mass of P that Q cannot explain at all.
    #[must_use]
    pub fn infinite(&self) -> f64 {
        self.infinite
    }

    /// δ(ε) of one round, directly from its definition.
    #[must_use]
    pub fn delta(&self, epsilon: f64) -> f64 {
        let beyond = |atom: &Atom| atom.mass * -(epsilon - atom.loss).min(0.0).exp_m1();
        self.infinite + self.atoms.iter().map(beyond).sum::<f64>()
    }

    pub(super) fn atoms(&self) -> &[Atom] {
        &self.atoms
    }

    /// The logarithm of E[exp(λL)] over finite losses, and its first two derivatives by λ: the
    /// mean and the variance of the loss, tilted by λ. Nothing but infinite losses: −∞.
    pub(super) fn cumulants(&self, lambda: f64) -> Cumulants {
        let exponent = |atom: &Atom| lambda * atom.loss;
        let top = self.atoms.iter().map(exponent).fold(f64::NEG_INFINITY, f64::max);
        let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
        for atom in &self.atoms {
            let part = atom.mass * (exponent(atom) - top).exp();
            total += part;
            first += part * atom.loss;
            second += part * atom.loss * atom.loss;
        }
        let mean = first / total;
        Cumulants {
            log_moment: total.ln() + top,
            mean,
            variance: (second / total - mean * mean).max(0.0),
        }
    }
}

/// See [`PrivacyLoss::cumulants`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Cumulants {
    pub(super) log_moment: f64,
    pub(super) mean: f64,
    pub(super) variance: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_four_onions_by_hand() {
        // 1/4, 1/2, 1/4, moved by one: the views 0, 1, 2.
        let loss = PrivacyLoss::of_pairs(&PairDistribution::new(4, 2.0).unwrap());
        assert!((loss.infinite() - 0.25).abs() < 1e-15);
        let ln2 = 2f64.ln();
        assert_eq!(loss.atoms().len(), 2);
        assert!((loss.atoms()[0].loss - ln2).abs() < 1e-15);
        assert!((loss.atoms()[1].loss + ln2).abs() < 1e-15);
        assert!((loss.delta(0.0) - 0.5).abs() < 1e-15);
        assert!((loss.delta(ln2) - 0.25).abs() < 1e-15);
        let twice = loss.and(&loss);
        assert!((twice.infinite() - 0.4375).abs() < 1e-15);
        assert!((twice.delta(ln2) - (0.4375 + 0.25 * 0.5)).abs() < 1e-15);
    }

    #[test]
    fn cumulants_are_derivatives() {
        let loss = PrivacyLoss::of_pairs(&PairDistribution::new(40, 2.4).unwrap());
        let (at, step) = (1.5, 1e-4);
        let [below, here, above] = [at - step, at, at + step].map(|x| loss.cumulants(x));
        let first = (above.log_moment - below.log_moment) / (2.0 * step);
        let second = (above.mean - below.mean) / (2.0 * step);
        assert!((first - here.mean).abs() < 1e-6);
        assert!((second - here.variance).abs() < 1e-6);
    }
}
