//! The bound against exact composition, which is possible for few rounds and small tables.

use super::*;
use proptest::prelude::*;
use talaria_mixnet::mix::noise::pairs::PairDistribution;

fn of_pairs(noise_onions: u32, alpha: f64) -> PrivacyLoss {
    PrivacyLoss::of_pairs(&PairDistribution::new(noise_onions, alpha).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn never_below_the_truth_and_close_to_it(
        half in 2u32..50,
        alpha in 1f64..6.0,
        rounds in 1u32..4,
        epsilon in 0f64..3.0,
        aside in -0.3f64..0.3,
    ) {
        let once = of_pairs(2 * half, alpha);
        let all = (1..rounds).fold(once.clone(), |all, _| all.and(&once));
        let composition = Composition::new(&once, rounds, epsilon, Grid::Fine);
        for at in [epsilon, (epsilon + aside).max(0.0)] {
            let (bound, exact) = (composition.delta(at), all.delta(at));
            prop_assert!(bound >= exact * (1.0 - 1e-12), "{at}: {bound} below {exact}");
            prop_assert!(bound <= exact * 1.01 + 1e-7, "{at}: {bound} far above {exact}");
        }
    }
}

#[test]
fn many_rounds_against_randomized_response() {
    // Two views, e^a to 1: after k rounds the loss is a·(2·Binomial(k, e^a/(1+e^a)) − k).
    let (a, rounds) = (0.01f64, 2_000u32);
    let p = a.exp() / (1.0 + a.exp());
    let once = PrivacyLoss::of_views([(p, 1.0 - p), (1.0 - p, p)]);
    let k = f64::from(rounds);
    let mut log_choose = 0.0;
    let mut exact = 0.0;
    let epsilon = 1.0;
    for i in 0..=rounds {
        let i = f64::from(i);
        let loss = a * (2.0 * i - k);
        let mass = (log_choose + i * p.ln() + (k - i) * (1.0 - p).ln()).exp();
        exact += mass * -(epsilon - loss).min(0.0).exp_m1();
        log_choose += ((k - i) / (i + 1.0)).ln();
    }
    let bound = Composition::new(&once, rounds, epsilon, Grid::Fine).delta(epsilon);
    assert!(bound >= exact * (1.0 - 1e-9) && bound <= exact * 1.002, "{bound} for {exact}");
}

#[test]
fn a_tiny_delta_keeps_its_digits() {
    let once = of_pairs(20_000, 2.4);
    let at = |grid| Composition::new(&once, 1_000, 1.0, grid).delta(1.0);
    let (coarse, fine) = (at(Grid::Coarse), at(Grid::Fine));
    assert!(fine > 0.0 && fine < 1e-7, "{fine}");
    assert!(fine <= coarse && coarse < fine * 1.2, "{coarse} and {fine}");
}

#[test]
fn epsilon_and_delta_are_inverse() {
    let composition = Composition::new(&of_pairs(1_846, 2.6), 1_000, 0.7, Grid::Fine);
    for delta in [1e-3, 1e-4, 1e-5] {
        let epsilon = composition.epsilon(delta).unwrap();
        assert!(composition.delta(epsilon) <= delta);
        assert!(composition.delta(epsilon * 0.9999) > delta);
    }
    assert_eq!(composition.epsilon(1.0), Some(0.0));
    assert_eq!(composition.epsilon(1e-12), None, "certain losses alone are more");
}

#[test]
fn more_rounds_cost_more() {
    let once = of_pairs(628, 3.0);
    let deltas: Vec<f64> = [0, 1, 10, 100, 1_000, 10_000, 1_000_000, MAX_ROUNDS]
        .into_iter()
        .map(|rounds| Composition::new(&once, rounds, 0.7, Grid::Coarse).delta(0.7))
        .collect();
    assert_eq!(deltas[0], 0.0);
    assert!(deltas.is_sorted(), "{deltas:?}");
    assert!(deltas[7] > 0.999);
}

#[test]
fn nothing_is_known_below_the_window() {
    let composition = Composition::new(&of_pairs(1_846, 2.6), 1_000, 0.7, Grid::Coarse);
    assert_eq!(composition.delta(-1e6), 1.0);
    assert!(composition.delta(1e6) < 1e-5);
}
