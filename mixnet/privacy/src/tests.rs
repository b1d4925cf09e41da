//! The check values of PRIVACY.md, and what must hold of every goal.

use super::*;
use talaria_mixnet::mix::noise::pairs::PairDistribution;

fn goal(epsilon: f64, delta: f64) -> Goal {
    Goal::new(epsilon, delta).unwrap()
}

fn ln2() -> Goal {
    goal(2f64.ln(), 1e-4)
}

#[test]
fn least_noise_of_the_table() {
    let fits = |goal, rounds| least_noise(goal, rounds).unwrap();
    assert_eq!(fits(ln2(), 10).noise_onions, 236);
    assert_eq!(fits(ln2(), 100).noise_onions, 626);
    assert_eq!(fits(ln2(), 1_000).noise_onions, 1_846);
    assert_eq!(fits(ln2(), 10_000).noise_onions, 5_668);
    assert_eq!(fits(goal(3f64.ln(), 1e-4), 1_000).noise_onions, 1_238);
}

#[test]
fn a_quarter_of_a_million_rounds() {
    let fit = least_noise(ln2(), 250_000).unwrap();
    assert_eq!((fit.noise_onions, fit.alpha), (27_896, 2.2));
    let spent = fit.accounted(ln2());
    assert!((0.0899..0.0902).contains(&spent.advantage), "{spent:?}");
    assert!(spent.delta <= 1e-4 && spent.epsilon.unwrap() <= 2f64.ln(), "{spent:?}");
    let less = Fit { noise_onions: fit.noise_onions - 20, ..fit };
    assert!(less.accounted(ln2()).delta > 1e-4);
}

#[test]
fn from_the_noise_back_to_the_rounds() {
    for (goal, rounds) in [(ln2(), 1), (ln2(), 100), (ln2(), 1_000), (goal(1.5, 1e-6), 300)] {
        let noise = least_noise(goal, rounds).unwrap().noise_onions;
        let lasts = greatest_rounds(goal, noise).charged_rounds;
        assert!((rounds..=rounds + 1 + rounds / 50).contains(&lasts), "{goal:?} {lasts}");
    }
}

#[test]
fn settings_at_the_edge() {
    let without = greatest_rounds(ln2(), 1);
    assert_eq!((without.noise_onions, without.charged_rounds), (0, 0));
    assert_eq!(least_noise(ln2(), 0).unwrap().noise_onions, 0);
    assert_eq!(least_noise(ln2(), 0).unwrap().accounted(ln2()).advantage, 0.0);
    let bare = Fit { noise_onions: 0, alpha: 2.0, charged_rounds: 1 };
    assert_eq!(bare.accounted(ln2()).advantage, 1.0);
    assert_eq!(least_noise(ln2(), MAX_ROUNDS + 1), None);
    // Anything goes if δ may be 1, and with the least noise there is.
    assert_eq!(least_noise(goal(1.0, 1.0), 1_000).unwrap().noise_onions, 2);
    assert_eq!(greatest_rounds(goal(1.0, 1.0), 2).charged_rounds, MAX_ROUNDS);
}

/// What a number of rounds is worth whose pairs move by `by`, with the noise for 10,000 by one.
fn moved(by: usize, rounds: u32) -> Accounted {
    let table = PairDistribution::new(5_668, 2.4).unwrap();
    let loss = PrivacyLoss::of_pairs_moved(&table, by);
    Accounted::new(&loss, &loss, rounds, ln2())
}

#[test]
fn pairs_moved_by_m_cost_m_squared_rounds_and_a_little() {
    let one = moved(1, 10_000);
    assert!(one.delta <= 1e-4, "{one:?}");
    for (by, squared, within) in [(2, 2_500, 2_420), (3, 1_111, 1_030)] {
        let (many, fewer) = (moved(by, squared), moved(by, within));
        assert!((many.advantage / one.advantage - 1.0).abs() < 0.003, "{many:?}");
        // The ends of the table make the difference, and the accountant knows them.
        assert!((1.1e-4..1.4e-4).contains(&many.delta), "{many:?}");
        assert!((0.9e-4..=1e-4).contains(&fewer.delta), "{fewer:?}");
    }
    // Charged as twice as many rounds, they would tell 20 times what the goal allows.
    assert!(moved(2, 5_000).delta > 20e-4);
}

/// What a likelihood ratio above a threshold tells of one round, P(L > ln γ) − γ·Q(L > ln γ), for every
/// γ that is given, and for γ = ∞.
fn hockey_sticks(p: &[f64], gammas: &[f64]) -> Vec<f64> {
    let moved = |j: usize| if j == 0 { 0.0 } else { p[j - 1] };
    let part = |j: usize, gamma: f64| match moved(j) {
        0.0 => p[j],
        moved => (p[j] - gamma * moved).max(0.0),
    };
    gammas.iter().map(|gamma| (0..p.len()).map(|j| part(j, *gamma)).sum()).collect()
}

fn probabilities((onions, alpha): (u32, f64)) -> Vec<f64> {
    let table = PairDistribution::new(onions, alpha).unwrap();
    table.weights().map(|weight| weight as f64 / 2f64.powi(64)).collect()
}

/// By how much a round under `strong` tells more than one under `weak`, at the worst threshold. Both
/// curves are convex, and the one of `weak` is straight between its own ratios, so it is enough to compare
/// there.
fn excess(weak: (u32, f64), strong: (u32, f64)) -> f64 {
    let (weak, strong) = (probabilities(weak), probabilities(strong));
    let mut gammas: Vec<f64> = weak.windows(2).map(|two| two[1] / two[0]).collect();
    gammas.retain(|gamma| *gamma >= 1.0 && gamma.is_finite());
    gammas.extend([1.0, f64::MAX]);
    let curves = hockey_sticks(&strong, &gammas).into_iter().zip(hockey_sticks(&weak, &gammas));
    curves.map(|(strong, weak)| strong - weak).fold(f64::NEG_INFINITY, f64::max)
}

/// A round under the noise that is planned for more rounds is dominated by one under the noise for
/// fewer. Of noise with a smaller α than that, the ends are too heavy for it, by next to nothing.
#[test]
fn a_round_under_more_noise_tells_no_more_whatever_is_asked() {
    let planned = [(236, 4.0), (626, 3.2), (1_846, 2.6), (5_668, 2.4), (17_682, 2.2)];
    for two in planned.windows(2) {
        assert!(excess(two[0], two[1]) <= 1e-15, "{two:?}: {}", excess(two[0], two[1]));
    }
    let heavier = excess((5_668, 2.4), (8_000, 2.0));
    assert!((1e-9..1e-8).contains(&heavier), "{heavier}");
}

#[test]
fn pairs_moved_by_none_tell_nothing_and_by_all_everything() {
    let table = PairDistribution::new(4, 2.0).unwrap();
    assert!(PrivacyLoss::of_pairs_moved(&table, 0).delta(0.0).abs() < 1e-15);
    for by in [3, 100] {
        assert!((PrivacyLoss::of_pairs_moved(&table, by).delta(9.0) - 1.0).abs() < 1e-15);
    }
}

#[test]
fn nothing_but_certain_losses() {
    // Two onions: 0 or 1 pairs, moved by one. The view in common has no loss.
    let loss = PrivacyLoss::of_pairs(&PairDistribution::new(2, 2.0).unwrap());
    let spent = Accounted::new(&loss, &loss, 3, ln2());
    assert!((spent.delta - 0.875).abs() < 1e-6, "{spent:?}");
    assert!((spent.advantage - 0.875).abs() < 1e-6, "{spent:?}");
    assert_eq!(spent.epsilon, None);
}

#[test]
fn what_a_goal_allows() {
    assert!((goal(2f64.ln(), 0.0001).advantage() - 1.0002 / 3.0).abs() < 1e-12);
    assert!((goal(5_000.0, 1e-4).advantage() - 1.0).abs() < 1e-12);
    assert!((goal(0.0, 0.25).advantage() - 0.25).abs() < 1e-12);
    assert_eq!(Goal::new(-0.1, 0.5), Err(BadGoal::Epsilon));
    assert_eq!(Goal::new(f64::NAN, 0.5), Err(BadGoal::Epsilon));
    assert_eq!(Goal::new(1.0, 0.0), Err(BadGoal::Delta));
    assert_eq!(Goal::new(1.0, 1.5), Err(BadGoal::Delta));
}
