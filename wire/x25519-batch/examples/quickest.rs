//! The least time per element of every shape of call, over half a second of repetitions each. On a
//! machine that does other work as well the minimum is the figure that repeats; the means, with
//! confidence intervals, are in `cargo bench`.
//!
//! ```text
//! cargo run --release --example quickest
//! ```

#![allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use x25519_batch::Backend;
use x25519_dalek::{PublicKey, StaticSecret};

fn random(seed: u64, n: usize) -> Vec<[u8; 32]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out = vec![[0; 32]; n];
    for bytes in &mut out {
        rng.fill_bytes(bytes);
    }
    out
}

/// Microseconds per element.
fn quickest(elements: u32, mut call: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), Duration::MAX);
    while start.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        call();
        best = best.min(start.elapsed());
    }
    best.as_secs_f64() * 1e6 / f64::from(elements)
}

fn main() {
    println!("microseconds per element    n  one_scalar  many_scalars  base_point");
    for backend in Backend::available() {
        for n in [8_u16, 64, 256, 1024] {
            let (scalars, points) = (random(1, n.into()), random(2, n.into()));
            let mut out = vec![[0; 32]; n.into()];
            let one = quickest(n.into(), || {
                backend.one_scalar(black_box(&scalars[0]), &points, &mut out);
            });
            let many = quickest(n.into(), || {
                backend.many_scalars(black_box(&scalars), &points, &mut out);
            });
            let base = quickest(n.into(), || {
                backend.base_point(black_box(&scalars), &mut out);
            });
            println!("{:22} {n:6} {one:11.2} {many:13.2} {base:11.2}", backend.name());
        }
    }
    let (scalar, point) = (random(1, 1)[0], random(2, 1)[0]);
    let (secret, public) = (StaticSecret::from(scalar), PublicKey::from(point));
    let one = quickest(1, || {
        black_box(secret.diffie_hellman(black_box(&public)));
    });
    let base = quickest(1, || {
        black_box(PublicKey::from(black_box(&secret)));
    });
    println!("{:22} {:6} {one:11.2} {:13} {base:11.2}", "x25519-dalek", 1, "");
    let private = PrivateKey::from_private_key(&X25519, &scalar).expect("32 bytes are a key");
    let one = quickest(1, || {
        let point = UnparsedPublicKey::new(&X25519, black_box(&point));
        let _ = black_box(agree(&private, point, (), |secret| Ok(secret[0])));
    });
    println!("{:22} {:6} {one:11.2}", "aws-lc-rs", 1);
}
