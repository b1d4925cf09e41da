//! The figures of the paper, and the exact loss against counting.

use super::*;

fn close(found: f64, expected: f64, part: f64) {
    assert!((found / expected - 1.0).abs() < part, "{found} for {expected}");
}

#[test]
fn the_papers_parameters() {
    for (mu, b, rounds, epsilon, delta) in [
        (150e3, 7.3e3, 70_000, 0.7167, 9.34e-5),
        (300e3, 13.8e3, 250_000, 0.7164, 1.005e-4),
        (450e3, 20e3, 500_000, 0.6986, 9.46e-5),
    ] {
        let bound = Laplace { mu, b }.bound(rounds, 1e-5);
        close(bound.0, epsilon, 5e-4);
        close(bound.1, delta, 5e-4);
    }
}

#[test]
fn the_noise_that_its_bound_asks_for() {
    let goal = Goal::new(2f64.ln(), 1e-4).unwrap();
    for (rounds, noise) in
        [(10_000, 101_496.0), (100_000, 359_655.0), (250_000, 592_971.0), (1_000_000, 1_259_411.0)]
    {
        close(least_noise_by_the_bound(goal, rounds).noise_onions(), noise, 1e-4);
    }
}

#[test]
fn exact_composition_needs_half_of_it() {
    let goal = Goal::new(2f64.ln(), 1e-4).unwrap();
    let exact = least_noise_exactly(goal, 1_000).unwrap();
    close(exact.noise_onions(), 13_980.0, 0.01);
    let spent = exact.accounted(1_000, goal);
    assert!(spent.delta <= 1e-4 && spent.delta > 0.9e-4, "{spent:?}");
}

#[test]
fn losses_are_those_of_the_counts() {
    for (mu, b) in [(40.0, 6.0), (33.7, 5.0)] {
        let count = Count { mu, b };
        let views = |forth: bool| {
            let view = move |n: i32| (count.mass(n), count.mass(n - 2));
            PrivacyLoss::of_views(
                (0..2_000).map(view).map(|(p, q)| if forth { (p, q) } else { (q, p) }),
            )
        };
        for (fast, slow) in [(count.fewer(2), views(true)), (count.more(2), views(false))] {
            for epsilon in [0.0, 0.1, 0.3, 0.5, 2.0] {
                assert!((fast.delta(epsilon) - slow.delta(epsilon)).abs() < 1e-12, "{epsilon}");
            }
        }
    }
}
