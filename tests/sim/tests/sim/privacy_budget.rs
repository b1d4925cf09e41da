//! The best attack on the number of pairs, played over charged rounds: it gains what the accountant
//! allows and no more, exceeds it with half of the noise, and always wins without.

use chacha20::ChaCha20Rng;
use rand::{RngExt, SeedableRng};
use talaria_mixnet::mix::noise::pairs::PairDistribution;
use talaria_privacy::lane::{Arrived, is_charged, pairs_idle, pairs_talking};
use talaria_privacy::{Accounted, Fit, Goal, PrivacyLoss, least_noise};
use talaria_sim::each_seed;
use talaria_sim::statistics::Rate;

/// Charged rounds of a trial.
const CHARGED: u32 = 25;
/// Trials: two and a half million charged rounds in all.
const TRIALS: u32 = 100_000;
/// Of each statement about a rate.
const DOUBT: f64 = 1e-6;
/// Where the curve δ(ε) is looked at.
const EPSILONS: [f64; 5] = [0.0, 0.05, 0.1, 0.2, 0.3];

const LANES: [Arrived; 4] = [[true, true], [true, false], [false, true], [false, false]];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Story {
    Talking,
    Idle,
}

/// What arrives of Alice's and of Bob's lane.
#[derive(Clone, Copy, Debug)]
struct Left {
    alice: Arrived,
    bob: Arrived,
}

impl Left {
    fn all() -> impl Iterator<Item = Self> {
        LANES.into_iter().flat_map(|alice| LANES.map(|bob| Self { alice, bob }))
    }

    fn is_charged(self) -> bool {
        let lost = |lane: Arrived| lane.iter().map(|&arrived| u8::from(!arrived)).sum();
        is_charged(lost(self.alice), lost(self.bob))
    }

    fn pairs(self, story: Story) -> u32 {
        u32::from(match story {
            Story::Talking => pairs_talking(self.alice, self.bob),
            Story::Idle => pairs_idle(self.alice, self.bob),
        })
    }

    fn tells(self) -> bool {
        self.pairs(Story::Talking) != self.pairs(Story::Idle)
    }
}

/// The honest hop's noise, as it draws and as the attacker knows it.
struct Noise {
    distribution: Option<PairDistribution>,
    /// The logarithms of the probabilities.
    known: Vec<f64>,
}

impl Noise {
    fn of(noise_onions: u32, alpha: f64) -> Self {
        let distribution = PairDistribution::new(noise_onions, alpha).ok();
        let known = match &distribution {
            Some(distribution) => distribution.weights().map(|w| (w as f64).ln()).collect(),
            None => vec![0.0],
        };
        Self { distribution, known }
    }

    fn pairs(&self, rng: &mut ChaCha20Rng) -> u32 {
        self.distribution.as_ref().map_or(0, |distribution| distribution.sample(rng))
    }

    /// How likely it is that the noise made what is left of `view`.
    fn log_weight(&self, view: u32, others: u32) -> f64 {
        let own = view.checked_sub(others).and_then(|own| self.known.get(own as usize));
        own.copied().unwrap_or(f64::NEG_INFINITY)
    }

    /// By how much the view of a round speaks for talking: the logarithm of the likelihood ratio.
    fn evidence(&self, view: u32, left: Left) -> f64 {
        let [talking, idle] =
            [Story::Talking, Story::Idle].map(|story| self.log_weight(view, left.pairs(story)));
        talking - idle
    }
}

/// One try of the attacker: what the views of all its rounds say together, in either story.
///
/// The noise is drawn once and serves both. Each story is as likely as it would be by itself, and
/// the difference between the two shows after fewer tries.
#[derive(Clone, Copy, Debug)]
struct Trial {
    if_talking: f64,
    if_idle: f64,
}

impl Trial {
    /// The attacker leaves of the lanes what it likes, so that the pairs move in either direction,
    /// and every time something that tells.
    fn run(noise: &Noise, telling: &[Left], rng: &mut ChaCha20Rng) -> Self {
        let (mut if_talking, mut if_idle) = (0.0, 0.0);
        for _ in 0..CHARGED {
            let left = telling[rng.random_range(0..telling.len())];
            let drawn = noise.pairs(rng);
            if_talking += noise.evidence(drawn + left.pairs(Story::Talking), left);
            if_idle += noise.evidence(drawn + left.pairs(Story::Idle), left);
        }
        Self { if_talking, if_idle }
    }
}

/// An attacker who says "they talk" if the evidence is above a threshold.
struct Attack(Vec<Trial>);

impl Attack {
    fn on(noise: &Noise, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let telling: Vec<Left> = Left::all().filter(|left| left.tells()).collect();
        Self((0..TRIALS).map(|_| Trial::run(noise, &telling, &mut rng)).collect())
    }

    fn rate(&self, of: impl Fn(&Trial) -> bool) -> Rate {
        let hits = self.0.iter().filter(|trial| of(trial)).count();
        Rate { hits: u32::try_from(hits).expect("at most all trials"), of: TRIALS }
    }

    fn true_positives(&self, threshold: f64) -> Rate {
        self.rate(|trial| trial.if_talking > threshold)
    }

    fn false_positives(&self, threshold: f64) -> Rate {
        self.rate(|trial| trial.if_idle > threshold)
    }

    /// True positives less e^ε times false positives.
    fn gain(&self, threshold: f64, epsilon: f64) -> Estimate {
        self.difference(threshold).less(epsilon.exp_m1(), self.false_positives(threshold))
    }

    /// The same for who says "they idle", otherwise.
    fn gain_of_the_contrary(&self, threshold: f64, epsilon: f64) -> Estimate {
        let missed = self.rate(|trial| trial.if_talking <= threshold);
        self.difference(threshold).less(epsilon.exp_m1(), missed)
    }

    /// True less false positives: what is right in one story only, less what is wrong in one only.
    fn difference(&self, threshold: f64) -> Estimate {
        let above = |trial: &Trial| (trial.if_talking > threshold, trial.if_idle > threshold);
        let right = self.rate(|trial| above(trial) == (true, false));
        let (least, most) = right.bounds(DOUBT);
        let wrong = self.rate(|trial| above(trial) == (false, true));
        Estimate { least, seen: right.seen(), most }.less(1.0, wrong)
    }
}

/// A number from trials.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    least: f64,
    seen: f64,
    most: f64,
}

impl Estimate {
    fn less(self, times: f64, rate: Rate) -> Self {
        let (least, most) = rate.bounds(DOUBT);
        Self {
            least: self.least - times * most,
            seen: self.seen - times * rate.seen(),
            most: self.most - times * least,
        }
    }
}

/// The least noise for ε = ln 2 and δ = 10⁻⁴.
fn fit() -> Fit {
    let goal = Goal::new(2f64.ln(), 1e-4).expect("a goal");
    least_noise(goal, CHARGED).expect("noise for it")
}

/// δ(ε) as it is accounted.
fn accounted(noise_onions: u32, alpha: f64) -> [f64; EPSILONS.len()] {
    let distribution = PairDistribution::new(noise_onions, alpha).expect("what was found");
    let loss = PrivacyLoss::of_pairs(&distribution);
    EPSILONS.map(|epsilon| {
        let goal = Goal::new(epsilon, 1e-4).expect("a goal");
        Accounted::new(&loss, &loss, CHARGED, goal).delta
    })
}

#[test]
fn the_best_attack_gains_what_is_accounted_and_no_more() {
    let Fit { noise_onions, alpha, .. } = fit();
    let bounds = accounted(noise_onions, alpha);
    let noise = Noise::of(noise_onions, alpha);
    each_seed(1, |seed| {
        let attack = Attack::on(&noise, seed);
        for (epsilon, bound) in EPSILONS.into_iter().zip(bounds) {
            // The threshold at which it gains most (Neyman and Pearson).
            let gain = attack.gain(epsilon, epsilon);
            println!("T = {noise_onions}, ε = {epsilon}: {gain:.4?}, accounted {bound:.4}");
            assert!(gain.least <= bound, "ε = {epsilon}: more than {bound} is gained");
            // The bound is tight, and the attack the best: with a weaker one all would pass.
            assert!(gain.most >= bound, "ε = {epsilon}: {gain:?} of {bound}");
        }
        check_every_threshold(&attack, &bounds);
    });
}

/// No rate of true positives is above what the accounted curve allows for that of false ones.
fn check_every_threshold(attack: &Attack, bounds: &[f64]) {
    for threshold in (-20..=20).map(|step| f64::from(step) / 20.0) {
        let curve = EPSILONS.into_iter().zip(bounds.iter().copied());
        for (epsilon, delta) in curve.chain([(2f64.ln(), 1e-4)]) {
            let gain = attack.gain(threshold, epsilon);
            assert!(gain.least <= delta, "{threshold}, ε = {epsilon}: {gain:?}");
            let gain = attack.gain_of_the_contrary(threshold, epsilon);
            assert!(gain.least <= delta, "{threshold}, ε = {epsilon}: {gain:?}");
        }
    }
}

#[test]
fn with_less_noise_it_gains_more_than_is_accounted_for_all_of_it() {
    let Fit { noise_onions, alpha, .. } = fit();
    let bounds = accounted(noise_onions, alpha);
    each_seed(1, |seed| {
        for percent in [50, 80] {
            let less = noise_onions / 2 * percent / 100 * 2;
            let attack = Attack::on(&Noise::of(less, alpha), seed);
            for (epsilon, bound) in EPSILONS.into_iter().zip(bounds) {
                let gain = attack.gain(epsilon, epsilon);
                println!("T = {less}, ε = {epsilon}: {gain:.4?}, accounted for all {bound:.4}");
                assert!(gain.least > bound, "ε = {epsilon}: the test cannot fail");
            }
        }
    });
}

#[test]
fn without_noise_one_charged_round_is_enough() {
    let noise = Noise::of(0, 2.0);
    let attack = Attack::on(&noise, 0);
    assert_eq!(attack.true_positives(0.0).hits, TRIALS);
    assert_eq!(attack.false_positives(0.0).hits, 0);
    for left in Left::all().filter(|left| left.tells()) {
        assert_eq!(noise.evidence(left.pairs(Story::Talking), left), f64::INFINITY);
        assert_eq!(noise.evidence(left.pairs(Story::Idle), left), f64::NEG_INFINITY);
    }
}

#[test]
fn rounds_that_are_not_charged_say_nothing() {
    for noise in [Noise::of(0, 2.0), Noise::of(40, 2.0)] {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for left in Left::all().filter(|left| !left.is_charged()) {
            for story in [Story::Talking, Story::Idle] {
                let view = noise.pairs(&mut rng) + left.pairs(story);
                assert_eq!(noise.evidence(view, left), 0.0, "{left:?}");
            }
        }
    }
    assert!(Left::all().filter(|left| left.tells()).all(Left::is_charged));
}
