//! Does the time of a call depend on the scalar or on the point? A statistical test after Reparaz, Balasch and
//! Verbauwhede, *Dude, is my code constant time?* (2017).
//!
//! Two classes of calls, one with a fixed scalar or point and one with random ones, in random order;
//! the times are compared with Welch's t-test, over all of them and with the slowest cut off at several
//! quantiles, where interrupts are. Below 4.5 there is no evidence of a difference; above 10 there
//! certainly is one, and the program fails.
//!
//! ```text
//! cargo bench --bench dudect -- [CALLS]
//! ```

#![allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::process::ExitCode;
use std::time::Instant;

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use x25519_batch::Backend;

type Bytes = [u8; 32];

/// Points, or scalars, per call: one vector of the AVX-512 backend, two of the AVX2 backend's.
const POINTS: usize = 8;

fn main() -> ExitCode {
    let calls = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut worst = 0_f64;
    for backend in Backend::available() {
        let points = [(); POINTS].map(|()| random(&mut rng));
        let scalar = random(&mut rng);
        let mut out = [[0; 32]; POINTS];
        // What the portable backend does is aws-lc's affair: shown, but not judged.
        let judged = backend != Backend::portable();
        let calls = if judged { calls } else { calls / 10 };
        for (fixed_name, fixed) in [("zero", [0; 32]), ("ones", [0xff; 32])] {
            let one = measure(&mut rng, calls, fixed, |scalars| {
                backend.one_scalar(&scalars[0], &points, &mut out);
            });
            let base = measure(&mut rng, calls, fixed, |scalars| {
                backend.base_point(scalars, &mut out);
            });
            // In doubles, the point 0 makes zeros of almost everything that is computed.
            let point = measure(&mut rng, calls, fixed, |points| {
                backend.one_scalar(&scalar, points, &mut out);
            });
            for (call, t) in [("scalar", one), ("base_point", base), ("point", point)] {
                println!("{:8} {call:10} {fixed_name:5} |t| = {t:.2}", backend.name());
                if judged {
                    worst = worst.max(t);
                }
            }
        }
    }
    if worst > 10.0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn random(rng: &mut ChaCha8Rng) -> Bytes {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The largest |t| over the cuts.
fn measure(
    rng: &mut ChaCha8Rng,
    calls: usize,
    fixed: Bytes,
    mut call: impl FnMut(&[Bytes; POINTS]),
) -> f64 {
    let mut samples = Vec::with_capacity(calls);
    for _ in 0..calls {
        // Both classes draw the same random bytes and write the same buffer.
        let drawn = [(); POINTS].map(|()| random(rng));
        let class = rng.next_u32() & 1 == 1;
        let scalars = if class { [fixed; POINTS] } else { drawn };
        let start = Instant::now();
        call(std::hint::black_box(&scalars));
        samples.push((class, start.elapsed().as_secs_f64() * 1e9));
    }
    let mut times: Vec<f64> = samples.iter().map(|&(_, time)| time).collect();
    times.sort_unstable_by(f64::total_cmp);
    [50, 75, 90, 95, 99, 100]
        .map(|percent| welch(&samples, times[(times.len() - 1) * percent / 100]))
        .into_iter()
        .fold(0.0, f64::max)
}

/// |t| of the two classes' times up to `cut`.
#[allow(clippy::cast_precision_loss)]
fn welch(samples: &[(bool, f64)], cut: f64) -> f64 {
    let moments = [false, true].map(|class| {
        let times = || samples.iter().filter(|s| s.0 == class && s.1 <= cut).map(|s| s.1);
        let n = times().count() as f64;
        let mean = times().sum::<f64>() / n;
        (mean, times().map(|time| (time - mean).powi(2)).sum::<f64>() / (n - 1.0) / n)
    });
    (moments[0].0 - moments[1].0).abs() / (moments[0].1 + moments[1].1).sqrt()
}
